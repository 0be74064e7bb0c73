//! The firmware in the loop: a Cortex-M in the emulator runs it, drives simulated converter chips with it, is trained as any
//! other device, and comes to the bytes of the in-process device, whatever happens on the way.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::Duration;

use serde_json::json;
use xyloop_tests::{
    ENDLESS, FIRST_EPOCH, PATIENT, TINY, WorkFolder, config,
    emulated::{Emulated, Record, firmware},
    fake, small,
};

/// Long enough to be disturbed in the middle.
const EPOCHS: [&str; 2] = ["--set", "train.epochs_max=60"];
/// Couplings, two fields a site, inputs of that rig.
const OUTPUTS: usize = 150 + 2 * 25 + 2;
/// Deadman and watchdog that bite while a test looks, and not yet when its machine is busy.
const SHORT: [&str; 2] = ["--set", "rig.timing.deadman_ms=1000"];
/// A whole training, on a machine that is busy with other things.
const LONG: Duration = Duration::from_mins(10);
/// The seed of `xor-small` that is solved soonest.
const SOLVED: [&str; 2] = ["--set", "train.seed=3"];

fn train<'a>(place: &'a str, small: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["train", small, "--json", "--device", place], &TINY[..], &EPOCHS[..], more].concat()
}

#[test]
fn a_training_on_the_emulated_board_ends_with_the_bytes_of_one_on_the_simulated_device() {
    let (here, small) = (WorkFolder::new(), small());
    let Some(board) = Emulated::start(&here, &small, &PATIENT) else { return };
    let place = board.place.as_str();
    let info = here.info(place);
    assert_eq!(info["model"], "emulated board (mps2-an386)");
    assert_eq!(info["wiring_matches"], true);
    assert_eq!(info["status"]["state"], json!({ "Safe": "Reset" }));
    assert_eq!(info["boot_cause"], "PowerOn");
    let doctor = here.xyloop(&["device", "doctor", "--device", place, "--config", &small]);
    let _ = doctor.expect_code(0);
    let figures = here
        .xyloop(&["device", "bench", "--shots", "8", "--json", "--device", place, "--config", &small])
        .expect_code(0)
        .json();
    assert!(figures.to_string().contains("shots_per_s"), "{figures}");
    let done = here
        .start(&[&["train", &small, "--json", "--device", place], &SOLVED[..], &PATIENT[..]].concat())
        .finish_within(LONG)
        .expect_code(0);
    let reference = WorkFolder::new();
    let clean = reference
        .start(&[&["train", &small, "--json"], &SOLVED[..], &PATIENT[..]].concat())
        .finish_within(LONG)
        .expect_code(0);
    let [(ours, here), (theirs, there)] =
        [(&here, done), (&reference, clean)].map(|(here, done)| (here.runs().remove(0), done.json()));
    ours.expect_same_result(&theirs, "emulated");
    ours.expect_same_rows(&theirs, "emulated");
    assert_eq!(here["evaluation"], there["evaluation"]);
    let evaluation = ours.evaluation();
    assert_eq!((&evaluation["right"], &evaluation["evaluations"]), (&json!(100), &json!(100)), "{evaluation}");
}

#[test]
fn nothing_but_safe_codes_reaches_a_chip_before_the_first_commit() {
    let (here, small) = (WorkFolder::new(), small());
    let record = here.path().join("chips.csv");
    let arguments = [&PATIENT[..], &["--record", record.to_str().unwrap()]].concat();
    let Some(board) = Emulated::start(&here, &small, &arguments) else { return };
    let place = ["--device", &board.place];
    // Who looks, and who stages without committing.
    here.info(&board.place);
    let _ = here.xyloop(&[&["device", "doctor"], &place[..]].concat()).expect_code(0);
    let _ = here.xyloop(&[&["device", "bench"], &place[..]].concat()).expect_code(0);
    let before = Record::read(&record);
    before.expect_released_with_safe_codes_only(OUTPUTS);
    assert_eq!(before.unsafe_codes(), 0);
    let few = ["--set", "train.epochs_max=1"];
    let _ = here.xyloop(&train(&board.place, &small, &few)).expect_code(0);
    assert!(Record::read(&record).unsafe_codes() > 150, "the record tells codes apart");
}

