//! Guarded Newton and chord iterations to the equilibrium next to a state. Used by [`super::twin`] from where the flow
//! has come close, and by [`super::follow`] from the equilibrium of slightly different parameters.
//!
//! A move of Newton's counts only if the residual falls, no site moves far, and the matrix is positive definite as far as its
//! factor or the curvatures met on the way tell. Later iterations keep the factor (chord) while they gain enough, else
//! the lane asks for a new one; the factors of the other lanes stay as they are, so that no lane depends on another.
//!
//! A move that would be too far is shortened, which still goes down in energy. Where that finds nothing — the old equilibrium is gone, or has turned into a saddle — implicit steps along the flow,
//! (H + σ) δ = F, lead on to where the flow goes from there: pseudo-transient continuation with σ following the residual
//! (Kelley, Keyes, SIAM J. Numer. Anal. 35 (1998) 508). No site moves far in a step, so that the way is the flow's, in
//! fewer steps than its stiffness would ask for.

use super::ensemble::{Ensemble, largest_difference};
use super::hessian::{self, Effort, Method};
use super::lanes::{LANES, Lanes, Mask};
use super::network::Network;

/// Iterations after which an attempt is given up, without and with transient steps.
const MAX_ITERATIONS: [usize; 2] = [24, 80];
/// The first transient step would move the worst site this far if it were all that is there, radians.
const FIRST_MOVE_RAD: f64 = 0.1;
/// Steps are made to grow until the worst site moves this part of what it may.
const LONGEST_PART: f64 = 0.6;
/// By how much σ may fall in a step, and what it is raised by when a step is refused.
const SHIFT_FALL: f64 = 0.1;
const SHIFT_RISE: f64 = 4.0;
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
    /// Whether a state that is at rest already is a success as it is, a saddle too.
    pub(crate) accept_rest: bool,
    /// Whether implicit steps along the flow may lead on where Newton fails.
    pub(crate) transient: bool,
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
    // The state itself is factored first: its pivots say whether it lies in a basin at all.
    let mut wants_matrix = lanes;
    ensemble.work.factored = [false; LANES];
    // σ of each lane; 0 is Newton itself.
    let mut shift = Lanes::ZERO;
    let mut left_basin = [false; LANES];
    for l in 0..LANES {
        efforts[l].passes += u32::from(lanes[l]);
        running[l] &= residual.0[l].is_finite();
        if running[l] && residual.0[l] <= limits.residual && limits.accept_rest {
            (running[l], attempts[l].converged, attempts[l].residual) = (false, true, residual.0[l]);
        }
    }
    for _ in 0..MAX_ITERATIONS[usize::from(limits.transient)] {
        if !running.contains(&true) {
            break;
        }
        let taken = std::array::from_fn(|l| running[l] && wants_matrix[l]);
        let mut moving = running;
        if taken.contains(&true) {
            let sound = hessian::take(network, ensemble, taken, method, shift, &mut efforts);
            for l in (0..LANES).filter(|&l| taken[l] && !sound[l]) {
                moving[l] = false;
                attempts[l].saddle = true;
                // A state without force that is no minimum: the flow would not leave it either.
                running[l] = limits.transient && residual.0[l] > limits.residual;
                shift.0[l] = raised(shift.0[l], residual.0[l]);
            }
        }
        let shortened = std::array::from_fn(|l| limits.transient && taken[l]);
        let move_of = propose(network, ensemble, moving, shortened, method, limits, &mut efforts);
        let fallen = ensemble.force_at_trial(network);
        let mut reverted = [false; LANES];
        for l in (0..LANES).filter(|&l| moving[l]) {
            efforts[l].passes += 1;
            let distance = largest_difference(&ensemble.work.trial, &ensemble.phase, l);
            // Comparisons with NaN are false, so a NaN anywhere is no success.
            let part = (limits.max_move_rad / move_of.0[l]).min(1.0);
            let gain = if part < 1.0 { 1.0 - 0.2 * part } else { NEWTON_GAIN };
            left_basin[l] |= part < 1.0;
            let falls = fallen.0[l] <= gain * residual.0[l] || fallen.0[l] <= limits.residual;
            let near = left_basin[l] || distance <= limits.max_total_rad;
            let transient = shift.0[l] > 0.0;
            let short = move_of.0[l] <= limits.max_move_rad || (shortened[l] && move_of.0[l].is_finite());
            let good = short && fallen.0[l].is_finite() && near && (falls || transient);
            if good {
                let ratio = fallen.0[l] / residual.0[l];
                residual.0[l] = fallen.0[l];
                wants_matrix[l] = iterates || transient || ratio > limits.chord_gain;
                if fallen.0[l] <= limits.residual && !transient {
                    running[l] = false;
                    attempts[l] = Attempt { converged: true, residual: fallen.0[l], distance, ..attempts[l] };
                } else if fallen.0[l] <= limits.residual {
                    // Newton has the last word: it sees whether this is a minimum.
                    shift.0[l] = 0.0;
                } else {
                    shift.0[l] *= (move_of.0[l] / (LONGEST_PART * limits.max_move_rad)).clamp(SHIFT_FALL, SHIFT_RISE);
                }
            } else if !taken[l] {
                wants_matrix[l] = true;
                reverted[l] = true;
            } else if limits.transient {
                reverted[l] = true;
                left_basin[l] = true;
                shift.0[l] = raised(shift.0[l], residual.0[l]);
            } else {
                running[l] = false;
                attempts[l].saddle |= iterates && move_of.0[l].is_nan();
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

/// The next σ after a refusal.
fn raised(shift: f64, residual: f64) -> f64 {
    if shift > 0.0 { SHIFT_RISE * shift } else { residual / FIRST_MOVE_RAD }
}

/// Moves the trial states of running lanes by H⁻¹ F where that is within the limit or may be shortened to it, keeping
/// the old ones in `work.stage`; returns the size of the moves asked for, NaN where there is none or it is not finite.
fn propose(
    network: &Network,
    ensemble: &mut Ensemble,
    running: [bool; LANES],
    shortened: [bool; LANES],
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
    let parts = moves.map(|length| (limits.max_move_rad / length).min(1.0));
    let mask = Mask::new(std::array::from_fn(|l| {
        running[l] && (moves[l] <= limits.max_move_rad || (shortened[l] && moves[l].is_finite()))
    }));
    work.stage.copy_from_slice(&work.trial);
    for (trial, step) in work.trial.iter_mut().zip(&work.right) {
        *trial = Lanes::select(mask, *trial + *step * Lanes(parts), *trial);
    }
    Lanes(moves)
}
