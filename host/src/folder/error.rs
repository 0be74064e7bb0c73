//! What can go wrong with a run folder: [`FolderError`]. Every message names the path.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::{
    config::ConfigError,
    error::{Advice, ErrorKind},
};

/// Says why something in a run folder could not be made, written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FolderError {
    /// The system refused.
    #[error("cannot {action} `{}`: {}", path.display(), plain(source))]
    Io {
        /// `create`, `read`, `write`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The experiment's name cannot be part of a folder's name.
    #[error("cannot name a run folder in `{}` after the experiment `{}`", parent.display(), name.escape_debug())]
    Name {
        /// Where the folder was to be made.
        parent: PathBuf,
        /// The name that was given.
        name: String,
    },
    /// A folder that is no run folder.
    #[error("`{}` is no run folder: there is no run.toml in it", path.display())]
    NotARun {
        /// The folder.
        path: PathBuf,
    },
    /// A file that does not hold what it should.
    #[error("`{}` is damaged or not from xyloop: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// A run folder of a later version.
    #[error("`{}` has format version {found}, this program reads versions up to {known}", path.display())]
    NewerFormat {
        /// Its `run.toml`.
        path: PathBuf,
        /// Version found.
        found: u32,
        /// Latest version known here.
        known: u32,
        /// The program that wrote it.
        program: String,
    },
    /// The recorded configuration is refused; the report names file, line and what is allowed.
    #[error("the configuration recorded in `{}` cannot be used\n{source}", path.display())]
    Config {
        /// The `run.toml`.
        path: PathBuf,
        /// The report.
        source: ConfigError,
    },
    /// Values that cannot be written: the program contradicts itself.
    #[error("cannot write `{}`: {reason}", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What is wrong with the values.
        reason: String,
    },
    /// The log was finished or its thread has ended.
    #[error("the log of `{}` is closed: nothing more can be written", path.display())]
    Closed {
        /// The run folder.
        path: PathBuf,
    },
}

impl FolderError {
    pub(super) fn create(path: &Path, source: io::Error) -> Self {
        Self::Io { action: "create", path: path.to_owned(), source }
    }

    pub(super) fn read(path: &Path, source: io::Error) -> Self {
        Self::Io { action: "read", path: path.to_owned(), source }
    }

    pub(super) fn write(path: &Path, source: io::Error) -> Self {
        Self::Io { action: "write", path: path.to_owned(), source }
    }

    pub(super) fn unwritable(path: &Path, reason: &dyn fmt::Display) -> Self {
        Self::Unwritable { path: path.to_owned(), reason: reason.to_string() }
    }

    pub(super) fn malformed(path: &Path, reason: &dyn fmt::Display) -> Self {
        Self::Malformed { path: path.to_owned(), reason: reason.to_string() }
    }

    /// Says of which kind it is.
    pub fn kind(&self) -> ErrorKind {
        use std::io::ErrorKind as Io;
        match self {
            Self::Io { action: "write", .. } => ErrorKind::Storage,
            Self::Io { source, .. } if matches!(source.kind(), Io::StorageFull | Io::QuotaExceeded) => {
                ErrorKind::Storage
            }
            // What cannot be made or read was named by the caller.
            Self::Io { .. } | Self::NotARun { .. } | Self::NewerFormat { .. } | Self::Malformed { .. } => {
                ErrorKind::Usage
            }
            Self::Name { .. } | Self::Config { .. } => ErrorKind::Config,
            Self::Unwritable { .. } | Self::Closed { .. } => ErrorKind::Internal,
        }
    }

    /// Explains it to whoever has to deal with it.
    pub fn advice(&self) -> Advice {
        match self {
            Self::Io { action, source, .. } => Advice::new("", next_step(action, source.kind())),
            Self::Name { .. } => Advice::new(
                "letters, digits, `.`, `_` and `-` are allowed, 64 at most",
                "change `name` in the experiment file",
            ),
            Self::NotARun { .. } => Advice::new("every run has one", "name a folder that a training made"),
            Self::Malformed { .. } => Advice::new("", "restore it from a copy, or use another run"),
            Self::NewerFormat { program, .. } => {
                Advice::new("a later program wrote it", format!("use the xyloop that wrote it: {program}"))
            }
            Self::Config { .. } => Advice::new("", "correct it there or train again"),
            Self::Unwritable { .. } => {
                Advice::new("this is a bug in xyloop", "please report it with the run's run.toml")
            }
            Self::Closed { .. } => Advice::new("", "start another run"),
        }
    }
}

/// Returns the message without "(os error 28)".
fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_lowercase()
}

fn next_step(action: &str, kind: io::ErrorKind) -> &'static str {
    use std::io::ErrorKind;
    match (action, kind) {
        (_, ErrorKind::StorageFull | ErrorKind::QuotaExceeded) => {
            "free space on that disk and try again, or let the folder be made on another one (`log.dir`)"
        }
        ("read", ErrorKind::NotFound) => "check the path; a run that ended early does not have every file",
        ("read", _) => "check the disk and that you may read the file",
        (_, ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem) => {
            "change its owner or permissions, or set `log.dir` to a folder you may write to"
        }
        ("create", ErrorKind::NotFound) => "make the folder above it first (a disk not mounted?), or set `log.dir`",
        (_, ErrorKind::NotFound) => "the run folder was moved or deleted: put it back and try again",
        (_, ErrorKind::AlreadyExists | ErrorKind::NotADirectory) => {
            "something else has that name: move it away, or set `log.dir` to another folder"
        }
        _ => "check the disk, or set `log.dir` to a folder on another one",
    }
}
