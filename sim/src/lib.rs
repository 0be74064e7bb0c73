//! The simulated device: the firmware's `Controller` over a simulated array of oscillators.
//!
//! [`Description`] says what is simulated; [`plant`] is the array behind its converters; [`board`] lets the Controller
//! drive many replicas of it at once; [`noise`] holds the keyed noise streams; [`serve`] speaks to a host in-process,
//! on a pty or on TCP. For a microcontroller that is emulated elsewhere, [`chips`] are simulated converters and [`rack`]
//! puts them, as a [rig image](xyloop_hil_config::rig_image) says, before the same array. The simulator overrides below the shot, never the shot.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod board;
pub mod chips;
pub mod device;
#[cfg(unix)]
pub mod emulator;
pub mod noise;
pub mod plant;
pub mod rack;
pub mod serve;

pub use board::SimulatedBoard;
pub use device::{Device, Memory};
pub use plant::{Description, Solver};
pub use serve::{Embedded, Served};
