//! Steps of Equilibrium Propagation in the model itself: free states, nudges and gradient of a whole batch at once. No
//! device, no converters, no kick: for studies, for references, and to see what a rig could reach.
//!
//! Through the device protocol every shot is kicked, settled and nudged; here the caller says where the free states start
//! and by which [`Solver`] they settle.

use std::num::NonZeroUsize;

use super::batch::Batch;
use super::ensemble::{Ensemble, LaneReport, Rest};
use super::follow::Follow;
use super::lanes::{LANES, Lanes};
use super::network::Network;
use super::sums::Sums;
use super::{Solver, response};
use crate::energy::{Cost, frozen_amplitude};
use crate::ep::Gradient;
use crate::math::{cos, sin_cos};

/// How the outputs are asked for their targets.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Nudge {
    /// Free, +β and −β states, each continued from the free one; contrast over 2β.
    Symmetric {
        /// Nudge strength, > 0.
        beta: f64,
    },
    /// Free and β states; contrast over β.
    OneSided {
        /// Nudge strength, not 0.
        beta: f64,
    },
    /// β → 0: the exact gradient of the settled cost ([`response`]).
    LinearResponse,
}

/// One step's settings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// The nudge.
    pub nudge: Nudge,
    /// The cost; [`Cost::Log`] is nudged with the amplitude frozen at the free state.
    pub cost: Cost,
    /// Where 1 + cos Δ counts as at least this much, (0, 2]. Only with [`Cost::Log`].
    pub clip: f64,
    /// How nudged states are found.
    pub follow: Follow,
}

/// What a step gave.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// Mean over the samples that counted.
    pub gradient: Gradient,
    /// Samples that counted: all their states came to rest.
    pub counted: usize,
    /// Samples left out: a state did not come to rest, or its equilibrium has no linear response.
    pub left_out: Vec<usize>,
    /// Mean distance D = ½ Σ (1 − cos Δ) of the free states that came to rest.
    pub distance: f64,
    /// Farthest any site was moved by a nudge, radians: a basin that changed shows here.
    pub moved_rad: f64,
    /// Outputs whose 1 + cos Δ was clipped.
    pub clipped: usize,
    /// Evaluations of all forces, summed over the samples, or what costs as much.
    pub passes: u64,
    /// Factorisations, summed over the samples.
    pub factorisations: u64,
}

/// A block's share.
struct Share {
    counts: [bool; LANES],
    distance: f64,
    settled: usize,
    moved_rad: f64,
    clipped: usize,
    passes: u64,
    factorisations: u64,
}

impl Share {
    fn book(&mut self, reports: &[LaneReport]) {
        for report in reports {
            self.passes += u64::from(report.passes);
            self.factorisations += u64::from(report.factorisations);
        }
    }
}

impl Step {
    /// Runs the step from the states the batch is in, and leaves its free states there. `targets`: one phase per sample
    /// and output, radians, sample by sample.
    ///
    /// # Panics
    /// If the batch was made for a network of another shape, or the number of targets is not samples × outputs.
    pub fn run(
        &self,
        network: &Network,
        batch: &mut Batch,
        free: &dyn Solver,
        targets: &[f64],
        threads: NonZeroUsize,
    ) -> Outcome {
        let outputs = network.outputs.len();
        assert_eq!(targets.len(), batch.len() * outputs, "one target per sample and output");
        let mut total = Sums::new(network);
        let (mut first, mut left_out, mut counted) = (0, Vec::new(), 0);
        let (mut distance, mut settled, mut moved_rad, mut clipped) = (0.0, 0, 0.0_f64, 0);
        let (mut passes, mut factorisations) = (0, 0);
        let samples = batch.len();
        batch.each_block(
            threads,
            || Scratch { sums: Sums::new(network), free: Vec::new() },
            |scratch, block, count| {
                let at = block.number * LANES * outputs;
                self.block(network, block, free, &targets[at..at + count * outputs], count, scratch)
            },
            |scratch, share: Share| {
                total.add(&scratch.sums);
                for (lane, counts) in share.counts.iter().enumerate().take(samples - first) {
                    if *counts {
                        counted += 1;
                    } else {
                        left_out.push(first + lane);
                    }
                }
                first += LANES;
                distance += share.distance;
                settled += share.settled;
                clipped += share.clipped;
                passes += share.passes;
                factorisations += share.factorisations;
                moved_rad = moved_rad.max(share.moved_rad);
            },
        );
        let divisor = match self.nudge {
            Nudge::Symmetric { beta } => -2.0 * beta,
            Nudge::OneSided { beta } => -beta,
            Nudge::LinearResponse => 1.0,
        };
        let factor = if counted == 0 { 0.0 } else { 1.0 / (divisor * counted as f64) };
        let distance = if settled == 0 { 0.0 } else { distance / settled as f64 };
        let gradient = total.gradient(network, factor);
        Outcome { gradient, counted, left_out, distance, moved_rad, clipped, passes, factorisations }
    }

