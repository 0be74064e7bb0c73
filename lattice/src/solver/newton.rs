//! Guarded Newton and chord iterations from a state the flow has brought close to its equilibrium, and the slowest
//! relaxation rate there. Used by [`super::twin`] only.
//!
//! The matrix is always factored at the flow's own state first: its pivots say whether that state lies in a basin at
//! all. Later iterations keep the factor (chord) while they gain a digit, else the lane asks for a new one. Lanes that
//! do not ask are factored again where they were before, which repeats their bits.

use super::ensemble::{Ensemble, largest_difference};
use super::envelope::{Assemble, Factor, Solve};
use super::lanes::{LANES, Lanes, Mask, SinCos};
use super::network::Network;
use super::twin::TwinTolerance;

/// Iterations after which an attempt is given up.
const MAX_ITERATIONS: usize = 24;
/// A chord iteration must leave at most this part of the residual, or the lane is factored anew.
const CHORD_GAIN: f64 = 0.1;
/// A Newton iteration must leave at most this part of the residual, or the attempt is refused.
const NEWTON_GAIN: f64 = 0.8;
/// Inverse iterations for the slowest rate, from a start that already lies mostly in the slowest mode.
const INVERSE_ITERATIONS: usize = 4;
/// Smallest pivot accepted, as a part of the fastest rate: below it the matrix is singular to rounding.
const SMALLEST_PIVOT: f64 = 1e-11;

/// What became of one lane's attempt.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Attempt {
    /// `Ensemble::star` holds the equilibrium; residual and rate are those found there.
    pub(crate) converged: bool,
    pub(crate) residual: f64,
    pub(crate) rate: f64,
    /// Largest distance of any site from the state to the equilibrium.
    pub(crate) distance: f64,
    pub(crate) passes: u32,
    pub(crate) factorisations: u32,
}

/// Looks for the equilibrium next to the state of every lane marked; leaves all states as they are.
pub(crate) fn attempt(
    network: &Network,
    ensemble: &mut Ensemble,
    lanes: [bool; LANES],
    tolerance: &TwinTolerance,
) -> [Attempt; LANES] {
    let mut attempts = [Attempt::default(); LANES];
    let tiles = network.envelope.tiles();
    if tiles.saturating_mul(size_of::<super::envelope::Tile>()) > tolerance.max_factor_bytes {
        return attempts;
    }
    if ensemble.work.tiles.len() != tiles {
        ensemble.work.tiles = vec![[Lanes::ZERO; 2]; tiles];
    }
    ensemble.work.trial.copy_from_slice(&ensemble.phase);
    let mut residual = ensemble.force_at_trial(network);
    let mut running = lanes;
    let mut wants_factor = lanes;
    for l in 0..LANES {
        attempts[l].passes += u32::from(lanes[l]);
        running[l] &= residual.0[l].is_finite();
    }
    for _ in 0..MAX_ITERATIONS {
        let factored = std::array::from_fn(|l| running[l] && wants_factor[l]);
        if factored.contains(&true) {
            factor_at_trial(network, ensemble, factored, &mut running, &mut attempts);
        }
        if !running.contains(&true) {
            break;
        }
        let move_of = propose(network, ensemble, running, tolerance);
        let fallen = ensemble.force_at_trial(network);
        let mut reverted = [false; LANES];
        for l in 0..LANES {
            if !running[l] {
                continue;
            }
            let attempt = &mut attempts[l];
            attempt.passes += 1;
            let distance = largest_difference(&ensemble.work.trial, &ensemble.phase, l);
            // Comparisons with NaN are false, so a NaN anywhere is no success.
            let good = move_of.0[l] <= tolerance.max_move_rad
                && distance <= tolerance.max_total_rad
                && (fallen.0[l] <= NEWTON_GAIN * residual.0[l] || fallen.0[l] <= tolerance.residual);
            if good {
                wants_factor[l] = fallen.0[l] > CHORD_GAIN * residual.0[l];
                residual.0[l] = fallen.0[l];
                if fallen.0[l] <= tolerance.residual {
                    running[l] = false;
                    *attempt = Attempt { converged: true, residual: fallen.0[l], distance, ..*attempt };
                }
            } else if factored[l] {
                running[l] = false;
            } else {
                wants_factor[l] = true;
                reverted[l] = true;
            }
        }
        if reverted.contains(&true) {
            let mask = Mask::new(reverted);
            for (trial, before) in ensemble.work.trial.iter_mut().zip(&ensemble.work.stage) {
                *trial = Lanes::select(mask, *before, *trial);
            }
            ensemble.force_at_trial(network);
        }
    }
    let converged = attempts.map(|attempt| attempt.converged);
    if converged.contains(&true) {
        let mask = Mask::new(converged);
        for (star, trial) in ensemble.star.iter_mut().zip(&ensemble.work.trial) {
            *star = Lanes::select(mask, *trial, *star);
        }
        let rates = slowest_rates(network, ensemble);
        for (attempt, rate) in attempts.iter_mut().zip(rates.0) {
            attempt.rate = rate;
            attempt.converged &= rate > 0.0 && rate.is_finite();
        }
    }
    attempts
}

