//! xyloop: train physical arrays of coupled oscillators by Equilibrium Propagation.
//!
//! | Module | What lives there |
//! |---|---|
//! | [`config`] | rig and experiment files, `--set`, what is refused and why |
//! | [`counts`] | what was noticed in shots |
//! | [`draws`] | random draws, each named by what it is for |
//! | [`task`] | data sets: XOR, Iris |
//! | [`mod@array`] | from a rig file to its graph, wiring and simulated device |
//! | [`calibration`] | between model units and converter codes |
//! | [`device`] | transports, the connection, what is asked of a device |
//! | [`checkup`] | what is wrong with a device or the way to it, and what both can do |
//! | [`train`] | Equilibrium Propagation: shots, gradient, optimiser, evaluation |
//! | [`run`] | a run: prepare, connect, train, judge, close |
//! | [`folder`] | the run folder: what a run leaves on disk |
#![forbid(unsafe_code)]

pub mod array;
pub mod calibration;
pub mod checkup;
pub mod config;
pub mod counts;
pub mod device;
pub mod draws;
pub mod folder;
pub mod run;
pub mod task;
pub mod train;