    fn block(
        &self,
        network: &Network,
        block: &mut Ensemble,
        free: &dyn Solver,
        targets: &[f64],
        count: usize,
        scratch: &mut Scratch,
    ) -> Share {
        scratch.sums.clear();
        let reports = free.settle(network, block, std::array::from_fn(|l| l < count));
        let mut counts: [bool; LANES] = std::array::from_fn(|l| l < count && reports[l].at_rest);
        let outputs = network.outputs.len();
        let mut share =
            Share { counts, distance: 0.0, settled: 0, moved_rad: 0.0, clipped: 0, passes: 0, factorisations: 0 };
        share.book(&reports[..count]);
        for l in (0..count).filter(|&l| counts[l]) {
            share.settled += 1;
            for (&output, target) in network.outputs.iter().zip(&targets[l * outputs..]) {
                share.distance += 0.5 * (1.0 - cos(block.phase[output as usize].0[l] - target));
            }
        }
        let beta = match self.nudge {
            Nudge::LinearResponse => {
                self.respond(network, block, targets, &mut counts, &mut share, scratch);
                share.counts = counts;
                return share;
            }
            Nudge::Symmetric { beta } | Nudge::OneSided { beta } => beta,
        };
        // Where half of the lanes are empty they take the other sign: both nudges then settle at once.
        let mirrored = 2 * count <= LANES && matches!(self.nudge, Nudge::Symmetric { .. });
        if mirrored {
            block.mirror(count);
        }
        let used = if mirrored { 2 * count } else { count };
        scratch.free.clone_from(&block.phase);
        let fields = Fields::of(block, network);
        // The sign of β in each lane, round by round; 0 is the free state itself.
        let rounds: &[[f64; 2]] = match self.nudge {
            _ if mirrored => &[[1.0, -1.0]],
            Nudge::Symmetric { .. } => &[[1.0, 0.0], [-1.0, 0.0]],
            _ => &[[1.0, 0.0]],
        };
        let mut states = Vec::with_capacity(rounds.len());
        for signs in rounds {
            // What is lost already is not nudged.
            let lanes: [bool; LANES] = std::array::from_fn(|l| l < used && counts[l % count]);
            for l in (0..used).filter(|&l| lanes[l]) {
                let (sample, sign) = (l % count, signs[l / count]);
                for (k, &output) in network.outputs.iter().enumerate() {
                    let target = targets[sample * outputs + k];
                    let mut amplitude = sign * beta;
                    if self.cost == Cost::Log {
                        let phase = scratch.free[output as usize].0[l];
                        let frozen = frozen_amplitude(amplitude, phase, target, self.clip);
                        share.clipped += usize::from(frozen.clipped && sign > 0.0);
                        amplitude = frozen.amplitude;
                    }
                    block.add_field(l, output as usize, self.cost.nudge_field(amplitude, target));
                }
            }
            let reports = self.follow.settle(network, block, lanes);
            share.book(&reports[..used]);
            for l in (0..used).filter(|&l| lanes[l]) {
                counts[l % count] &= reports[l].at_rest;
                share.moved_rad = share.moved_rad.max(moved(&block.phase, &scratch.free, l));
            }
            states.push((*signs, block.phase.clone()));
            fields.restore(block, network);
            block.phase.copy_from_slice(&scratch.free);
            (block.rest, block.lowest) = ([Rest::Unknown; LANES], [f64::INFINITY; LANES]);
        }
        // Only now it is known which samples count in all their states.
        for (signs, state) in &states {
            let weights = std::array::from_fn(|l| if l < used && counts[l % count] { signs[l / count] } else { 0.0 });
            scratch.sums.add_cosines(block, network, state, Lanes(weights));
        }
        if matches!(self.nudge, Nudge::OneSided { .. }) {
            let weights = std::array::from_fn(|l| if counts[l] { -1.0 } else { 0.0 });
            scratch.sums.add_cosines(block, network, &scratch.free, Lanes(weights));
        }
        share.counts = counts;
        share
    }

    /// The limit of weak nudges.
    fn respond(
        &self,
        network: &Network,
        block: &mut Ensemble,
        targets: &[f64],
        counts: &mut [bool; LANES],
        share: &mut Share,
        scratch: &mut Scratch,
    ) {
        let outputs = network.outputs.len();
        let mut drive = Vec::with_capacity(outputs);
        for (k, &output) in network.outputs.iter().enumerate() {
            let mut value = Lanes::ZERO;
            for l in (0..LANES).filter(|&l| counts[l]) {
                let phase = block.phase[output as usize].0[l];
                let (sin, cos) = sin_cos(phase - targets[l * outputs + k]);
                value.0[l] = match self.cost {
                    Cost::Cosine => sin,
                    Cost::Log => sin / (1.0 + cos).max(self.clip),
                };
                share.clipped += usize::from(self.cost == Cost::Log && 1.0 + cos < self.clip);
            }
            drive.push((network.free[output as usize], value));
        }
        let bytes = self.follow.last_resort.max_factor_bytes;
        // Whatever solver it was says that they are at rest, to its own tolerance.
        let known = block.rest;
        for l in (0..LANES).filter(|&l| counts[l]) {
            block.rest[l] = Rest::Here { residual: 0.0, rate: None };
        }
        let response = response::respond(network, block, *counts, &drive, bytes);
        block.rest = known;
        for l in 0..LANES {
            share.passes += u64::from(response.passes[l]);
            share.factorisations += u64::from(response.factorisations[l]);
            counts[l] &= response.is_found(l);
        }
        scratch.sums.add_response(block, network, &response, *counts);
    }
}

/// What a thread needs beside its blocks.
struct Scratch {
    sums: Sums,
    free: Vec<Lanes>,
}

/// The outputs' fields without a nudge.
struct Fields(Vec<[Lanes; 2]>);

impl Fields {
    fn of(block: &Ensemble, network: &Network) -> Self {
        let at = |&output: &u32| [block.field_x[output as usize], block.field_y[output as usize]];
        Self(network.outputs.iter().map(at).collect())
    }

    fn restore(&self, block: &mut Ensemble, network: &Network) {
        for (&output, fields) in network.outputs.iter().zip(&self.0) {
            block.put_fields(output as usize, *fields);
        }
    }
}

/// Farthest any site of a lane is from where it was, radians.
fn moved(now: &[Lanes], before: &[Lanes], lane: usize) -> f64 {
    now.iter().zip(before).map(|(a, b)| (a.0[lane] - b.0[lane]).abs()).fold(0.0, f64::max)
}
