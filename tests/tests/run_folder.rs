//! What a run leaves behind: every file, read back by this program's library and by Python's.
#![allow(clippy::unwrap_used, clippy::expect_used)]
#![allow(clippy::float_cmp)] // What was written reads back exactly.

use std::{collections::BTreeSet, process::Command};

use arrow_schema::DataType;
use xyloop::{config, folder::StopReason};
use xyloop_tests::{TINY, WorkFolder, repository, small};

#[test]
fn a_run_folder_is_complete() {
    let here = WorkFolder::new();
    let run = here.train(&["--set", "train.seed=7"]);
    let names: BTreeSet<String> =
        std::fs::read_dir(run.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    let expected = ["equilibria", "evaluation.json", "final", "metrics.csv", "run.toml", "stop.toml"];
    assert_eq!(names, expected.map(str::to_owned).into());

    // run.toml: who, where, with what; the configuration as it was resolved.
    let record = run.folder().read_record().unwrap();
    assert_eq!(record.run.id, run.folder().id());
    assert_eq!((record.device.place.as_str(), record.device.serial.as_str()), ("sim", "sim-xor-5x5-4nsq"));
    assert_eq!(record.data.classes.len(), 2);
    let overrides: Vec<String> =
        TINY.iter().chain(&["train.seed=7"]).filter(|word| word.contains('=')).map(|word| (*word).to_owned()).collect();
    let loaded = config::load(small(), &overrides).unwrap();
    assert_eq!(record.config, loaded);
    assert_eq!(config::load_resolved(run.path().join("run.toml")).unwrap(), loaded);

    // stop.toml, metrics.csv and the log agree with each other.
    let (stop, metrics, rows) = (run.stop(), run.metrics(), run.rows());
    assert_eq!((stop.reason, stop.epochs, stop.shots, stop.counts.steps), (StopReason::Epochs, 6, 96, 6));
    assert_eq!(metrics.len(), 6);
    assert!(metrics.iter().zip(1..).all(|(row, epoch)| row["epoch"] == f64::from(epoch) && row["shots"] == 16.0));
    let total = |name: &str| metrics.iter().map(|row| row[name]).sum::<f64>() as u64;
    assert_eq!(total("shots"), stop.shots);
    assert_eq!(total("basin_changed"), stop.counts.shots.basin_changed);
    assert_eq!(total("nudge_bounded"), stop.counts.shots.nudge_bounded);
    assert_eq!(stop.counts.equilibria_logged as usize, rows.len());

    // Every shot has each of its equilibria once: free, +, release, − (or the other way round).
    let (train, eval): (Vec<_>, Vec<_>) = rows.iter().partition(|row| row.stream == "train");
    assert_eq!((train.len(), eval.len()), (96 * 4, 20 * 2));
    assert_eq!(rows.iter().map(|row| (row.shot, row.segment)).collect::<BTreeSet<_>>().len(), rows.len());
    for (shot, number) in train.chunks(4).zip(1..) {
        assert!(shot.iter().all(|row| row.shot == number && row.crc == shot[0].crc), "{shot:?}");
        assert_eq!([0, 1, 2, 3].map(|at| shot[at].kind.as_str()), ["free", "nudge", "release", "nudge"]);
        assert!(shot[1].beta == -shot[3].beta && (shot[1].beta.abs() - 0.03).abs() < 1e-5, "{shot:?}");
        assert_eq!((shot[0].beta, shot[2].beta, shot[0].moved_turn), (0.0, 0.0, 0));
    }
    for shot in eval.chunks(2) {
        assert_eq!([0, 1].map(|at| shot[at].kind.as_str()), ["free", "release"], "looked at twice");
        assert!(shot.iter().all(|row| row.shot == shot[0].shot && row.crc == eval[0].crc), "{shot:?}");
    }
    assert!(rows.iter().all(|row| row.phases.len() == 25 && row.settle_us >= 4000));
    let epochs: BTreeSet<u32> = train.iter().map(|row| row.epoch).collect();
    assert_eq!(epochs, (1..=6).collect(), "numbered as in metrics.csv");
}

#[test]
fn the_log_says_what_its_columns_are() {
    let here = WorkFolder::new();
    let run = here.train(&[]);
    let schema = run.batches()[0].schema();
    for field in schema.fields() {
        let (unit, meaning) = (field.metadata().get("unit"), field.metadata().get("meaning"));
        assert!(unit.is_some_and(|unit| !unit.is_empty()) && meaning.is_some_and(|text| !text.is_empty()), "{field:?}");
    }
    let type_of = |name: &str| schema.field_with_name(name).unwrap().data_type().clone();
    assert_eq!((type_of("shot"), type_of("beta")), (DataType::UInt64, DataType::Float64));
    assert!(matches!(type_of("phases"), DataType::FixedSizeList(item, 25) if *item.data_type() == DataType::UInt16));
    assert_eq!(schema.metadata()["run_id"], run.folder().id());
    assert_eq!(schema.metadata()["site_count"], "25");
}

#[test]
fn a_log_may_be_left_out_or_hold_the_outputs_alone() {
    let here = WorkFolder::new();
    let contrast = here.train(&["--set", "read.what=contrast", "--set", "train.guard.basin=count"]);
    assert!(contrast.rows().iter().all(|row| row.phases.len() == 1));
    let without = here.train(&["--set", "log.equilibria=none"]);
    assert!(!without.path().join("equilibria").exists());
    assert_eq!(without.stop().counts.equilibria_logged, 0);
    assert_eq!(without.final_files(), here.train(&[]).final_files());
}

#[test]
fn a_folder_that_cannot_be_made_is_said_before_anything_runs() {
    let here = WorkFolder::new();
    let done = here.xyloop(&["train", &small(), "--set", "log.dir=no/such/folder"]).expect_code(2);
    let _ = done.expect_stderr(&["no/such/folder", "log.dir"]);
}

#[test]
fn python_opens_a_run() {
    let here = WorkFolder::new();
    let run = here.train(&[]);
    let python = std::env::var_os("XYLOOP_PYTHON").unwrap_or_else(|| "python3".into());
    let script = repository().join("tests/python/open_run.py");
    let required = std::env::var_os("XYLOOP_REQUIRE_PYTHON").is_some_and(|value| value == "1");
    let rows = run.rows().len().to_string();
    let ran = Command::new(&python).arg(script).arg(run.path()).args(["25", "150", &rows]).output();
    let (code, said) = match &ran {
        Ok(output) => (
            output.status.code(),
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)),
        ),
        Err(error) => (Some(77), format!("{}: {error}", python.display())),
    };
    match code {
        Some(0) => {}
        Some(77) if !required => eprintln!("SKIPPED: {said}"),
        _ => panic!("{said}"),
    }
}
