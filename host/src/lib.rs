//! xyloop: train physical arrays of coupled oscillators by Equilibrium Propagation.
//!
//! | Module | What lives there |
//! |---|---|
//! | [`config`] | rig and experiment files, the array they describe (the crate `xyloop-hil-config`) |
//! | [`counts`] | what was noticed in shots |
//! | [`draws`] | random draws, each named by what it is for |
//! | [`task`] | data sets: XOR, Iris |
//! | [`rig`] | from a rig file to the device to look for, the way to it, and the simulated one |
//! | [`calibration`] | between parameters and the codes of a generation |
//! | [`device`] | transports, the connection, what is asked of a device |
//! | [`checkup`] | what is wrong with a device or the way to it, and what both can do |
//! | [`train`] | Equilibrium Propagation: shots, gradient, optimiser, evaluation |
//! | [`run`] | a run: prepare, connect, train, judge, close |
//! | [`folder`] | the run folder: what a run leaves on disk |
//! | [`error`] | of which kind an error is, and what is to be done about it |
#![forbid(unsafe_code)]

pub mod calibration;
pub mod checkup;
pub mod counts;
pub mod device;
pub mod draws;
pub mod error;
pub mod folder;
pub mod rig;
pub mod run;
pub mod task;
pub mod train;

pub use xyloop_hil_config as config;