#[test]
fn read_noise_is_the_same_behind_chips() {
    let (here, small) = (WorkFolder::new(), small());
    let noise = ["--set", "rig.plant.iq_noise=0.0001"];
    let Some(board) = Emulated::start(&here, &small, &[&PATIENT[..], &noise].concat()) else { return };
    let clean = WorkFolder::new();
    let reference = clean.train(&[&EPOCHS[..], &noise].concat());
    let done = here.xyloop(&train(&board.place, &small, &noise)).expect_code(0);
    let [run] = &here.runs()[..] else { panic!("{done}") };
    run.expect_same_rows(&reference, "noise");
}

#[test]
fn the_second_serial_port_carries_the_chips_as_well() {
    let (here, small) = (WorkFolder::new(), small());
    let arguments = [&PATIENT[..], &["--chips", "uart", "--tcp"]].concat();
    let Some(board) = Emulated::start(&here, &small, &arguments) else { return };
    assert!(board.place.starts_with("tcp://"), "{}", board.place);
    let few = ["--set", "train.epochs_max=3", "--set", "eval.starts=2"];
    let clean = WorkFolder::new();
    let reference = clean.train(&few);
    let done = here.xyloop(&train(&board.place, &small, &few)).expect_code(0);
    let [run] = &here.runs()[..] else { panic!("{done}") };
    run.expect_same_result(&reference, "UART");
    run.expect_same_rows(&reference, "UART");
}

#[test]
fn a_bad_line_costs_time_and_nothing_else() {
    let (here, small) = (WorkFolder::new(), small());
    let Some(board) = Emulated::start(&here, &small, &PATIENT) else { return };
    let clean = WorkFolder::new();
    let reference = clean.train(&EPOCHS);
    let faults = ["--fault", "bit-error=1e-4,drop=0.05,duplicate=0.01,reorder=0.01,seed=5"];
    let done = here.start(&train(&board.place, &small, &faults)).finish_within(LONG).expect_code(0);
    let [run] = &here.runs()[..] else { panic!("{done}") };
    run.expect_same_result(&reference, "bad line");
    run.expect_same_rows(&reference, "bad line");
}

#[test]
fn a_reset_in_the_middle_of_a_run_costs_time_and_nothing_else() {
    let (here, small) = (WorkFolder::new(), small());
    let record = here.path().join("chips.csv");
    let arguments = [&PATIENT[..], &["--record", record.to_str().unwrap()]].concat();
    let Some(board) = Emulated::start(&here, &small, &arguments) else { return };
    let clean = WorkFolder::new();
    let reference = clean.train(&EPOCHS);
    let training = here.start(&train(&board.place, &small, &[]));
    training.wait_for_stderr(FIRST_EPOCH);
    board.monitor().reset().unwrap();
    let done = training.finish().expect_code(0).expect_stderr(&["it was restarted", "staged again"]);
    let [run] = &here.runs()[..] else { panic!("{done}") };
    run.expect_same_result(&reference, "reset");
    run.expect_same_rows(&reference, "reset");
    assert_eq!(here.info(&board.place)["boot_cause"], "Unknown");
    let record = Record::read(&record);
    assert_eq!(record.hellos(), 2);
    record.expect_released_with_safe_codes_only(OUTPUTS);
}

