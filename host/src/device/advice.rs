//! What is to be done about what can be wrong with a device or the way to it: once for every error.

use xyloop_protocol::message::{Reason, Refusal};

use super::error::DeviceError;
use crate::error::{Action, Advice};

/// Why another wiring is refused; the doctor says the same of a rig file that describes another array.
pub(crate) const WHY_WIRING: &str = "codes would reach the wrong couplings";
/// Why another serial number is refused; the doctor says the same.
pub(crate) const WHY_OTHER_DEVICE: &str = "codes and calibration of one table are wrong for another";
/// Why a silent port is no device; the doctor says the same.
pub(crate) const WHY_SILENCE: &str = "a device answers within milliseconds";

impl DeviceError {
    /// Says why it matters or where it comes from, and what is to be done.
    #[expect(clippy::too_many_lines, reason = "one arm for every error")]
    pub fn advice(&self) -> Advice {
        match self {
            Self::NoPort { .. } => Advice::new(
                "the system has not seen the device",
                "plug it in and power it, then look at `ls -l /dev/serial/by-id`; a device that is plugged in and not listed \
                 there leaves its reason in `sudo dmesg | tail`",
            ),
            Self::Busy { path } => Advice::new(
                "only one program can talk to a device",
                format!("`sudo fuser -v {}` names it; close it and try again", path.display()),
            ),
            Self::Permission { path } => Advice::new(
                "a program has the rights of the user who starts it",
                format!(
                    "`ls -l {}` shows the group that may (often `dialout`); add yourself to it and log in again",
                    path.display()
                ),
            ),
            Self::NotAPort { .. } => Advice::new(
                "nothing can be sent there",
                "give a serial port (`ls -l /dev/serial/by-id`), `tcp://HOST:PORT` or `sim`",
            ),
            Self::Open { .. } => Advice::new("the way to the device cannot be opened", "see to the reason given"),
            Self::NoListener { .. } => Advice::new(
                "nobody listens at that address",
                "start the device's server, or check the address and the firewall",
            )
            .with(Action::ServeSimulated),
            Self::NothingToSimulate => {
                Advice::new("nothing says which array it is to be", "give a rig file").with(Action::NameRig)
            }
            Self::NoSimulator => Advice::new(
                "it was built without the feature `embedded`, for real rigs alone",
                "give a serial port or `tcp://HOST:PORT` as `device.port`, or build with that feature",
            ),
            #[cfg(feature = "embedded")]
            Self::Embedded(error) => of_simulated(error),
            Self::NotADevice { .. } => {
                Advice::new(WHY_SILENCE, "check the port, the device's power and the baud rate (`device.serial.baud`)")
            }
            Self::TurnedAway { .. } => Advice::new(
                "it is in use by another host, or it is not an xyloop device",
                "end the other host's run and try again",
            ),
            Self::Version { .. } => Advice::new(
                "neither can read what the other says",
                "install the firmware that belongs to this program, or the program that belongs to the firmware",
            ),
            Self::Schema { .. } => Advice::new(
                "a message would be taken for another one",
                "flash firmware built from the same release as this program",
            ),
            Self::Wiring { place, .. } => Advice::new(
                WHY_WIRING,
                "give the rig file that describes this device (geometry, size, terminals, converter bits and ranges)",
            )
            .with(Action::ShowDevice { place: place.clone() }),
            Self::OtherDevice { .. } => Advice::new(
                WHY_OTHER_DEVICE,
                "connect that one, or say which one is meant with `device.serial_number` in the rig file",
            ),
            Self::TakenOver { .. } => Advice::new(
                "the couplings on it are not this run's any more",
                "see to it that one host uses it, and start again",
            ),
            Self::Held { .. } => Advice::new(
                "that host has not logged their results yet",
                "let it finish them; if it will not come back, the next training on this device drops them",
            ),
            Self::Interrupted => Advice::new(
                "nobody waits any longer; the device's outputs go safe by themselves",
                "start again when the device is back",
            ),
            Self::ShotIds { .. } => {
                Advice::new("a result could be taken for another shot's", "name every shot with a higher number")
            }
            Self::NotRetired { .. } => {
                Advice::new("the next batch would make the device forget them", "log them and retire them first")
            }
            Self::Lost { .. } => Advice::new(
                "outputs go safe by themselves",
                "check cable and power; start again when the device is back",
            ),
            Self::NoAnswer { place, .. } => Advice::new(
                "the line carries bytes, but the device does not come to an answer",
                "find out if it lives, and power-cycle it if not",
            )
            .with(Action::ShowDevice { place: place.clone() }),
            Self::NoCodec { .. } => Advice::new(
                "its firmware was built without it",
                "write codec = \"words\" in [link] of the experiment file",
            ),
            Self::Fault { place, .. }
            | Self::Refused { place, refused: Refusal { reason: Reason::Faulted, .. }, .. } => of_fault(place),
            Self::Refused { place, .. } => Advice::new(
                "the device and this program do not agree on what is in force, or on what it can take",
                "compare the experiment with the device's limits, and start again",
            )
            .with(Action::ShowDevice { place: place.clone() }),
            Self::Protocol { .. } | Self::Order { .. } => Advice::new(
                "firmware and program are not of one release, or one of them is wrong",
                "power-cycle the device and try again; report it with a recording of the line if it comes back",
            )
            .with(Action::RecordLine),
        }
    }
}

fn of_fault(place: &str) -> Advice {
    Advice::new(
        "everything but questions is refused until the fault is cleared",
        "see to the cause, then clear the fault; power-cycle the device if it comes back",
    )
    .with(Action::ClearFault { place: place.to_owned() })
}

