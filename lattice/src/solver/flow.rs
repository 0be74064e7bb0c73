//! The gradient flow dφ/dt = −∂E/∂φ, integrated to a stated tolerance by RKC2 with adaptive steps.
//!
//! Lanes share every force evaluation but nothing else: each has its own step, its own number of stages and its own
//! place in its step, so that at any moment one lane may be in stage 3 of 12 and its neighbour in stage 8 of 9. No lane
//! waits for another, and a lane's numbers depend on nothing outside it.
//!
//! A step is accepted when the embedded estimate of its local error, in every site, is below
//! min(`atol`, `relative` × residual at its start); the second term is what lets the flow settle at all.

use super::chebyshev::{self, Stage};
use super::ensemble::{Ensemble, LaneReport, Rest};
use super::lanes::{LANES, Lanes, Mask};
use super::network::Network;
use super::stepping::{Judge, Start, Step};
use super::{Solver, forever};
use crate::math::cube_root;

/// How exactly the flow is followed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FlowTolerance {
    /// Largest local error of a step in any site, radians. Reference 1e-9, twin 1e-4.
    pub atol: f64,
    /// Largest local error of a step as a part of the residual at its start (0.05).
    pub relative: f64,
    /// Longest step in model time units; a finite one is also the first step. Infinite unless a test wants equal steps.
    pub max_step: f64,
    /// Force evaluations after which a lane is given up and reported as failed.
    pub max_passes: u32,
}

impl FlowTolerance {
    /// The tolerance of reference solutions.
    pub const REFERENCE: Self = Self { atol: 1e-9, relative: 0.05, max_step: f64::INFINITY, max_passes: 20_000_000 };
}

impl Default for FlowTolerance {
    /// What the twin uses: `atol` 1e-4.
    fn default() -> Self {
        Self { atol: 1e-4, ..Self::REFERENCE }
    }
}

/// The flow as a [`Solver`]: followed until the residual is small.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Flow {
    /// How exactly.
    pub tolerance: FlowTolerance,
    /// max |force| at which a state counts as at rest.
    pub residual: f64,
}

impl Flow {
    /// The reference: local errors of 1e-9 rad, at rest at 1e-7.
    pub const REFERENCE: Self = Self { tolerance: FlowTolerance::REFERENCE, residual: 1e-7 };
}

impl Solver for Flow {
    fn name(&self) -> &'static str {
        "flow"
    }

    fn tolerance(&self) -> String {
        format!("step error {:e} rad, residual {:e}", self.tolerance.atol, self.residual)
    }

    fn settle(&self, network: &Network, ensemble: &mut Ensemble, lanes: [bool; LANES]) -> [LaneReport; LANES] {
        settle(network, ensemble, &forever(lanes), &[self.residual; LANES], &self.tolerance)
    }
}

/// A residual that has fallen to this many times the error of a step, and rises again by that factor, has passed a saddle
/// at a distance the errors could have made up for: at tolerances a hundred times looser than the twin's, where such
/// errors happen, the samples that ended elsewhere had.
const SADDLE_ERRORS: f64 = 10.0;
const SADDLE_RISE: f64 = 2.0;
/// Error floor, radians: below it rounding of the phases is all an estimate sees.
const ERROR_FLOOR: f64 = 1e-14;

/// Follows the flow for exactly `duration[lane]` model time units in each lane; a lane with duration 0 is not touched.
/// Negative, infinite and NaN durations fail their lane.
///
/// # Panics
/// If the ensemble was made for a network of another shape.
pub fn advance(
    network: &Network,
    ensemble: &mut Ensemble,
    duration: &[f64; LANES],
    tolerance: &FlowTolerance,
) -> [LaneReport; LANES] {
    let finite = duration.map(|time| if time == f64::INFINITY { f64::NAN } else { time });
    settle(network, ensemble, &finite, &[0.0; LANES], tolerance)
}

