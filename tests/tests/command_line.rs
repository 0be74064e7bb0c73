//! The command as people and scripts meet it: help, configuration files, `device info`.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use serde_json::json;
use xyloop::config;
use xyloop_tests::{WorkFolder, config as config_file, small, toml_files};

#[test]
fn every_command_explains_itself() {
    let here = WorkFolder::new();
    for command in [
        "",
        "train",
        "eval",
        "device",
        "device info",
        "device clear",
        "device doctor",
        "device bench",
        "sim",
        "sim serve",
        "sim plant",
        "config",
        "config board",
        "config check",
        "config show",
    ] {
        let words: Vec<&str> = command.split_whitespace().chain(["--help"]).collect();
        let done = here.xyloop(&words).expect_code(0);
        assert!(done.stdout.contains("Usage: xyloop") && done.stderr.is_empty(), "{done}");
        if command.is_empty() {
            for said in ["Examples:", "xyloop train hil-config/xor.toml", "Exit codes: 0 done, 1 failed, 2", "3 device"]
            {
                assert!(done.stdout.contains(said), "{said}\n{done}");
            }
        }
    }
    let done = here.xyloop(&["--version"]).expect_code(0);
    assert!(done.stdout.starts_with("xyloop 0."), "{done}");
}

#[test]
fn every_configuration_file_is_right() {
    for path in toml_files("hil-config") {
        let loaded = config::load(&path, &[]).unwrap_or_else(|error| panic!("{error}"));
        let name = path.file_stem().unwrap().to_str().unwrap();
        assert_eq!(loaded.experiment.name, name, "an experiment is named as its file");
        assert!(!loaded.experiment.description.is_empty(), "{name}");
    }
    for path in toml_files("hil-config/rigs") {
        let (rig, _) = config::load_rig(&path, &[]).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(rig.name, path.file_stem().unwrap().to_str().unwrap(), "a rig is named as its file");
        assert!(!rig.description.is_empty(), "{}", rig.name);
        assert_eq!(rig.device.port, config::Port::Sim, "{}: ready to run means without hardware", rig.name);
    }
}

#[test]
fn every_configuration_can_be_checked_and_shown_and_what_is_shown_reloads() {
    let here = WorkFolder::new();
    for path in toml_files("hil-config") {
        let file = path.to_str().unwrap();
        let loaded = config::load(&path, &["train.seed=12".to_owned()]).unwrap();
        let done = here.xyloop(&["config", "check", file]).expect_code(0);
        assert!(done.stdout.contains("fine") && done.stdout.contains(&loaded.rig.name), "{done}");
        let done = here.xyloop(&["config", "show", file, "--set", "train.seed=12"]).expect_code(0);
        assert_eq!(config::from_resolved(&done.stdout).unwrap(), loaded, "{file}");
    }
}

#[test]
fn a_program_reads_what_a_check_found() {
    let here = WorkFolder::new();
    let fine = here.xyloop(&["config", "check", &small(), "--json"]).expect_code(0).json();
    let rig =
        json!({ "name": "xor-5x5-4nsq", "sites": 25, "couplings": 150, "wiring_hash": fine["rig"]["wiring_hash"] });
    assert_eq!((&fine["ok"], &fine["rig"]), (&json!(true), &rig));
    assert_eq!(fine["rig"]["wiring_hash"].as_str().map(str::len), Some(16));

    let wrong = ["config", "check", &small(), "--json", "--set", "eval.starts=0", "--set", "train.starts=0"];
    let done = here.xyloop(&wrong).expect_code(2);
    let found = done.json();
    assert_eq!((&found["ok"], &found["rig"]), (&json!(false), &json!(null)));
    let issues = found["issues"].as_array().unwrap();
    let of =
        |path: &str| issues.iter().find(|issue| issue["path"] == path).unwrap_or_else(|| panic!("{path}: {found}"));
    assert_eq!(issues.len(), 2);
    for (path, allowed) in [("train.starts", "1 to 65536 starts"), ("eval.starts", "1 to 1000000 starts per sample")] {
        let issue = of(path);
        assert_eq!((&issue["file"], &issue["line"]), (&json!("command line"), &json!(1)));
        assert_eq!(issue["allowed"], allowed);
        // People read the same on stderr.
        assert!(done.stderr.contains(issue["what"].as_str().unwrap()), "{done}");
    }
    // A rig file can be checked, too.
    let rig = config_file("rigs/xor-15x15-4nsq.toml");
    assert_eq!(here.xyloop(&["config", "check", &rig, "--json"]).expect_code(0).json()["rig"]["sites"], 225);
    let missing = here.xyloop(&["config", "check", "nowhere.toml", "--json"]).expect_code(2).json();
    assert_eq!((&missing["ok"], &missing["issues"][0]["file"]), (&json!(false), &json!("nowhere.toml")));
}

