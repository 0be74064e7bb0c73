//! The same task by other means: another gradient, another solver behind the simulated plant.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use xyloop_tests::{WorkFolder, small};

#[test]
fn linear_response_trains_without_a_nudge() {
    let here = WorkFolder::new();
    let judged = here.xyloop(&["train", &small(), "--set", "train.nudge.mode=linear-response", "--json"]).json();
    // Slower than nudges, whose flips of an output it cannot see; chance is 0.5.
    assert!(judged["evaluation"]["accuracy"].as_f64().unwrap() > 0.9, "{judged}");
    let run = here.runs().pop().unwrap();
    // A shot is its free state; only the evaluation looks twice.
    let nudged = run.rows().iter().filter(|row| row.beta != 0.0).count();
    assert_eq!(nudged, 0);
}

#[test]
fn what_the_twin_trained_the_flow_confirms() {
    let here = WorkFolder::new();
    let small = small();
    let trained = here.xyloop(&["train", &small, "--json"]).expect_code(0).json();
    let flow = ["--tcp", "127.0.0.1:0", "--set", "rig.plant.solver=flow"];
    let served = here.serve(&small, &flow);
    let run = here.runs().pop().unwrap();
    let run = run.path().to_str().unwrap();
    let judged = here.xyloop(&["eval", run, "--device", &served.place, "--json"]).expect_code(0).json();
    for key in ["right", "evaluations", "unsettled", "basin_changed", "confusion"] {
        assert_eq!(judged["evaluation"][key], trained["evaluation"][key], "{key}: {judged}, {trained}");
    }
    let distance = |verdict: &serde_json::Value| verdict["evaluation"]["mean_distance"].as_f64().unwrap();
    assert!((distance(&judged) - distance(&trained)).abs() < 1e-4, "{judged}, {trained}");
}
