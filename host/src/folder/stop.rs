//! How a run ended: `stop.toml`, written only after a clean end. A run without it was cut off.

use serde::{Deserialize, Serialize};

/// Why a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StopReason {
    /// The experiment's stop rule was met.
    Solved,
    /// The last epoch that was allowed is over.
    Epochs,
    /// Someone asked for it (Ctrl-C).
    Interrupted,
}

/// The end of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stop {
    /// Why it ended.
    pub reason: StopReason,
    /// Epochs completed.
    pub epochs: u32,
    /// When, RFC 3339: [`super::Utc`]'s `Display`.
    pub end_utc: String,
    /// Wall-clock time from start to end, seconds.
    pub wall_s: f64,
    /// Shots finished, re-runs not counted twice.
    pub shots: u64,
    /// What was counted on the way.
    pub counts: StopCounts,
}

/// Totals over a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StopCounts {
    /// Optimiser steps.
    pub steps: u64,
    /// Equilibria written to the log.
    pub equilibria_logged: u64,
    /// Shots whose release did not come back to the free state.
    pub basin_changed: u64,
    /// Shots with an unsettled phase.
    pub unsettled: u64,
    /// Shots left out of the gradient.
    pub left_out: u64,
    /// Shots in which an ADC stood at the end of its range.
    pub adc_clipped: u64,
    /// Shots in which a site's signal was too weak for its phase to be trusted.
    pub weak: u64,
    /// Shots with a nudge at its bound.
    pub nudge_bounded: u64,
    /// Shots with a field clipped to its DAC's range.
    pub actuator_clipped: u64,
    /// Codes clipped to their converter's range.
    pub codes_clipped: u64,
}
