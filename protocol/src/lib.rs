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
//! With the feature `adversary` (which needs `std` and is off in firmware) there is `adversary`, too: faults that are put
//! on any line on purpose, and recordings of what went over it.
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

#[cfg(feature = "adversary")]
extern crate std;

#[cfg(feature = "adversary")]
pub mod adversary;
pub mod codec;
pub mod crc;
pub mod frame;
pub mod greeting;
pub mod link;
pub mod message;
pub mod origin;
pub mod units;
pub mod wiring;
