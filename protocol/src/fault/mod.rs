//! Faults that are put on a line on purpose.
//!
//! [`Faults`] says what may go wrong and how often, [`FaultInjector`] does it to one direction of a line, and [`Line`] is
//! a whole serial line in virtual time, with faults, for tests. Everything is sans-I/O: bytes and the time come in as
//! arguments. The draws are seeded, so the same frames meet the same fate in every run and on every platform.
//!
//! The injector stands between a sender and a receiver; one is needed for each direction:
//!
//! ```
//! use xyloop_protocol::{fault::{FaultInjector, Faults}, link::Role};
//!
//! let faults: Faults = "bit-error=1e-4,drop=0.1,seed=7".parse()?;
//! let mut to_device = FaultInjector::new(&faults, Role::Host);
//! let (now_us, written) = (0, b"\0what the host's link wrote\0");
//! to_device.push(now_us, written);
//! let mut arrived = Vec::new();
//! to_device.pull(now_us, &mut arrived); // and again at `to_device.next_release_us()`
//! # Ok::<(), xyloop_protocol::fault::ParseFaultsError>(())
//! ```

mod faults;
mod injector;
mod line;
mod random;

pub use faults::{DEFAULT_SEED, DEFAULT_STALL_MS, Faults, ParseFaultsError};
pub use injector::{BURST_US, FaultCounts, FaultInjector, HELD_MAX, REORDER_US};
pub use line::Line;
