//! Everything a training is, between two steps: [`TrainerState`]. Written and read back, it goes on bit by bit as it would
//! have without.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};
use xyloop_protocol::units::ShotId;

use super::{
    optimiser::{Moments, Trained},
    report::{EpochReport, Judged, Settling},
};
use crate::{counts::ShotCounts, folder::StopReason};

/// Holds a training between two optimiser steps. All draws are keyed by the counters in here: there is no generator whose
/// position would have to be kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainerState {
    /// The parameters in the form in which they are trained, in full resolution.
    pub trained: Trained,
    /// What the optimiser remembers of earlier gradients.
    pub moments: Moments,
    /// Optimiser steps done.
    pub steps: u32,
    /// Epochs finished.
    pub epochs: u32,
    /// What was noticed in the shots of all finished steps.
    pub counts: ShotCounts,
    /// Codes clipped to their converter's range in them, and parameters put back into it.
    pub codes_clipped: u64,
    /// The id of the next shot: ids are never reused.
    pub next_shot: ShotId,
    /// Epochs in a row that were good enough, up to the last one finished.
    pub in_a_row: u32,
    /// The best epoch so far.
    pub best: Option<Best>,
    /// The epoch in progress.
    pub epoch: EpochSoFar,
    /// Why training ended, if it has.
    pub ended: Option<StopReason>,
}

/// Adds up the finished steps of the epoch in progress.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EpochSoFar {
    /// Steps of it that are done.
    pub steps: u32,
    /// What was noticed in its shots.
    pub counts: ShotCounts,
    /// How its states settled.
    pub settling: Settling,
    /// How its free states were judged.
    pub judged: Judged,
    /// Codes clipped to their converter's range, and parameters put back into it.
    pub codes_clipped: u64,
    /// Euclidean norm of the last step's gradient, model units.
    pub gradient_norm: f64,
}

/// Names the best epoch so far: the most states right, then the smallest D.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// From 1.
    pub epoch: u32,
    /// Share of its free states that were right, 0 … 1.
    pub accuracy: f64,
    /// Their mean D.
    pub mean_distance: f64,
}

impl Best {
    /// Returns the better of this and an epoch.
    pub(super) fn or(best: Option<Self>, report: &EpochReport) -> Self {
        let EpochReport { epoch, accuracy, mean_distance, .. } = *report;
        let this = Self { epoch, accuracy, mean_distance };
        let better = |best: &Self| (accuracy, -mean_distance).partial_cmp(&(best.accuracy, -best.mean_distance));
        match best {
            Some(best) if better(&best) != Some(Ordering::Greater) => best,
            _ => this,
        }
    }
}

impl TrainerState {
    /// Begins with these parameters; nothing was run yet.
    pub(super) fn new(trained: Trained) -> Self {
        Self {
            moments: Moments::zeros(&trained),
            trained,
            steps: 0,
            epochs: 0,
            counts: ShotCounts::default(),
            codes_clipped: 0,
            next_shot: 1,
            in_a_row: 0,
            best: None,
            epoch: EpochSoFar::default(),
            ended: None,
        }
    }
}
