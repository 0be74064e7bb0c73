//! A served device over a line that does harm, and under a name that stays.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{net::TcpStream, path::Path};

use xyloop_tests::{Run, Served, TINY, WorkFolder, small};

/// A bit of everything that a host has to put up with in one connection.
const FAULTS: &str = "bit-error=2e-6,drop=0.06,insert=0.03,duplicate=0.1,reorder=0.1,truncate=0.03,burst=0.03,\
                      stall=0.02,stall-ms=60,seed=7";

/// Ends a served device with Ctrl-C; what it has said on stderr.
fn end(served: Served) -> String {
    served.process.interrupt();
    served.process.finish().expect_code(0).stderr
}

#[test]
fn faults_on_the_line_change_no_byte_of_the_result() {
    let here = WorkFolder::new();
    let clean = here.train(&[]);
    let served = here.serve(&small(), &["--tcp", "--fault", FAULTS, "--trace", "line.pcap"]);
    served.process.wait_for_stderr("faults on the line, both directions: bit-error=2e-6,drop=0.06,");
    let run = here.train(&["--device", &served.place]);
    run.expect_same_result(&clean, FAULTS);
    run.expect_same_rows(&clean, FAULTS);
    let said = end(served);
    for direction in ["host -> device", "host <- device"] {
        let line = said.lines().find(|line| line.starts_with(&format!("faults {direction}"))).expect(&said);
        assert!(line.contains("drops") && line.contains("duplicates"), "{said}");
    }

    let done = here.xyloop(&["device", "trace", "line.pcap"]).expect_code(0);
    let frames: Vec<&str> = done.stdout.lines().collect();
    let [frames @ .., from_host, from_device] = &frames[..] else { panic!("{done}") };
    assert!(from_host.contains("Open") && from_host.contains(" bad (") && from_device.ends_with(" 0 bad"), "{done}");
    for words in [
        "host -> device  Open",
        "host <- device  Accept",
        "host <- device  Data",
        "host -> device  BAD ",
        " Shot 1",
        "Equilibria shot",
    ] {
        assert!(frames.iter().any(|frame| frame.contains(words)), "`{words}` is not in\n{done}");
    }

    let objects = here.xyloop(&["device", "trace", "--json", "line.pcap"]).expect_code(0).stdout;
    let objects: Vec<serde_json::Value> = objects.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let [objects @ .., summary] = &objects[..] else { panic!("{done}") };
    assert_eq!(objects.len(), frames.len());
    let open = objects.iter().find(|object| object["kind"] == "Open").unwrap();
    assert_eq!((&open["from"], open["session"].as_str().map(str::len)), (&"host".into(), Some(8)), "{open}");
    let counts = &summary["summary"];
    let of = |from: &str| objects.iter().filter(|object| object["from"] == from).count() as u64;
    for from in ["host", "device"] {
        let sum = |counts: &serde_json::Value| {
            counts.as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum::<u64>()
        };
        assert_eq!(sum(&counts[from]["frames"]) + sum(&counts[from]["bad"]), of(from), "{summary}");
    }

    // A recording that was cut off is shown as far as it goes.
    let whole = std::fs::read(here.path().join("line.pcap")).unwrap();
    std::fs::write(here.path().join("torn.pcap"), &whole[..24 + 16 + 5]).unwrap();
    let torn = here.xyloop(&["device", "trace", "torn.pcap"]).expect_code(1);
    let torn = torn.expect_stderr(&["torn.pcap", "21 bytes are torn off"]);
    assert!(torn.stdout.contains("host -> device: 0 bytes, 0 frames"), "{torn}");
}

#[test]
fn faults_at_the_hosts_end_change_no_byte_either() {
    let here = WorkFolder::new();
    let clean = here.train(&[]);
    let small = small();
    // The embedded device outlives its line: a cut is no restart.
    for (codec, (faults, words, in_trace, times)) in [
        ("bit-error=1e-4,drop=0.1", "drops to the host", "BAD ", 1),
        ("disconnect=0.04,drop=0.04,stall=0.02,stall-ms=300,seed=3", "disconnects", "host <- device  Accept", 2),
    ]
    .into_iter()
    .flat_map(|case| ["words", "delta"].map(|codec| (codec, case)))
    {
        let codec = format!("link.codec={codec}");
        let arguments = ["train", &small, "--json", "--fault", faults, "--trace", "host.pcap", "--set", &codec];
        let done = here.xyloop(&[&arguments[..], &TINY[..]].concat()).expect_code(0);
        let done = done.expect_stderr(&["faults on the line: ", "faults done: ", words]);
        let run = Run::new(here.path().join(done.json()["run"].as_str().unwrap()));
        run.expect_same_result(&clean, faults);
        run.expect_same_rows(&clean, faults);
        let trace = here.xyloop(&["device", "trace", "host.pcap"]).expect_code(0);
        assert!(trace.stdout.contains("Commit 1"), "{trace}");
        assert!(trace.stdout.matches(in_trace).count() >= times, "{trace}");
    }
}

