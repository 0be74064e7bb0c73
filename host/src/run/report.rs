//! What a run came to, as plain data.

use xyloop_protocol::fault::FaultCounts;

use crate::{
    folder::{Logged, RunFolder, Stop},
    train::{Evaluation, Outcome},
};

/// Says what a run came to.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// Where everything is.
    pub folder: RunFolder,
    /// What the user called the way to the device.
    pub place: String,
    /// Model and serial number of the device.
    pub device: String,
    /// How training ended; `None` if there was nothing to train.
    pub outcome: Option<Outcome>,
    /// The verdict on the committed codes; `None` if it did not come to that.
    pub evaluation: Option<Evaluation>,
    /// What the log came to.
    pub logged: Logged,
    /// What `stop.toml` says; `None` if the run did not come to a clean end.
    pub stop: Option<Stop>,
    /// The faults that were put on the line on purpose, to the device and to the host, if any were asked for.
    pub faults: Option<[FaultCounts; 2]>,
    /// Wall-clock time from the folder's making to the end, seconds.
    pub wall_s: f64,
}

impl Report {
    /// Says if the run did all it was to do.
    pub fn is_complete(&self) -> bool {
        self.evaluation.is_some()
    }
}
