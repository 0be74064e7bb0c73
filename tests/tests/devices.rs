//! Devices that cannot be used: exit code 3, a message that names the place, both sides and the next step.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use xyloop_protocol::{frame::WIRE_VERSION, greeting::Greeting, link, message::SCHEMA_HASH};
use xyloop_tests::{
    ENDLESS, FIRST_EPOCH, Finished, Running, TINY, WorkFolder, config,
    fake::{self, Pty},
    small,
};

fn start(here: &WorkFolder, place: &str) -> Running {
    here.start(&[&["train", &small(), "--device", place], &TINY[..]].concat())
}

/// Ends the command, which must have been refused by the device or the way to it without leaving a run.
fn expect_refusal(here: &WorkFolder, running: Running, words: &[&str]) -> Finished {
    let done = running.finish().expect_code(3).expect_stderr(words);
    assert_eq!(done.stdout, "", "{done}");
    assert!(here.runs().is_empty(), "a run folder was made: {done}");
    done
}

#[test]
fn a_port_that_is_not_there() {
    let here = WorkFolder::new();
    for command in [&["train", &small()][..], &["device", "info", "--config", &small()]] {
        let running = here.start(&[command, &["--device", "/dev/ttyXYLOOP7"]].concat());
        expect_refusal(&here, running, &["there is no port /dev/ttyXYLOOP7", "plugged in"]);
    }
}

#[test]
fn a_file_that_is_no_port() {
    let here = WorkFolder::new();
    let file = here.write("notes.txt", "no port\n");
    expect_refusal(&here, start(&here, &file), &[&file, "is not a serial port", "give a serial port"]);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "no port\n", "it was written to");
    let folder = here.path().to_str().unwrap();
    expect_refusal(&here, start(&here, folder), &[folder, "is not a serial port"]);
}

#[test]
fn a_port_that_another_program_holds() {
    let (here, pty) = (WorkFolder::new(), Pty::new());
    // Exclusive is the default of a serialport::TTYPort.
    let _held = serialport::new(&pty.path, 0).open_native().unwrap();
    expect_refusal(&here, start(&here, &pty.path), &[&pty.path, "in use by another program", "fuser"]);
}

#[test]
fn a_port_on_which_another_xyloop_trains() {
    let here = WorkFolder::new();
    for (way, words) in [(&["--pty"][..], "in use by another program"), (&["--tcp"], "in use by another host")] {
        let served = here.serve(&small(), way);
        let other = WorkFolder::new();
        let first = other.start(&[&["train", &small(), "--device", &served.place], &ENDLESS[..]].concat());
        first.wait_for_stderr(FIRST_EPOCH);
        expect_refusal(&here, start(&here, &served.place), &[&served.place, words]);
        // The one that was there first has not noticed.
        first.interrupt();
        let done = first.finish().expect_code(1);
        assert!(done.stdout.contains("interrupted"), "{done}");
    }
}

#[test]
fn lines_without_a_device() {
    let here = WorkFolder::new();
    let silent = Pty::new();
    let babbling = Pty::new().babbling();
    let echoing = Pty::new().echoing();
    let tcp = fake::listening();
    // Each takes the two seconds that a device is given, so they are tried at the same time.
    let lines = [
        (&silent.path, "(0 bytes came, 0 damaged"),
        (&babbling.path, "damaged"),
        (&echoing.path, "bytes came"),
        (&tcp, "(0 bytes came"),
    ];
    let running = lines.map(|(place, words)| (place, words, start(&here, place)));
    for (place, words, running) in running {
        let done = running.finish().expect_code(3);
        let done = done.expect_stderr(&[place, "is not an xyloop device", words, "device.serial.baud"]);
        assert!(here.runs().is_empty(), "{done}");
    }
}

#[test]
fn addresses_without_a_device() {
    let here = WorkFolder::new();
    let nobody = fake::nobody();
    expect_refusal(&here, start(&here, &nobody), &[&nobody, "nothing answers", "xyloop sim serve --tcp"]);
    let closing = fake::closing();
    expect_refusal(&here, start(&here, &closing), &[&closing, "closed the connection at once"]);
    let unknown = "tcp://host.invalid:5555";
    expect_refusal(&here, start(&here, unknown), &[unknown, "check the address"]);
}

#[test]
fn a_device_of_another_wire_version() {
    let here = WorkFolder::new();
    let theirs = WIRE_VERSION + 1;
    let device = fake::device(link::Config { version: theirs, ..link::Config::device() }, Vec::new());
    let (said, ours) = (format!("speaks wire version {theirs}"), format!("speaks version {WIRE_VERSION}"));
    expect_refusal(&here, start(&here, &device), &[&device, &said, &ours, "install"]);
}

