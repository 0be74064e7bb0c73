//! The outgoing stream: a ring of unacknowledged bytes, and the frames that carry them.
//!
//! All positions are kept relative to the oldest unacknowledged byte, so nothing here wraps but the ring index and
//! the one 32-bit offset:
//!
//! ```text
//!   base (offset on the wire)
//!   |<------ highest: sent at least once ----->|
//!   |<------------- queued: written by the owner ------------>|
//!   |<----------------- limit: allowed by the peer's credit -------->|
//! ```
//!
//! *Repair.* Every Data frame in flight has a record, in the order of sending. A line keeps order: when a frame is
//! known to have arrived, every frame sent before it that has not is lost, and its bytes are sent again, under a new
//! record at the end. That also finds repeats that were lost. On a line that does not keep order a frame is repeated in
//! vain now and then; that costs its bytes, nothing else.

use super::early::{self, Range};

/// A Data frame in flight; see [`super::Storage::flight`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct InFlight {
    /// Position relative to `base`.
    at: usize,
    len: usize,
    sent_at_us: u64,
    /// Its bytes were sent before: an acknowledgement tells no round trip (Karn).
    repeat: bool,
    /// It did not arrive; its bytes are to be sent again.
    lost: bool,
}

impl InFlight {
    /// Nothing in flight: what storage is filled with, in a static too.
    pub const NONE: Self = Self { at: 0, len: 0, sent_at_us: 0, repeat: false, lost: false };
}

#[derive(Debug)]
pub(super) struct SendStream<'a> {
    ring: &'a mut [u8],
    flight: &'a mut [InFlight],
    /// Records in use.
    frames: usize,
    /// Of these, lost.
    lost: usize,
    /// Ring index of the byte at `base`.
    head: usize,
    base: u32,
    highest: usize,
    queued: usize,
    limit: usize,
}

/// What an acknowledgement brought.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Progress {
    /// Bytes newly acknowledged.
    pub bytes: usize,
    /// A valid round trip, in microseconds.
    pub rtt_us: Option<u64>,
    /// Frames that are known to have arrived.
    pub arrived: u32,
    /// Frames that are known not to have arrived.
    pub lost: u32,
}

/// Stream bytes for one Data frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Segment {
    /// Position relative to `base`.
    pub at: usize,
    /// Length in bytes.
    pub len: usize,
    /// Index of the record whose bytes these are again.
    again: Option<usize>,
}

impl Segment {
    /// Whether its bytes were sent before.
    pub fn repeats(&self) -> bool {
        self.again.is_some()
    }
}

impl<'a> SendStream<'a> {
    pub fn new(ring: &'a mut [u8], flight: &'a mut [InFlight]) -> Self {
        Self { ring, flight, frames: 0, lost: 0, head: 0, base: 0, highest: 0, queued: 0, limit: 0 }
    }

    /// Empties the stream; the next byte gets offset `start`.
    pub fn restart(&mut self, start: u32, limit: usize) {
        self.head = 0;
        self.base = start;
        (self.highest, self.queued, self.frames, self.lost) = (0, 0, 0, 0);
        self.limit = limit;
    }

    pub fn capacity(&self) -> usize {
        self.ring.len()
    }

    pub fn free(&self) -> usize {
        self.ring.len() - self.queued
    }

    pub fn unacked(&self) -> usize {
        self.queued
    }

    /// Bytes sent and not acknowledged.
    pub fn outstanding(&self) -> usize {
        self.highest
    }

    /// Whether bytes sent before wait to be sent again.
    pub fn resending(&self) -> bool {
        self.lost > 0
    }

    /// Bytes that may be in flight just now.
    pub fn window(&self) -> usize {
        self.limit.min(self.ring.len())
    }

    /// Everything sent is acknowledged, more is queued, and the peer takes nothing: ask it from time to time.
    pub fn blocked(&self) -> bool {
        self.highest == 0 && self.queued > 0 && self.limit == 0
    }

    /// Offset on the wire of a position.
    pub fn offset(&self, at: usize) -> u32 {
        self.base.wrapping_add(at as u32)
    }

    /// Offset of the first byte never sent.
    pub fn next_offset(&self) -> u32 {
        self.offset(self.highest)
    }

    /// Queues bytes; the caller has checked [`Self::free`].
    pub fn push(&mut self, bytes: &[u8]) {
        let bytes = bytes.get(..self.free()).unwrap_or(bytes);
        let at = self.wrap(self.head + self.queued);
        let (start, end) = self.ring.split_at_mut(at);
        let first = bytes.len().min(end.len());
        let (front, back) = bytes.split_at(first);
        for (place, part) in [(end, front), (start, back)] {
            if let Some(place) = place.get_mut(..part.len()) {
                place.copy_from_slice(part);
            }
        }
        self.queued += bytes.len();
    }

    /// The two parts of a segment's bytes, cut where the ring wraps.
    pub fn parts(&self, segment: Segment) -> [&[u8]; 2] {
        let at = self.wrap(self.head + segment.at);
        let first = segment.len.min(self.ring.len() - at);
        [self.ring.get(at..at + first).unwrap_or(&[]), self.ring.get(..segment.len - first).unwrap_or(&[])]
    }

