//! `device doctor` and `device bench` as people and scripts meet them.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use serde_json::{Value, json};
use xyloop_protocol::{frame::WIRE_VERSION, greeting::Greeting, link, message::SCHEMA_HASH};
use xyloop_tests::{
    Finished, WorkFolder, config,
    fake::{self, Pty},
    small,
};

/// The deadman of the devices that are served here, for the rig file they are held against.
const DEADMAN: [&str; 2] = ["--set", "rig.timing.deadman_ms=10000"];

/// Every check there is, where nothing is special about the port.
const CHECKS: [&str; 13] = [
    "port",
    "first exchange",
    "identity",
    "boot",
    "serial number",
    "wiring",
    "results",
    "slots",
    "deadman",
    "codecs",
    "state",
    "link",
    "clock",
];

fn doctor(here: &WorkFolder, place: &str, more: &[&str]) -> Finished {
    here.xyloop(&[&["device", "doctor", "--device", place, "--json"], more].concat())
}

/// The checks of a report that came to this.
fn checks<'r>(report: &'r Value, verdict: &str) -> Vec<&'r Value> {
    report["checks"].as_array().unwrap().iter().filter(|check| check["verdict"] == verdict).collect()
}

/// The one check of a report that is not "ok": it has this name, came to this, and says these words.
#[track_caller]
fn expect_one<'r>(report: &'r Value, verdict: &str, name: &str, words: &[&str]) -> &'r Value {
    let unwell: Vec<&Value> =
        report["checks"].as_array().unwrap().iter().filter(|check| check["verdict"] != "ok").collect();
    assert_eq!(unwell.len(), 1, "{report}");
    assert_eq!((&unwell[0]["check"], &unwell[0]["verdict"]), (&json!(name), &json!(verdict)), "{report}");
    let said = ["found", "why", "next"].map(|part| unwell[0][part].as_str().unwrap()).join(" | ");
    for word in words {
        assert!(said.contains(word), "`{word}` is missing: {said}");
    }
    unwell[0]
}

#[test]
fn a_healthy_device_is_found_healthy_and_left_as_it_was() {
    let here = WorkFolder::new();
    let rig = small();
    for way in ["--pty", "--tcp"] {
        let served = here.serve(&rig, &[way]);
        let before = here.info(&served.place);
        let report = doctor(&here, &served.place, &[&["--config", &rig][..], &DEADMAN].concat()).expect_code(0).json();
        let names: Vec<&str> = checks(&report, "ok").iter().map(|check| check["check"].as_str().unwrap()).collect();
        assert_eq!(names, CHECKS, "{report}");
        assert_eq!((&report["place"], &report["not_examined"]), (&json!(served.place), &json!([])));
        let of = |name: &str| report["checks"][CHECKS.iter().position(|check| *check == name).unwrap()].clone();
        assert_eq!(of("identity")["figures"]["serial"], "sim-xor-5x5-4nsq");
        assert_eq!(of("identity")["figures"]["boot_id"], before["boot_id"]);
        let link = of("link");
        assert_eq!(link["figures"]["round_trips"]["count"], 200, "{link}");
        assert_eq!((&link["figures"]["bad_frames_here"], &link["figures"]["bad_frames_there"]), (&json!(0), &json!(0)));
        let after = here.info(&served.place);
        for part in ["state", "generation", "counts", "shots_pending", "shots_unretired"] {
            assert_eq!(after["status"][part], before["status"][part], "{part}");
        }
        // Without a rig file there is nothing to compare with, and nothing is wrong.
        let done = here.xyloop(&["device", "doctor", "--device", &served.place]).expect_code(0);
        for said in ["ok       link", "sim-xor-5x5-4nsq", "13 checks: 0 failed, 0 with a warning"] {
            assert!(done.stdout.contains(said), "{said}\n{done}");
        }
    }
    let embedded = here.xyloop(&["device", "doctor", "--config", &rig, "--json"]).expect_code(0).json();
    assert_eq!(checks(&embedded, "ok").len(), CHECKS.len(), "{embedded}");
}

#[test]
fn a_device_that_is_not_the_rig_files_fails_and_is_examined_to_the_end() {
    let here = WorkFolder::new();
    let served = here.serve(&small(), &["--pty"]);
    let other = config("xor.toml");
    let done = doctor(&here, &served.place, &[&["--config", &other][..], &DEADMAN].concat()).expect_code(3);
    let report = done.json();
    let info = here.info(&served.place);
    let theirs = info["wiring_hash"].as_str().unwrap();
    let words = [theirs, "25 sites", "225 sites", "`xor-15x15-4nsq`", "give the rig file that describes this device"];
    expect_one(&report, "failed", "wiring", &words);
    assert_eq!(report["checks"].as_array().unwrap().len(), CHECKS.len(), "{report}");
    let done = done.expect_stderr(&["1 of 13 checks failed: wiring"]);
    assert_eq!(done.stderr.lines().count(), 1, "{done}");

    let rig = small();
    let pinned = ["--config", &rig, DEADMAN[0], DEADMAN[1], "--set", "rig.device.serial_number=table-4"];
    let report = doctor(&here, &served.place, &pinned).expect_code(3).json();
    expect_one(&report, "failed", "serial number", &["`table-4`", "`sim-xor-5x5-4nsq`", "[device]"]);
    // The rig file as it is says that outputs are safe sooner than they will be.
    let report = doctor(&here, &served.place, &["--config", &rig]).expect_code(0).json();
    expect_one(&report, "warning", "deadman", &["10000 ms", "250 ms", "timing.deadman_ms"]);
}

