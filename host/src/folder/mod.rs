//! The run folder: one folder with everything a training or measurement produced, and the thread that writes its log.
//!
//! ```text
//! runs/20261121-205133-xor-3fa9c2/
//!   run.toml                  what it takes to repeat or evaluate the run      RunRecord
//!   metrics.csv               a row per epoch                                  MetricsRow
//!   equilibria/000000.arrows  every equilibrium, an Arrow IPC stream           EquilibriumRow
//!   final/*.npy               the trained parameters, for numpy                FinalParameters
//!   evaluation.json           the evaluation after training
//!   stop.toml                 only after a clean end                           Stop
//!   evaluations/…/            a folder like this one for each later evaluation, without metrics and final/
//! ```
//!
//! [`RunFolder`] makes and finds the folder and reads and writes its small files, each of which is there whole or not at
//! all. [`RunLog`] writes what grows. In Python: `polars.read_ipc_stream("equilibria/000000.arrows")`,
//! `numpy.load("final/couplings.npy")`, `polars.read_csv("metrics.csv")`; units are in the stream's field metadata and in
//! the CSV's column names.
//!
//! Nothing here talks to a device, and nothing is printed.

mod appender;
mod equilibria;
mod error;
mod log;
mod npy;
mod parameters;
mod record;
mod rows;
mod run_folder;
mod stop;
mod utc;

pub use error::FolderError;
pub use log::{LogOptions, Logged, RunLog, Written};
pub use parameters::FinalParameters;
pub use record::{DataRecord, DeviceRecord, RunHeader, RunRecord};
pub use rows::{EquilibriumRow, MetricsRow, SegmentKind, Stream};
pub use run_folder::RunFolder;
pub use stop::{Stop, StopCounts, StopReason};
pub use utc::Utc;
