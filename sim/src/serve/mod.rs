//! Serving a simulated device: the loop that carries bytes, finished computations and time to the Controller, for a
//! host in the same process ([`Embedded`]), on a pty or on TCP ([`Served`]).
//!
//! # Design
//! One thread owns the Controller and never blocks on I/O: readers, writers and the recorder are threads of their own,
//! so a host that stops reading or a slow disk cannot keep the deadman from being judged. This is the only place in the
//! simulator that reads a clock (the link's timers and the deadman of a *served* device run on it).
//!
//! A line can be made as slow as a UART. A device serves one host at a time. Hosts come and go without the device noticing more than that its line was cut.

mod embedded;
mod line;
mod outlet;
mod pace;
mod pty;
mod run;
mod served;
mod tcp;

pub use embedded::Embedded;
pub use line::LineReport;
pub use served::Served;

use std::path::PathBuf;

use crate::device::DeviceError;

/// Why a device could not be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The device did not start.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// No pty could be made.
    #[error("cannot open a pseudo-terminal: {0}")]
    Pty(#[source] rustix::io::Errno),
    /// The name for the pty is taken by something that is no symbolic link.
    #[error("{} exists and is no symbolic link; it is left as it is. Give another name for the link", path.display())]
    LinkTaken {
        /// The name asked for.
        path: PathBuf,
    },
    /// The name for the pty cannot be made.
    #[error("cannot make the link {}: {source}", path.display())]
    Link {
        /// The name asked for.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The recording cannot be begun.
    #[error("cannot record to {}: {source}", path.display())]
    Trace {
        /// The file asked for.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The address cannot be served.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address asked for.
        address: String,
        /// Why.
        source: std::io::Error,
    },
    /// A handle could not be duplicated.
    #[error("cannot serve the device")]
    Io(#[from] std::io::Error),
}

impl ServeError {
    /// Whether a file that was asked for is the reason, and not the device or the system.
    pub fn is_wrong_argument(&self) -> bool {
        matches!(self, Self::LinkTaken { .. } | Self::Link { .. } | Self::Trace { .. })
    }
}
