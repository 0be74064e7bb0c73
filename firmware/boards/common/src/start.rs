//! Starts a Controller on a rig image: the lists it wants as slices are copied out of the image, and whatever does not fit
//! is refused with a number.

use core::fmt;

use xyloop_firmware::{
    Controller, Identification, SafeTable,
    front_end::{FrontEnd, Hardware},
    rig_image::{CHIPS_MAX, RigImage},
};
use xyloop_protocol::{codec::Codecs, link, message::BootCause, wiring::Wiring};

use crate::{Buffers, Room};

/// Who the device is, as far as the image does not say.
#[derive(Clone, Copy, Debug)]
pub struct About<'a> {
    /// What it is.
    pub model: &'a str,
    /// Which one it is, if the image does not say.
    pub serial: &'a str,
    /// Drawn anew at every start.
    pub boot_id: u32,
    /// Why this start.
    pub boot_cause: BootCause,
    /// What the firmware left behind before it.
    pub boot_note: &'a str,
}

/// Why a rig image could not be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartError {
    /// The rig has more of something than the firmware has room for.
    TooLarge {
        /// Of what.
        what: &'static str,
        /// How much the rig has.
        rig: usize,
        /// How much fits.
        room: usize,
    },
    /// A slice is too short: a mistake in a board's [`Room`].
    Memory(&'static str),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { what, rig, room } => {
                let over = rig.saturating_sub(*room);
                write!(
                    f,
                    "the rig has {rig} {what}, this firmware has room for {room}: {over} too many, build it with more"
                )
            }
            Self::Memory(what) => write!(f, "the firmware's memory `{what}` is too small"),
        }
    }
}

impl core::error::Error for StartError {}

/// The Controller of a rig at reset, outputs safe. If its converters could not be set up, the outputs stay cleared and it has
/// latched a fault, which the host may clear.
///
/// # Errors
/// If the rig does not fit.
pub fn start<'a, H: Hardware>(
    hardware: H,
    image: RigImage<'a>,
    about: &About<'a>,
    buffers: Buffers<'a>,
) -> Result<Controller<'a, FrontEnd<'a, H>>, StartError> {
    let (room, sites) = (buffers.room, usize::from(image.sites()));
    let (couplings, inputs, outputs) = (image.couplings().len(), image.inputs().len(), image.outputs().len());
    for (what, rig, room) in [
        ("sites", sites, room.sites),
        ("couplings", couplings, room.couplings),
        ("input sites", inputs, room.inputs),
        ("output sites", outputs, room.outputs),
        ("converters", image.chips().len(), room.chips.min(CHIPS_MAX)),
    ] {
        if rig > room {
            return Err(StartError::TooLarge { what, rig, room });
        }
    }
    let pairs = filled(buffers.couplings, image.couplings());
    let input_sites = filled(buffers.inputs, image.inputs());
    let output_sites = filled(buffers.outputs, image.outputs());
    let (safe_couplings, safe_fields) = buffers.safe.split_at_mut(couplings);
    let safe = SafeTable {
        couplings: filled(safe_couplings, image.safe_couplings()),
        fields: filled(safe_fields, image.safe_fields()),
        inputs: filled(buffers.safe_inputs, image.safe_inputs()),
    };
    let who = Identification {
        vendor: "xyloop",
        model: about.model,
        serial: if image.serial().is_empty() { about.serial } else { image.serial() },
        boot_id: about.boot_id,
        boot_cause: about.boot_cause,
        boot_note: about.boot_note,
        wiring: Wiring {
            sites: image.sites(),
            couplings: pairs,
            inputs: input_sites,
            outputs: output_sites,
            converters: image.converters(),
        },
        deadman_ms: image.deadman_ms(),
        codecs: Codecs::ALL,
        safe,
    };
    let front_end = FrontEnd::new(hardware, image, buffers.front_end).map_err(StartError::Memory)?;
    let max_payload = u16::try_from(room.payload).unwrap_or(u16::MAX);
    let link = link::Config { max_payload, salt: about.boot_id, ..link::Config::device() };
    let slots = (shots_of(&room, sites, inputs, outputs), Room::result_bytes(sites));
    Controller::new(front_end, who, slots, buffers.storage, link).map_err(StartError::Memory)
}

/// Shots that a rig of this size can hold.
fn shots_of(room: &Room, sites: usize, inputs: usize, outputs: usize) -> usize {
    let of = |bytes: usize, each: usize| bytes.checked_div(each).unwrap_or(usize::MAX);
    room.shots
        .min(of(room.results, Room::result_bytes(sites)))
        .min(of(room.shots * room.inputs, inputs))
        .min(of(room.shots * room.outputs, outputs))
}

/// The front of `place`, filled with `items`; whether they fit has been looked at.
fn filled<T>(place: &mut [T], items: impl ExactSizeIterator<Item = T>) -> &[T] {
    let length = items.len().min(place.len());
    for (place, item) in place.iter_mut().zip(items) {
        *place = item;
    }
    place.get(..length).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_rig_holds_more_shots_than_a_large_one() {
        let room = Room {
            sites: 225,
            couplings: 1930,
            inputs: 8,
            outputs: 10,
            chips: 128,
            shots: 256,
            results: 64 * Room::result_bytes(225),
            link: 4096,
            payload: 1024,
        };
        assert_eq!(shots_of(&room, 225, 8, 10), 64);
        assert_eq!(shots_of(&room, 100, 8, 10), 144);
        assert_eq!(shots_of(&room, 25, 2, 1), 256);
        assert_eq!(shots_of(&room, 25, 0, 0), 256);
    }
}
