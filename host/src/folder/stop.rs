//! How a run ended: `stop.toml`, written only after a clean end. A run without it was cut off.

use serde::{Deserialize, Serialize};

use crate::counts::ShotCounts;

/// Names why a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StopReason {
    /// The experiment's stop rule was met.
    Solved,
    /// The last epoch that was allowed is over.
    Epochs,
    /// Someone asked for it (Ctrl-C).
    Interrupted,
    /// Another run's codes were judged, and nothing else was to be done.
    Evaluated,
}

impl StopReason {
    /// Returns it as it is written: `solved`, `epochs`, `interrupted`, `evaluated`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Solved => "solved",
            Self::Epochs => "epochs",
            Self::Interrupted => "interrupted",
            Self::Evaluated => "evaluated",
        }
    }
}

/// Says how a run ended.
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

/// Holds totals over a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StopCounts {
    /// Optimiser steps.
    pub steps: u64,
    /// Equilibria written to the log.
    pub equilibria_logged: u64,
    /// Codes clipped to their converter's range.
    pub codes_clipped: u64,
    /// What was noticed in shots.
    #[serde(flatten)]
    pub shots: ShotCounts,
}