/// Says what is to be done about a simulated device that did not start.
#[cfg(feature = "embedded")]
fn of_simulated(error: &xyloop_sim::serve::ServeError) -> Advice {
    use xyloop_sim::{device::DeviceError as Simulated, serve::ServeError};
    match error {
        ServeError::Device(Simulated::TooManySites { .. }) => Advice::new(
            "the wire numbers sites with 16 bits",
            "make the lattice smaller in [lattice] of the rig file, or solve it without a device",
        ),
        ServeError::Device(Simulated::Threads(_)) | ServeError::Io(_) => Advice::new(
            "the operating system gave no more threads or handles",
            "end other programs, or lower `plant.threads` in the rig file",
        ),
        ServeError::Device(Simulated::Memory(_)) => {
            Advice::new("the simulated device contradicts itself", "report it, with the rig file")
        }
        _ => Advice::new("the way to the device cannot be opened", "see to the reason given"),
    }
}

#[cfg(test)]
mod tests {
    use std::{path::PathBuf, time::Duration};

    use xyloop_protocol::{
        codec::Codec,
        message::{Fault, State},
    };

    use super::*;
    use crate::error::ErrorKind;

    fn refused(reason: Reason) -> DeviceError {
        DeviceError::Refused { place: "there".into(), asked: "arm", refused: Refusal { reason, detail: 1 } }
    }

    /// Returns one of every kind of trouble, with the kind it is.
    fn errors() -> Vec<(DeviceError, ErrorKind)> {
        let (place, path, reason) = ("there".to_owned(), PathBuf::from("/dev/ttyACM0"), "because".to_owned());
        let waited = Duration::from_secs(2);
        vec![
            (DeviceError::NoPort { path: path.clone(), available: Vec::new() }, ErrorKind::Link),
            (DeviceError::Busy { path: path.clone() }, ErrorKind::Link),
            (DeviceError::Permission { path: path.clone() }, ErrorKind::Link),
            (DeviceError::NotAPort { path, reason: reason.clone() }, ErrorKind::Link),
            (DeviceError::Open { place: place.clone(), reason: reason.clone() }, ErrorKind::Link),
            (DeviceError::NoListener { place: place.clone(), reason: reason.clone() }, ErrorKind::Link),
            (DeviceError::NothingToSimulate, ErrorKind::Config),
            (DeviceError::NoSimulator, ErrorKind::Config),
            (
                DeviceError::NotADevice {
                    place: place.clone(),
                    waited,
                    received: 3,
                    bad: 2,
                    echoed: 0,
                    first: vec![1],
                },
                ErrorKind::Link,
            ),
            (DeviceError::TurnedAway { place: place.clone() }, ErrorKind::Link),
            (DeviceError::Version { place: place.clone(), ours: 1, theirs: 2 }, ErrorKind::Device),
            (DeviceError::Schema { place: place.clone(), ours: 1, theirs: 2 }, ErrorKind::Device),
            (
                DeviceError::Wiring { place: place.clone(), rig: "r".into(), ours: 1, ours_is: "a".into(), theirs: 2 },
                ErrorKind::Device,
            ),
            (
                DeviceError::OtherDevice {
                    place: place.clone(),
                    ours: "a".into(),
                    theirs: "b".into(),
                    why: "so it is",
                },
                ErrorKind::Device,
            ),
            (DeviceError::TakenOver { place: place.clone(), boot_id: 1 }, ErrorKind::Device),
            (DeviceError::Held { place: place.clone(), shots: 1 }, ErrorKind::Device),
            (DeviceError::Interrupted, ErrorKind::Interrupted),
            (DeviceError::ShotIds { id: 1, last: 2 }, ErrorKind::Internal),
            (DeviceError::NotRetired { through: 2 }, ErrorKind::Internal),
            (DeviceError::Lost { place: place.clone(), reason: reason.clone() }, ErrorKind::Link),
            (DeviceError::NoAnswer { place: place.clone(), asked: "status", waited }, ErrorKind::Link),
            (DeviceError::NoCodec { place: place.clone(), codec: Codec::Delta }, ErrorKind::Device),
            (refused(Reason::Faulted), ErrorKind::Device),
            (refused(Reason::Busy), ErrorKind::Device),
            (DeviceError::Fault { place, state: State::Faulted(Fault::Converter) }, ErrorKind::Device),
            (DeviceError::Protocol { what: reason }, ErrorKind::Device),
            (DeviceError::Order { expected: 1, got: 2 }, ErrorKind::Device),
        ]
    }

    #[test]
    fn every_error_has_a_cause_a_kind_and_advice_and_none_knows_a_command_line() {
        for (error, kind) in errors() {
            let (cause, advice) = (error.to_string(), error.advice());
            assert_eq!(error.kind(), kind, "{error:?}");
            assert!(!advice.why.is_empty() && !advice.next.is_empty(), "{error:?}");
            for text in [cause.as_str(), &advice.why, &advice.next] {
                assert!(!text.contains("--") && !text.contains("`xyloop"), "{text}");
                assert!(!text.ends_with('.') && !text.contains(". "), "one clause: {text}");
            }
        }
    }

    #[test]
    fn a_fault_offers_to_clear_it_however_it_is_met() {
        let clears = Some(Action::ClearFault { place: "there".into() });
        let fault = DeviceError::Fault { place: "there".into(), state: State::Faulted(Fault::Plant) };
        assert_eq!((fault.advice().action, refused(Reason::Faulted).advice().action), (clears.clone(), clears));
        assert_eq!(refused(Reason::Busy).advice().action, Some(Action::ShowDevice { place: "there".into() }));
    }
}