    /// What a Data frame of at most `payload` bytes would carry now: lost bytes first, then new ones. `least` is the
    /// smallest piece of new bytes worth a frame while others are still in flight: it keeps a nearly full peer from
    /// being fed in crumbs.
    pub fn next(&self, payload: usize, least: usize) -> Option<Segment> {
        if self.lost > 0 {
            // Without a free record nothing can be cut in two: one that fits as it is comes first then.
            let full = self.frames == self.flight.len();
            let fits = |frame: &&InFlight| !full || frame.len <= payload;
            let mut lost = self.records().iter().enumerate().filter(|(_, frame)| frame.lost);
            let first = lost.clone().find(|(_, frame)| fits(frame)).or_else(|| lost.next());
            return first.and_then(|(index, _)| self.again(index, payload));
        }
        // One record stays free for a repeat that has to be cut.
        if self.frames + 1 >= self.flight.len() {
            return None;
        }
        let wanted = (self.queued - self.highest).min(payload);
        let len = wanted.min(self.limit.saturating_sub(self.highest));
        let crumb = len < wanted && len < least && self.highest > 0;
        (len > 0 && !crumb).then_some(Segment { at: self.highest, len, again: None })
    }

    /// A frame in flight, to be sent again when nothing was heard for too long: if it arrives, everything sent before it
    /// that did not is known to be lost. At first the newest one; if that was in `vain`, the one with the lowest offset:
    /// a peer without a place for one more early range cannot take any other. If all are known to be lost, there is
    /// nothing to find out.
    pub fn probe(&self, payload: usize, vain: bool) -> Option<Segment> {
        let mut in_flight = self.records().iter().enumerate().filter(|(_, frame)| !frame.lost);
        let chosen = if vain { in_flight.min_by_key(|(_, frame)| frame.at) } else { in_flight.next_back() };
        chosen.and_then(|(index, _)| self.again(index, payload))
    }

    /// A frame's bytes once more, cut to `payload`, or joined with lost ones that follow.
    fn again(&self, index: usize, payload: usize) -> Option<Segment> {
        let frame = *self.records().get(index)?;
        let mut len = frame.len;
        if len > payload && self.frames < self.flight.len() {
            len = payload;
        }
        while let Some(more) = self.follower(frame.at + len).map(|next| next.len).filter(|more| len + more <= payload) {
            len += more;
        }
        Some(Segment { at: frame.at, len, again: Some(index) })
    }

    /// The lost frame that begins where another one ends.
    fn follower(&self, at: usize) -> Option<&InFlight> {
        self.records().iter().find(|frame| frame.lost && frame.at == at && frame.len > 0)
    }

    fn records(&self) -> &[InFlight] {
        self.flight.get(..self.frames).unwrap_or(&[])
    }

    /// The segment from [`Self::next`] or [`Self::probe`] is on its way.
    pub fn mark_sent(&mut self, segment: Segment, now_us: u64) {
        let end = segment.at + segment.len;
        if segment.repeats() {
            // Whatever of the old records lies inside is carried by the new one; a rest stays where it was.
            let mut kept = 0;
            for index in 0..self.frames {
                let Some(mut frame) = self.flight.get(index).copied() else { break };
                let inside = (frame.lost || segment.again == Some(index)) && frame.at >= segment.at && frame.at < end;
                if inside {
                    let behind = frame.at + frame.len;
                    (frame.at, frame.len, frame.lost) = (end, behind.saturating_sub(end), true);
                }
                if frame.len > 0 {
                    self.keep(kept, frame);
                    kept += 1;
                }
            }
            self.frames = kept;
            self.lost = self.records().iter().filter(|frame| frame.lost).count();
        }
        let frame =
            InFlight { at: segment.at, len: segment.len, sent_at_us: now_us, repeat: segment.repeats(), lost: false };
        self.keep(self.frames, frame);
        self.frames = (self.frames + 1).min(self.flight.len());
        self.highest = self.highest.max(end);
    }

    fn keep(&mut self, index: usize, frame: InFlight) {
        if let Some(place) = self.flight.get_mut(index) {
            *place = frame;
        }
    }

    /// Takes an acknowledgement with the peer's credit and the payload of its Ack; `None` if it is not about bytes in
    /// flight. `outcome` is told of every frame that arrived (`true`) or was lost, with its length.
    pub fn acknowledge(
        &mut self,
        (ack, credit, report): (u32, u16, &[u8]),
        now_us: u64,
        mut outcome: impl FnMut(usize, bool),
    ) -> Option<Progress> {
        let bytes = ack.wrapping_sub(self.base) as usize;
        if bytes > self.highest {
            return None;
        }
        let mut progress = Progress { bytes, ..Progress::default() };
        self.head = self.wrap(self.head + bytes);
        self.base = ack;
        self.queued -= bytes;
        self.highest -= bytes;
        self.limit = self.limit.saturating_sub(bytes);
        // The right edge never moves back; a late frame may carry an old one.
        self.limit = self.limit.max(usize::from(credit));
        let ranges = early::reported(report);
        let (mut kept, mut newest) = (0, None);
        for index in 0..self.frames {
            let Some(mut frame) = self.flight.get(index).copied() else { break };
            let (at, end) = (frame.at.saturating_sub(bytes), (frame.at + frame.len).saturating_sub(bytes));
            if end == 0 || ranges.clone().any(|Range { start, end: held }| start <= at && end <= held) {
                if !frame.lost {
                    newest = Some(kept);
                    progress.arrived += 1;
                    progress.rtt_us = (!frame.repeat).then(|| now_us.saturating_sub(frame.sent_at_us));
                    outcome(frame.len, true);
                }
                continue;
            }
            (frame.at, frame.len) = (at, end - at);
            self.keep(kept, frame);
            kept += 1;
        }
        self.frames = kept;
        for frame in self.flight.iter_mut().take(newest.unwrap_or(0)).filter(|frame| !frame.lost) {
            frame.lost = true;
            progress.lost += 1;
            outcome(frame.len, false);
        }
        self.lost = self.records().iter().filter(|frame| frame.lost).count();
        Some(progress)
    }

    fn wrap(&self, index: usize) -> usize {
        let len = self.ring.len();
        if index >= len && len > 0 { index - len } else { index }
    }
}
