//! A run of the library: its steps, its ends, what an observer is told and what is left on disk.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{
    path::Path,
    sync::{Arc, Mutex},
};

use xyloop::{
    config,
    device::{DeviceError, Opener, Route, StopFlag, Transport},
    error::ErrorKind,
    folder::{RunFolder, StopReason},
    run::{Event, Kept, Observer, Prepared, RunError, unobserved},
};

/// A short training of the 25-site experiment, its folder in `parent`.
fn prepared(parent: &Path, settings: &[&str]) -> Prepared {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../hil-config/xor-small.toml");
    let runs = format!("log.dir={:?}", parent.to_str().unwrap());
    let patient = ["train.epochs_max=3", "eval.starts=2", "rig.timing.deadman_ms=10000"];
    let settings = [&[runs.as_str()], &patient[..], settings].concat();
    let settings: Vec<String> = settings.into_iter().map(str::to_owned).collect();
    Prepared::training(config::load(&file, &settings).unwrap()).unwrap()
}

/// An observer that writes down the names of what it is told.
fn noting() -> (Observer, Arc<Mutex<Vec<String>>>) {
    let names = Arc::new(Mutex::new(Vec::new()));
    let notes = names.clone();
    let observer = Arc::new(move |event: &Event| {
        let name = match event {
            Event::Started { .. } => "started".to_owned(),
            Event::Epoch { report, .. } => format!("epoch {}", report.epoch),
            Event::Trained => "trained".to_owned(),
            Event::Judging { samples, starts } => format!("judging {samples} x {starts}"),
            other => format!("{other:?}"),
        };
        notes.lock().unwrap().push(name);
    });
    (observer, names)
}