/// As [`advance`], but a lane also stops as soon as its residual max |force| falls below `stop_residual[lane]`, judged
/// at the end of each step; 0 never stops. The duration may be infinite. [`LaneReport::at_rest`] then says that this
/// was the reason, and [`LaneReport::time`] how long it took.
///
/// # Panics
/// If the ensemble was made for a network of another shape.
pub fn settle(
    network: &Network,
    ensemble: &mut Ensemble,
    duration: &[f64; LANES],
    stop_residual: &[f64; LANES],
    tolerance: &FlowTolerance,
) -> [LaneReport; LANES] {
    ensemble.refresh_with_bounds(network);
    let goals = std::array::from_fn(|l| Goal { duration: duration[l], stop_residual: stop_residual[l] });
    for l in 0..LANES {
        // The state leaves whatever equilibrium it was known to be near.
        if duration[l] != 0.0 {
            ensemble.rest[l] = Rest::Unknown;
        }
    }
    run(network, ensemble, &goals, tolerance)
}

/// When one lane is done.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Goal {
    pub(crate) duration: f64,
    pub(crate) stop_residual: f64,
}

impl Goal {
    /// Nothing to do.
    pub(crate) const IDLE: Self = Self { duration: 0.0, stop_residual: 0.0 };
}

/// Where one lane is in its integration.
#[derive(Debug, Clone, Copy)]
struct Clock {
    running: bool,
    /// Stage whose state is about to be evaluated; 0 is the start of the very first step.
    stage: usize,
    stages: usize,
    tau: f64,
    tolerance: f64,
    /// Step and scaled error of the step before, for the predictive controller; 0 before the first.
    previous: (f64, f64),
    rejected: bool,
}

impl Clock {
    const IDLE: Self =
        Self { running: false, stage: 0, stages: 2, tau: 0.0, tolerance: 0.0, previous: (0.0, 0.0), rejected: false };

    /// Begins a step of about `tau`, clipped to what is stable and to the time left.
    fn begin(&mut self, tau: f64, rate: f64, left: f64, longest: f64) {
        let tau = tau.min(chebyshev::longest_step(rate)).min(longest);
        // Two equal steps to the end rather than one and a crumb.
        self.tau = if tau >= left {
            left
        } else if 2.0 * tau > left {
            0.5 * left
        } else {
            tau
        };
        self.stages = chebyshev::stages_for(self.tau, rate).min(chebyshev::MAX_STAGES);
        self.stage = 1;
    }

    fn coefficients(&self) -> Stage {
        chebyshev::stages(self.stages)[self.stage - 1]
    }
}

