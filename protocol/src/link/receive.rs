//! The incoming stream: bytes in order, exactly once, cut into messages by their length prefix.
//!
//! The ring is turned so that the message in front always lies in one piece; that happens at most about once per
//! turn of the ring, so its cost per byte is constant. The credit offered to the peer is the free room.
//!
//! Bytes that come before the ones in front of them are written to their place in the ring at once and remembered as
//! *early* ranges; the peer is told of them (a selective acknowledgement) and sends the missing ones only.

use super::early::{Early, REPORT_MAX};

/// Bytes of the length prefix of a message, little endian.
pub(super) const PREFIX_LEN: usize = 2;

#[derive(Debug)]
pub(super) struct ReceiveStream<'a> {
    ring: &'a mut [u8],
    head: usize,
    len: usize,
    /// Offset of the next byte expected.
    next: u32,
    /// Right edge last told to the peer: next + credit at that time.
    announced: u32,
    /// Ranges held beyond `next`, relative to it.
    early: Early,
    /// A Data frame came while there are early ranges: the peer should be told of them.
    report_due: bool,
}

/// What a Data frame brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arrival {
    /// The stream grew by that many bytes, early ones that they reach included; `cut` if the peer sent more than it had credit for.
    New { bytes: usize, cut: bool },
    /// Nothing new.
    Known,
    /// Bytes in front of it are missing. That many new bytes are held until those come; 0 if there was no place.
    Early { bytes: usize },
}

impl<'a> ReceiveStream<'a> {
    pub fn new(ring: &'a mut [u8]) -> Self {
        Self { ring, head: 0, len: 0, next: 0, announced: 0, early: Early::default(), report_due: false }
    }

    /// Empties the stream; the peer's first byte has offset `start`.
    pub fn restart(&mut self, start: u32) {
        (self.head, self.len, self.report_due) = (0, 0, false);
        self.early.clear();
        self.next = start;
        self.announced = start.wrapping_add(u32::from(self.credit()));
    }

    pub fn capacity(&self) -> usize {
        self.ring.len()
    }

    /// Longest message that fits, in bytes.
    pub fn longest(&self) -> usize {
        self.ring.len().saturating_sub(PREFIX_LEN)
    }

    pub fn next_offset(&self) -> u32 {
        self.next
    }

    /// Free room, saturated.
    pub fn credit(&self) -> u16 {
        u16::try_from(self.ring.len() - self.len).unwrap_or(u16::MAX)
    }

    /// The selective acknowledgement that is due, as an Ack's payload, and its length.
    pub fn report(&self) -> Option<([u8; REPORT_MAX], usize)> {
        self.report_due.then(|| self.early.to_bytes())
    }

    /// A frame with the present `ack` and `credit` went out.
    pub fn mark_announced(&mut self) {
        self.announced = self.next.wrapping_add(u32::from(self.credit()));
    }

    /// The early ranges were reported, or nobody wants to know any more.
    pub fn mark_reported(&mut self) {
        self.report_due = false;
    }

    /// Whether so much room has come free that the peer should be told without being asked.
    pub fn should_announce(&self) -> bool {
        let edge = self.next.wrapping_add(u32::from(self.credit()));
        let gained = edge.wrapping_sub(self.announced) as usize;
        gained > 0 && (gained >= self.ring.len().min(usize::from(u16::MAX)) / 4 || self.front().is_none())
    }

    /// Takes the payload of a Data frame.
    pub fn accept(&mut self, seq: u32, payload: &[u8]) -> Arrival {
        let behind = self.next.wrapping_sub(seq);
        let arrival = if behind > u32::MAX / 2 {
            self.hold(seq.wrapping_sub(self.next) as usize, payload)
        } else {
            self.extend(payload.get(behind as usize..).unwrap_or(&[]))
        };
        self.report_due = !self.early.is_empty() || matches!(arrival, Arrival::Early { .. });
        arrival
    }

    /// Takes bytes that continue the stream, and the early ones that continue them.
    fn extend(&mut self, new: &[u8]) -> Arrival {
        if new.is_empty() {
            return Arrival::Known;
        }
        let room = self.ring.len() - self.len;
        let fitting = new.get(..room).unwrap_or(new);
        self.write(0, fitting);
        let held = self.early.advance(fitting.len());
        let grown = fitting.len() + held;
        self.len += grown;
        self.next = self.next.wrapping_add(grown as u32);
        self.straighten();
        Arrival::New { bytes: grown, cut: fitting.len() < new.len() }
    }

    /// Writes bytes to their place beyond missing ones, `ahead` bytes from the next one expected.
    fn hold(&mut self, ahead: usize, payload: &[u8]) -> Arrival {
        let room = (self.ring.len() - self.len).saturating_sub(ahead);
        let fitting = payload.get(..room).unwrap_or(payload);
        let known = self.early.covers(ahead, fitting.len());
        if fitting.is_empty() || !self.early.insert(ahead, fitting.len()) {
            return Arrival::Early { bytes: 0 };
        }
        self.write(ahead, fitting);
        if known { Arrival::Known } else { Arrival::Early { bytes: fitting.len() } }
    }

    /// The next complete message.
    pub fn front(&self) -> Option<&[u8]> {
        let length = self.front_len()?;
        if PREFIX_LEN + length > self.len {
            return None;
        }
        let start = self.wrap(self.head + PREFIX_LEN);
        self.ring.get(start..start + length)
    }

    /// Drops the message in front, if it is complete.
    pub fn pop(&mut self) -> bool {
        let Some(length) = self.front().map(<[u8]>::len) else {
            return false;
        };
        self.head = self.wrap(self.head + PREFIX_LEN + length);
        self.len -= PREFIX_LEN + length;
        if self.len == 0 && self.early.is_empty() {
            self.head = 0;
        }
        self.straighten();
        true
    }

    /// Length of the message in front if it can never fit.
    pub fn too_long(&self) -> Option<usize> {
        self.front_len().filter(|&length| length > self.longest())
    }

    fn front_len(&self) -> Option<usize> {
        if self.len < PREFIX_LEN {
            return None;
        }
        let low = *self.ring.get(self.head)?;
        let high = *self.ring.get(self.wrap(self.head + 1))?;
        Some(usize::from(u16::from_le_bytes([low, high])))
    }

    /// Writes bytes `ahead` of the next one expected; the caller has checked that they fit.
    fn write(&mut self, ahead: usize, bytes: &[u8]) {
        let at = self.wrap(self.head + self.len + ahead);
        let (start, end) = self.ring.split_at_mut(at);
        let first = bytes.len().min(end.len());
        let (front, back) = bytes.split_at(first);
        for (place, part) in [(end, front), (start, back)] {
            if let Some(place) = place.get_mut(..part.len()) {
                place.copy_from_slice(part);
            }
        }
    }

    /// Turns the ring if the message in front is complete but wraps around its end.
    fn straighten(&mut self) {
        let Some(length) = self.front_len() else {
            return;
        };
        let complete = PREFIX_LEN + length <= self.len;
        let start = self.wrap(self.head + PREFIX_LEN);
        if complete && start + length > self.ring.len() {
            self.ring.rotate_left(self.head);
            self.head = 0;
        }
    }

    fn wrap(&self, index: usize) -> usize {
        let len = self.ring.len();
        if index >= len && len > 0 { index - len } else { index }
    }
}
