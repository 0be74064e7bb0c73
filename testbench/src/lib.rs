//! What the tests, fuzz targets and benches of xyloop share to drive a device without a rig, a thread or a clock.
//!
//! A [`Pair`] is two [`End`]s of a line with the line between them, on one virtual clock that jumps from event to event.
//! The host's end is a bare [`Link`](xyloop_protocol::link::Link) or a [`ScriptedHost`], which says what a test tells it to
//! and writes down what it hears. The device's end is a link, or a Controller over any board. [`scripted`] has a board
//! whose phases a test can compute itself, and the rig around it.
//!
//! Memory lives in [`LinkMemory`] and [`DeviceMemory`]. [`link()`] leaks it: tests are short.
//!
//! Nothing here does I/O or draws an unseeded number. Everything panics where a test would fail.
#![forbid(unsafe_code)]
#![deny(missing_docs)]
#![allow(clippy::missing_panics_doc, clippy::expect_used, reason = "panicking is how a test fails")]

mod converters;
mod end;
mod heard;
mod host;
mod memory;
mod orders;
mod pair;
mod read_outs;
pub mod scripted;

pub use converters::CONVERTERS;
pub use end::End;
pub use heard::{Answer, Row, refused};
pub use host::{ResultBytes, ScriptedHost};
pub use memory::{DeviceMemory, LinkMemory, LinkSizes, link};
pub use orders::{Codes, Order, bytes_of};
pub use pair::{Pair, instant_lines};