/// Factors the marked lanes at their trial states and all others where they were; stops lanes with a bad pivot.
fn factor_at_trial(
    network: &Network,
    ensemble: &mut Ensemble,
    marked: [bool; LANES],
    running: &mut [bool; LANES],
    attempts: &mut [Attempt; LANES],
) {
    let work = &mut ensemble.work;
    let mask = Mask::new(marked);
    for (linear, phasor) in work.linear.iter_mut().zip(&work.phasors) {
        *linear = SinCos {
            sin: Lanes::select(mask, phasor.sin, linear.sin),
            cos: Lanes::select(mask, phasor.cos, linear.cos),
        };
    }
    ensemble.isa.run(Assemble {
        envelope: &network.envelope,
        row_start: &network.row_start,
        column: &network.column,
        weight: &network.weight,
        at: &work.linear,
        field_x: &ensemble.static_x,
        field_y: &ensemble.static_y,
        tiles: &mut work.tiles,
    });
    let pivot = ensemble.isa.run(Factor { envelope: &network.envelope, tiles: &mut work.tiles });
    for l in (0..LANES).filter(|&l| marked[l]) {
        attempts[l].factorisations += 1;
        running[l] &= pivot.0[l] > SMALLEST_PIVOT * ensemble.rate_bound.0[l];
    }
}

/// Moves the trial states of running lanes by H⁻¹ F where that is within the limit, keeping the old ones in
/// `work.stage`; returns the size of the moves asked for, NaN where one is not finite.
fn propose(network: &Network, ensemble: &mut Ensemble, running: [bool; LANES], tolerance: &TwinTolerance) -> Lanes {
    let work = &mut ensemble.work;
    let rows = work.force.len();
    work.right[..rows].copy_from_slice(&work.force);
    work.right[rows..].fill(Lanes::ZERO);
    ensemble.isa.run(Solve { envelope: &network.envelope, tiles: &work.tiles, x: &mut work.right });
    let (mut largest, mut check) = (Lanes::ZERO, Lanes::ZERO);
    for step in &work.right[..rows] {
        largest = largest.max(step.abs());
        check += *step;
    }
    let moves = Lanes(std::array::from_fn(|l| if check.0[l].is_finite() { largest.0[l] } else { f64::NAN }));
    let mask = Mask::new(std::array::from_fn(|l| running[l] && moves.0[l] <= tolerance.max_move_rad));
    work.stage.copy_from_slice(&work.trial);
    for (trial, step) in work.trial.iter_mut().zip(&work.right) {
        *trial = Lanes::select(mask, *trial + *step, *trial);
    }
    moves
}

/// Rayleigh quotients after a few inverse iterations that start from the way still to go, which the flow has left
/// mostly in the slowest mode, plus a little of everything else.
fn slowest_rates(network: &Network, ensemble: &mut Ensemble) -> Lanes {
    let work = &mut ensemble.work;
    let rows = work.force.len();
    let mut scale = Lanes::splat(1e-300);
    for (star, phase) in ensemble.star.iter().zip(&ensemble.phase) {
        scale = scale.max((*star - *phase).abs());
    }
    work.right[rows..].fill(Lanes::ZERO);
    for i in 0..rows {
        let pattern = f64::from((i as u32).wrapping_mul(2_654_435_761) >> 16) / 65_536.0 - 0.5;
        work.right[i] = (ensemble.star[i] - ensemble.phase[i]) / scale + Lanes::splat(0.05 * pattern);
    }
    let mut rate = Lanes::ZERO;
    for _ in 0..INVERSE_ITERATIONS {
        work.stage.copy_from_slice(&work.right[..rows]);
        ensemble.isa.run(Solve { envelope: &network.envelope, tiles: &work.tiles, x: &mut work.right });
        let (mut energy, mut norm) = (Lanes::ZERO, Lanes::ZERO);
        for (x, y) in work.stage.iter().zip(&work.right) {
            energy += *x * *y;
            norm += *y * *y;
        }
        rate = energy / norm;
        let factor = Lanes::splat(1.0) / norm.sqrt();
        for y in &mut work.right[..rows] {
            *y = *y * factor;
        }
    }
    rate
}
