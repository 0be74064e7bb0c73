//! The first exchange: the payload of Open and Accept, and where the streams of a session start.
//!
//! | byte | field |
//! |---|---|
//! | 0 | wire version |
//! | 1–2 | largest Data payload the sender takes, in bytes |
//! | 3–6 | the sender's receive storage, in bytes |
//! | 7… | greeting, opaque, at most 96 bytes |

use super::config::{GREETING_MAX, GreetingTooLong, OPENING_LEN};

/// A greeting, kept to be repeated.
#[derive(Debug, Clone)]
pub(super) struct Greeting {
    bytes: [u8; GREETING_MAX],
    len: usize,
}

impl Greeting {
    pub const fn empty() -> Self {
        Self { bytes: [0; GREETING_MAX], len: 0 }
    }

    pub fn new(greeting: &[u8]) -> Result<Self, GreetingTooLong> {
        let mut new = Self::empty();
        let length = greeting.len();
        new.bytes.get_mut(..length).ok_or(GreetingTooLong { length })?.copy_from_slice(greeting);
        new.len = length;
        Ok(new)
    }

    pub fn as_slice(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&[])
    }
}

/// What Open and Accept say in front of the greeting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Opening {
    pub version: u8,
    pub max_payload: u16,
    pub window: u32,
}

impl Opening {
    pub fn to_bytes(self) -> [u8; OPENING_LEN] {
        let [p0, p1] = self.max_payload.to_le_bytes();
        let [w0, w1, w2, w3] = self.window.to_le_bytes();
        [self.version, p0, p1, w0, w1, w2, w3]
    }

    /// Reads a payload; the rest of it is the greeting.
    pub fn parse(payload: &[u8]) -> Option<(Self, &[u8])> {
        let (&[version, p0, p1, w0, w1, w2, w3], greeting) = payload.split_first_chunk::<OPENING_LEN>()?;
        let opening =
            Self { version, max_payload: u16::from_le_bytes([p0, p1]), window: u32::from_le_bytes([w0, w1, w2, w3]) };
        Some((opening, greeting))
    }
}

/// A session that a host asked a device for and has not confirmed yet.
#[derive(Debug, Clone)]
pub(super) struct Pending {
    pub session: u32,
    /// Where the device's stream will start: the confirmation must carry it.
    pub own_start: u32,
    pub peer_start: u32,
    pub credit: u16,
    pub opening: Opening,
    pub greeting: Greeting,
}

/// An Accept to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Answer {
    pub session: u32,
    pub seq: u32,
    pub ack: u32,
}

/// A stream start that differs from session to session and from boot to boot (the finaliser of `MurmurHash3`, twice).
pub(super) fn draw_start(session: u32, salt: u32, now_us: u64) -> u32 {
    let mut x = u64::from(session) << 32 | u64::from(salt);
    for add in [now_us, 0x9E37_79B9_7F4A_7C15] {
        x = x.wrapping_add(add);
        x ^= x >> 33;
        x = x.wrapping_mul(0xFF51_AFD7_ED55_8CCD);
        x ^= x >> 33;
        x = x.wrapping_mul(0xC4CE_B9FE_1A85_EC53);
        x ^= x >> 33;
    }
    x as u32
}
