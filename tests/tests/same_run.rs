//! The same experiment comes to the same bytes wherever its device is and however its shots are cut and computed.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use xyloop_tests::{Run, WorkFolder, small};

#[test]
fn same_run_everywhere() {
    let here = WorkFolder::new();
    let embedded = here.train(&[]);
    assert_eq!(embedded.rows().len(), 96 * 4 + 20 * 2);
    let small = small();
    for way in [
        &["--pty"][..],
        &["--tcp", "127.0.0.1:0"],
        &["--pty", "--baud", "921600"],
        &["--tcp", "127.0.0.1:0", "--baud", "3000000"],
    ] {
        let served = here.serve(&small, way);
        for time in ["first", "second"] {
            let codec = if time == "first" { "link.codec=words" } else { "link.codec=delta" };
            let run = here.train(&["--device", &served.place, "--set", codec]);
            let why = format!("{time} run at {}, {codec}", served.place);
            run.expect_same_result(&embedded, &why);
            run.expect_same_rows(&embedded, &why);
        }
    }
}

/// Trains with each setting beside the common ones; every run must come to the first one's parameters and equilibria.
fn expect_all_the_same(common: &[&str], variants: &[&[&str]]) -> Run {
    let here = WorkFolder::new();
    let mut first: Option<Run> = None;
    for variant in variants {
        let run = here.train(&[common, variant].concat());
        let first = first.get_or_insert_with(|| run.clone());
        let why = format!("{common:?} {variant:?}");
        run.expect_same_result(first, &why);
        run.expect_same_rows(first, &why);
        if first.path() != run.path() {
            std::fs::remove_dir_all(run.path()).unwrap();
        }
    }
    // The folder goes with what is in it: what is asked of the run is asked here.
    let first = first.unwrap();
    assert_eq!(first.stop().shots, 96);
    first
}

const CUTS: [&[&str]; 9] = [
    &["--set", "link.batch_shots=0"],
    &["--set", "link.batch_shots=1"],
    &["--set", "link.batch_shots=5"],
    &["--set", "rig.plant.threads=1", "--set", "rig.plant.replicas=1"],
    &["--set", "rig.plant.threads=2", "--set", "rig.plant.replicas=8"],
    &["--set", "rig.plant.threads=2", "--set", "rig.plant.replicas=3"],
    &["--set", "rig.plant.threads=1", "--set", "rig.plant.replicas=3", "--set", "link.batch_shots=5"],
    &["--set", "link.codec=delta"],
    &["--set", "link.codec=delta", "--set", "link.batch_shots=3"],
];

/// Noisy states may well never agree within the tolerance: they are taken as they are.
const TAKEN: [&str; 2] = ["--set", "train.guard.unsettled=count"];

#[test]
fn same_run_whatever_the_cut() {
    expect_all_the_same(&[], &CUTS);
}

#[test]
fn same_run_whatever_the_cut_with_noise() {
    let read_out = ["--set", "rig.plant.iq_noise=0.001", "--set", "read.reads=2"];
    expect_all_the_same(&[&read_out[..], &TAKEN].concat(), &CUTS);
    // The noisy flow is integrated step by step: short settling keeps it quick.
    let diffusion = ["--set", "rig.plant.phase_diffusion_rad2_per_s=20.0", "--set", "settle.min_us=50"];
    let settle = ["--set", "settle.window_us=10", "--set", "settle.timeout_us=100"];
    expect_all_the_same(&[&read_out[..], &diffusion, &settle, &TAKEN].concat(), &CUTS);
}

#[test]
fn same_run_whatever_the_cut_with_sums_on_the_device() {
    expect_all_the_same(&["--set", "read.what=contrast", "--set", "train.guard.basin=count"], &CUTS);
}

#[test]
fn another_seed_is_another_run() {
    // What the tests above would not notice: settings that are ignored.
    let here = WorkFolder::new();
    let reference = here.train(&TAKEN);
    for other in [["--set", "train.seed=2"], ["--set", "rig.plant.iq_noise=0.001"], ["--set", "train.nudge.beta=0.04"]]
    {
        let couplings = |run: &Run| run.final_files()["couplings.npy"].clone();
        assert_ne!(couplings(&here.train(&[&TAKEN[..], &other].concat())), couplings(&reference), "{other:?}");
    }
}

#[test]
fn eval_reproduces() {
    let here = WorkFolder::new();
    let run = here.train(&[]);
    let again = |more: &[&str]| {
        let done = here.xyloop(&[&["eval", run.argument(), "--json"], more].concat()).expect_code(0);
        done.json()["evaluation"].clone()
    };
    assert_eq!(again(&[]), run.evaluation(), "embedded");
    let served = here.serve(&small(), &["--pty"]);
    assert_eq!(again(&["--device", &served.place]), run.evaluation(), "over a pty");
    assert_eq!(again(&["--device", &served.place, "--starts", "7"])["evaluations"], 28);

    let said = here.xyloop(&["eval", run.argument()]).expect_code(0).stdout;
    assert!(said.contains("4 samples × 5 kicks") && said.contains("right"), "{said}");
    assert_eq!(here.runs().len(), 1, "an evaluation makes no run folder");
}

#[test]
fn eval_refuses_what_is_no_run() {
    let here = WorkFolder::new();
    std::fs::create_dir(here.path().join("empty")).unwrap();
    for (name, words) in [("empty", "no run.toml"), ("absent", "check the path")] {
        let path = here.path().join(name);
        let path = path.to_str().unwrap();
        let done = here.xyloop(&["eval", path]).expect_stderr(&[path, words]);
        assert_eq!(done.status.code(), Some(2), "{done}");
    }
}
