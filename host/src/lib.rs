//! xyloop: train physical arrays of coupled oscillators by Equilibrium Propagation.
//!
//! | Module | What lives there |
//! |---|---|
//! | [`config`] | rig and experiment files, the array they describe (the crate `xyloop-hil-config`) |
//! | [`task`] | data sets: XOR, Iris |
//! | [`rig`] | from a rig file to the device to look for, and to the simulated one |
//! | [`calibration`] | between model units and converter codes |
//! | [`device`] | transports, the connection, what is asked of a device |
//! | [`checkup`] | what is wrong with a device or the way to it, and what both can do |
//! | [`train`] | Equilibrium Propagation: shots, gradient, optimiser, evaluation |
//! | [`folder`] | the run folder: what a run leaves on disk |
#![forbid(unsafe_code)]

pub mod calibration;
pub mod checkup;
pub mod device;
pub mod folder;
pub mod rig;
pub mod task;
pub mod train;

pub use xyloop_hil_config as config;
