//! What can be wrong with a device or the way to it, and of which kind that is. What is to be done about it is in `advice`.

use std::{path::PathBuf, time::Duration};

use xyloop_protocol::{
    codec::Codec,
    message::{Refusal, State},
    units::ShotId,
};

use super::words::{codec_name, refusal, state_in_words};
use crate::error::ErrorKind;

/// Says why a device cannot be used (any more).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// The path is not there.
    #[error("there is no port {path}; serial ports here: {}", listed(.available))]
    NoPort {
        /// The port asked for.
        path: PathBuf,
        /// Serial ports that exist.
        available: Vec<String>,
    },
    /// Another program has it open.
    #[error("port {path} is in use by another program")]
    Busy {
        /// The port.
        path: PathBuf,
    },
    /// The user may not open it.
    #[error("no permission to open {path}")]
    Permission {
        /// The port.
        path: PathBuf,
    },
    /// The path is something, but no serial port.
    #[error("{path} is not a serial port ({reason})")]
    NotAPort {
        /// What was given.
        path: PathBuf,
        /// Quotes the system.
        reason: String,
    },
    /// The port exists and does not work.
    #[error("cannot open {place}: {reason}")]
    Open {
        /// Names the place.
        place: String,
        /// Quotes the system.
        reason: String,
    },
    /// Nobody listens at the address.
    #[error("nothing answers at {place} ({reason})")]
    NoListener {
        /// Names the place.
        place: String,
        /// Quotes the system.
        reason: String,
    },
    /// `sim` without a rig.
    #[error("the embedded simulated device needs a rig file that says what to simulate")]
    NothingToSimulate,
    /// `sim` in a build without the feature `embedded`.
    #[error("this build has no simulated device in it")]
    NoSimulator,
    /// The embedded simulated device did not start.
    #[cfg(feature = "embedded")]
    #[error("the embedded simulated device did not start")]
    Embedded(#[from] xyloop_sim::serve::ServeError),
    /// Something is there that does not speak the protocol.
    #[error(
        "{place} is not an xyloop device: no valid answer within {waited:?} ({received} bytes came, {bad} damaged frames)"
    )]
    NotADevice {
        /// Names the place.
        place: String,
        /// How long it was tried.
        waited: Duration,
        /// Bytes received meanwhile.
        received: u64,
        /// Frames received meanwhile that were damaged.
        bad: u32,
        /// Frames received meanwhile that were our own.
        echoed: u32,
        /// The first bytes that came, a few dozen at most.
        first: Vec<u8>,
    },
    /// The connection was closed before anything was said.
    #[error("{place} closed the connection at once")]
    TurnedAway {
        /// Names the place.
        place: String,
    },
    /// The device speaks another version of the wire.
    #[error("{place} speaks wire version {theirs}, this program speaks version {ours}")]
    Version {
        /// Names the place.
        place: String,
        /// This program's version.
        ours: u8,
        /// The device's version.
        theirs: u8,
    },
    /// The device knows other messages.
    #[error("{place} knows other messages (schema {theirs:016x}) than this program (schema {ours:016x})")]
    Schema {
        /// Names the place.
        place: String,
        /// This program's schema hash.
        ours: u64,
        /// The device's.
        theirs: u64,
    },
    /// The device is wired otherwise than the rig file says.
    #[error(
        "{place} is wired otherwise than rig `{rig}`: the rig file says {ours:016x} ({ours_is}), the device {theirs:016x}"
    )]
    Wiring {
        /// Names the place.
        place: String,
        /// Name of the rig.
        rig: String,
        /// The rig file's wiring hash.
        ours: u64,
        /// In words.
        ours_is: String,
        /// The device's.
        theirs: u64,
    },
    /// Another device than the one that is wanted.
    #[error("{place} is another device: it is {theirs}, wanted is {ours} ({why})")]
    OtherDevice {
        /// Names the place.
        place: String,
        /// Which device is wanted.
        ours: String,
        /// Which one is there.
        theirs: String,
        /// Who wants it.
        why: &'static str,
    },
    /// Another host has made a connection of its own to the device.
    #[error(
        "another host took {place} over while this run was on it (the device was not restarted, boot id {boot_id:08x})"
    )]
    TakenOver {
        /// Names the place.
        place: String,
        /// The device's boot id, the same as before.
        boot_id: u32,
    },
    /// Another host's shots are on the device.
    #[error("{place} holds {shots} shots of another host, which would be lost")]
    Held {
        /// Names the place.
        place: String,
        /// Queued, running, or finished and not taken.
        shots: usize,
    },
    /// A stop was asked for while the device was waited for.
    #[error("a stop was asked for while the device was waited for")]
    Interrupted,
    /// Shots are named so that a result could be taken for another one's.
    #[error("shot ids must ascend: {id} came after {last}")]
    ShotIds {
        /// The shot.
        id: ShotId,
        /// The one before it.
        last: ShotId,
    },
    /// A batch was begun while the device still holds results of the one before.
    #[error("the results up to shot {through} are to be retired before the next batch begins")]
    NotRetired {
        /// The last one.
        through: ShotId,
    },
    /// The connection ended.
    #[error("lost {place}: {reason}")]
    Lost {
        /// Names the place.
        place: String,
        /// What happened.
        reason: String,
    },
    /// The device did not answer.
    #[error("{place} did not answer `{asked}` within {waited:?}")]
    NoAnswer {
        /// Names the place.
        place: String,
        /// What was asked.
        asked: &'static str,
        /// How long was waited.
        waited: Duration,
    },
    /// The device cannot do what the experiment file asks for.
    #[error("{place} does not offer the codec \"{}\"", codec_name(*.codec))]
    NoCodec {
        /// Names the place.
        place: String,
        /// The codec that was asked for.
        codec: Codec,
    },
    /// The device said no.
    #[error("the device refused `{asked}`: {}", refusal(.refused))]
    Refused {
        /// Names the place.
        place: String,
        /// What was asked.
        asked: &'static str,
        /// Its words.
        refused: Refusal,
    },
    /// The device has a latched fault.
    #[error("the device is in state {}: outputs are safe", state_in_words(.state))]
    Fault {
        /// Names the place.
        place: String,
        /// Its state, with the fault.
        state: State,
    },
    /// The device said something that does not follow from what was asked.
    #[error("the device broke the protocol: {what}")]
    Protocol {
        /// What it said.
        what: String,
    },
    /// Results are missing.
    #[error("the device went on to shot {got} without the results of shot {expected}")]
    Order {
        /// The shot whose results were due.
        expected: ShotId,
        /// The shot that came.
        got: ShotId,
    },
}

