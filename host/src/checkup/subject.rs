//! What is examined, and the rig file it is held against.

use std::path::PathBuf;

use super::port::System;
use crate::{config::Port, device::Wanted};

/// Names what is examined.
pub struct Subject<'s> {
    /// The way to the device.
    pub port: &'s Port,
    /// Rate of a serial line, bits per second.
    pub baud: u32,
    /// The rig file it is held against, if one was given.
    pub rig: Option<RigFile>,
    /// Where the system's files are.
    pub system: System,
}

/// Holds what a rig file says of its device.
pub struct RigFile {
    /// The file.
    pub file: PathBuf,
    /// The device that is wanted.
    pub wanted: Wanted,
    /// The deadman it says the device has, milliseconds.
    pub deadman_ms: u32,
}
