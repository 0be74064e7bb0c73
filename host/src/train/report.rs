//! What training says of itself, as plain data: an epoch's figures, how it ended, how states settled and were judged.

use serde::{Deserialize, Serialize};

use crate::{counts::ShotCounts, device::ShotResult, folder::StopReason};

/// Holds an epoch in figures.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct EpochReport {
    /// From 1.
    pub epoch: u32,
    /// Optimiser steps so far.
    pub steps: u32,
    /// Mean D of the free states; D is summed over the outputs: 0 … number of outputs.
    pub mean_distance: f64,
    /// Mean cost of the free states, summed over the outputs, the log cost bounded where its nudge is.
    pub mean_cost: f64,
    /// Share of free states that were right, 0 … 1.
    pub accuracy: f64,
    /// What was noticed in the epoch's shots.
    pub counts: ShotCounts,
    /// How the epoch's states settled.
    pub settling: Settling,
    /// Codes that were clipped to their converter's range, and parameters put back into it.
    pub codes_clipped: u64,
    /// Euclidean norm of the last step's gradient, model units.
    pub gradient_norm: f64,
    /// Epochs in a row that were good enough.
    pub in_a_row: u32,
}

/// Says how training ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Why.
    pub reason: StopReason,
    /// Epochs finished.
    pub epochs: u32,
    /// Shots of the steps finished.
    pub shots: u64,
}

/// Adds up how long states took to settle and how far they moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Settling {
    /// Equilibria measured.
    pub equilibria: u64,
    /// Sum of their settle times, µs.
    pub settle_us: u64,
    /// The longest of them, µs.
    pub longest_settle_us: u32,
    /// Largest distance of a site from its shot's free state, radians.
    pub moved_rad: f64,
}

impl Settling {
    /// Adds the equilibria of one shot.
    pub fn add(&mut self, shot: &ShotResult) {
        for equilibrium in &shot.equilibria {
            self.equilibria += 1;
            self.settle_us += u64::from(equilibrium.settle_us);
            self.longest_settle_us = self.longest_settle_us.max(equilibrium.settle_us);
            let moved_rad = f64::from(equilibrium.moved_turn) / 65536.0 * std::f64::consts::TAU;
            self.moved_rad = self.moved_rad.max(moved_rad);
        }
    }

    /// Adds others.
    pub fn merge(&mut self, other: &Self) {
        self.equilibria += other.equilibria;
        self.settle_us += other.settle_us;
        self.longest_settle_us = self.longest_settle_us.max(other.longest_settle_us);
        self.moved_rad = self.moved_rad.max(other.moved_rad);
    }

    /// Returns the mean settle time, µs.
    pub fn mean_us(&self) -> f64 {
        self.settle_us as f64 / self.equilibria.max(1) as f64
    }
}

/// Adds up how free states were judged during training.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Judged {
    /// Free states judged.
    pub states: u64,
    /// Right ones.
    pub right: u64,
    /// Sum of their D.
    pub distance: f64,
    /// Sum of their cost.
    pub cost: f64,
}

impl Judged {
    /// Adds others.
    pub fn merge(&mut self, other: &Self) {
        self.states += other.states;
        self.right += other.right;
        self.distance += other.distance;
        self.cost += other.cost;
    }
}