#[test]
fn a_line_that_damages_frames_is_a_warning_with_counts() {
    let here = WorkFolder::new();
    let served = here.serve(&small(), &["--tcp", "--fault", "bit-error=2e-4,seed=7"]);
    let report = doctor(&here, &served.place, &[]).expect_code(0).json();
    let link = expect_one(&report, "warning", "link", &["bad frames here", "cable", "ground", "baud rate"]);
    let count = |name: &str| link["figures"][name].as_u64().unwrap();
    assert!(count("bad_frames_here") + count("bad_frames_there") > 4, "{link}");
    assert!(count("resent_here") + count("resent_there") > 4, "{link}");
}

#[test]
fn ports_without_a_device_are_told_apart() {
    let here = WorkFolder::new();
    let silent = Pty::new();
    let babbling = Pty::new().babbling();
    let printing = Pty::new().printing("table-4 ready> T = 293.1 K");
    let echoing = Pty::new().echoing();
    let tcp = fake::listening();
    // Each takes the two seconds that a device is given, so they are looked at at the same time.
    let cases = [
        (&silent.path, &["silence", "power", "cable"][..]),
        (&babbling.path, &["damaged frames and no valid one", "at 921600 bits/s", "device.serial.baud"]),
        (&printing.path, &["T = 293.1 K", "that is text", "xyloop firmware"]),
        (&echoing.path, &["an echo", "loopback"]),
        (&tcp, &["silence", "check that the address"]),
    ];
    let running =
        cases.map(|(place, words)| (words, here.start(&["device", "doctor", "--device", place.as_str(), "--json"])));
    for (words, running) in running {
        let report = running.finish().expect_code(3).json();
        expect_one(&report, "failed", "first exchange", words);
        assert_eq!(report["checks"][0]["check"], "port", "what is known of the port is said: {report}");
        assert_eq!(report["not_examined"], json!(CHECKS[2..]));
    }
}

#[test]
fn ports_that_cannot_be_opened_fail_and_say_what_to_do() {
    let here = WorkFolder::new();
    let file = here.write("notes.txt", "no port\n");
    let held = Pty::new();
    let holder = serialport::new(&held.path, 0).open_native().unwrap();
    let (nobody, closing) = (fake::nobody(), fake::closing());
    let cases = [
        ("/dev/ttyXYLOOP7", &["there is no port /dev/ttyXYLOOP7", "plug it in"][..]),
        (&file, &[file.as_str(), "not a serial port"]),
        (&held.path, &[held.path.as_str(), "in use by", "close it"]),
        (&nobody, &[nobody.as_str(), "nothing answers", "firewall"]),
        (&closing, &[closing.as_str(), "closed the connection at once", "another host"]),
    ];
    for (place, words) in cases {
        let report = doctor(&here, place, &[]).expect_code(3).json();
        expect_one(&report, "failed", "port", words);
        assert_eq!(report["not_examined"], json!(CHECKS[1..]), "{report}");
    }
    drop(holder);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "no port\n", "it was written to");
}

#[test]
fn devices_of_other_versions_fail_with_both_named() {
    let here = WorkFolder::new();
    let theirs = WIRE_VERSION + 1;
    let version = fake::device(link::Config { version: theirs, ..link::Config::device() }, Vec::new());
    let report = doctor(&here, &version, &[]).expect_code(3).json();
    let words = [format!("speaks wire version {theirs}"), format!("this program speaks version {WIRE_VERSION}")];
    expect_one(&report, "failed", "first exchange", &words.each_ref().map(String::as_str));

    let greeting = Greeting { schema_hash: [0xab; 8], ..Greeting::new(1, 2) };
    let schema = fake::device(link::Config::device(), greeting.encode(&mut [0; Greeting::MAX]).unwrap().to_vec());
    let report = doctor(&here, &schema, &[]).expect_code(3).json();
    let ours = format!("{:016x}", u64::from_be_bytes(SCHEMA_HASH));
    expect_one(&report, "failed", "first exchange", &["abababababababab", &ours, "same release"]);
}

/// `device bench --json` with few repeats.
fn measure(here: &WorkFolder, place: &str, more: &[&str]) -> Finished {
    // A busy machine has all the time it needs.
    let few = ["--round-trips", "20", "--generations", "3", "--seconds", "3600"];
    here.xyloop(&[&["device", "bench", "--device", place, "--json"], &few[..], more].concat())
}

