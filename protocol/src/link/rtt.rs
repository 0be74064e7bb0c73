//! The round trip and the resend time-out: Jacobson's estimator, Karn's rule, bounded exponential backoff.
//!
//! Karn's rule (no sample from bytes that were sent twice) is kept by the send stream; here lives its other half:
//! the backoff stays until a valid sample comes, except that every progress takes one doubling back.

use super::config::Config;

#[derive(Debug, Clone)]
pub(super) struct RttEstimator {
    smoothed_us: Option<u32>,
    variation_us: u32,
    doublings: u8,
    min_us: u32,
    initial_us: u32,
    max_us: u32,
}

impl RttEstimator {
    pub fn new(config: &Config) -> Self {
        Self {
            smoothed_us: None,
            variation_us: 0,
            doublings: 0,
            min_us: config.rto_min_us.max(1),
            initial_us: config.rto_initial_us.max(1),
            max_us: config.rto_max_us.max(1),
        }
    }

    /// A valid round trip was measured: RFC 6298, with gains 1/8 and 1/4 upwards, faster downwards.
    pub fn sample(&mut self, rtt_us: u64) {
        // A quarter of the range keeps every sum below inside 32 bits.
        let rtt = u32::try_from(rtt_us).unwrap_or(u32::MAX).min(u32::MAX / 16);
        self.doublings = 0;
        if let Some(smoothed) = self.smoothed_us {
            if rtt < smoothed {
                // One lost acknowledgement makes one round trip look long; it should not be believed for long.
                self.variation_us = 3 * (self.variation_us / 4);
                self.smoothed_us = Some(smoothed.midpoint(rtt));
            } else {
                self.variation_us = (3 * self.variation_us + smoothed.abs_diff(rtt)) / 4;
                self.smoothed_us = Some((7 * smoothed + rtt) / 8);
            }
        } else {
            self.smoothed_us = Some(rtt);
            self.variation_us = rtt / 2;
        }
    }

    /// The timer ran out.
    pub fn back_off(&mut self) {
        self.doublings = self.doublings.saturating_add(1).min(16);
    }

    /// The peer acknowledged something, but no valid sample came of it.
    pub fn progress(&mut self) {
        self.doublings = self.doublings.saturating_sub(1);
    }

    /// The peer answers; it was only out of credit.
    pub fn forget_backoff(&mut self) {
        self.doublings = 0;
    }

    /// Times in a row that the timer ran out, at most 16.
    pub fn time_outs(&self) -> u8 {
        self.doublings
    }

    /// The time-out in force, in microseconds.
    pub fn timeout_us(&self) -> u64 {
        let base = match self.smoothed_us {
            None => u64::from(self.initial_us),
            Some(smoothed) => u64::from(smoothed) + u64::from(self.variation_us.saturating_mul(4).max(self.min_us)),
        };
        (base << self.doublings).min(u64::from(self.max_us).max(base))
    }

    /// Smoothed round trip, in microseconds.
    pub fn smoothed_us(&self) -> Option<u32> {
        self.smoothed_us
    }
}
