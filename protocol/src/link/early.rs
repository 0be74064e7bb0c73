//! Selective acknowledgement: which bytes beyond the next expected one are held already.
//!
//! On the wire, the payload of an Ack: up to [`RANGES`] pairs of 16-bit little-endian numbers, *start* and *length*,
//! in bytes relative to the frame's `ack`; ascending, disjoint, with a gap in front of each. The list is always
//! complete: what it does not name, the sender of the Ack does not have.

/// Most ranges that are held and reported. A frame that would need one more is dropped and comes again.
pub(super) const RANGES: usize = 16;

/// Longest payload of an Ack, in bytes.
pub(super) const REPORT_MAX: usize = 4 * RANGES;

/// A stretch of the stream, relative to the next byte expected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Range {
    pub start: usize,
    pub end: usize,
}

/// The ranges held; ascending, disjoint, not touching.
#[derive(Debug, Clone, Default)]
pub(super) struct Early {
    ranges: [Range; RANGES],
    count: usize,
}

impl Early {
    pub fn clear(&mut self) {
        self.count = 0;
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    fn held(&self) -> &[Range] {
        self.ranges.get(..self.count).unwrap_or(&[])
    }

    /// Whether all of these bytes are held.
    pub fn covers(&self, start: usize, len: usize) -> bool {
        self.held().iter().any(|range| range.start <= start && start + len <= range.end)
    }

    /// Notes bytes as held, joined with what they touch; `false` if there is no place for one more range.
    pub fn insert(&mut self, start: usize, len: usize) -> bool {
        let mut new = Range { start, end: start + len };
        // Everything from `first` up to `behind` touches the new range and becomes part of it.
        let first = self.held().iter().take_while(|range| range.end < start).count();
        let behind = self.held().iter().take_while(|range| range.start <= new.end).count().max(first);
        for range in self.ranges.get(first..behind).unwrap_or(&[]) {
            new = Range { start: new.start.min(range.start), end: new.end.max(range.end) };
        }
        if first == behind && self.count == RANGES {
            return false;
        }
        // Makes the hole one place wide.
        self.ranges.copy_within(behind..self.count, first + 1);
        self.count = self.count + 1 + first - behind;
        self.ranges[first] = new;
        true
    }

    /// The next byte expected moves up by `bytes`, and further over the ranges that it reaches; tells how much further.
    pub fn advance(&mut self, bytes: usize) -> usize {
        let (mut reached, mut passed) = (bytes, 0);
        while let Some(range) = self.held().get(passed).filter(|range| range.start <= reached) {
            reached = reached.max(range.end);
            passed += 1;
        }
        self.ranges.copy_within(passed..self.count, 0);
        self.count -= passed;
        for range in self.ranges.iter_mut().take(self.count) {
            *range = Range { start: range.start - reached, end: range.end - reached };
        }
        reached - bytes
    }

    /// The payload of an Ack, and its length.
    pub fn to_bytes(&self) -> ([u8; REPORT_MAX], usize) {
        let mut bytes = [0; REPORT_MAX];
        let mut used = 0;
        for (place, range) in bytes.as_chunks_mut::<4>().0.iter_mut().zip(self.held()) {
            // The credit offered is 16 bits wide: nothing further is accepted.
            let (Ok(start), Ok(len)) = (u16::try_from(range.start), u16::try_from(range.end - range.start)) else {
                break;
            };
            let ([s0, s1], [l0, l1]) = (start.to_le_bytes(), len.to_le_bytes());
            *place = [s0, s1, l0, l1];
            used += 4;
        }
        (bytes, used)
    }
}

/// The ranges named by an Ack's payload, relative to its `ack`. Longer lists are read up to [`RANGES`]; what is no
/// whole pair is ignored.
pub(super) fn reported(payload: &[u8]) -> impl Iterator<Item = Range> + Clone + '_ {
    payload.as_chunks::<4>().0.iter().take(RANGES).map(|&[s0, s1, l0, l1]| {
        let start = usize::from(u16::from_le_bytes([s0, s1]));
        Range { start, end: start + usize::from(u16::from_le_bytes([l0, l1])) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(early: &Early) -> [(usize, usize); 4] {
        let mut pairs = [(0, 0); 4];
        for (pair, range) in pairs.iter_mut().zip(early.held()) {
            *pair = (range.start, range.end);
        }
        pairs
    }

    #[test]
    fn ranges_that_touch_become_one() {
        let mut early = Early::default();
        for (start, len) in [(10, 5), (30, 5), (20, 5)] {
            assert!(early.insert(start, len));
        }
        assert_eq!(of(&early), [(10, 15), (20, 25), (30, 35), (0, 0)]);
        assert!(early.insert(15, 5));
        assert_eq!((early.count, of(&early)[0]), (2, (10, 25)));
        assert!(early.insert(5, 100));
        assert_eq!((early.count, of(&early)[0]), (1, (5, 105)));
        assert!(early.covers(5, 100) && !early.covers(4, 2));
    }

    #[test]
    fn advancing_swallows_what_it_reaches() {
        let mut early = Early::default();
        for (start, len) in [(10, 5), (20, 5), (40, 5)] {
            early.insert(start, len);
        }
        assert_eq!(early.advance(9), 0);
        assert_eq!(of(&early)[..3], [(1, 6), (11, 16), (31, 36)]);
        assert_eq!(early.advance(1), 5);
        assert_eq!(of(&early)[..2], [(5, 10), (25, 30)]);
        assert_eq!(early.advance(100), 0);
        assert!(early.is_empty());
    }

    #[test]
    fn a_full_list_takes_no_further_range_but_still_joins() {
        let mut early = Early::default();
        for k in 0..RANGES {
            assert!(early.insert(10 * k + 1, 2));
        }
        assert!(!early.insert(10 * RANGES, 2));
        assert!(early.insert(3, 8), "it touches two ranges");
        assert_eq!(early.count, RANGES - 1);
    }

    #[test]
    fn a_report_survives_the_trip() {
        let mut early = Early::default();
        early.insert(3, 4);
        early.insert(60_000, 300);
        let (bytes, used) = early.to_bytes();
        let mut read = reported(&bytes[..used]);
        assert_eq!(read.next(), Some(Range { start: 3, end: 7 }));
        assert_eq!(read.next(), Some(Range { start: 60_000, end: 60_300 }));
        assert_eq!(read.next(), None);
    }
}