fn folders(parent: &Path) -> usize {
    std::fs::read_dir(parent).unwrap().count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_observer_is_told_of_each_step_in_order() {
    let parent = tempfile::tempdir().unwrap();
    let (observer, names) = noting();
    let run = prepared(parent.path(), &[]).connect(None, observer, StopFlag::default()).await.unwrap();
    let report = run.carry_out().await.unwrap();
    let told = ["started", "epoch 1", "epoch 2", "epoch 3", "trained", "judging 4 x 2"];
    assert_eq!(*names.lock().unwrap(), told);
    assert!(report.is_complete());
    let outcome = report.outcome.unwrap();
    assert_eq!((outcome.reason, outcome.epochs, outcome.shots), (StopReason::Epochs, 3, 48));
    assert_eq!(report.folder.read_stop().unwrap(), report.stop);
    assert_eq!(report.logged.equilibria, 48 * 4 + 8 * 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_condition_of_the_callers_own_ends_the_training_and_it_is_judged() {
    let parent = tempfile::tempdir().unwrap();
    let prepared = prepared(parent.path(), &["log.equilibria=\"none\""]);
    let mut run = prepared.connect(None, unobserved(), StopFlag::default()).await.unwrap();
    run.train_until(|epoch| epoch.epoch == 2).await.unwrap();
    run.judge().await.unwrap();
    let report = run.close().await.unwrap();
    let stop = report.stop.unwrap();
    assert_eq!((stop.reason, stop.epochs, stop.shots), (StopReason::Enough, 2, 32));
    assert_eq!(report.evaluation.unwrap().evaluations, 8);
    assert_eq!((report.logged.equilibria, report.logged.epochs), (0, 2));
    assert!(!report.folder.path().join("equilibria").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sums_of_the_device_train_and_are_judged_like_phases() {
    let parent = tempfile::tempdir().unwrap();
    let mut finals = Vec::new();
    for what in ["phases", "contrast"] {
        let prepared = prepared(parent.path(), &[&format!("read.what={what:?}"), "train.guard.basin=\"count\""]);
        let run = prepared.connect(None, unobserved(), StopFlag::default()).await.unwrap();
        let report = run.carry_out().await.unwrap();
        finals.push((report.folder.read_final().unwrap().couplings, report.evaluation.unwrap()));
    }
    let apart = finals[0].0.iter().zip(&finals[1].0).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(apart < 1e-4, "{apart}");
    assert_eq!(finals[0].1.evaluations, finals[1].1.evaluations);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_before_the_first_contact_touches_nothing() {
    let parent = tempfile::tempdir().unwrap();
    let stop = StopFlag::default();
    stop.set();
    let Err(error) = prepared(parent.path(), &[]).connect(None, unobserved(), stop).await else { panic!("connected") };
    assert_eq!(error.kind(), ErrorKind::Interrupted);
    assert_eq!(folders(parent.path()), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_between_two_epochs_ends_cleanly_and_nothing_is_judged() {
    let parent = tempfile::tempdir().unwrap();
    let stop = StopFlag::default();
    let flag = stop.clone();
    let observer = Arc::new(move |event: &Event| {
        if matches!(event, Event::Epoch { .. }) {
            flag.set();
        }
    });
    let run = prepared(parent.path(), &[]).connect(None, observer, stop).await.unwrap();
    let report = run.carry_out().await.unwrap();
    let stop = report.stop.as_ref().unwrap();
    assert_eq!((stop.reason, stop.epochs, stop.shots, stop.counts.steps), (StopReason::Interrupted, 1, 16, 1));
    assert!(!report.is_complete() && !report.folder.path().join("evaluation.json").exists());
    assert!(report.folder.read_final().is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_after_the_last_epoch_leaves_the_run_interrupted_and_unjudged() {
    let parent = tempfile::tempdir().unwrap();
    let stop = StopFlag::default();
    let mut run = prepared(parent.path(), &[]).connect(None, unobserved(), stop.clone()).await.unwrap();
    run.train().await.unwrap();
    stop.set();
    run.judge().await.unwrap();
    let report = run.close().await.unwrap();
    assert_eq!(report.stop.unwrap().reason, StopReason::Interrupted);
    assert!(report.evaluation.is_none());
}

/// Opens nothing: as if the device were gone for good and another one in its place.
struct Gone;

impl Opener for Gone {
    fn open(&self) -> std::pin::Pin<Box<dyn Future<Output = Result<Transport, DeviceError>> + Send + '_>> {
        Box::pin(async { Err(DeviceError::NothingToSimulate) })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_that_is_not_there_leaves_no_folder() {
    let parent = tempfile::tempdir().unwrap();
    let route = Some(Route::through(Gone, "gone"));
    let connected = prepared(parent.path(), &[]).connect(route, unobserved(), StopFlag::default()).await;
    assert!(matches!(connected, Err(RunError::Device(DeviceError::NothingToSimulate))));
    assert_eq!(folders(parent.path()), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_cannot_go_on_says_what_was_kept() {
    let parent = tempfile::tempdir().unwrap();
    // Nothing settles in so short a time, and such shots are left out: there is nothing to make a gradient of.
    let settings = ["settle.min_us=10", "settle.window_us=10", "settle.timeout_us=30", "settle.tolerance_rad=0.0001"];
    let guard = ["train.guard.unsettled=\"reject\""];
    let prepared = prepared(parent.path(), &[&settings[..], &guard].concat());
    let run = prepared.connect(None, unobserved(), StopFlag::default()).await.unwrap();
    let error = run.carry_out().await.unwrap_err();
    let RunError::CutShort { folder, kept, .. } = &error else { panic!("{error}") };
    assert_eq!((kept, error.kind()), (&Kept::LogAndParameters, ErrorKind::Measurement));
    assert!(error.advice().next.contains("settle.timeout_us"), "{:?}", error.advice());
    let folder = RunFolder::open(folder).unwrap();
    assert!(folder.read_final().is_ok() && folder.read_stop().unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_evaluation_is_no_run_to_be_evaluated() {
    let parent = tempfile::tempdir().unwrap();
    let run = prepared(parent.path(), &[]).connect(None, unobserved(), StopFlag::default()).await.unwrap();
    let trained = run.carry_out().await.unwrap().folder;
    let again = Prepared::evaluation(trained, |_| {}).unwrap();
    let run = again.connect(None, unobserved(), StopFlag::default()).await.unwrap();
    let report = run.carry_out().await.unwrap();
    let counts = report.stop.unwrap().counts;
    assert_eq!((counts.shots.shots, counts.equilibria_logged, counts.steps), (8, 16, 0));
    let Err(error) = Prepared::evaluation(report.folder, |_| {}) else { panic!("taken for a run") };
    assert!(matches!(error, RunError::IsEvaluation { .. }) && error.kind() == ErrorKind::Usage, "{error}");
}
