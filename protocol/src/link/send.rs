//! The outgoing stream: a ring of unacknowledged bytes and what has been sent of it.
//!
//! All positions are kept relative to the oldest unacknowledged byte, so nothing here wraps but the ring index and
//! the one 32-bit offset:
//!
//! ```text
//!   base (offset on the wire)
//!   |<- sent: next byte to send ->|
//!   |<------ highest: sent at least once ----->|
//!   |<------------- queued: written by the owner ------------>|
//!   |<----------------- limit: allowed by the peer's credit -------->|
//! ```
//!
//! *Going back.* `sent` falls to 0 when the peer reports a gap: it names the first byte it misses and the offset of
//! the frame it had to drop. On a line that keeps order, the dropped frames of one flight are reported with rising
//! offsets; an offset that is lower than the one before belongs to the repeated flight, so the repeat was hit as
//! well and we go back again. One gap therefore costs one repeat, however many reports it causes.

#[derive(Debug)]
pub(super) struct SendStream<'a> {
    ring: &'a mut [u8],
    /// Ring index of the byte at `base`.
    head: usize,
    base: u32,
    sent: usize,
    highest: usize,
    queued: usize,
    limit: usize,
    /// Wire offset behind the bytes being timed, and when they were sent.
    timed: Option<(u32, u64)>,
    /// Position of the last reported frame since going back to the present `base`.
    went_back: Option<usize>,
}

/// What an acknowledgement brought.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Progress {
    /// Bytes newly acknowledged.
    pub bytes: usize,
    /// A valid round trip, in microseconds.
    pub rtt_us: Option<u64>,
    /// Everything unacknowledged is going to be sent again.
    pub went_back: bool,
}

/// Stream bytes for one Data frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Segment {
    /// Position relative to `base`.
    pub at: usize,
    /// Length in bytes.
    pub len: usize,
}

impl<'a> SendStream<'a> {
    pub fn new(ring: &'a mut [u8]) -> Self {
        Self { ring, head: 0, base: 0, sent: 0, highest: 0, queued: 0, limit: 0, timed: None, went_back: None }
    }

    /// Empties the stream; the next byte gets offset `start`.
    pub fn restart(&mut self, start: u32, limit: usize) {
        self.head = 0;
        self.base = start;
        (self.sent, self.highest, self.queued) = (0, 0, 0);
        self.limit = limit;
        (self.timed, self.went_back) = (None, None);
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
        self.sent < self.highest
    }

    /// Bytes that may be in flight just now.
    pub fn window(&self) -> usize {
        self.limit.min(self.ring.len())
    }

    /// Everything sent is acknowledged, more is queued, and the peer takes nothing: ask it from time to time.
    pub fn blocked(&self) -> bool {
        self.highest == 0 && self.queued > 0 && self.limit == 0
    }

    /// Offset of position `at` on the wire.
    pub fn offset(&self, at: usize) -> u32 {
        self.base.wrapping_add(at as u32)
    }

    /// Offset of the next byte never sent before.
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

    /// What a Data frame of at most `payload` bytes would carry now. `least` is the smallest piece of new bytes worth
    /// a frame while others are still in flight: it keeps a nearly full peer from being fed in crumbs.
    pub fn next(&self, payload: usize, least: usize) -> Option<Segment> {
        let wanted = (self.queued - self.sent).min(payload);
        let len = wanted.min(self.limit.saturating_sub(self.sent));
        let crumb = len < wanted && len < least && self.highest > 0 && !self.resending();
        (len > 0 && !crumb).then_some(Segment { at: self.sent, len })
    }

    /// The segment from [`Self::next`] is on its way; tells whether it repeats bytes.
    pub fn mark_sent(&mut self, segment: Segment, now_us: u64) -> bool {
        let repeats = segment.at < self.highest;
        let end = segment.at + segment.len;
        if self.timed.is_none() && !repeats {
            self.timed = Some((self.offset(end), now_us));
        }
        self.sent = end;
        self.highest = self.highest.max(end);
        repeats
    }

    /// The last bytes in flight, at most `payload`: sent again after a time-out they make the peer either complete or
    /// report exactly what it misses, at the price of one frame.
    pub fn tail(&self, payload: usize) -> Segment {
        let len = self.highest.min(payload);
        Segment { at: self.highest - len, len }
    }

    /// A segment in flight was repeated: if it is being timed, its acknowledgement tells no round trip (Karn).
    pub fn mark_repeated(&mut self, segment: Segment) {
        if self.timed.is_some_and(|(end, _)| end.wrapping_sub(self.base) as usize > segment.at) {
            self.timed = None;
        }
    }

    /// Takes an acknowledgement with the peer's credit; `None` if it is not about bytes in flight.
    pub fn acknowledge(&mut self, ack: u32, credit: u16, gap: Option<u32>, now_us: u64) -> Option<Progress> {
        let bytes = ack.wrapping_sub(self.base) as usize;
        if bytes > self.highest {
            return None;
        }
        let mut progress = Progress { bytes, ..Progress::default() };
        if bytes > 0 {
            if let Some((end, sent_at)) = self.timed
                && end.wrapping_sub(self.base) as usize <= bytes
            {
                progress.rtt_us = Some(now_us.saturating_sub(sent_at));
                self.timed = None;
            }
            self.head = self.wrap(self.head + bytes);
            self.base = ack;
            self.queued -= bytes;
            self.highest -= bytes;
            self.sent = self.sent.saturating_sub(bytes);
            self.limit = self.limit.saturating_sub(bytes);
            self.went_back = None;
        }
        // The right edge never moves back; a late frame may carry an old one.
        self.limit = self.limit.max(usize::from(credit));
        if let Some(gap) = gap {
            progress.went_back = self.go_back(gap.wrapping_sub(self.base) as usize);
        }
        Some(progress)
    }

    /// The time-out ran off: the next gap report counts, wherever it points.
    pub fn forget_reports(&mut self) {
        self.went_back = None;
    }

    /// The peer dropped the frame at `position` because the byte at `base` is missing.
    fn go_back(&mut self, position: usize) -> bool {
        if position == 0 || position > self.highest {
            return false;
        }
        let fresh = self.went_back.is_none_or(|last| position < last);
        self.went_back = Some(position);
        if fresh {
            self.sent = 0;
            self.timed = None;
        }
        fresh
    }

    fn wrap(&self, index: usize) -> usize {
        let len = self.ring.len();
        if index >= len && len > 0 { index - len } else { index }
    }
}
