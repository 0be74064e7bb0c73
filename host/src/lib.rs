//! xyloop: train physical arrays of coupled oscillators by Equilibrium Propagation.
//!
//! | Module | What lives there |
//! |---|---|
//! | [`config`] | rig and experiment files, `--set`, what is refused and why |
//! | [`task`] | data sets: XOR, Iris |
//! | [`mod@array`] | from a rig file to its graph, wiring and simulated device |
//! | [`calibration`] | between model units and converter codes |
//! | [`device`] | transports, the connection, what is asked of a device |
//! | [`checkup`] | what is wrong with a device or the way to it, and what both can do |
//! | [`train`] | Equilibrium Propagation: shots, gradient, optimiser, evaluation |
//! | [`folder`] | the run folder: what a run leaves on disk |
//! | [`error`] | of which kind an error is, and what is to be done about it |
#![forbid(unsafe_code)]

pub mod array;
pub mod calibration;
pub mod checkup;
pub mod config;
pub mod device;
pub mod error;
pub mod folder;
pub mod task;
pub mod train;
