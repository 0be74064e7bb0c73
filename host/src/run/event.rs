//! What an observer of a run is told while it goes on.

use std::{path::PathBuf, sync::Arc};

use crate::{
    device::{LinkFigures, Notice},
    train::EpochReport,
};

/// Tells what has just happened in a run.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// The device answered, the folder is made, the first shot comes next.
    Started {
        /// What the user called the way to the device.
        place: String,
        /// The run folder.
        folder: PathBuf,
        /// Name of the experiment.
        experiment: String,
        /// Sites of the array.
        sites: usize,
        /// Couplings of the array.
        couplings: usize,
        /// The experiment's seed.
        seed: u64,
        /// The run whose codes are judged, if nothing is trained.
        evaluation_of: Option<String>,
    },
    /// An epoch of training is over.
    Epoch {
        /// Its figures.
        report: EpochReport,
        /// The most epochs there will be.
        epochs_max: u32,
        /// The link's figures since the run began.
        link: LinkFigures,
        /// Seconds since training began.
        seconds: f64,
    },
    /// Training is over.
    Trained,
    /// Something happened to the line or the device at its end; the run goes on, or waits.
    Link(Notice),
    /// The committed codes are judged now.
    Judging {
        /// Samples to be judged.
        samples: usize,
        /// Kicks per sample.
        starts: u32,
    },
}

/// Is told of every [`Event`], in their order, on whatever thread it happens; it must not block.
pub type Observer = Arc<dyn Fn(&Event) + Send + Sync>;

/// Returns an observer that looks at nothing.
pub fn unobserved() -> Observer {
    Arc::new(|_| {})
}
