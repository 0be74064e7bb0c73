//! Small round trips: how long they take, and what the times in their answers say of the device's clock.

use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;
use xyloop_protocol::message::Status;

use crate::device::{Client, DeviceError};

/// A device's clock may count in steps as coarse as this, microseconds.
const TICK_US: f64 = 1000.0;

/// Times one question and its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_field_names, reason = "units are in names")]
pub(super) struct Trip {
    /// When it was asked, host clock, microseconds from any origin.
    pub asked_us: u64,
    /// When the answer was there.
    pub answered_us: u64,
    /// The device's clock in between.
    pub uptime_us: u64,
}

impl Trip {
    fn took_us(&self) -> u64 {
        self.answered_us.saturating_sub(self.asked_us)
    }
}

/// Makes round trips one after the other.
#[derive(Clone, Debug)]
pub(super) struct Trips {
    pub trips: Vec<Trip>,
    /// What the last one brought.
    pub last: Status,
}

impl Trips {
    /// Asks for the device's status so many times (once at least), and stops early after `longest`. Times count from
    /// `epoch`.
    pub async fn take(
        client: &mut Client,
        epoch: Instant,
        count: usize,
        longest: Duration,
    ) -> Result<Self, DeviceError> {
        let started = Instant::now();
        let mut trips = Vec::with_capacity(count);
        loop {
            let asked_us = epoch.elapsed().as_micros() as u64;
            let last = client.status().await?;
            let answered_us = epoch.elapsed().as_micros() as u64;
            trips.push(Trip { asked_us, answered_us, uptime_us: last.uptime_us });
            if trips.len() >= count || started.elapsed() >= longest {
                return Ok(Self { trips, last });
            }
        }
    }

    /// Says how long they took.
    pub fn quantiles(&self) -> Quantiles {
        Quantiles::of(self.trips.iter().map(Trip::took_us).collect())
    }
}

/// Says how long round trips took, microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Quantiles {
    /// How many there were.
    pub count: usize,
    /// Half of them took no longer than this.
    pub p50_us: u64,
    /// 99 of 100 took no longer than this.
    pub p99_us: u64,
    /// None took longer than this.
    pub worst_us: u64,
}

impl Quantiles {
    /// Sorts times; zeros if there are none.
    pub fn of(mut times_us: Vec<u64>) -> Self {
        times_us.sort_unstable();
        let at = |percent| percentile(&times_us, percent).unwrap_or_default();
        Self { count: times_us.len(), p50_us: at(50), p99_us: at(99), worst_us: at(100) }
    }

    /// Puts them in words, milliseconds.
    pub fn in_words(&self) -> String {
        let ms = |us: u64| us as f64 / 1000.0;
        let (p50, p99, worst) = (ms(self.p50_us), ms(self.p99_us), ms(self.worst_us));
        format!("p50 {p50:.2} ms, p99 {p99:.2} ms, worst {worst:.2} ms")
    }
}

/// Returns the smallest of ascending values that so many percent (0 to 100) of them do not exceed; `None` if there are none.
pub fn percentile(ascending: &[u64], percent: u8) -> Option<u64> {
    let rank = (ascending.len() * usize::from(percent.min(100))).div_ceil(100);
    ascending.get(rank.max(1) - 1).copied()
}

/// Finds the two rates, device time per host time, between which the device's clock must run for all these answers to have been
/// given between question and arrival. `None` if no two of them are apart far enough to say anything.
///
/// However unevenly the line delays them, a clock that is right is never outside of it.
pub(super) fn clock_rate(trips: &[Trip]) -> Option<(f64, f64)> {
    let mut bounds: Option<(f64, f64)> = None;
    for (index, early) in trips.iter().enumerate() {
        for late in trips.get(index + 1..).unwrap_or_default() {
            // The device's two looks at its clock were at least and at most so far apart.
            let least = late.asked_us as f64 - early.answered_us as f64;
            let most = late.answered_us as f64 - early.asked_us as f64;
            if least <= 0.0 {
                continue;
            }
            let passed = late.uptime_us as f64 - early.uptime_us as f64;
            let (slowest, fastest) = bounds.unwrap_or((f64::NEG_INFINITY, f64::INFINITY));
            bounds = Some((slowest.max((passed - TICK_US) / most), fastest.min((passed + TICK_US) / least)));
        }
    }
    bounds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_occurred() {
        assert_eq!(percentile(&[], 50), None);
        assert_eq!([0, 50, 99, 100].map(|percent| percentile(&[7], percent)), [Some(7); 4]);
        let hundred: Vec<u64> = (1..=100).collect();
        assert_eq!([1, 50, 99, 100, 255].map(|percent| percentile(&hundred, percent)), [1, 50, 99, 100, 100].map(Some));
        // Of four, the second is the first that half of them do not exceed; 99 percent is all of them.
        assert_eq!([50, 51, 75, 99].map(|percent| percentile(&[1, 2, 3, 40], percent)), [2, 3, 3, 40].map(Some));
        let quantiles = Quantiles::of(vec![9, 1, 5]);
        assert_eq!(quantiles, Quantiles { count: 3, p50_us: 5, p99_us: 9, worst_us: 9 });
    }

    /// Answers of a device whose clock runs at `rate`, over a line that delays each by other times.
    fn trips(rate: f64, every_us: u64) -> Vec<Trip> {
        (0..50_u64)
            .map(|index| {
                let (there, back) = (300 + 7919 * index % 4000, 200 + 104_729 * index % 9000);
                let asked_us = 1000 + index * every_us;
                let uptime_us = 5_000_000 + (rate * (asked_us + there) as f64) as u64;
                Trip { asked_us, answered_us: asked_us + there + back, uptime_us }
            })
            .collect()
    }

    #[test]
    fn the_rate_of_a_clock_is_within_its_bounds_whatever_the_line_does() {
        for rate in [0.5, 0.97, 1.0, 1.03, 2.0] {
            for every_us in [1, 20_000, 200_000] {
                let (slowest, fastest) = clock_rate(&trips(rate, every_us)).unwrap_or((0.0, 9.0));
                assert!(slowest <= rate && rate <= fastest, "{rate} every {every_us}: {slowest} to {fastest}");
            }
            // Over ten seconds they are narrow enough to tell 3 % from none.
            let (slowest, fastest) = clock_rate(&trips(rate, 200_000)).unwrap_or((0.0, 9.0));
            assert!(fastest - slowest < 0.01, "{slowest} to {fastest}");
        }
    }

    #[test]
    fn one_answer_says_nothing_of_a_clock() {
        assert_eq!(clock_rate(&[]), None);
        assert_eq!(clock_rate(&trips(1.0, 1000)[..1]), None);
    }
}