/// The integrator behind [`advance`], [`settle`] and the twin. Static fields and bounds must be fresh.
pub(crate) fn run(
    network: &Network,
    ensemble: &mut Ensemble,
    goals: &[Goal; LANES],
    tolerance: &FlowTolerance,
) -> [LaneReport; LANES] {
    let mut reports = [LaneReport::default(); LANES];
    let mut clocks = [Clock::IDLE; LANES];
    for l in 0..LANES {
        let (goal, report) = (goals[l], &mut reports[l]);
        report.rate_bound = ensemble.rate_bound.0[l];
        let sound = goal.duration >= 0.0 && report.rate_bound.is_finite() && tolerance.max_passes > 0;
        clocks[l].running = sound && goal.duration > 0.0;
        report.failed = !sound;
    }
    let upper = clocks[LANES / 2..].iter().any(|clock| clock.running);
    let isa = if upper { ensemble.isa } else { ensemble.isa.of_lower_lanes() };
    let work = &mut ensemble.work;
    if clocks.iter().any(|clock| clock.running) {
        isa.run(Start {
            phase: &ensemble.phase,
            stage: &mut work.stage,
            stage_before: &mut work.stage_before,
            first_force: &mut work.first_force,
            phasors: &mut work.phasors,
        });
    }
    while clocks.iter().any(|clock| clock.running) {
        let tau = Lanes(std::array::from_fn(|l| clocks[l].tau));
        let verdict = isa.run(Judge {
            row_start: &network.row_start,
            column: &network.column,
            weight: &network.weight,
            static_x: &ensemble.static_x,
            static_y: &ensemble.static_y,
            torque: &ensemble.torque,
            phasors: &work.phasors,
            phase: &ensemble.phase,
            first_force: &work.first_force,
            stage: &work.stage,
            force: &mut work.force,
            tau,
        });
        let mut accept = [false; LANES];
        for l in 0..LANES {
            if clocks[l].running {
                reports[l].passes += 1;
                let (residual, error) = (verdict.residual.0[l], verdict.error.0[l]);
                let sound = verdict.check.0[l].is_finite();
                let (clock, lowest) = (&mut clocks[l], &mut ensemble.lowest[l]);
                accept[l] = pass(clock, &mut reports[l], goals[l], tolerance, lowest, (residual, error, sound));
            }
        }
        let mut factors = Step::coefficients();
        for (l, clock) in clocks.iter().enumerate().filter(|(_, clock)| clock.running) {
            factors.set(l, clock.coefficients(), clock.tau);
        }
        isa.run(Step {
            factors,
            accept: accept.contains(&true).then(|| Mask::new(accept)),
            phase: &mut ensemble.phase,
            first_force: &mut work.first_force,
            stage: &work.stage,
            stage_before: &mut work.stage_before,
            force: &work.force,
            phasors: &mut work.phasors,
        });
        std::mem::swap(&mut work.stage, &mut work.stage_before);
    }
    reports
}

/// Books one force evaluation of a lane and says whether the stage state becomes its state.
fn pass(
    clock: &mut Clock,
    report: &mut LaneReport,
    goal: Goal,
    tolerance: &FlowTolerance,
    lowest: &mut f64,
    (residual, error, sound): (f64, f64, bool),
) -> bool {
    let rate = report.rate_bound;
    if !sound || report.passes >= tolerance.max_passes {
        report.failed = true;
        clock.running = false;
        return false;
    }
    if clock.stage > 0 && clock.stage < clock.stages {
        clock.stage += 1;
        return false;
    }
    let mut proposal = if tolerance.max_step.is_finite() { tolerance.max_step } else { 1.0 / rate };
    if clock.stage > 0 {
        // The end of a step. Controller of RKC: the last two errors predict the next one.
        let scaled = (error / clock.tolerance).clamp(1e-6, 1e6);
        let mut factor = 0.8 / cube_root(scaled);
        if error > clock.tolerance {
            // A step that is all that is left fails like any other; it is halved at least.
            clock.rejected = true;
            clock.begin(clock.tau * factor.clamp(0.1, 0.5), rate, goal.duration - report.time, tolerance.max_step);
            return false;
        }
        if clock.previous.0 > 0.0 {
            let trend = clock.tau / clock.previous.0 * cube_root((clock.previous.1 / scaled).clamp(1e-6, 1e6));
            factor = factor.min(factor * trend);
        }
        proposal = clock.tau * factor.clamp(0.1, if clock.rejected { 1.0 } else { 10.0 });
        clock.previous = (clock.tau, scaled);
        clock.rejected = false;
        report.steps += 1;
        let left = goal.duration - report.time;
        report.time = if clock.tau >= left { goal.duration } else { report.time + clock.tau };
    }
    *lowest = lowest.min(residual);
    report.near_saddle |= *lowest <= SADDLE_ERRORS * tolerance.atol && residual >= SADDLE_RISE * *lowest;
    report.residual = residual;
    report.at_rest = residual < goal.stop_residual;
    report.rest_after = report.at_rest.then_some(report.time);
    if report.at_rest || report.time >= goal.duration {
        clock.running = false;
        return true;
    }
    clock.tolerance = tolerance.atol.min(tolerance.relative * residual).max(ERROR_FLOOR);
    clock.begin(proposal, rate, goal.duration - report.time, tolerance.max_step);
    true
}
