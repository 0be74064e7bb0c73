//! The frame header: 15 bytes, little endian, the same layout in every wire version.
//!
//! | byte | field | meaning |
//! |---|---|---|
//! | 0 | version, kind | high nibble: wire version; bit 3: set by the device; bits 0–2: kind |
//! | 1–4 | session | chosen by the host for every connection |
//! | 5–8 | seq | offset of the first payload byte in the sender's stream, modulo 2³² |
//! | 9–12 | ack | offset of the next byte the sender of this frame expects |
//! | 13–14 | credit | bytes beyond `ack` that the sender of this frame can still take, at most 65 535 |

/// Bytes of a header.
pub const HEADER_LEN: usize = 15;

/// Bit of byte 0 that the device sets and the host does not: an echoing line is then no second device.
const FROM_DEVICE: u8 = 0x08;

/// Which end of the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// The end that opens sessions: a computer.
    Host,
    /// The end that answers: an instrument.
    Device,
}

impl Role {
    /// The other end.
    #[must_use]
    pub const fn peer(self) -> Self {
        match self {
            Self::Host => Self::Device,
            Self::Device => Self::Host,
        }
    }
}

/// What a frame is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum Kind {
    /// Stream bytes from `seq` on; an empty payload asks for an acknowledgement. Every Data frame is answered.
    Data = 0,
    /// Acknowledgement and keep-alive; never answered. A payload names the ranges held beyond `ack`, see
    /// [`crate::link`].
    Ack = 1,
    /// Host → device: begin (or repeat) this session. `seq` is where the host's stream starts.
    Open = 2,
    /// Device → host: the answer to Open. `seq` is where the device's stream starts, `ack` repeats the Open's `seq`.
    Accept = 3,
    /// Device → host: "I do not know that session" — a rebooted device, for instance.
    Reset = 4,
    /// This end leaves the session.
    Close = 5,
}

impl Kind {
    const fn from_bits(bits: u8) -> Option<Self> {
        Some(match bits {
            0 => Self::Data,
            1 => Self::Ack,
            2 => Self::Open,
            3 => Self::Accept,
            4 => Self::Reset,
            5 => Self::Close,
            _ => return None,
        })
    }
}

/// A frame's header; any value of it can be written and read back (`version` has four bits).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Wire version, low four bits only.
    pub version: u8,
    /// Which end sent the frame.
    pub sender: Role,
    /// What the frame is for.
    pub kind: Kind,
    /// Session the frame belongs to.
    pub session: u32,
    /// Offset of the first payload byte in the sender's stream, modulo 2³², in bytes.
    pub seq: u32,
    /// Offset of the next byte the sender expects from its peer, modulo 2³², in bytes.
    pub ack: u32,
    /// Bytes beyond `ack` that the sender can still take, saturated at 65 535.
    pub credit: u16,
}

impl Header {
    /// The wire form.
    pub fn to_bytes(&self) -> [u8; HEADER_LEN] {
        let direction = match self.sender {
            Role::Host => 0,
            Role::Device => FROM_DEVICE,
        };
        let [s0, s1, s2, s3] = self.session.to_le_bytes();
        let [q0, q1, q2, q3] = self.seq.to_le_bytes();
        let [a0, a1, a2, a3] = self.ack.to_le_bytes();
        let [c0, c1] = self.credit.to_le_bytes();
        let first = self.version << 4 | direction | self.kind as u8;
        [first, s0, s1, s2, s3, q0, q1, q2, q3, a0, a1, a2, a3, c0, c1]
    }

    /// Reads the wire form; `None` if the kind is not one of [`Kind`].
    pub fn from_bytes(bytes: &[u8; HEADER_LEN]) -> Option<Self> {
        let [first, s0, s1, s2, s3, q0, q1, q2, q3, a0, a1, a2, a3, c0, c1] = *bytes;
        Some(Self {
            version: first >> 4,
            sender: if first & FROM_DEVICE == 0 { Role::Host } else { Role::Device },
            kind: Kind::from_bits(first & 0x07)?,
            session: u32::from_le_bytes([s0, s1, s2, s3]),
            seq: u32::from_le_bytes([q0, q1, q2, q3]),
            ack: u32::from_le_bytes([a0, a1, a2, a3]),
            credit: u16::from_le_bytes([c0, c1]),
        })
    }
}
