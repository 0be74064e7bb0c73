//! Configurations that are refused: exit code 2, a message that names the thing and the next step, nothing left behind.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use xyloop_tests::{Finished, WorkFolder, config, repository, small};

/// Runs the command in an empty folder; it must be refused with these words and leave the folder empty.
fn expect_refusal(arguments: &[&str], words: &[&str]) -> Finished {
    let here = WorkFolder::new();
    let done = here.xyloop(arguments).expect_code(2).expect_stderr(words);
    assert_eq!(done.stdout, "", "{done}");
    assert_eq!(std::fs::read_dir(here.path()).unwrap().count(), 0, "something was left behind: {arguments:?}");
    done
}

#[test]
fn wrong_settings() {
    for (set, words) in [
        // Unknown keys: what was meant, or what is allowed.
        ("train.seeed=1", &["unknown key `seeed` in [train]", "did you mean `seed`?"][..]),
        ("rig.plant.thread=1", &["unknown key `thread` in [plant]", "did you mean `threads`?"]),
        ("beta=0.1", &["unknown key `beta`", "train.nudge"]),
        // Numbers that are none.
        ("train.nudge.beta=nan", &["`train.nudge.beta`", "only finite numbers are allowed"]),
        ("rig.timing.tau_us=inf", &["`timing.tau_us`", "only finite numbers are allowed"]),
        // Ranges, of a file by itself and of both together.
        ("train.optimiser.rate=0", &["`train.optimiser.rate`", "above 0"]),
        ("settle.timeout_us=5000", &["`settle.timeout_us` is 5000", "6000 µs or more"]),
        ("kick.range=5", &["`kick.range` is 5: the rig reaches ± 4", "field_range"]),
        ("settle.min_us=5", &["shorter than the rig's time unit", "tau_us"]),
        ("rig.timing.deadman_ms=1", &["`timing.deadman_ms`", "100"]),
        // Types and choices.
        ("train.epochs_max=many", &["`train.epochs_max`", "whole number"]),
        ("train.epochs_max=-1", &["`train.epochs_max`", "whole number"]),
        ("train.nudge.cost=logg", &["\"logg\"", "did you mean \"log\"?"]),
        // What would falsify the result.
        ("read.what=outputs", &["cannot be trained with", "phases", "contrast"]),
        ("start.policy=keep", &["no setting any more", "kick"]),
        // The lattice.
        ("rig.lattice.outputs=[[5, 0]]", &["row 5 of output [5, 0]", "rows are 0..=4", "5 rows by 5 columns"]),
        ("rig.lattice.outputs=[[0, 0]]", &["lattice", "input"]),
        ("rig.lattice.inputs=[[0, 0]]", &["task \"xor\" needs 2 input sites", "has 1"]),
        // Places that are none.
        ("rig.device.port=COM", &["names no device", "tcp://HOST:PORT"]),
        ("rig=nowhere.toml", &["nowhere.toml"]),
        // Overrides that are none.
        ("train.seed", &["`--set train.seed`", "there is no `=`"]),
        ("=1", &["=1"]),
        ("train.seed.x=1", &["`train.seed`"]),
    ] {
        let mut words = words.to_vec();
        if !set.starts_with(['=', 't']) {
            words.push("--set");
        }
        let done = expect_refusal(&["train", &small(), "--set", set], &words);
        assert!(done.stderr.starts_with("error"), "{done}");
    }
}

#[test]
fn wrong_files() {
    expect_refusal(&["train", "absent.toml"], &["absent.toml", "no such file"]);
    let rig = config("rigs/xor-5x5-4nsq.toml");
    expect_refusal(&["train", &rig], &[&rig, "is a rig file, an experiment file is needed", "rig ="]);

    let files = WorkFolder::new();
    let experiment = std::fs::read_to_string(small()).unwrap();
    let elsewhere = files.write("elsewhere.toml", &experiment);
    expect_refusal(&["train", &elsewhere], &["rigs/xor-5x5-4nsq.toml", "no such file", "elsewhere.toml"]);
    let broken = files.write("broken.toml", "name = xor\n");
    expect_refusal(&["train", &broken], &["broken.toml:1", "not TOML", "quotes"]);
    let mistyped = files.write("mistyped.toml", &experiment.replace("[train]", "[trian]"));
    expect_refusal(&["train", &mistyped], &["mistyped.toml", "unknown key `trian`", "did you mean `train`?"]);
    expect_refusal(&["config", "check", &mistyped], &["did you mean `train`?"]);
    expect_refusal(&["config", "show", &broken], &["not TOML"]);
    expect_refusal(&["sim", "serve", "--pty", "--config", &broken], &["not TOML"]);
    expect_refusal(&["device", "info", "--config", &broken], &["not TOML"]);
    let folder = repository().to_str().unwrap();
    expect_refusal(&["train", folder], &[folder]);
}

#[test]
fn wrong_command_lines() {
    for (arguments, words) in [
        (&["trian"][..], &["unrecognized subcommand 'trian'", "train"][..]),
        (&["train"], &["<EXPERIMENT>", "Usage"]),
        (&["train", "x.toml", "--sed", "1"], &["unexpected argument '--sed'", "--set"]),
        (&["train", "x.toml", "--device", "nonsense"], &["`nonsense` names no device", "tcp://HOST:PORT"]),
        (&["train", "x.toml", "--device", "tcp://localhost"], &["names no device"]),
        (&["eval"], &["<RUN>"]),
        (&["eval", "x", "--starts", "0"], &["--starts", "1"]),
        (&["device"], &["info"]),
        (&["sim", "serve", "--config", "x.toml"], &["--pty", "--tcp"]),
        (&["sim", "serve", "--config", "x.toml", "--pty", "--tcp", "127.0.0.1:0"], &["cannot be used with"]),
        (&[], &["Usage", "Examples"]),
    ] {
        expect_refusal(arguments, words);
    }
}
