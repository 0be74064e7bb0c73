//! A folder with an experiment and a rig, and what their refusal says.

use std::fs;
use std::path::{Path, PathBuf};

use xyloop_hil_config::{self as config, Config, ConfigError};

pub const RIG: &str = r#"name = "bench"

[lattice]
geometry = "4nsq"
rows = 15
columns = 15
inputs = [[5, 5], [9, 5]]
outputs = [[7, 9]]
"#;

pub const PLANES: &str = r#"name = "mnist"

[lattice]
geometry = "lcl"

[[lattice.planes]]
rows = 28
columns = 28

[[lattice.planes]]
rows = 23
columns = 23
window = 6
inside = "sq"

[[lattice.planes]]
rows = 1
columns = 10
"#;

pub const EXPERIMENT: &str = r#"name = "first"
rig = "rig.toml"

[task]
kind = "xor"

[train.nudge]
beta = 0.03

[settle]
min_us = 4000
window_us = 1000
tolerance_rad = 0.001
timeout_us = 40000

[kick]
range = 4.0
duration_us = 50
"#;

/// A folder with one experiment and one rig.
pub struct Files(pub tempfile::TempDir);

impl Files {
    pub fn new(experiment: &str, rig: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("experiment.toml"), experiment).unwrap();
        fs::write(folder.path().join("rig.toml"), rig).unwrap();
        Self(folder)
    }

    pub fn path(&self) -> PathBuf {
        self.0.path().join("experiment.toml")
    }

    pub fn load(&self, sets: &[&str]) -> Result<Config, ConfigError> {
        config::load(self.path(), &strings(sets))
    }

    /// The refusal, with the folder's name taken out.
    pub fn refusal(&self, sets: &[&str]) -> String {
        self.clean(&self.load(sets).unwrap_err())
    }

    pub fn clean(&self, error: &ConfigError) -> String {
        let folder = format!("{}/", self.0.path().display());
        let text = error.to_string().replace(&folder, "").replace(folder.trim_end_matches('/'), ".");
        text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
    }
}

pub fn strings(sets: &[&str]) -> Vec<String> {
    sets.iter().map(|set| (*set).to_owned()).collect()
}

/// Loads with one part of the experiment replaced.
pub fn experiment_with(old: &str, new: &str) -> String {
    assert!(EXPERIMENT.contains(old), "{old}");
    Files::new(&EXPERIMENT.replace(old, new), RIG).refusal(&[])
}

pub fn rig_with(old: &str, new: &str) -> String {
    assert!(RIG.contains(old), "{old}");
    Files::new(EXPERIMENT, &RIG.replace(old, new)).refusal(&[])
}

pub fn with_sets(sets: &[&str]) -> String {
    Files::new(EXPERIMENT, RIG).refusal(sets)
}

#[track_caller]
pub fn same(found: &str, expected: &str) {
    assert!(found.trim() == expected.trim(), "found:\n{found}\n\nexpected:\n{expected}");
}

#[track_caller]
pub fn says(found: &str, parts: &[&str]) {
    for part in parts {
        assert!(found.contains(part), "no `{part}` in:\n{found}");
    }
}

pub fn hil_config() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}