#[test]
fn what_is_no_recording_is_refused() {
    let here = WorkFolder::new();
    let text = here.write("notes.txt", "not a recording\n");
    let mut other_link = Vec::from([0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0]);
    other_link.extend([1, 0, 0, 0]);
    std::fs::write(here.path().join("ethernet.pcap"), other_link).unwrap();
    for (file, words) in [
        (text.as_str(), &["no pcap file", "`--trace FILE` of another command"][..]),
        ("ethernet.pcap", &["link type 1", "147"]),
        ("absent.pcap", &["absent.pcap", "No such file"]),
    ] {
        let done = here.xyloop(&["device", "trace", file]).expect_code(2).expect_stderr(words);
        assert_eq!(done.stdout, "", "{done}");
    }
}

#[test]
fn bad_arguments_are_told() {
    let here = WorkFolder::new();
    let serve = |more: &[&str]| {
        let done = here.xyloop(&[&["sim", "serve", "--config", &small()], more].concat()).expect_code(2);
        assert_eq!(done.stdout, "", "{done}");
        done
    };
    for (spec, words) in [
        ("dorp=0.1", &["--fault", "no fault `dorp`", "bit-error, drop, insert"][..]),
        ("drop=2", &["--fault", "`drop=2`", "0 to 1"]),
        ("drop=0.1,drop=0.1", &["`drop` is given twice"]),
        ("10%", &["`10%` is not of the form name=value"]),
    ] {
        let _ = serve(&["--pty", "--fault", spec]).expect_stderr(words);
    }
    let _ = serve(&["--tcp", "--link", "table"]).expect_stderr(&["--link", "cannot be used with", "--tcp"]);
    let _ = serve(&["--pty", "--trace", "no/such/folder.pcap"]).expect_stderr(&["no/such/folder.pcap"]);
    let _ = serve(&["--pty", "--link", "no/such/link"]).expect_stderr(&["no/such/link"]);
    let file = here.write("precious", "data\n");
    let _ = serve(&["--pty", "--link", "precious"]).expect_stderr(&["precious", "left as it is", "another name"]);
    assert_eq!(std::fs::read_to_string(file).unwrap(), "data\n");
}

#[test]
fn a_device_is_found_under_the_same_name_after_it_was_started_again() {
    let here = WorkFolder::new();
    let link = here.path().join("table");
    let place = link.to_str().unwrap();
    let pty = |link: &Path| std::fs::read_link(link).unwrap();
    let first = here.serve(&small(), &["--pty", "--link", "table"]);
    assert_eq!(first.place, place, "the name is what hosts are given");
    let boot_id = here.info(place)["boot_id"].clone();

    // A device that was killed leaves its link behind; the next one takes the name over.
    first.process.kill();
    assert!(pty(&link).starts_with("/dev"));
    let second = here.serve(&small(), &["--pty", "--link", "table"]);
    assert_ne!(here.info(place)["boot_id"], boot_id);

    // So does one that is started beside it; the older one then leaves the name alone.
    let third = here.serve(&small(), &["--pty", "--link", "table"]);
    let leads_to = pty(&link);
    end(second);
    assert_eq!(pty(&link), leads_to);
    assert_eq!(here.info(place)["wiring_matches"], true);
    end(third);
    assert!(std::fs::symlink_metadata(&link).is_err(), "it is gone with its device");
}

#[test]
fn a_host_that_vanished_without_a_word_does_not_keep_the_device() {
    let here = WorkFolder::new();
    let served = here.serve(&small(), &["--tcp"]);
    let _silent = TcpStream::connect(served.place.strip_prefix("tcp://").unwrap()).unwrap();
    assert_eq!(here.info(&served.place)["wiring_matches"], true);
    served.process.wait_for_stderr("replaced a host");
}
