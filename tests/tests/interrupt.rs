//! Ctrl-C: the run ends at a shot, is complete on disk, and the device is safe and usable afterwards.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use xyloop::folder::StopReason;
use xyloop_tests::{ENDLESS, FIRST_EPOCH, TINY, WorkFolder, small};

#[test]
fn a_training_ends_at_a_shot_and_the_device_is_safe() {
    let here = WorkFolder::new();
    let served = here.serve(&small(), &["--pty"]);
    let training = here.start(&[&["train", &small(), "--device", &served.place], &ENDLESS[..]].concat());
    training.wait_for_stderr(FIRST_EPOCH);
    training.interrupt();
    let done = training.finish().expect_code(1).expect_stderr(&["stopping after the shot in progress"]);
    assert!(done.stdout.contains("interrupted after") && done.stdout.contains("outputs are safe"), "{done}");
    let [run] = &here.runs()[..] else { panic!("{done}") };

    let stop = run.stop();
    assert_eq!(stop.reason, StopReason::Interrupted);
    assert_eq!(stop.epochs as usize, run.metrics().len());
    assert_eq!(stop.counts.equilibria_logged as usize, run.rows().len());
    assert_eq!(run.rows().len() % 4, 0, "whole shots only");
    assert_eq!(run.final_files().len(), 7);
    assert!(!run.path().join("evaluation.json").exists(), "nothing was judged");
    // Half a run can be judged as well as a whole one.
    let _ = here.xyloop(&["eval", run.argument(), "--starts", "1"]).expect_code(0);

    let info = here.info(&served.place);
    assert_eq!(info["status"]["state"], serde_json::json!({ "Safe": "Asked" }), "{info}");
    assert_eq!(info["status"]["shots_pending"], 0, "{info}");

    let next = here.train(&["--device", &served.place]);
    next.expect_same_result(&here.train(&[]), "the next run");
}

#[test]
fn an_evaluation_that_is_interrupted_is_no_finished_run() {
    let here = WorkFolder::new();
    let endless = ["--set", "train.epochs_max=1", "--set", "eval.starts=20000"];
    let training = here.start(&[&["train", &small()], &TINY[..], &endless].concat());
    training.wait_for_stderr("evaluating");
    training.interrupt();
    let done = training.finish().expect_code(1).expect_stderr(&["stopping after the shot in progress"]);
    let [run] = &here.runs()[..] else { panic!("{done}") };
    assert_eq!(run.stop().reason, StopReason::Interrupted, "{done}");
    assert!(done.stdout.contains("interrupted"), "{done}");
    assert!(!run.path().join("evaluation.json").exists(), "{done}");
}

#[test]
fn a_served_device_ends_at_once() {
    let here = WorkFolder::new();
    for way in ["--pty", "--tcp"] {
        let served = here.serve(&small(), &[way]);
        served.process.wait_for_stderr("Ctrl-C ends it");
        served.process.interrupt();
        let _ = served.process.finish().expect_code(0);
    }
}
