//! The wire between an xyloop host and an xyloop device.
//!
//! From the line upwards: [`crc`] and [`frame`] turn bytes into checked frames, [`link`] turns frames into two
//! reliable, ordered message streams, [`greeting`] is what both ends tell each other in the first exchange, and
//! [`message`] is what they say from then on. [`origin`] names what a result was measured under, [`units`] holds the
//! integers that travel (codes, turns), [`codec`] how arrays of them do, [`wiring`] the fingerprint by which host and device agree on what is connected
//! to what. `docs/protocol.md` describes all of it byte by byte, for a second implementation.
//!
//! Everything here is *sans-I/O*: no port, no clock, no allocation. Bytes and the time come in as arguments, memory
//! is handed over as slices, and the same types serve the firmware, the simulated device and the host.
//!
//! The feature `std`, which is off in firmware, adds two parts that allocate: `fault` puts faults on a line on purpose,
//! `trace` records what went over a line and tells what it says.
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

#[cfg(feature = "std")]
extern crate std;

pub mod codec;
pub mod crc;
#[cfg(feature = "std")]
pub mod fault;
pub mod frame;
pub mod greeting;
pub mod link;
pub mod message;
pub mod origin;
#[cfg(feature = "std")]
pub mod trace;
pub mod units;
pub mod wiring;
