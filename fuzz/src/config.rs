//! Target `config`: an experiment file, a rig file and overrides, each any text.
//!
//! The parts stand in this order with a byte `FF` between them, which is in no text; every part behind the second is one
//! `--set`. A part that is missing is a right one.

use std::{fs, path::PathBuf, sync::Mutex};

use xyloop::config::{self, Config, ConfigError, Purpose};

use crate::{memory, scratch::Scratch};

/// What a rig that is not given is.
pub const RIG: &str = include_str!("../seeds/rig.toml");
/// What an experiment that is not given is; it names its rig `rig.toml`.
pub const EXPERIMENT: &str = include_str!("../seeds/experiment.toml");

/// Between two parts.
pub const SEPARATOR: u8 = 0xFF;

/// Most bytes a reader of a few kilobytes may hold at once.
const MOST_MEMORY: usize = 4 << 20;
/// More text is not tried.
const MOST_TEXT: usize = 16 << 10;

/// The files: one folder for the process, one user at a time.
static FOLDER: Mutex<Option<Scratch>> = Mutex::new(None);

/// Runs the target.
pub fn run(data: &[u8]) {
    if data.len() > MOST_TEXT {
        return;
    }
    let mut parts = data.split(|byte| *byte == SEPARATOR);
    let part = |given: Option<&[u8]>, default: &str| match given {
        Some([]) | None => default.as_bytes().to_vec(),
        Some(text) => text.to_vec(),
    };
    let experiment = part(parts.next(), EXPERIMENT);
    let rig = part(parts.next(), RIG);
    let sets: Vec<String> = parts.map(|set| String::from_utf8_lossy(set).into_owned()).collect();

    // A target that failed in another thread says so itself.
    let mut shared = FOLDER.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let folder = shared.get_or_insert_with(|| Scratch::new().expect("a folder for files"));
    let (experiment_path, rig_path) = (folder.path().join("experiment.toml"), folder.path().join("rig.toml"));
    fs::write(&experiment_path, &experiment).expect("a file can be written");
    fs::write(&rig_path, &rig).expect("a file can be written");

    for purpose in [Purpose::Train, Purpose::Rig] {
        let loaded = memory::within(MOST_MEMORY, || config::load_for(&experiment_path, &sets, purpose));
        match loaded {
            Ok(config) if purpose == Purpose::Train => survives(&config),
            Ok(_) => {}
            Err(error) => says_something(&error),
        }
    }
    if let Err(error) = memory::within(MOST_MEMORY, || config::load_rig(&rig_path, &sets)) {
        says_something(&error);
    }
    if let Ok(text) = std::str::from_utf8(&experiment)
        && let Err(error) = memory::within(MOST_MEMORY, || config::from_resolved(text))
    {
        says_something(&error);
    }
    if !cfg!(feature = "libfuzzer") {
        *shared = None; // nobody cleans up behind a test
    }
}

fn says_something(error: &ConfigError) {
    let report = error.to_string();
    assert!(report.starts_with("error"), "{report:?}");
    assert!(report.lines().count() > 1, "no next step: {report}");
    for issue in error.issues() {
        assert!(!issue.what.is_empty(), "{report}");
        assert!(issue.line != Some(0) && issue.column != Some(0), "{issue:?}");
    }
}

/// What was accepted is written down and read back as it is.
fn survives(config: &Config) {
    match config.to_toml() {
        Ok(text) => match config::from_resolved(&text) {
            Ok(again) => assert_eq!(&again, config),
            Err(error) => panic!("its own record is refused: {error}\n{text}"),
        },
        Err(error) => says_something(&error),
    }
}

/// The parts in the order in which [`run`] reads them.
pub fn joined(experiment: &str, rig: &str, sets: &[&str]) -> Vec<u8> {
    let mut parts = vec![experiment, rig];
    parts.extend(sets);
    parts.into_iter().map(str::as_bytes).collect::<Vec<_>>().join(&SEPARATOR)
}

/// A configuration that is right.
pub(crate) fn default_config() -> Config {
    let folder = Scratch::new().expect("a folder for files");
    let path: PathBuf = folder.path().join("experiment.toml");
    fs::write(&path, EXPERIMENT).expect("a file can be written");
    fs::write(folder.path().join("rig.toml"), RIG).expect("a file can be written");
    let mut config = config::load(&path, &[]).expect("the default files are right");
    (config.experiment_path, config.rig_path) = ("experiment.toml".into(), "rig.toml".into());
    config
}