#[test]
fn a_bench_without_shots_changes_nothing_on_the_device() {
    let here = WorkFolder::new();
    for way in ["--pty", "--tcp"] {
        let served = here.serve(&small(), &[way]);
        for more in [&[][..], &["--config", &small()]] {
            let report = measure(&here, &served.place, more).expect_code(0).json();
            let measured = &report["measured"];
            assert_eq!(measured["round_trips"]["count"], 20, "{report}");
            let staging = &measured["staging"];
            assert_eq!((&staging["generations"], &staging["codes"]), (&json!(3), &json!(200)), "{report}");
            assert!(staging["codes_per_s"].as_f64() > Some(0.0), "{report}");
            assert_eq!((&measured["shots"], &report["baud"]), (&Value::Null, &Value::Null), "{report}");
            let status = &here.info(&served.place)["status"];
            assert_eq!(status["state"], json!({ "Safe": "Reset" }));
            assert_eq!((&status["generation"]["number"], &status["counts"]["shots_begun"]), (&json!(0), &json!(0)));
        }
    }
}

#[test]
fn a_bench_with_shots_runs_them_and_ends_safe() {
    let here = WorkFolder::new();
    let rig = small();
    let served = here.serve(&rig, &["--pty"]);
    for (shots, more) in [(32, &["--shots"][..]), (600, &["--shots", "600"])] {
        let done = measure(&here, &served.place, &[&["--config", &rig][..], &DEADMAN, more].concat()).expect_code(0);
        let done = done.expect_stderr(&["the array is driven"]);
        let report = done.json();
        let figures = &report["measured"]["shots"];
        assert_eq!((&figures["shots"], &figures["equilibria"]), (&json!(shots), &json!(4 * shots)), "{report}");
        for name in ["shots_per_s", "equilibria_per_s", "kb_per_s", "plant_seconds"] {
            assert!(figures[name].as_f64() > Some(0.0), "{name}: {report}");
        }
        assert_eq!((&figures["unsettled"], &figures["replicas"]), (&json!(0), &json!(16)), "{report}");
        let status = &here.info(&served.place)["status"];
        assert_eq!(status["state"], json!({ "Safe": "Asked" }));
        assert_eq!((&status["shots_pending"], &status["shots_unretired"]), (&json!(0), &json!(0)));
    }
    assert_eq!(here.info(&served.place)["status"]["counts"]["shots_finished"], 634, "and one each time to begin with");
    assert!(here.runs().is_empty(), "nothing is logged");
    // What was staged and committed is in no later training's way.
    let reference = here.train(&[]);
    let run = here.train(&["--device", &served.place]);
    let again = measure(&here, &served.place, &[]).expect_code(0);
    assert_eq!(again.json()["measured"]["shots"], Value::Null);
    run.expect_same_result(&reference, "after a bench");
    here.train(&["--device", &served.place]).expect_same_result(&reference, "after another one");
}

#[test]
fn a_bench_that_is_interrupted_leaves_a_safe_and_empty_device() {
    let here = WorkFolder::new();
    let rig = small();
    let served = here.serve(&rig, &["--tcp"]);
    let endless = ["device", "bench", "--device", &served.place, "--config", &rig, "--shots", "1000000"];
    let running = here.start(&[&endless[..], &["--seconds", "3600", "--generations", "1"]].concat());
    running.wait_for_stderr("the array is driven");
    running.interrupt();
    let done = running.finish().expect_code(1).expect_stderr(&["interrupted"]);
    assert_eq!(done.stdout, "", "{done}");
    let status = &here.info(&served.place)["status"];
    assert_eq!(status["state"], json!({ "Safe": "Asked" }));
    assert_eq!((&status["shots_pending"], &status["shots_unretired"]), (&json!(0), &json!(0)), "{status}");
}

#[test]
fn a_bench_of_another_rig_or_without_one_drives_nothing() {
    let here = WorkFolder::new();
    let served = here.serve(&small(), &["--tcp"]);
    let done = measure(&here, &served.place, &["--config", &config("xor.toml"), "--shots"]).expect_code(3);
    let done = done.expect_stderr(&["wired otherwise", "xor-15x15-4nsq"]);
    assert_eq!(done.stdout, "", "{done}");
    // What zero output is says the rig file alone.
    let done = measure(&here, &served.place, &["--shots"]).expect_code(2).expect_stderr(&["--config"]);
    assert_eq!(done.stdout, "", "{done}");
    assert_eq!(here.info(&served.place)["status"]["state"], json!({ "Safe": "Reset" }));
}

#[test]
fn both_explain_themselves() {
    let here = WorkFolder::new();
    for (command, words) in [
        ("doctor", &["xyloop device doctor --device", "failed, with what was found", "--json"][..]),
        ("bench", &["xyloop device bench --device", "DRIVES THE ARRAY", "--shots", "--seconds"]),
    ] {
        let done = here.xyloop(&["device", command, "--help"]).expect_code(0);
        for word in words {
            assert!(done.stdout.contains(word), "{word}\n{done}");
        }
    }
}
