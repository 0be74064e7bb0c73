//! A simulated device on a bench, for the host's own code on tokio's paused clock: in this process, behind a serial line in
//! virtual time on which anything can happen. The tests of reconnecting, of soaking and of round trips share it.
//!
//! [`VirtualRig`] is the whole of it as a test sees it, [`cable`] the line with its faults and cuts, [`device`] the device's
//! starts, [`host_end`] what the host opens, reads and writes; [`workload`] is what the device is asked to measure.

pub mod cable;
pub mod device;
pub mod workload;

mod host_end;
pub mod virtual_rig;

pub use virtual_rig::VirtualRig;