impl DeviceError {
    /// Says of which kind it is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::NoPort { .. }
            | Self::Busy { .. }
            | Self::Permission { .. }
            | Self::NotAPort { .. }
            | Self::Open { .. }
            | Self::NoListener { .. }
            | Self::NotADevice { .. }
            | Self::TurnedAway { .. }
            | Self::Lost { .. }
            | Self::NoAnswer { .. } => ErrorKind::Link,
            Self::NothingToSimulate | Self::NoSimulator => ErrorKind::Config,
            #[cfg(feature = "embedded")]
            Self::Embedded(error) => kind_of_simulated(error),
            Self::Version { .. }
            | Self::Schema { .. }
            | Self::Wiring { .. }
            | Self::OtherDevice { .. }
            | Self::TakenOver { .. }
            | Self::Held { .. }
            | Self::NoCodec { .. }
            | Self::Refused { .. }
            | Self::Fault { .. }
            | Self::Protocol { .. }
            | Self::Order { .. } => ErrorKind::Device,
            Self::Interrupted => ErrorKind::Interrupted,
            Self::ShotIds { .. } | Self::NotRetired { .. } => ErrorKind::Internal,
        }
    }
}

/// Says of which kind it is that a simulated device did not start.
#[cfg(feature = "embedded")]
fn kind_of_simulated(error: &xyloop_sim::serve::ServeError) -> ErrorKind {
    if error.is_wrong_argument() { ErrorKind::Usage } else { ErrorKind::Device }
}

fn listed(ports: &[String]) -> String {
    if ports.is_empty() { "none".into() } else { ports.join(", ") }
}
