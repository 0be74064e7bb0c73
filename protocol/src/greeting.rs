//! What both ends tell each other in the link's first exchange, before any message: enough to refuse a wrong partner.
//!
//! The first bytes are a fixed layout, little endian, that stays the same in every wire version: a device of another
//! version must still be recognised as one. Later versions append.
//!
//! | byte | field |
//! |---|---|
//! | 0–7 | schema hash |
//! | 8–15 | wiring hash |
//! | 16–19 | boot id |
//! | 20 | length of the serial number, 0 to 64 (missing: 0) |
//! | 21… | serial number, UTF-8 |

use crate::message::SCHEMA_HASH;

/// Bytes in front of the serial number's length.
const FIXED: usize = 20;

/// One side's half of the first exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Greeting<'a> {
    /// Hash of the message types, [`SCHEMA_HASH`]: equal on both sides or the messages cannot be understood.
    pub schema_hash: [u8; 8],
    /// [`crate::wiring::Wiring::hash`]: equal on both sides or codes would reach the wrong couplings.
    pub wiring_hash: u64,
    /// Drawn anew at every start of the device (0 from a host).
    pub boot_id: u32,
    /// Which device it is, at most [`Greeting::SERIAL_MAX`] bytes (empty from a host).
    pub serial: &'a str,
}

impl<'a> Greeting<'a> {
    /// Longest serial number in bytes.
    pub const SERIAL_MAX: usize = 64;
    /// Length of the longest encoded greeting in bytes.
    pub const MAX: usize = FIXED + 1 + Self::SERIAL_MAX;

    /// A greeting of this version of the crate, without a serial number.
    pub const fn new(wiring_hash: u64, boot_id: u32) -> Self {
        Self { schema_hash: SCHEMA_HASH, wiring_hash, boot_id, serial: "" }
    }

    /// Writes the bytes that travel; `None` if the serial number is too long.
    pub fn encode<'o>(&self, out: &'o mut [u8; Greeting::MAX]) -> Option<&'o [u8]> {
        let length = self.serial.len();
        out[..8].copy_from_slice(&self.schema_hash);
        out[8..16].copy_from_slice(&self.wiring_hash.to_le_bytes());
        out[16..FIXED].copy_from_slice(&self.boot_id.to_le_bytes());
        out.get_mut(FIXED + 1..FIXED + 1 + length)?.copy_from_slice(self.serial.as_bytes());
        out[FIXED] = length as u8;
        out.get(..FIXED + 1 + length)
    }

    /// Reads a greeting; longer ones (of later versions) are accepted, cut ones are not.
    pub fn from_bytes(bytes: &'a [u8]) -> Option<Self> {
        let serial = match bytes.get(FIXED..)?.split_first() {
            None => "",
            Some((&length, rest)) if usize::from(length) <= Self::SERIAL_MAX => {
                core::str::from_utf8(rest.get(..usize::from(length))?).ok()?
            }
            Some(_) => return None,
        };
        Some(Self {
            schema_hash: *bytes.first_chunk()?,
            wiring_hash: u64::from_le_bytes(*bytes.get(8..)?.first_chunk()?),
            boot_id: u32::from_le_bytes(*bytes.get(16..)?.first_chunk()?),
            serial,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::GREETING_MAX;

    const LONGEST: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    #[test]
    fn a_greeting_survives_the_trip_and_a_cut_one_is_refused() {
        for serial in ["", "Tisch 4 µ", LONGEST] {
            let greeting = Greeting { serial, ..Greeting::new(0x0123_4567_89ab_cdef, 0xdead_beef) };
            let mut buffer = [0; Greeting::MAX];
            let length = greeting.encode(&mut buffer).map_or(0, <[u8]>::len);
            assert_eq!(Greeting::from_bytes(&buffer[..length]), Some(greeting));
            for cut in (0..length).filter(|cut| *cut != FIXED) {
                assert_eq!(Greeting::from_bytes(&buffer[..cut]), None, "{cut} bytes of {length}");
            }
            // What a later version appends is no harm.
            let mut longer = [0xff; Greeting::MAX + 8];
            longer[..length].copy_from_slice(&buffer[..length]);
            assert_eq!(Greeting::from_bytes(&longer), Some(greeting));
        }
        const { assert!(Greeting::MAX <= GREETING_MAX) };
    }

    #[test]
    fn without_a_serial_number_it_is_empty() {
        let mut buffer = [0; Greeting::MAX];
        let length = Greeting::new(1, 2).encode(&mut buffer).map_or(0, <[u8]>::len);
        assert_eq!(length, FIXED + 1);
        assert_eq!(Greeting::from_bytes(&buffer[..FIXED]), Some(Greeting::new(1, 2)));
    }

    #[test]
    fn a_serial_number_that_is_no_text_or_too_long_is_refused() {
        let mut buffer = [0; Greeting::MAX];
        let long = Greeting {
            serial: "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdefg",
            ..Greeting::new(1, 2)
        };
        assert_eq!(long.encode(&mut buffer), None);
        let mut bytes = [0xff; 128];
        bytes[FIXED] = 1;
        assert_eq!(Greeting::from_bytes(&bytes), None, "no UTF-8");
        let mut bytes = [b'a'; 128];
        bytes[FIXED] = 65;
        assert_eq!(Greeting::from_bytes(&bytes), None, "longer than allowed");
    }
}
