//! Guarded Newton and chord iterations to the equilibrium next to a state. Used by [`super::twin`] from where the flow
//! has come close, and by [`super::follow`] from the equilibrium of slightly different parameters.
//!
//! A move counts only if the residual falls, no site moves far, and the matrix is positive definite as far as its
//! factor or the curvatures met on the way tell. Later iterations keep the factor (chord) while they gain enough, else
//! the lane asks for a new one; the factors of the other lanes stay as they are, so that no lane depends on another.

use super::ensemble::{Ensemble, largest_difference};
use super::hessian::{self, Effort, Method};
use super::lanes::{LANES, Lanes, Mask};
use super::network::Network;

/// Iterations after which an attempt is given up.
const MAX_ITERATIONS: usize = 24;
/// A Newton iteration must leave at most this part of the residual, or the attempt is refused.
const NEWTON_GAIN: f64 = 0.8;

/// What is allowed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Residual of an equilibrium.
    pub(crate) residual: f64,
    /// Longest single move of any site, radians.
    pub(crate) max_move_rad: f64,
    /// Farthest any site may end from where it began, radians.
    pub(crate) max_total_rad: f64,
    /// Memory for factors.
    pub(crate) max_factor_bytes: usize,
    /// A chord iteration must leave at most this part of the residual, or the lane is factored anew.
    pub(crate) chord_gain: f64,
    /// Whether a factor from before may be used first; if not, the state itself is factored first: its pivots say
    /// whether it lies in a basin at all.
    pub(crate) old_factor: bool,
    /// Whether the slowest rate is wanted.
    pub(crate) rates: bool,
}

/// What became of one lane's attempt.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Attempt {
    /// `Ensemble::star` holds the equilibrium; residual and rate are those found there.
    pub(crate) converged: bool,
    /// The state was found to lie in no basin: a pivot was not positive.
    pub(crate) saddle: bool,
    pub(crate) residual: f64,
    /// Slowest rate, NaN if it was not asked for.
    pub(crate) rate: f64,
    /// Largest distance of any site from the state to the equilibrium.
    pub(crate) distance: f64,
    pub(crate) effort: Effort,
}

/// Looks for the equilibrium next to the state of every lane marked; leaves all states as they are.
pub(crate) fn attempt(
    network: &Network,
    ensemble: &mut Ensemble,
    lanes: [bool; LANES],
    limits: &Limits,
) -> [Attempt; LANES] {
    let mut attempts = [Attempt { rate: f64::NAN, ..Attempt::default() }; LANES];
    let mut efforts = [Effort::default(); LANES];
    let method = Method::of(network, limits.max_factor_bytes);
    let iterates = method == Method::Iterate;
    ensemble.work.trial.copy_from_slice(&ensemble.phase);
    let mut residual = ensemble.force_at_trial(network);
    let mut running = lanes;
    let mut wants_matrix = lanes;
    for l in 0..LANES {
        efforts[l].passes += u32::from(lanes[l]);
        running[l] &= residual.0[l].is_finite();
        wants_matrix[l] &= iterates || !(limits.old_factor && ensemble.work.factored[l]);
        if running[l] && residual.0[l] <= limits.residual && limits.old_factor {
            // Nothing to do, and nobody asks for the rate: at the equilibrium of before, unchanged.
            (running[l], attempts[l].converged, attempts[l].residual) = (false, true, residual.0[l]);
        }
    }
    for _ in 0..MAX_ITERATIONS {
        let taken = std::array::from_fn(|l| running[l] && wants_matrix[l]);
        if taken.contains(&true) {
            let sound = hessian::take(network, ensemble, taken, method, &mut efforts);
            for l in (0..LANES).filter(|&l| taken[l] && !sound[l]) {
                (running[l], attempts[l].saddle) = (false, true);
            }
        }
        if !running.contains(&true) {
            break;
        }
        let move_of = propose(network, ensemble, running, method, limits, &mut efforts);
        let fallen = ensemble.force_at_trial(network);
        let mut reverted = [false; LANES];
        for l in 0..LANES {
            if !running[l] {
                continue;
            }
            efforts[l].passes += 1;
            let distance = largest_difference(&ensemble.work.trial, &ensemble.phase, l);
            // Comparisons with NaN are false, so a NaN anywhere is no success.
            let good = move_of.0[l] <= limits.max_move_rad
                && distance <= limits.max_total_rad
                && (fallen.0[l] <= NEWTON_GAIN * residual.0[l] || fallen.0[l] <= limits.residual);
            if good {
                wants_matrix[l] = iterates || fallen.0[l] > limits.chord_gain * residual.0[l];
                residual.0[l] = fallen.0[l];
                if fallen.0[l] <= limits.residual {
                    running[l] = false;
                    attempts[l] = Attempt { converged: true, residual: fallen.0[l], distance, ..attempts[l] };
                }
            } else if taken[l] {
                running[l] = false;
                attempts[l].saddle |= iterates && move_of.0[l].is_nan();
            } else {
                wants_matrix[l] = true;
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
        if limits.rates {
            let rates = hessian::slowest_rates(network, ensemble, converged, method, &mut efforts);
            for (attempt, rate) in attempts.iter_mut().zip(rates.0) {
                attempt.rate = rate;
                attempt.converged &= rate > 0.0 && rate.is_finite();
            }
        }
    }
    for (attempt, effort) in attempts.iter_mut().zip(efforts) {
        attempt.effort = effort;
    }
    attempts
}

/// Moves the trial states of running lanes by H⁻¹ F where that is within the limit, keeping the old ones in
/// `work.stage`; returns the size of the moves asked for, NaN where there is none or it is not finite.
fn propose(
    network: &Network,
    ensemble: &mut Ensemble,
    running: [bool; LANES],
    method: Method,
    limits: &Limits,
    efforts: &mut [Effort; LANES],
) -> Lanes {
    let rows = ensemble.work.force.len();
    ensemble.work.right[..rows].copy_from_slice(&ensemble.work.force);
    let solved = hessian::solve(network, ensemble, running, method, None, efforts);
    let work = &mut ensemble.work;
    let (mut largest, mut check) = (Lanes::ZERO, Lanes::ZERO);
    for step in &work.right[..rows] {
        largest = largest.max(step.abs());
        check += *step;
    }
    let moves = std::array::from_fn(|l| if solved[l] && check.0[l].is_finite() { largest.0[l] } else { f64::NAN });
    let mask = Mask::new(std::array::from_fn(|l| running[l] && moves[l] <= limits.max_move_rad));
    work.stage.copy_from_slice(&work.trial);
    for (trial, step) in work.trial.iter_mut().zip(&work.right) {
        *trial = Lanes::select(mask, *trial + *step, *trial);
    }
    Lanes(moves)
}
