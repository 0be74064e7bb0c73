//! The device dies, the host sleeps: a training goes on by itself and comes to the same bytes; Ctrl-C ends the waiting.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use xyloop::folder::StopReason;
use xyloop_tests::{ENDLESS, FIRST_EPOCH, Finished, TINY, WorkFolder, fake, small};

/// Long enough to be disturbed in the middle.
const EPOCHS: [&str; 2] = ["--set", "train.epochs_max=150"];

fn lines_with(done: &Finished, words: &str) -> usize {
    done.stderr.lines().filter(|line| line.contains(words)).count()
}

#[test]
fn a_device_that_is_killed_and_started_again_costs_time_and_nothing_else() {
    let here = WorkFolder::new();
    let reference = here.train(&EPOCHS);
    let served = here.serve(&small(), &["--tcp", "127.0.0.1:0"]);
    let place = served.place.clone();
    let address = place.strip_prefix("tcp://").unwrap().to_owned();
    let other = WorkFolder::new();
    let training = other.start(&[&["train", &small(), "--json", "--device", &place], &TINY[..], &EPOCHS[..]].concat());
    training.wait_for_stderr(FIRST_EPOCH);
    served.process.kill();
    training.wait_for_stderr("trying to reconnect");
    let _again = here.serve(&small(), &["--tcp", &address]);
    let done = training.finish().expect_code(0);
    assert_eq!(lines_with(&done, &format!("lost {place}")), 1, "{done}");
    assert_eq!(lines_with(&done, &format!("{place} is back after")), 1, "{done}");
    let done = done.expect_stderr(&["Outputs go safe by themselves", "it was restarted (power-on)", "staged again"]);
    let [run] = &other.runs()[..] else { panic!("{done}") };
    run.expect_same_result(&reference, "killed and started again");
    run.expect_same_rows(&reference, "killed and started again");
}

#[test]
fn a_host_that_slept_longer_than_the_deadman_goes_on() {
    let here = WorkFolder::new();
    let reference = here.train(&EPOCHS);
    let served = here.serve(&small(), &["--tcp", "--set", "rig.timing.deadman_ms=250"]);
    let other = WorkFolder::new();
    let training =
        other.start(&[&["train", &small(), "--json", "--device", &served.place], &TINY[..], &EPOCHS[..]].concat());
    training.wait_for_stderr(FIRST_EPOCH);
    training.suspend();
    // Something that takes longer than the deadman: a place that answers nothing is given two seconds.
    let silent = fake::listening();
    let _ = here.xyloop(&["device", "info", "--device", &silent]).expect_code(3);
    training.wake();
    let done =
        training.finish().expect_code(0).expect_stderr(&["had gone safe after a silence of the host", "armed again"]);
    assert_eq!(lines_with(&done, "lost "), 0, "the connection outlives it: {done}");
    let [run] = &other.runs()[..] else { panic!("{done}") };
    run.expect_same_result(&reference, "slept");
    run.expect_same_rows(&reference, "slept");
}

#[test]
fn a_host_whose_place_was_taken_while_it_slept_comes_back_to_its_couplings() {
    let here = WorkFolder::new();
    let reference = here.train(&EPOCHS);
    let served = here.serve(&small(), &["--tcp", "--set", "rig.timing.deadman_ms=250"]);
    let other = WorkFolder::new();
    let training =
        other.start(&[&["train", &small(), "--json", "--device", &served.place], &TINY[..], &EPOCHS[..]].concat());
    training.wait_for_stderr(FIRST_EPOCH);
    training.suspend();
    // Whoever asks while the host is silent is let in.
    assert_eq!(here.info(&served.place)["status"]["state"], serde_json::json!({ "Safe": "Deadman" }));
    training.wake();
    let done = training.finish().expect_code(0).expect_stderr(&["is back after", "the same boot"]);
    let [run] = &other.runs()[..] else { panic!("{done}") };
    run.expect_same_result(&reference, "displaced");
    run.expect_same_rows(&reference, "displaced");
}

#[test]
fn ctrl_c_ends_the_waiting_for_a_device_and_keeps_what_was_measured() {
    for way in ["--pty", "--tcp"] {
        let here = WorkFolder::new();
        let served = here.serve(&small(), &[way]);
        let place = served.place.clone();
        let training = here.start(&[&["train", &small(), "--device", &place], &ENDLESS[..]].concat());
        training.wait_for_stderr(FIRST_EPOCH);
        served.process.kill();
        let said = training.wait_for_stderr("trying to reconnect");
        assert!(said.contains(&format!("lost {place}")) && said.contains("Ctrl-C stops"), "{said}");
        let why = training.wait_for_stderr("not yet: ");
        assert!(why.contains(&place), "{why}");
        training.interrupt();
        let done = training.finish().expect_code(1);
        assert_eq!(done.stderr.matches("trying to reconnect").count(), 1, "not after the stop: {done}");
        assert!(done.stdout.contains("interrupted after") && done.stdout.contains("outputs are safe"), "{done}");
        let [run] = &here.runs()[..] else { panic!("{done}") };
        let stop = run.stop();
        assert_eq!(stop.reason, StopReason::Interrupted, "{done}");
        assert_eq!(stop.counts.equilibria_logged as usize, run.rows().len(), "{done}");
        assert!(run.rows().len() >= 64 && !run.metrics().is_empty(), "what was measured is kept: {done}");
        assert_eq!(run.rows().len() % 4, 0, "whole shots only");
        assert_eq!(run.final_files().len(), 7, "and so are the parameters it had reached");
    }
}
