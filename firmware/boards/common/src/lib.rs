//! What all boards share and that is no hardware: the memory of a Controller, its start from a rig image, how each kind of
//! converter wants its bus, and what a firmware leaves behind when it ends.
//!
//! A board brings pins, clocks, a line to the host and a [`Hardware`](xyloop_firmware::front_end::Hardware); everything here
//! runs on the host too, where it is tested.
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod bus;
pub mod last_words;
mod memory;
pub mod shift;
mod start;

#[doc(hidden)]
pub use xyloop_firmware as firmware;
#[doc(hidden)]
pub use xyloop_protocol as protocol;

pub use self::{
    memory::{Buffers, Room},
    start::{About, StartError, start},
};
