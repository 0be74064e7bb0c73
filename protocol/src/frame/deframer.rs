//! Finding frames in a stream of bytes: resynchronises at any `00`, accepts nothing unchecked, counts what it drops.
//!
//! COBS is undone piece by piece while the bytes come in, so the storage holds the decoded frame only, and its length
//! is the limit: a frame that does not fit is dropped as *oversized* and skipped to the next delimiter.

use super::{CRC_LEN, HEADER_LEN, Header};
use crate::crc::crc32c;

/// A checked frame; the payload lies in the deframer's storage until it is fed again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'d> {
    /// The header.
    pub header: Header,
    /// The payload, without header and CRC.
    pub payload: &'d [u8],
}

/// What a [`Deframer`] accepted and dropped since it was made; all counts wrap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct DeframerCounters {
    /// Frames handed out.
    pub good: u32,
    /// Frames whose CRC was wrong.
    pub bad_crc: u32,
    /// Frames cut off inside a COBS run.
    pub bad_cobs: u32,
    /// Frames longer than the storage.
    pub oversized: u32,
    /// Frames too short for a header and a CRC.
    pub short: u32,
    /// Frames with a right CRC and a kind that this version does not know.
    pub unknown_kind: u32,
}

impl DeframerCounters {
    /// Everything that was dropped, whatever the reason.
    pub fn bad(&self) -> u32 {
        [self.bad_crc, self.bad_cobs, self.oversized, self.short, self.unknown_kind]
            .into_iter()
            .fold(0, u32::wrapping_add)
    }
}

/// Turns chunks of bytes, cut anywhere, into checked frames.
#[derive(Debug)]
pub struct Deframer<'a> {
    storage: &'a mut [u8],
    len: usize,
    cobs: cobs::DecoderState,
    /// The frame at hand is too long: drop it up to its delimiter.
    skipping: bool,
    counters: DeframerCounters,
}

impl<'a> Deframer<'a> {
    /// A deframer that takes frames of up to `storage.len() − 19` payload bytes, see [`super::storage_len`].
    pub fn new(storage: &'a mut [u8]) -> Self {
        Self { storage, len: 0, cobs: cobs::DecoderState::Idle, skipping: false, counters: DeframerCounters::default() }
    }

    /// The longest payload this deframer can take, in bytes.
    pub fn max_payload(&self) -> usize {
        self.storage.len().saturating_sub(HEADER_LEN + CRC_LEN)
    }

    /// What was accepted and dropped so far.
    pub fn counters(&self) -> DeframerCounters {
        self.counters
    }

    /// Forgets a half-received frame: for a line that was unplugged and plugged again.
    pub fn clear(&mut self) {
        self.len = 0;
        self.cobs = cobs::DecoderState::Idle;
        self.skipping = false;
    }

    /// Takes bytes from the front of `input` until a frame is complete or `input` is empty.
    ///
    /// Call it until it returns `None`; then all of `input` is consumed.
    pub fn feed(&mut self, input: &mut &[u8]) -> Option<Frame<'_>> {
        loop {
            self.take_run(input);
            let Some((&byte, rest)) = input.split_first() else { break };
            *input = rest;
            if byte == 0 {
                if let Some(header) = self.complete() {
                    let payload = self.storage.get(HEADER_LEN..self.len - CRC_LEN)?;
                    // The content stays where it is until the next byte comes in; only the length starts afresh.
                    self.len = 0;
                    return Some(Frame { header, payload });
                }
                self.len = 0;
            } else if !self.skipping {
                self.take(byte);
            }
        }
        None
    }

    /// Takes what stands for itself: the bytes of a COBS piece behind its first one, as far as they are there.
    fn take_run(&mut self, input: &mut &[u8]) {
        let (cobs::DecoderState::Grab(left) | cobs::DecoderState::GrabChain(left)) = &mut self.cobs else { return };
        let room = self.storage.get_mut(self.len..).unwrap_or_default();
        let most = usize::from(*left).min(room.len());
        let there = input.get(..most).unwrap_or(input);
        let run = there.iter().position(|byte| *byte == 0).unwrap_or(there.len());
        if let (Some((taken, rest)), Some(place)) = (input.split_at_checked(run), room.get_mut(..run)) {
            place.copy_from_slice(taken);
            *input = rest;
            *left -= run as u8;
            self.len += run;
        }
    }

    /// Takes one byte that is not a delimiter.
    fn take(&mut self, byte: u8) {
        if let Ok(cobs::DecodeResult::DataContinue(decoded)) = self.cobs.feed(byte) {
            if let Some(place) = self.storage.get_mut(self.len) {
                *place = decoded;
                self.len += 1;
            } else {
                self.skipping = true;
                self.cobs = cobs::DecoderState::Idle;
                self.counters.oversized = self.counters.oversized.wrapping_add(1);
            }
        }
    }

    /// A delimiter came: is the content a good frame? Counts the reason if not. `Some` implies a length of at least
    /// header and CRC.
    fn complete(&mut self) -> Option<Header> {
        if self.skipping {
            self.skipping = false;
            return None;
        }
        let (result, counters) = (self.cobs.feed(0), &mut self.counters);
        let bad = match result {
            Ok(cobs::DecodeResult::DataComplete) => match self.check() {
                Ok(header) => {
                    self.counters.good = self.counters.good.wrapping_add(1);
                    return Some(header);
                }
                Err(Bad::Short) => &mut self.counters.short,
                Err(Bad::Crc) => &mut self.counters.bad_crc,
                Err(Bad::Kind) => &mut self.counters.unknown_kind,
            },
            Ok(_) => return None, // nothing between two delimiters
            Err(_) => &mut counters.bad_cobs,
        };
        *bad = bad.wrapping_add(1);
        self.cobs = cobs::DecoderState::Idle;
        None
    }

    fn check(&self) -> Result<Header, Bad> {
        let content = self.storage.get(..self.len).ok_or(Bad::Short)?;
        let (covered, crc) = content.split_last_chunk::<CRC_LEN>().ok_or(Bad::Short)?;
        let (header, _) = covered.split_first_chunk::<HEADER_LEN>().ok_or(Bad::Short)?;
        if crc32c(covered) != u32::from_le_bytes(*crc) {
            return Err(Bad::Crc);
        }
        Header::from_bytes(header).ok_or(Bad::Kind)
    }
}

enum Bad {
    Short,
    Crc,
    Kind,
}
