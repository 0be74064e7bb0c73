//! Frames: how a header and a payload become bytes on a line, and how they are found again in a damaged stream.
//!
//! ```text
//! 00 | COBS( header (15 B) ‖ payload ‖ CRC-32C (4 B, little endian) ) | 00
//! ```
//!
//! *Design.* The delimiter `00` stands at **both** ends, because then a fault of one byte, wherever it hits, costs at
//! most the frame it hits: a spoilt closing delimiter is made good by the opening one of the next frame. Nothing
//! between two delimiters is ignored silently, so adjacent frames may share a delimiter or each bring theirs.
//! COBS costs one byte in 254. The CRC covers header and payload.
//!
//! [`encode`] writes one frame; [`Deframer`] is fed chunks of any size and hands out checked frames. Neither
//! allocates, keeps time or can panic, whatever the input. What the header fields *do* is told in [`crate::link`].
//!
//! *Compatibility.* The layout of [`Header`], and the first seven payload bytes of Open and Accept, are the same in
//! every wire version, so that two ends of different versions can still name each other's version.

#[cfg(feature = "std")]
mod assembler;
mod cobs_encoder;
mod deframer;
mod header;

#[cfg(feature = "std")]
pub(crate) use assembler::Assembler;
#[cfg(feature = "std")]
pub use assembler::FRAME_MAX;
pub use deframer::{Deframer, DeframerCounters, Frame};
pub use header::{HEADER_LEN, Header, Kind, Role};

use self::cobs_encoder::CobsEncoder;
use crate::crc::Crc32c;

/// The version of the wire format that this crate speaks; its low four bits travel in every frame.
pub const WIRE_VERSION: u8 = 4;

/// Bytes of CRC behind the payload.
pub const CRC_LEN: usize = 4;

/// Why a frame could not be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum EncodeError {
    /// The output slice is too small for this frame; [`encoded_len`] tells what always suffices.
    OutputTooSmall,
}

impl core::fmt::Display for EncodeError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::OutputTooSmall => f.write_str("the output slice is too small for the frame"),
        }
    }
}

impl core::error::Error for EncodeError {}

/// Bytes that a frame with `payload` bytes takes on the line at most, both delimiters included.
pub const fn encoded_len(payload: usize) -> usize {
    2 + cobs::max_encoding_length(HEADER_LEN + payload + CRC_LEN)
}

/// Bytes of storage a [`Deframer`] needs to take frames with `payload` bytes.
pub const fn storage_len(payload: usize) -> usize {
    HEADER_LEN + payload + CRC_LEN
}

/// The largest payload that surely fits a line budget of `line` bytes; the inverse of [`encoded_len`].
pub const fn payload_fitting(line: usize) -> usize {
    let fixed = 2 + HEADER_LEN + CRC_LEN;
    if line <= fixed {
        return 0;
    }
    // n content bytes take n + ceil(n / 254) in COBS, so 255 encoded bytes carry 254.
    let encoded = line - 2;
    let content = encoded - encoded.div_ceil(255);
    content.saturating_sub(HEADER_LEN + CRC_LEN)
}

/// Writes one frame, both delimiters included, to the front of `out`; returns its length in bytes.
///
/// `payload` comes in parts, so that a ring buffer can hand over its two ends without a copy. On an error `out` holds
/// rubbish in front, and nothing must be sent.
pub fn encode(header: &Header, payload: &[&[u8]], out: &mut [u8]) -> Result<usize, EncodeError> {
    let Some((first, body)) = out.split_first_mut() else {
        return Err(EncodeError::OutputTooSmall);
    };
    if body.is_empty() {
        return Err(EncodeError::OutputTooSmall);
    }
    *first = 0;
    let head = header.to_bytes();
    let mut crc = Crc32c::new();
    let mut cobs = CobsEncoder::new(&mut *body);
    crc.update(&head);
    cobs.push(&head)?;
    for part in payload {
        crc.update(part);
        cobs.push(part)?;
    }
    cobs.push(&crc.finish().to_le_bytes())?;
    let written = cobs.finish()?;
    let end = body.get_mut(written).ok_or(EncodeError::OutputTooSmall)?;
    *end = 0;
    Ok(written + 2)
}
