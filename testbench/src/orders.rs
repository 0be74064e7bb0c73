//! What a host asks for, owned: the codes of a generation, and shots.

use xyloop_firmware::generations::crc_of;
use xyloop_protocol::{
    message::Generation,
    units::{DacCode, ShotId},
};

/// The codes of a generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Codes {
    /// One per coupling.
    pub couplings: Vec<u16>,
    /// Two per site: x, y.
    pub fields: Vec<u16>,
}

impl Codes {
    /// Returns the generation that these codes are under this number.
    pub fn generation(&self, number: u32) -> Generation {
        let all: Vec<DacCode> = self.couplings.iter().chain(&self.fields).map(|code| DacCode(*code)).collect();
        Generation { number, crc: crc_of(&all) }
    }
}

/// A shot to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Its name.
    pub id: ShotId,
    /// Every β with the other sign.
    pub flip: bool,
    /// One phase per input site, 2^-16 turns.
    pub inputs: Vec<u16>,
    /// One phase per output site, 2^-16 turns.
    pub targets: Vec<u16>,
}

/// Returns words as they travel: little endian.
pub fn bytes_of(words: &[u16]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}
