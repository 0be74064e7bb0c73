//! The flow with phase diffusion, dφ = −∂E/∂φ dt + √(2D) dW, at a fixed step.
//!
//! A free phase spreads with variance 2 D t. The noise comes from the caller, keyed by lane, absolute step and site, so
//! that a resumed or re-ordered run draws the same numbers. "Euler at this step" is a device of its own: compare `dt`
//! with 1 / [`LaneReport::rate_bound`]; at `dt` × rate ≥ 2 the fastest modes do not decay.

use super::ensemble::{Ensemble, LaneReport, Rest};
use super::lanes::{LANES, Lanes, Mask};
use super::network::Network;

/// The scheme of a step; both have strong order 1 for additive noise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// φ += F dt + √(2 D dt) ξ: one force evaluation.
    EulerMaruyama,
    /// The force averaged over both ends of the step, the same ξ in both: two evaluations, second order without noise.
    Heun,
}

/// Strength of the noise and how it is integrated.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Diffusion {
    /// D, rad² per model time unit, ≥ 0.
    pub diffusion: f64,
    /// Step in model time units, > 0. The last step of a duration that is no multiple of it is shorter.
    pub dt: f64,
    /// How a step is made.
    pub scheme: Scheme,
}

/// Where the standard normal numbers come from.
pub trait Noise {
    /// The number for one lane, absolute step index and site (of the graph). Asked once per key, sites ascending.
    fn normal(&mut self, lane: usize, step: u64, site: usize) -> f64;
}

impl<F: FnMut(usize, u64, usize) -> f64> Noise for F {
    fn normal(&mut self, lane: usize, step: u64, site: usize) -> f64 {
        self(lane, step, site)
    }
}

/// Advances every lane by `duration[lane]`; a lane with duration 0 is not touched. `first_step[lane]` is the absolute
/// index of its first step; the report's `steps` says by how much to raise it for the next call. A noisy state is
/// never at rest; [`LaneReport::residual`] is that of the deterministic force at the start of the last step.
///
/// A lane fails if its duration, step or D is negative or not finite (the state is then untouched), or if a NaN turns
/// up (it keeps the last state before).
///
/// # Panics
/// If the ensemble was made for a network of another shape.
pub fn advance(
    network: &Network,
    ensemble: &mut Ensemble,
    duration: &[f64; LANES],
    first_step: &[u64; LANES],
    diffusion: &Diffusion,
    noise: &mut impl Noise,
) -> [LaneReport; LANES] {
    ensemble.refresh_with_bounds(network);
    let mut reports = [LaneReport::default(); LANES];
    let mut steps = [0_u64; LANES];
    let dt = diffusion.dt;
    let usable = dt > 0.0 && dt.is_finite() && diffusion.diffusion >= 0.0 && diffusion.diffusion.is_finite();
    for l in 0..LANES {
        reports[l].rate_bound = ensemble.rate_bound.0[l];
        if duration[l] == 0.0 {
            continue;
        }
        let count = (duration[l] / dt - 1e-9).ceil().max(1.0);
        if usable && duration[l] > 0.0 && count < f64::from(u32::MAX) && reports[l].rate_bound.is_finite() {
            steps[l] = count as u64;
            ensemble.rest[l] = Rest::Unknown;
            ensemble.lowest[l] = f64::INFINITY;
        } else {
            reports[l].failed = true;
        }
    }
    let mut step = 0;
    while steps.iter().any(|&count| step < count) {
        let running: [bool; LANES] = std::array::from_fn(|l| step < steps[l] && !reports[l].failed);
        if !running.contains(&true) {
            break;
        }
        let length =
            Lanes(std::array::from_fn(|l| if step + 1 == steps[l] { duration[l] - dt * step as f64 } else { dt }));
        let spread = (Lanes::splat(2.0 * diffusion.diffusion) * length).sqrt();
        draw(ensemble, running, step, first_step, spread, noise);
        advance_one(network, ensemble, running, length, diffusion.scheme, &mut reports);
        step += 1;
    }
    for l in 0..LANES {
        if steps[l] > 0 && !reports[l].failed {
            reports[l].time = duration[l];
        }
    }
    reports
}

/// Fills `work.first_force` with √(2 D dt) ξ; zero in lanes that are not running.
fn draw(
    ensemble: &mut Ensemble,
    running: [bool; LANES],
    step: u64,
    first_step: &[u64; LANES],
    spread: Lanes,
    noise: &mut impl Noise,
) {
    let Ensemble { work, free, .. } = ensemble;
    work.first_force.fill(Lanes::ZERO);
    for l in (0..LANES).filter(|&l| running[l]) {
        for (slot, &site) in work.first_force.iter_mut().zip(free.iter()) {
            slot.0[l] = spread.0[l] * noise.normal(l, first_step[l].wrapping_add(step), site as usize);
        }
    }
}

/// One step of all running lanes with the noise in `work.first_force`.
fn advance_one(
    network: &Network,
    ensemble: &mut Ensemble,
    running: [bool; LANES],
    length: Lanes,
    scheme: Scheme,
    reports: &mut [LaneReport; LANES],
) {
    ensemble.work.trial.copy_from_slice(&ensemble.phase);
    let residual = ensemble.force_at_trial(network);
    let work = &mut ensemble.work;
    for i in 0..work.trial.len() {
        work.stage[i] = work.force[i];
        work.trial[i] = ensemble.phase[i] + work.force[i] * length + work.first_force[i];
    }
    let mut passes = 1;
    if scheme == Scheme::Heun {
        ensemble.force_at_trial(network);
        passes = 2;
        let work = &mut ensemble.work;
        let half = Lanes::splat(0.5) * length;
        for i in 0..work.trial.len() {
            work.trial[i] = ensemble.phase[i] + (work.stage[i] + work.force[i]) * half + work.first_force[i];
        }
    }
    let mut check = Lanes::ZERO;
    for trial in &ensemble.work.trial {
        check += *trial;
    }
    let taken = std::array::from_fn(|l| running[l] && residual.0[l].is_finite() && check.0[l].is_finite());
    for l in (0..LANES).filter(|&l| running[l]) {
        let report = &mut reports[l];
        report.passes += passes;
        report.residual = residual.0[l];
        report.failed = !taken[l];
        if taken[l] {
            report.steps += 1;
            report.time += length.0[l];
        }
    }
    let mask = Mask::new(taken);
    for (phase, trial) in ensemble.phase.iter_mut().zip(&ensemble.work.trial) {
        *phase = Lanes::select(mask, *trial, *phase);
    }
}
