//! Who a device is ([`Identity`]), which one is wanted ([`Wanted`]), and how another one is refused.

use xyloop_protocol::message::{self, BootCause, Limits, Report};

use super::{error::DeviceError, outcome::Peer};

/// Holds what a device says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Names its maker.
    pub vendor: String,
    /// Names its model.
    pub model: String,
    /// Tells it from others of its model.
    pub serial: String,
    /// Version of its firmware.
    pub firmware: String,
    /// Drawn anew at every start.
    pub boot_id: u32,
    /// Says why it started.
    pub boot_cause: BootCause,
    /// Quotes what its firmware left behind before that; empty if nothing.
    pub boot_note: String,
    /// Identifies what is connected to what.
    pub wiring_hash: u64,
    /// Names the calibration that the device's tables come from; 0 for none.
    pub calibration_id: u64,
    /// Says what it can take.
    pub limits: Limits,
}

impl Identity {
    /// Returns it as it travels.
    pub fn as_message(&self) -> message::Identity<'_> {
        message::Identity {
            vendor: &self.vendor,
            model: &self.model,
            serial: &self.serial,
            firmware: &self.firmware,
            boot_id: self.boot_id,
            boot_cause: self.boot_cause,
            boot_note: &self.boot_note,
            wiring_hash: self.wiring_hash,
            calibration_id: self.calibration_id,
            limits: self.limits,
        }
    }

    /// Takes a device's answer, if it is the one to this question.
    pub(super) fn of(report: &Report<'_>) -> Option<Self> {
        let Report::Identity(identity) = report else { return None };
        Some(Self {
            vendor: identity.vendor.to_owned(),
            model: identity.model.to_owned(),
            serial: identity.serial.to_owned(),
            firmware: identity.firmware.to_owned(),
            boot_id: identity.boot_id,
            boot_cause: identity.boot_cause,
            boot_note: identity.boot_note.to_owned(),
            wiring_hash: identity.wiring_hash,
            calibration_id: identity.calibration_id,
            limits: identity.limits,
        })
    }
}

/// Names the rig whose device is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Its name.
    pub rig: String,
    /// Its array in words, for a refusal.
    pub array: String,
    /// Its wiring.
    pub wiring_hash: u64,
    /// The serial number of its device, if the rig file names one.
    pub serial_number: Option<String>,
}

/// Refuses a device for its serial number; `why` says who wants the other one.
pub(super) fn other_serial(place: String, ours: &str, peer: &Peer, why: &'static str) -> DeviceError {
    let named = |serial: &str| format!("number `{serial}`");
    DeviceError::OtherDevice { place, ours: named(ours), theirs: named(&peer.serial), why }
}

/// Refuses a device for its wiring.
pub(super) fn other_wiring(place: String, wanted: &Wanted, theirs: u64) -> DeviceError {
    DeviceError::Wiring {
        place,
        rig: wanted.rig.clone(),
        ours: wanted.wiring_hash,
        ours_is: wanted.array.clone(),
        theirs,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::folder::DeviceRecord;

    #[test]
    fn everything_a_device_says_of_itself_is_kept_and_recorded_its_calibration_included() {
        let said = message::Identity {
            vendor: "Acme",
            model: "table",
            serial: "0042",
            firmware: "1.2",
            boot_id: 3,
            boot_cause: BootCause::Pin,
            boot_note: "left behind",
            wiring_hash: 0x0123_4567_89ab_cdef,
            calibration_id: 0xfedc_ba98_7654_3210,
            limits: Limits { sites: 9, ..Limits::default() },
        };
        let Some(identity) = Identity::of(&Report::Identity(said)) else { panic!("it is an identity") };
        assert_eq!(identity.as_message(), said);
        assert_eq!(DeviceRecord::new("there", &identity.as_message()).calibration_id, 0xfedc_ba98_7654_3210);
        assert_eq!(Identity::of(&Report::Done), None);
    }
}
