//! What the end-to-end tests share: the built command, processes with deadlines, served devices, run folders.
//!
//! Nothing here sleeps: a test waits for a printed line or for the end of a process, each with a [`DEADLINE`], and fails
//! with everything the process has said. Every helper panics when something is not as it should be.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::missing_panics_doc)]

pub mod emulated;
pub mod fake;
mod process;
pub mod python;
pub mod run;

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::LazyLock,
    time::Duration,
};

pub use process::{Finished, Running};
pub use run::Run;

/// Longest wait for anything: far more than anything takes, so that a busy machine fails no test.
pub const DEADLINE: Duration = Duration::from_mins(1);

/// A machine that is shared may let a process wait for a second: no device of these tests takes that for a dead host.
pub const PATIENT: [&str; 2] = ["--set", "rig.timing.deadman_ms=10000"];

/// A training of 6 epochs (96 shots) and 20 evaluations, whatever it learns.
pub const TINY: [&str; 8] = [
    "--set",
    "train.epochs_max=6",
    "--set",
    "eval.starts=5",
    "--set",
    "train.stop.epochs_in_a_row=0",
    PATIENT[0],
    PATIENT[1],
];

/// A training that does not end while a test looks.
pub const ENDLESS: [&str; 4] = ["--set", "train.epochs_max=100000000", "--set", "train.stop.epochs_in_a_row=0"];

/// The first words of stderr that tell that shots run.
pub const FIRST_EPOCH: &str = "epoch 1/";

/// The command, built as this test was: same target folder, same profile. Built once per process; when nothing has
/// changed that is a look at time stamps.
pub fn xyloop() -> &'static Path {
    static BUILT: LazyLock<PathBuf> = LazyLock::new(|| {
        // <target>/<profile>/deps/<this test>
        let this = std::env::current_exe().unwrap();
        let profile = this.ancestors().nth(2).unwrap();
        let target =
            std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| profile.parent().unwrap().to_owned(), PathBuf::from);
        let name = match profile.file_name().and_then(|name| name.to_str()).unwrap() {
            "debug" => "dev",
            other => other,
        };
        let output = Command::new(env!("CARGO"))
            .args(["build", "--package=xyloop-cli", "--bin=xyloop", "--message-format=json-render-diagnostics"])
            .args(["--profile", name])
            .arg("--target-dir")
            .arg(target)
            .current_dir(repository())
            .stderr(Stdio::inherit())
            .output()
            .unwrap();
        assert!(output.status.success(), "xyloop does not build");
        String::from_utf8(output.stdout)
            .unwrap()
            .lines()
            .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
            .filter(|message| message["target"]["name"] == "xyloop")
            .find_map(|message| message["executable"].as_str().map(PathBuf::from))
            .expect("cargo did not say where it put xyloop")
    });
    &BUILT
}

/// Says something that shows although the test passes: what a test prints is kept to itself then.
pub(crate) fn note(text: std::fmt::Arguments<'_>) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// The workspace.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// A file of `hil-config/`, absolute.
pub fn config(name: &str) -> String {
    repository().join("hil-config").join(name).to_str().unwrap().to_owned()
}

/// The 25-site experiment, absolute.
pub fn small() -> String {
    config("xor-small.toml")
}

/// All TOML files of a folder of the repository, absolute and sorted; there is at least one.
pub fn toml_files(folder: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(repository().join(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .filter(|path| !path.ends_with("Cargo.toml"))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{folder}");
    files
}

/// A temporary folder to work in; gone at the end of the test.
pub struct WorkFolder(tempfile::TempDir);

impl Default for WorkFolder {
    fn default() -> Self {
        Self::new()
    }
}

impl WorkFolder {
    /// An empty one.
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes a file and returns its absolute path.
    pub fn write(&self, name: &str, text: &str) -> String {
        let path = self.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Starts the command here.
    pub fn start<A: AsRef<str>>(&self, arguments: &[A]) -> Running {
        let mut command = Command::new(xyloop());
        command.args(arguments.iter().map(AsRef::as_ref)).current_dir(self.path()).env_remove("XYLOOP_LOG");
        Running::start(&mut command)
    }

    /// Runs the command here until it ends.
    pub fn xyloop<A: AsRef<str>>(&self, arguments: &[A]) -> Finished {
        self.start(arguments).finish()
    }

    /// The run folders made here, in the order of their names.
    pub fn runs(&self) -> Vec<Run> {
        let Ok(entries) = std::fs::read_dir(self.path().join("runs")) else { return Vec::new() };
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        paths.into_iter().map(Run::new).collect()
    }

    /// Trains the 25-site experiment as [`TINY`] says and as `more` says; the folder that was made.
    pub fn train(&self, more: &[&str]) -> Run {
        let small = small();
        let done = self.xyloop(&[&["train", &small, "--json"], &TINY[..], more].concat()).expect_code(0);
        Run::new(self.path().join(done.json()["run"].as_str().unwrap()))
    }

    /// Serves the simulated device of a rig or experiment file; `way` says how, and what is set.
    pub fn serve(&self, file: &str, way: &[&str]) -> Served {
        let process = self.start(&[&["sim", "serve", "--config", file], &PATIENT[..], way].concat());
        let place = process.wait_for_stdout("/");
        Served { place, process }
    }

    /// `device info --json` of a device, as the 25-site rig file sees it.
    pub fn info(&self, place: &str) -> serde_json::Value {
        let small = small();
        self.xyloop(&["device", "info", "--json", "--device", place, "--config", &small]).expect_code(0).json()
    }
}

/// A device served by a process of its own, which ends with this.
pub struct Served {
    /// What to pass to `--device`.
    pub place: String,
    /// The process.
    pub process: Running,
}
