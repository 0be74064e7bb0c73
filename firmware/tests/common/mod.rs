//! Shared by the Controller's tests: a scripted board, and a host that drives the device over an in-memory line, both
//! on one virtual clock that jumps from event to event.
#![allow(dead_code, unused_imports, clippy::unwrap_used, clippy::expect_used)]

mod board;
mod host;
mod words;

pub use board::*;
pub use host::*;
pub use words::*;