#[test]
fn a_stuck_firmware_is_restarted_by_its_watchdog_and_a_panic_leaves_its_last_words() {
    for (mishap, cause, note) in
        [("hang=40", "Watchdog", "the main loop did not come round"), ("panic=40", "Panic", "as was asked for")]
    {
        let (here, small) = (WorkFolder::new(), small());
        let record = here.path().join("chips.csv");
        let arguments = [&SHORT[..], &["--mishap", mishap, "--record", record.to_str().unwrap()]].concat();
        let Some(board) = Emulated::start(&here, &small, &arguments) else { return };
        let clean = WorkFolder::new();
        let reference = clean.train(&EPOCHS);
        let done = here.xyloop(&train(&board.place, &small, &SHORT)).expect_code(0);
        let done = done.expect_stderr(&["it was restarted", note, "staged again"]);
        let [run] = &here.runs()[..] else { panic!("{done}") };
        run.expect_same_result(&reference, mishap);
        run.expect_same_rows(&reference, mishap);
        let info = here.info(&board.place);
        assert_eq!(info["boot_cause"], cause, "{info}");
        assert!(info["boot_note"].as_str().unwrap().contains(note), "{info}");
        Record::read(&record).expect_released_with_safe_codes_only(OUTPUTS);
    }
}

#[test]
fn a_plant_that_is_killed_is_a_fault_that_can_be_cleared() {
    let (here, small) = (WorkFolder::new(), small());
    let record = here.path().join("chips.csv");
    let arguments = [&PATIENT[..], &["--record", record.to_str().unwrap()]].concat();
    let Some(board) = Emulated::start(&here, &small, &arguments) else { return };
    let place = board.place.as_str();
    let training = here.start(&[&["train", &small, "--json", "--device", place], &ENDLESS[..]].concat());
    training.wait_for_stderr(FIRST_EPOCH);
    board.signal_plant("KILL");
    let _ = training.finish().expect_code(3).expect_stderr(&["converter", "device clear"]);
    assert_eq!(here.info(place)["status"]["state"], json!({ "Faulted": "Converter" }));
    board.process.wait_for_stderr("the plant ended");
    // The second one, with chips fresh from power-on.
    let _ = here.xyloop(&["device", "clear", "--device", place]).expect_code(0);
    assert_eq!(Record::read(&record).unsafe_codes_since_the_last_cut(), 0, "cleared is not armed");
    let clean = WorkFolder::new();
    let reference = clean.train(&EPOCHS);
    let done = here.xyloop(&train(place, &small, &[])).expect_code(0);
    here.runs().last().unwrap().expect_same_result(&reference, &done.to_string());
    Record::read(&record).expect_released_with_safe_codes_only(OUTPUTS);
}

#[test]
fn a_plant_that_dies_while_nobody_looks_is_a_fault_as_soon_as_an_output_is_driven() {
    let (here, small) = (WorkFolder::new(), small());
    let Some(board) = Emulated::start(&here, &small, &PATIENT) else { return };
    let place = board.place.as_str();
    // It has set up its chips.
    assert_eq!(here.info(place)["status"]["state"], json!({ "Safe": "Reset" }));
    board.signal_plant("KILL");
    board.process.wait_for_stderr("the plant ended");
    let few = ["--set", "train.epochs_max=3", "--set", "eval.starts=2"];
    let _ = here.xyloop(&train(place, &small, &few)).expect_code(3).expect_stderr(&["converter", "device clear"]);
    let _ = here.xyloop(&["device", "clear", "--device", place]).expect_code(0);
    let clean = WorkFolder::new();
    let reference = clean.train(&few);
    let done = here.xyloop(&train(place, &small, &few)).expect_code(0);
    here.runs().last().unwrap().expect_same_result(&reference, &done.to_string());
}

