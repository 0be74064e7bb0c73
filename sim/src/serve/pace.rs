//! A line as slow as a UART: 10 bits a byte, each direction by itself, in real time. Bytes are neither lost nor bunched by
//! more than about a millisecond; nothing is known of wires, so nothing else about them is imitated.

use std::time::{Duration, Instant};

/// Bits on the line for a byte: a start bit, eight of data, a stop bit.
const BITS_A_BYTE: u128 = 10;
/// Time on the line of the bytes that arrive together.
const BUNCH: Duration = Duration::from_millis(1);
const NANOS: u128 = 1_000_000_000;

/// One direction of a line. It reads no clock: times come in as arguments.
#[derive(Clone, Debug)]
pub(super) struct Pace {
    /// Bits per second.
    baud: u128,
    /// When the bytes so far are over the line.
    busy_until: Option<Instant>,
    /// What that time lacks, in nanoseconds / `baud`: roundings do not add up.
    rest: u128,
}

impl Pace {
    /// A line of so many bits per second that carries nothing yet.
    pub fn new(baud: u32) -> Self {
        Self { baud: u128::from(baud.max(1)), busy_until: None, rest: 0 }
    }

    /// Bytes that may arrive together.
    pub fn bunch(&self) -> usize {
        let bytes = self.baud * BUNCH.as_nanos() / (NANOS * BITS_A_BYTE);
        usize::try_from(bytes).unwrap_or(usize::MAX).max(1)
    }

    /// Bytes written at `written` go over the line behind those before them: when the last of them has arrived.
    pub fn carry(&mut self, written: Instant, bytes: usize) -> Instant {
        let start = match self.busy_until {
            Some(busy_until) if busy_until > written => busy_until,
            _ => {
                self.rest = 0;
                written
            }
        };
        let nanos = bytes as u128 * BITS_A_BYTE * NANOS + self.rest;
        self.rest = nanos % self.baud;
        let arrived = start + Duration::from_nanos(u64::try_from(nanos / self.baud).unwrap_or(u64::MAX));
        self.busy_until = Some(arrived);
        arrived
    }

    /// Hands bytes on as they arrive; sleeps in between. `false` if `give` does not want any more.
    pub fn pass(&mut self, written: Instant, bytes: &[u8], mut give: impl FnMut(&[u8]) -> bool) -> bool {
        bytes.chunks(self.bunch()).all(|bunch| {
            let arrived = self.carry(written, bunch.len());
            std::thread::sleep(arrived.saturating_duration_since(Instant::now()));
            give(bunch)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_take_ten_bits_each_and_roundings_do_not_add_up() {
        let started = Instant::now();
        for baud in [300, 9_600, 115_200, 921_600, 3_000_000, 12_000_000] {
            let mut pace = Pace::new(baud);
            // A second's worth, in pieces that do not divide it.
            let mut left = baud as usize / 10;
            let mut arrived = started;
            while left > 0 {
                let piece = left.min(7);
                arrived = pace.carry(started, piece);
                left -= piece;
            }
            assert_eq!(arrived - started, Duration::from_secs(1), "{baud}");
        }
    }

    #[test]
    fn a_line_that_was_idle_saves_nothing_up_and_a_busy_one_loses_nothing() {
        let started = Instant::now();
        let at = |ms| started + Duration::from_millis(ms);
        let mut pace = Pace::new(100_000); // ten bytes a millisecond
        assert_eq!(pace.carry(at(0), 50), at(5));
        assert_eq!(pace.carry(at(3), 50), at(10), "written while others were under way: behind them");
        assert_eq!(pace.carry(at(10), 10), at(11));
        assert_eq!(pace.carry(at(500), 10), at(501), "the idle time is gone");
        let mut other = Pace::new(100_000);
        assert_eq!(other.carry(at(500), 10), at(501), "the directions do not share a wire");
    }

    #[test]
    fn what_arrives_together_takes_a_millisecond_at_most_but_for_a_single_byte() {
        for (baud, bunch) in [(300, 1), (10_000, 1), (115_200, 11), (921_600, 92), (3_000_000, 300)] {
            assert_eq!(Pace::new(baud).bunch(), bunch, "{baud}");
        }
    }

    #[test]
    fn no_byte_is_lost_or_turned_around() {
        let bytes: Vec<u8> = (0..=255).cycle().take(1000).collect();
        let mut pace = Pace::new(12_000_000);
        let mut came = Vec::new();
        assert!(pace.pass(Instant::now(), &bytes, |bunch| {
            came.extend_from_slice(bunch);
            bunch.len() <= 1200
        }));
        assert_eq!(came, bytes);
        assert!(!pace.pass(Instant::now(), &bytes, |_| false), "nobody wants them");
    }
}
