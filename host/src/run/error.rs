//! Why there is no run, or why one was cut short: [`RunError`].

use std::{fmt, path::PathBuf};

use xyloop_lattice::GraphError;

use crate::{config::ConfigError, device::DeviceError, folder::FolderError, task::TaskError, train::TrainError};

/// Says why there is no run, or why it was cut short.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The settings are refused.
    #[error(transparent)]
    Config(#[from] ConfigError),
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
        /// Why.
        source: Box<RunError>,
    },
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
