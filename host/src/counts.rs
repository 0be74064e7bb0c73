//! What was noticed in shots: the counters that training, metrics and the end of a run share.

use serde::{Deserialize, Serialize};
use xyloop_protocol::units::Flags;

/// Counts shots, and of these the ones in which something was noticed. A shot may be in several counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ShotCounts {
    /// Shots measured, re-runs not counted twice.
    pub shots: u64,
    /// Shots whose release did not come back to the free state.
    pub basin_changed: u64,
    /// Shots with a phase that did not settle in time.
    pub unsettled: u64,
    /// Shots left out of the gradient.
    pub left_out: u64,
    /// Shots whose weight in the gradient was capped.
    pub capped: u64,
    /// Shots in which an ADC stood at the end of its range.
    pub adc_clipped: u64,
    /// Shots in which a site's signal was too weak for its phase to be trusted.
    pub weak: u64,
    /// Shots with a nudge whose 1 + cos Δ was bounded from below.
    pub nudge_bounded: u64,
    /// Shots with a field plus nudge clipped to the DAC's range.
    pub actuator_clipped: u64,
}

impl ShotCounts {
    /// Adds one shot with the flags of all its equilibria.
    pub fn add(&mut self, flags: Flags) {
        self.shots += 1;
        for (count, flag) in [
            (&mut self.basin_changed, Flags::BASIN_CHANGED),
            (&mut self.unsettled, Flags::UNSETTLED),
            (&mut self.adc_clipped, Flags::CLIPPED),
            (&mut self.weak, Flags::WEAK),
            (&mut self.nudge_bounded, Flags::NUDGE_BOUNDED),
            (&mut self.actuator_clipped, Flags::ACTUATOR_CLIPPED),
        ] {
            *count += u64::from(flags.any(flag));
        }
    }

    /// Adds other shots.
    pub fn merge(&mut self, other: &Self) {
        self.shots += other.shots;
        self.basin_changed += other.basin_changed;
        self.unsettled += other.unsettled;
        self.left_out += other.left_out;
        self.capped += other.capped;
        self.adc_clipped += other.adc_clipped;
        self.weak += other.weak;
        self.nudge_bounded += other.nudge_bounded;
        self.actuator_clipped += other.actuator_clipped;
    }
}