#[test]
fn a_device_with_other_messages() {
    let here = WorkFolder::new();
    let schema_hash = [0xab; 8];
    let greeting = Greeting { schema_hash, ..Greeting::new(1, 2) };
    let device = fake::device(link::Config::device(), greeting.encode(&mut [0; Greeting::MAX]).unwrap().to_vec());
    let ours = format!("{:016x}", u64::from_be_bytes(SCHEMA_HASH));
    let words = [&device, "schema abababababababab", &ours, "same release"];
    expect_refusal(&here, start(&here, &device), &words);
    let info = here.start(&["device", "info", "--device", &device, "--config", &small()]);
    expect_refusal(&here, info, &words);

    let curt = fake::device(link::Config::device(), vec![1, 2, 3]);
    expect_refusal(&here, start(&here, &curt), &[&curt, "too few bytes"]);
}

#[test]
fn a_device_of_another_rig() {
    let here = WorkFolder::new();
    let served = here.serve(&config("rigs/xor-5x5-4nsq.toml"), &["--pty"]);
    let theirs = here.info(&served.place)["wiring_hash"].as_str().unwrap().to_owned();
    let experiment = config("xor.toml");
    let training = here.start(&["train", &experiment, "--device", &served.place]);
    let words = [
        served.place.as_str(),
        "rig `xor-15x15-4nsq`",
        "(225 sites, 1930 couplings, 2 inputs, 1 outputs)",
        &theirs,
        "xyloop device info --device ",
        "give the rig file that describes this device",
    ];
    expect_refusal(&here, training, &words);
    // The same lattice with other converters or another order of its inputs is another rig, too.
    for set in
        ["rig.converters.coupling_bits=12", "rig.converters.field_range=4.5", "rig.lattice.inputs=[[4, 0], [0, 0]]"]
    {
        let training = here.start(&["train", &small(), "--device", &served.place, "--set", set]);
        expect_refusal(&here, training, &["rig `xor-5x5-4nsq`", &theirs, "give the rig file"]);
    }
    // And it is asked nothing it would have to undo.
    let info = here.info(&served.place);
    assert_eq!(info["status"]["state"], serde_json::json!({ "Safe": "Reset" }), "{info}");
}

#[test]
fn a_device_with_another_serial_number_than_the_rig_file_names() {
    let here = WorkFolder::new();
    let served = here.serve(&small(), &["--pty"]);
    let pinned = |serial: &str| format!("rig.device.serial_number={serial}");
    let other = pinned("table-4");
    let training = here.start(&["train", &small(), "--device", &served.place, "--set", &other]);
    let words = [&served.place, "another device", "`table-4`", "`sim-xor-5x5-4nsq`", "device.serial_number"];
    expect_refusal(&here, training, &words);
    here.train(&["--device", &served.place, "--set", &pinned("sim-xor-5x5-4nsq")]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_host_that_floods_a_device_costs_it_no_memory() {
    use std::io::Write;
    let here = WorkFolder::new();
    let served = here.serve(&small(), &["--tcp"]);
    let before = served.process.peak_memory_bytes();
    let mut flood = std::net::TcpStream::connect(served.place.strip_prefix("tcp://").unwrap()).unwrap();
    // Delimiters and rubbish alike; a write returns only when the device has taken what came before.
    for byte in [0, 0xa5] {
        for _ in 0..256 {
            flood.write_all(&vec![byte; 1 << 18]).unwrap();
        }
    }
    drop(flood);
    let taken = served.process.peak_memory_bytes() - before;
    assert!(taken < 32 << 20, "128 MiB came, {taken} bytes were held");
    assert_eq!(here.info(&served.place)["wiring_matches"], true, "the next host is served");
}

#[test]
fn a_host_that_vanishes_leaves_a_device_for_the_next() {
    let here = WorkFolder::new();
    let reference = here.train(&[]);
    for way in ["--pty", "--tcp"] {
        let served = here.serve(&small(), &[way]);
        let other = WorkFolder::new();
        let first = other.start(&[&["train", &small(), "--device", &served.place], &ENDLESS[..]].concat());
        first.wait_for_stderr(FIRST_EPOCH);
        first.kill();
        let run = here.train(&["--device", &served.place]);
        run.expect_same_result(&reference, way);
        run.expect_same_rows(&reference, way);
    }
}
