//! What can be wrong with a device or the way to it. Every message names the place and the next step.

use std::{path::PathBuf, time::Duration};

use xyloop_protocol::{
    codec::Codec,
    message::{BootCause, Fault, Reason, Refusal, SafeCause, State},
    units::ShotId,
};

/// Why a device cannot be used (any more).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// The path is not there.
    #[error("there is no port {path}: is the device plugged in and powered?{}", listed(.available))]
    NoPort {
        /// The port asked for.
        path: PathBuf,
        /// Serial ports that exist.
        available: Vec<String>,
    },
    /// Another program has it open.
    #[error("port {path} is in use by another program: close it (`fuser {path}` names it) and try again")]
    Busy {
        /// The port.
        path: PathBuf,
    },
    /// The user may not open it.
    #[error(
        "no permission to open {path}: add yourself to the group that owns it \
         (`ls -l {path}` shows which, often `dialout`) and log in again"
    )]
    Permission {
        /// The port.
        path: PathBuf,
    },
    /// The path is something, but no serial port.
    #[error("{path} is not a serial port ({reason}): give a serial port, `tcp://HOST:PORT` or `sim`")]
    NotAPort {
        /// What was given.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// The port exists and does not work.
    #[error("cannot open {place}: {reason}")]
    Open {
        /// Where.
        place: String,
        /// What the system says.
        reason: String,
    },
    /// Nobody listens at the address.
    #[error("nothing answers at {place} ({reason}): start it with `xyloop sim serve --tcp`, or check the address")]
    NoListener {
        /// Where.
        place: String,
        /// What the system says.
        reason: String,
    },
    /// `sim` without a rig.
    #[error("the embedded simulated device needs a rig file that says what to simulate: give `--config RIG`")]
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
        "{place} is not an xyloop device: no valid answer within {waited:?} ({received} bytes came, {bad} damaged \
         frames). Check the port and the baud rate (`device.serial.baud`)"
    )]
    NotADevice {
        /// Where.
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
    #[error(
        "{place} closed the connection at once: the device is in use by another host, or it is not an xyloop device"
    )]
    TurnedAway {
        /// Where.
        place: String,
    },
    /// The device speaks another version of the wire.
    #[error(
        "{place} speaks wire version {theirs}, this program speaks version {ours}: \
         install the firmware that belongs to this program, or the program that belongs to the firmware"
    )]
    Version {
        /// Where.
        place: String,
        /// This program's version.
        ours: u8,
        /// The device's version.
        theirs: u8,
    },
    /// The device knows other messages.
    #[error(
        "{place} knows other messages (schema {theirs:016x}) than this program (schema {ours:016x}): \
         flash firmware built from the same release"
    )]
    Schema {
        /// Where.
        place: String,
        /// This program's schema hash.
        ours: u64,
        /// The device's.
        theirs: u64,
    },
    /// The device is wired otherwise than the rig file says.
    #[error(
        "{place} is wired otherwise than rig `{rig}`: the rig file says {ours:016x} ({ours_is}), the device {theirs:016x} \
         (`xyloop device info --device {place}` says what it is). Give the rig file that describes this device (geometry, \
         size, terminals, converter bits and ranges)"
    )]
    Wiring {
        /// Where.
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
    #[error(
        "{place} is another device: it is {theirs}, wanted is {ours} ({why}). Connect that one, or say which one is meant \
         with `device.serial_number` in the rig file"
    )]
    OtherDevice {
        /// Where.
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
        "another host took {place} over while this run was on it (the device was not restarted, boot id {boot_id:08x}): \
         the couplings on it are not this run's any more. See to it that one host uses it, and start again"
    )]
    TakenOver {
        /// Where.
        place: String,
        /// The device's boot id, the same as before.
        boot_id: u32,
    },
    /// Another host's shots are on the device.
    #[error(
        "{place} holds {shots} shots of another host, which would be lost: let that host finish them. If it will not come \
         back, the next `xyloop train` on this device drops them"
    )]
    Held {
        /// Where.
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
    #[error("lost {place}: {reason}. Outputs go safe by themselves; start again when the device is back")]
    Lost {
        /// Where.
        place: String,
        /// What happened.
        reason: String,
    },
    /// The device did not answer.
    #[error(
        "{place} did not answer `{asked}` within {waited:?}: `xyloop device info --device {place}` shows whether it lives"
    )]
    NoAnswer {
        /// Where.
        place: String,
        /// What was asked.
        asked: &'static str,
        /// How long was waited.
        waited: Duration,
    },
    /// The device cannot do what the experiment file asks for.
    #[error(
        "{place} does not offer the codec \"{}\": write codec = \"words\" in [link] of the experiment file",
        codec_name(*.codec)
    )]
    NoCodec {
        /// Where.
        place: String,
        /// The codec that was asked for.
        codec: Codec,
    },
    /// The device said no.
    #[error("the device refused `{asked}`: {}", refusal(.refused))]
    Refused {
        /// What was asked.
        asked: &'static str,
        /// Its words.
        refused: Refusal,
    },
    /// The device has a latched fault.
    #[error("the device is in state {}: outputs are safe. See to the cause, then `xyloop device clear`; \
         power-cycle the device if the fault comes back", state_in_words(.0))]
    Fault(State),
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

