//! Why there is no run, or why one was cut short: [`RunError`].

use std::{fmt, path::PathBuf};

use xyloop_lattice::GraphError;
use xyloop_protocol::fault::FaultCounts;

use crate::{
    device::DeviceError,
    error::{Advice, ErrorKind},
    folder::FolderError,
    task::TaskError,
    train::TrainError,
};

/// Says why there is no run, or why it was cut short.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The evaluation of a run was given in place of a run.
    #[error("`{}` is an evaluation of the run `{run}`: it has no parameters of its own", folder.display())]
    IsEvaluation {
        /// The folder that was given.
        folder: PathBuf,
        /// The run that was evaluated.
        run: String,
    },
    /// The rig's geometry makes no graph.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// The data set could not be made.
    #[error(transparent)]
    Task(#[from] TaskError),
    /// The device, or the way to it.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The run folder.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// Task, array and settings do not fit each other.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// A recorded run was for other data.
    #[error("the data are not those of the run: `{}` records others", folder.display())]
    OtherData {
        /// The run's folder.
        folder: PathBuf,
    },
    /// The run had begun and could not go on.
    #[error("the run was cut short; {kept} in {}", folder.display())]
    CutShort {
        /// The run's folder.
        folder: PathBuf,
        /// What of it was kept.
        kept: Kept,
        /// The faults that were put on the line on purpose, to the device and to the host, if any were asked for.
        faults: Option<Box<[FaultCounts; 2]>>,
        /// Why.
        source: Box<RunError>,
    },
}

impl RunError {
    /// Says of which kind it is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Graph(_) => ErrorKind::Config,
            Self::Task(error) => error.kind(),
            Self::Device(error) => error.kind(),
            Self::Folder(error) => error.kind(),
            Self::Train(error) => error.kind(),
            Self::OtherData { .. } | Self::IsEvaluation { .. } => ErrorKind::Usage,
            Self::CutShort { source, .. } => match source.kind() {
                // A run that had begun was asked for rightly: the disk has changed since.
                ErrorKind::Usage | ErrorKind::Config => ErrorKind::Storage,
                kind => kind,
            },
        }
    }

    /// Explains it to whoever has to deal with it.
    pub fn advice(&self) -> Advice {
        match self {
            Self::Graph(_) => Advice::new("", "correct `[lattice]` of the rig file"),
            Self::Task(error) => error.advice(),
            Self::Device(error) => error.advice(),
            Self::Folder(error) => error.advice(),
            Self::Train(error) => error.advice(),
            Self::OtherData { .. } => Advice::new(
                "a verdict on other data would say nothing of the run",
                "use the program that made it: `program` in its run.toml names it",
            ),
            Self::IsEvaluation { .. } => Advice::new("a run's codes are judged", "name the folder of that run"),
            Self::CutShort { source, .. } => source.advice(),
        }
    }
}

/// Says what was kept of a run that was cut short.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    /// The log, and the parameters that training had reached.
    LogAndParameters,
    /// The log. An evaluation has no parameters of its own.
    Log,
    /// What was logged before something more went wrong.
    Part {
        /// What went wrong.
        why: String,
    },
}

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LogAndParameters => f.write_str("its log and the parameters it had reached are"),
            Self::Log => f.write_str("its log is"),
            Self::Part { why } => write!(f, "its log or its parameters are not complete ({why}); what there is lies"),
        }
    }
}