#[test]
fn a_plant_of_another_rig_is_refused() {
    let (here, small) = (WorkFolder::new(), small());
    if firmware().is_none() {
        return;
    }
    let plant = here.start(&["sim", "plant", "--tcp", "--config", &config("iris.toml")]);
    let address = plant.wait_for_stdout("tcp://");
    let elf = firmware().unwrap().to_str().unwrap();
    let board = here.start(&["sim", "board", "--config", &small, "--firmware", elf, "--plant", &address]);
    let place = board.wait_for_stdout("/");
    plant.wait_for_stderr("the board has the image of another rig");
    // It waits for its chips for as long as a host waits for a device: a host asks again.
    let ask = || here.xyloop(&["device", "info", "--json", "--device", &place]);
    let info = (0..20).map(|_| ask()).find(|asked| asked.status.success()).expect("it answers");
    assert_eq!(info.json()["status"]["state"], json!({ "Faulted": "Converter" }));
    board.stop();
}

#[test]
fn an_emulator_that_stood_still_goes_on_from_safe_outputs() {
    let (here, small) = (WorkFolder::new(), small());
    let record = here.path().join("chips.csv");
    let arguments = [&SHORT[..], &["--record", record.to_str().unwrap()]].concat();
    let Some(board) = Emulated::start(&here, &small, &arguments) else { return };
    let clean = WorkFolder::new();
    let reference = clean.train(&EPOCHS);
    let training = here.start(&train(&board.place, &small, &SHORT));
    training.wait_for_stderr(FIRST_EPOCH);
    board.signal_emulator("STOP");
    training.wait_for_stderr("has been silent");
    board.signal_emulator("CONT");
    let done = training.finish().expect_code(0);
    let [run] = &here.runs()[..] else { panic!("{done}") };
    run.expect_same_result(&reference, "stood still");
    run.expect_same_rows(&reference, "stood still");
    Record::read(&record).expect_released_with_safe_codes_only(OUTPUTS);
}

#[test]
fn a_host_that_stands_still_makes_the_emulated_outputs_safe() {
    let (here, small) = (WorkFolder::new(), small());
    let record = here.path().join("chips.csv");
    let arguments = [&SHORT[..], &["--tcp", "--record", record.to_str().unwrap()]].concat();
    let Some(board) = Emulated::start(&here, &small, &arguments) else { return };
    let clean = WorkFolder::new();
    let reference = clean.train(&EPOCHS);
    let training = here.start(&train(&board.place, &small, &SHORT));
    training.wait_for_stderr(FIRST_EPOCH);
    training.suspend();
    // Something that takes longer than the deadman: a place that answers nothing is given two seconds.
    let _ = here.xyloop(&["device", "info", "--device", &fake::listening()]).expect_code(3);
    let stopped = Record::read(&record);
    let last = stopped.entries().iter().rev().take_while(|entry| entry.event != "mark").collect::<Vec<_>>();
    assert!(last.iter().any(|entry| entry.event == "clear" && entry.code == 0), "outputs were not cut");
    stopped.expect_released_with_safe_codes_only(OUTPUTS);
    assert_eq!(stopped.unsafe_codes_since_the_last_cut(), 0, "nobody has armed it since");
    training.wake();
    let done = training.finish().expect_code(0).expect_stderr(&["armed again"]);
    let [run] = &here.runs()[..] else { panic!("{done}") };
    run.expect_same_result(&reference, "host stood still");
    run.expect_same_rows(&reference, "host stood still");
}

#[test]
fn a_board_without_firmware_or_emulator_says_what_to_do() {
    let here = WorkFolder::new();
    let board = ["sim", "board", "--config", &small()].map(str::to_owned);
    let with = |more: [&str; 2]| here.xyloop(&[&board[..], &more.map(str::to_owned)].concat());
    let _ = with(["--firmware", "nowhere.elf"]).expect_code(2).expect_stderr(&["nowhere.elf", "firmware/boards/build"]);
    let elf = here.write("some.elf", "not one");
    let missing =
        here.xyloop(&[&board[..], &["--firmware", &elf, "--qemu", "no-such-emulator"].map(str::to_owned)].concat());
    let _ = missing.expect_code(3).expect_stderr(&["no-such-emulator", "apt-get install qemu-system-arm"]);
}