fn listed(ports: &[String]) -> String {
    if ports.is_empty() { String::new() } else { format!(" Serial ports here: {}", ports.join(", ")) }
}

fn refusal(refusal: &Refusal) -> String {
    let detail = refusal.detail;
    match refusal.reason {
        Reason::Malformed => format!("it could not decode a message of {detail} bytes"),
        Reason::OutOfRange => format!("a number is beyond its limit of {detail}"),
        Reason::Busy => format!("{detail} shots are still queued or running"),
        Reason::NotStaged => format!("generation {detail} is staged, not the one named"),
        Reason::CrcMismatch => format!("the staged codes have CRC {detail:08x}, not the one named"),
        Reason::WrongGeneration => format!("it holds generation {detail}"),
        Reason::NotReady => "its outputs are safe and no generation is latched".into(),
        Reason::NoPlan => "it has no plan for the shot".into(),
        Reason::BadPlan if detail == 255 => "the settle policy, the number of reads or the kick makes no sense".into(),
        Reason::BadPlan => format!("segment {detail} of the plan is not allowed there"),
        Reason::Full => format!("all its {detail} shot slots are taken"),
        Reason::OldShot => format!("shot ids must ascend, the last one was {detail}"),
        Reason::Faulted => {
            let faults = [Fault::Converter, Fault::Board, Fault::Plant, Fault::Link];
            let fault = faults.into_iter().find(|fault| *fault as u64 == detail);
            let fault = fault.map_or_else(|| "unknown".into(), |fault| format!("{fault:?}").to_lowercase());
            format!(
                "a fault is latched ({fault}), outputs are safe. See to the cause, then `xyloop device clear`; power-cycle \
                 the device if the fault comes back"
            )
        }
        Reason::NoCodec => format!("it does not offer this codec (its set is {detail:#b})"),
    }
}

/// A codec as it is written in an experiment file.
fn codec_name(codec: Codec) -> &'static str {
    match codec {
        Codec::Words => "words",
        Codec::Delta => "delta",
    }
}

/// Why a device started, in words, and what its firmware left behind before that, on one line.
pub fn boot_in_words(cause: BootCause, note: &str) -> String {
    let cause = match cause {
        BootCause::Unknown => "cause unknown",
        BootCause::PowerOn => "power-on",
        BootCause::Pin => "reset pin",
        BootCause::Asked => "asked for",
        BootCause::Watchdog => "watchdog",
        BootCause::Panic => "panic",
        BootCause::HardFault => "hard fault",
        BootCause::BrownOut => "brown-out",
    };
    // A note is what a failing device wrote: no line ends, nor anything a terminal would obey.
    let note = note.replace(char::is_control, " ");
    match note.trim() {
        "" => cause.into(),
        note => format!("{cause}: {note}"),
    }
}

/// A device's state in words.
pub fn state_in_words(state: &State) -> String {
    match state {
        State::Boot => "booting".into(),
        State::Safe(SafeCause::Reset) => "safe (since reset)".into(),
        State::Safe(SafeCause::Asked) => "safe (as asked)".into(),
        State::Safe(SafeCause::Deadman) => "safe (the host was silent)".into(),
        State::Safe(SafeCause::Cleared) => "safe (a fault was cleared)".into(),
        State::Ready => "ready".into(),
        State::Running => "running".into(),
        State::Faulted(fault) => format!("faulted ({fault:?})").to_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boot_is_said_on_one_line_whatever_was_left_behind() {
        assert_eq!(boot_in_words(BootCause::Watchdog, ""), "watchdog");
        assert_eq!(boot_in_words(BootCause::Panic, "at a.rs:12:5:\nindex 7"), "panic: at a.rs:12:5: index 7");
        assert_eq!(boot_in_words(BootCause::BrownOut, "\u{1b}[2J\r\n"), "brown-out: [2J");
        assert_eq!(boot_in_words(BootCause::HardFault, " \0\n"), "hard fault");
    }
}
