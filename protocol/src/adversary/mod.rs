//! The adversary in the box: wrappers around any line that put faults on it, or write down what goes over it.
//!
//! [`Faults`] says what may go wrong and how often, [`FaultInjector`] does it to one direction of a line, [`Tracer`]
//! records a line in a capture file, [`Trace`] reads such a file, and [`FrameFinder`] tells what frames are in it.
//! [`Line`] is a whole serial line in virtual time, with faults, for tests.
//! Everything is sans-I/O but for the `Read` and `Write` of capture files: bytes and the time come in as arguments, and
//! the draws are seeded, so the same frames meet the same fate in every run and on every platform.
//!
//! The injector stands between a sender and a receiver; one is needed for each direction:
//!
//! ```
//! use xyloop_protocol::{adversary::{FaultInjector, Faults}, link::Role};
//!
//! let faults: Faults = "bit-error=1e-4,drop=0.1,seed=7".parse()?;
//! let mut to_device = FaultInjector::new(&faults, Role::Host);
//! let (now_us, written) = (0, b"\0what the host's link wrote\0");
//! to_device.push(now_us, written);
//! let mut arrived = Vec::new();
//! to_device.pull(now_us, &mut arrived); // and again at `to_device.next_release_us()`
//! # Ok::<(), xyloop_protocol::adversary::ParseFaultsError>(())
//! ```

mod assembler;
mod faults;
mod injector;
mod line;
mod pcap;
mod random;
mod rendering;

pub use faults::{DEFAULT_SEED, DEFAULT_STALL_MS, Faults, ParseFaultsError};
pub use injector::{FaultCounts, FaultInjector, HELD_MAX, REORDER_US};
pub use line::Line;
pub use pcap::{LINKTYPE_USER0, Record, Trace, TraceError, Tracer};
pub use rendering::{BadFrame, Content, FrameFinder, TracedFrame};

use crate::frame;

/// Longest frame in bytes on the line; what is longer without a delimiter is taken for a frame of this length.
pub const FRAME_MAX: usize = frame::encoded_len(u16::MAX as usize);
