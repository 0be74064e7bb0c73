//! What both ends tell each other in the link's first exchange, before any message: enough to refuse a wrong partner.
//!
//! The bytes are a fixed layout, little endian, that stays the same in every wire version: a device of another version
//! must still be recognised as one.

use crate::message::SCHEMA_HASH;

/// The device's half of the first exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Greeting {
    /// Hash of the message types, [`SCHEMA_HASH`]: equal on both sides or the messages cannot be understood.
    pub schema_hash: [u8; 8],
    /// [`crate::wiring::Wiring::hash`]: equal on both sides or codes would reach the wrong couplings.
    pub wiring_hash: u64,
    /// Drawn anew at every start of the device (0 from a host).
    pub boot_id: u32,
}

impl Greeting {
    /// Length of the encoded greeting in bytes.
    pub const LEN: usize = 20;

    /// A greeting of this version of the crate.
    pub const fn new(wiring_hash: u64, boot_id: u32) -> Self {
        Self { schema_hash: SCHEMA_HASH, wiring_hash, boot_id }
    }

    /// The bytes that travel.
    pub fn to_bytes(&self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        bytes[..8].copy_from_slice(&self.schema_hash);
        bytes[8..16].copy_from_slice(&self.wiring_hash.to_le_bytes());
        bytes[16..].copy_from_slice(&self.boot_id.to_le_bytes());
        bytes
    }

    /// Reads a greeting; longer ones (of later versions) are accepted, shorter ones are not.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Some(Self {
            schema_hash: *bytes.first_chunk()?,
            wiring_hash: u64::from_le_bytes(*bytes.get(8..)?.first_chunk()?),
            boot_id: u32::from_le_bytes(*bytes.get(16..)?.first_chunk()?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_greeting_survives_the_trip_and_a_short_one_is_refused() {
        let greeting = Greeting::new(0x0123_4567_89ab_cdef, 0xdead_beef);
        let bytes = greeting.to_bytes();
        assert_eq!(Greeting::from_bytes(&bytes), Some(greeting));
        assert_eq!(Greeting::from_bytes(&bytes[..Greeting::LEN - 1]), None);
    }
}