#[test]
fn device_info_tells_who_and_how_a_device_is() {
    let here = WorkFolder::new();
    let served = here.serve(&small(), &["--pty"]);
    let info = here.info(&served.place);
    for (name, value) in [
        ("place", json!(served.place)),
        ("vendor", json!("xyloop")),
        ("serial", json!("sim-xor-5x5-4nsq")),
        ("wiring_matches", json!(true)),
    ] {
        assert_eq!(info[name], value, "{name}");
    }
    assert!(
        ["model", "firmware"].iter().all(|name| info[name].as_str().is_some_and(|text| !text.is_empty())),
        "{info}"
    );
    assert_eq!(info["boot_id"].as_str().map(str::len), Some(8), "{info}");
    assert_eq!((&info["boot_cause"], &info["boot_note"]), (&json!("PowerOn"), &json!("")));
    assert_eq!(info["wiring_hash"].as_str().map(str::len), Some(16), "{info}");
    let limits = &info["limits"];
    assert_eq!([&limits["sites"], &limits["couplings"], &limits["inputs"], &limits["outputs"]], [25, 150, 2, 1]);
    assert_eq!(limits["deadman_ms"], 10_000);
    assert_eq!(info["status"]["state"], json!({ "Safe": "Reset" }));
    assert_eq!(info["status"]["counts"]["shots_begun"], 0);

    let done = here.xyloop(&["device", "info", "--device", &served.place, "--config", &small()]).expect_code(0);
    for said in [
        "xyloop",
        &served.place,
        "boot id",
        "power-on",
        "safe (since reset)",
        "25 sites, 150 couplings",
        "that of",
        "deadman 10000 ms",
        "round trip",
    ] {
        assert!(done.stdout.contains(said), "{said}\n{done}");
    }
    assert!(!done.stdout.contains("NOT"), "{done}");
    // The embedded device can be asked as well.
    assert_eq!(here.info("sim")["place"], "sim");
}

#[test]
fn device_info_reports_another_wiring_and_does_not_refuse_it() {
    let here = WorkFolder::new();
    let served = here.serve(&small(), &["--tcp"]);
    let ask = ["device", "info", "--device", &served.place, "--config", &config_file("xor.toml")];
    let done = here.xyloop(&ask).expect_code(0);
    assert!(done.stdout.contains("NOT that of") && done.stdout.contains("xor-15x15-4nsq.toml"), "{done}");
    let info = here.xyloop(&[&ask[..], &["--json"]].concat()).expect_code(0).json();
    assert_eq!((&info["wiring_matches"], &info["limits"]["sites"]), (&json!(false), &json!(25)));
}

#[test]
fn the_device_ran_every_shot_that_the_run_reports() {
    let here = WorkFolder::new();
    let served = here.serve(&small(), &["--pty"]);
    let (mut shots, mut equilibria) = (0, 0);
    for more in [&[][..], &["--set", "link.batch_shots=5"], &["--set", "train.nudge.mode=one-sided"]] {
        let run = here.train(&[&["--device", &served.place], more].concat());
        let evaluations = run.evaluation()["evaluations"].as_u64().unwrap();
        let trained: f64 = run.metrics().iter().map(|row| row["shots"]).sum();
        assert_eq!((run.stop().shots, evaluations), (trained as u64, 20));
        shots += run.stop().shots + evaluations;
        equilibria += run.stop().counts.equilibria_logged;

        let counts = &here.info(&served.place)["status"]["counts"];
        assert_eq!((counts["shots_finished"].as_u64(), counts["equilibria"].as_u64()), (Some(shots), Some(equilibria)));
        assert!(counts["reads"].as_u64() >= Some(2 * equilibria), "two windows each: {counts}");
    }
}
