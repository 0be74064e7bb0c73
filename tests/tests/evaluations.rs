//! Runs judged again: every equilibrium and the verdict are kept in a folder of their own; runs of earlier programs are
//! judged as they were recorded.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{fs, path::Path};

use xyloop::folder::StopReason;
use xyloop_tests::{Run, WorkFolder, repository};

/// The only folder in this one.
fn only(parent: &Path) -> Run {
    let mut folders = fs::read_dir(parent).unwrap().map(|entry| entry.unwrap().path());
    let folder = folders.next().expect("a folder");
    assert!(folders.next().is_none(), "one folder in {}", parent.display());
    Run::new(folder)
}

#[test]
fn an_evaluation_keeps_its_equilibria_and_its_verdict() {
    let here = WorkFolder::new();
    let run = here.train(&[]);
    let before = run.final_files();
    let done = here.xyloop(&["eval", run.argument(), "--json"]).expect_code(0).json();
    let judged = only(&run.path().join("evaluations"));
    assert_eq!(here.path().join(done["folder"].as_str().unwrap()), judged.path());
    assert_eq!((&done["evaluation"], judged.evaluation()), (&run.evaluation(), run.evaluation()));
    // The same rows as at the end of the training: the same kicks on the same codes.
    let of_training: Vec<_> = run.rows().into_iter().filter(|row| row.stream == "eval").collect();
    assert_eq!((judged.rows().len(), judged.rows()), (20 * 2, of_training));
    let stop = judged.stop();
    assert_eq!((stop.reason, stop.epochs, stop.shots), (StopReason::Evaluated, 0, 20));
    assert_eq!(stop.counts.equilibria_logged, 40);
    let record = judged.folder().read_record().unwrap();
    assert_eq!(record.run.evaluation_of, Some(run.folder().read_record().unwrap().run.id));
    assert!(!judged.path().join("metrics.csv").exists(), "there are no epochs");
    assert_eq!(run.final_files(), before);

    // Somewhere else, if that is asked for.
    let into = here.path().join("verdicts");
    let done = here.xyloop(&["eval", run.argument(), "--into", "verdicts", "--starts", "2"]).expect_code(0);
    let judged = only(&into);
    assert_eq!(judged.evaluation()["evaluations"], 8);
    assert!(done.stdout.contains(&format!("folder: verdicts/{}", judged.folder().id())), "{done}");
    assert_eq!(judged.folder().read_record().unwrap().config.experiment.eval.starts, 2);
}

#[test]
fn an_evaluation_that_cannot_be_kept_says_where_and_what_to_do() {
    let here = WorkFolder::new();
    let run = here.train(&[]);
    fs::write(run.path().join("evaluations"), "a file in its place").unwrap();
    let done = here.xyloop(&["eval", run.argument()]).expect_code(2);
    assert!(done.stderr.contains("cannot create") && done.stderr.contains("evaluations"), "{done}");
    assert!(done.stderr.contains("next: "), "{done}");
}

/// `tests/data/run-format-1-iris` was made by a program that drew its split otherwise and knew `[start] policy`.
#[test]
fn a_run_of_format_1_is_judged_as_it_was_recorded() {
    let here = WorkFolder::new();
    let recorded = repository().join("tests/data/run-format-1-iris");
    let run = here.path().join("old");
    fs::create_dir_all(run.join("final")).unwrap();
    for entry in fs::read_dir(&recorded).unwrap().chain(fs::read_dir(recorded.join("final")).unwrap()) {
        let from = entry.unwrap().path();
        if from.is_file() {
            fs::copy(&from, run.join(from.strip_prefix(&recorded).unwrap())).unwrap();
        }
    }
    let verdict = here.xyloop(&["eval", "old", "--json"]).expect_code(0).json();
    assert_eq!(verdict["evaluation"], Run::new(run.clone()).evaluation());
    assert_eq!(Run::new(run.clone()).stop().counts.shots.nudge_bounded, 93);

    // Data that are not those of the record are refused.
    let record = fs::read_to_string(run.join("run.toml")).unwrap();
    fs::write(run.join("run.toml"), record.replace("test_rows = [1, ", "test_rows = [0, ")).unwrap();
    let done = here.xyloop(&["eval", "old"]).expect_code(2);
    assert!(done.stderr.contains("named twice"), "{done}");
}
