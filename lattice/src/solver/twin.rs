//! The device twin: the gradient flow, with a jump to the equilibrium it is bound for once that is certain.
//!
//! The flow runs until its residual is below `switch_residual`; from there a guarded Newton iteration finds the
//! equilibrium φ* to `residual`, and the slowest relaxation rate λ says when the flow itself would have come within
//! `rest_rad` of it: `t_rest` = time so far + ln(max |φ* − φ| / `rest_rad`) / λ. If the time asked for reaches
//! `t_rest` the state becomes φ*; if not, the flow honestly goes on to the time asked for, and φ* and `t_rest` are kept
//! for the next call. Such an early state is the flow's to `flow.atol` a step; where the flow is just leaving a saddle the
//! errors of the steps grow with it (measured at 1e-4: 0.4 to 2.4 % of the sites off by more than 1e-3 rad, the worst by
//! 0.06; `sim/tests/plant.rs`). Switching at 10⁻³ ended in the accurate flow's equilibrium in 258 of 258 samples, at 10⁻² in 61
//! of 64 (measured on XOR lattices), which is why Newton is not let in earlier.
//!
//! A nudge is the same rule from a rested state: a short flow, then Newton.

use super::ensemble::{Ensemble, LaneReport, Rest, time_to_shrink};
use super::flow::{self, FlowTolerance, Goal};
use super::lanes::LANES;
use super::network::Network;
use super::newton;
use super::{Solver, forever};

/// When the twin may jump, and how exact it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TwinTolerance {
    /// How exactly the flow is followed until then.
    pub flow: FlowTolerance,
    /// Residual max |force| below which Newton may try (1e-3).
    pub switch_residual: f64,
    /// Residual of an equilibrium (1e-10).
    pub residual: f64,
    /// Distance from the equilibrium, in radians at the worst site, at which the flow counts as arrived (1e-6).
    pub rest_rad: f64,
    /// Longest single Newton move of any site, radians (0.3).
    pub max_move_rad: f64,
    /// Farthest any site of the equilibrium may lie from the flow's state, radians (0.5).
    pub max_total_rad: f64,
    /// Memory that factors may take (512 MiB). A network that needs more, or whose factor would cost more than it saves, is
    /// solved by conjugate gradients.
    pub max_factor_bytes: usize,
}

impl Default for TwinTolerance {
    fn default() -> Self {
        Self {
            flow: FlowTolerance::default(),
            switch_residual: 1e-3,
            residual: 1e-10,
            rest_rad: 1e-6,
            max_move_rad: 0.3,
            max_total_rad: 0.5,
            max_factor_bytes: 512 << 20,
        }
    }
}

impl TwinTolerance {
    fn newton(&self) -> newton::Limits {
        newton::Limits {
            residual: self.residual,
            max_move_rad: self.max_move_rad,
            max_total_rad: self.max_total_rad,
            max_factor_bytes: self.max_factor_bytes,
            chord_gain: 0.1,
            accept_rest: false,
            transient: false,
            rates: true,
        }
    }
}

/// The twin as a [`Solver`]: advanced without a time limit.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Twin(pub TwinTolerance);

impl Solver for Twin {
    fn name(&self) -> &'static str {
        "twin"
    }

    fn tolerance(&self) -> String {
        let Self(TwinTolerance { flow, switch_residual, residual, .. }) = self;
        format!("step error {:e} rad to residual {switch_residual:e}, then residual {residual:e}", flow.atol)
    }

    fn settle(&self, network: &Network, ensemble: &mut Ensemble, lanes: [bool; LANES]) -> [LaneReport; LANES] {
        advance(network, ensemble, &forever(lanes), &self.0)
    }
}

/// How one lane is being advanced.
#[derive(Debug, Clone, Copy)]
enum Course {
    /// Nothing left to do.
    Done,
    /// Following the flow until its residual falls below this, then Newton.
    Seeking(f64),
    /// Following the flow to the time asked for; the equilibrium is that much time away at the end.
    Short { ahead: f64, rate: f64 },
}

/// Advances every lane by `duration[lane]` model time units; a lane with duration 0 is not touched, an infinite one
/// runs until it is at rest. [`LaneReport::time`] is the duration asked for (for an infinite one, the time to rest).
///
/// A state with no force at all is at rest, also on a saddle: the flow would not leave it either.
///
/// # Panics
/// If the ensemble was made for a network of another shape.
pub fn advance(
    network: &Network,
    ensemble: &mut Ensemble,
    duration: &[f64; LANES],
    tolerance: &TwinTolerance,
) -> [LaneReport; LANES] {
    ensemble.refresh_with_bounds(network);
    let mut reports = [LaneReport::default(); LANES];
    let mut courses = [Course::Done; LANES];
    for l in 0..LANES {
        let (report, asked) = (&mut reports[l], duration[l]);
        report.rate_bound = ensemble.rate_bound.0[l];
        if asked == 0.0 {
            if let Rest::Here { residual, rate } = ensemble.rest[l] {
                rested(report, 0.0, residual, rate);
            }
            continue;
        }
        match ensemble.rest[l] {
            Rest::Here { residual, rate } => stay(report, asked, residual, rate),
            Rest::Ahead { time, rate, residual } if asked >= time => {
                arrive(ensemble, l, residual, rate);
                rested(report, time, residual, Some(rate));
                report.time = if asked.is_finite() { asked } else { time };
            }
            Rest::Ahead { time, rate, .. } => courses[l] = Course::Short { ahead: time - asked, rate },
            Rest::Unknown => courses[l] = Course::Seeking(tolerance.switch_residual.max(tolerance.residual)),
        }
    }
    // The equilibrium's residual, for lanes that are short of it.
    let mut star_residual =
        ensemble.rest.map(|rest| if let Rest::Ahead { residual, .. } = rest { residual } else { 0.0 });

    while courses.iter().any(|course| !matches!(course, Course::Done)) {
        let goals = std::array::from_fn(|l| match courses[l] {
            Course::Done => Goal::IDLE,
            Course::Seeking(stop_residual) => Goal { duration: duration[l] - reports[l].time, stop_residual },
            Course::Short { .. } => Goal { duration: duration[l] - reports[l].time, stop_residual: 0.0 },
        });
        let legs = flow::run(network, ensemble, &goals, &tolerance.flow);
        let mut candidates = [false; LANES];
        for l in 0..LANES {
            let course = courses[l];
            if matches!(course, Course::Done) {
                continue;
            }
            let (report, leg) = (&mut reports[l], legs[l]);
            book(report, &leg);
            courses[l] = Course::Done;
            if leg.failed {
                report.failed = true;
                ensemble.rest[l] = Rest::Unknown;
                continue;
            }
            match course {
                Course::Short { ahead, rate } => {
                    report.time = duration[l];
                    ensemble.rest[l] = Rest::Ahead { time: ahead, rate, residual: star_residual[l] };
                }
                Course::Seeking(_) if leg.at_rest && leg.residual <= tolerance.residual => {
                    ensemble.rest[l] = Rest::Here { residual: leg.residual, rate: None };
                    let after = report.time;
                    rested(report, after, leg.residual, None);
                    report.time = if duration[l].is_finite() { duration[l] } else { after };
                }
                Course::Seeking(_) if leg.at_rest => candidates[l] = true,
                _ => report.time = duration[l],
            }
        }
        if !candidates.contains(&true) {
            continue;
        }
        let attempts = newton::attempt(network, ensemble, candidates, &tolerance.newton());
        for l in (0..LANES).filter(|&l| candidates[l]) {
            let (report, attempt) = (&mut reports[l], attempts[l]);
            report.passes += attempt.effort.passes;
            report.factorisations += attempt.effort.factorisations;
            report.near_saddle |= attempt.saddle;
            if !attempt.converged {
                if report.time < duration[l] {
                    // The next try when another digit of the residual is gone.
                    courses[l] = Course::Seeking((0.1 * report.residual).max(tolerance.residual));
                }
                continue;
            }
            let ahead = time_to_shrink(attempt.distance, tolerance.rest_rad, attempt.rate);
            let left = duration[l] - report.time;
            report.slowest_rate = Some(attempt.rate);
            if left >= ahead {
                let after = report.time + ahead;
                arrive(ensemble, l, attempt.residual, attempt.rate);
                rested(report, after, attempt.residual, Some(attempt.rate));
                report.time = if duration[l].is_finite() { duration[l] } else { after };
            } else {
                star_residual[l] = attempt.residual;
                courses[l] = Course::Short { ahead: ahead - left, rate: attempt.rate };
                if left <= 0.0 {
                    courses[l] = Course::Done;
                    ensemble.rest[l] = Rest::Ahead { time: ahead, rate: attempt.rate, residual: attempt.residual };
                }
            }
        }
    }
    reports
}

/// Puts a lane at its equilibrium.
fn arrive(ensemble: &mut Ensemble, lane: usize, residual: f64, rate: f64) {
    for (phase, star) in ensemble.phase.iter_mut().zip(&ensemble.star) {
        phase.0[lane] = star.0[lane];
    }
    ensemble.rest[lane] = Rest::Here { residual, rate: Some(rate) };
}

/// Spends the time asked for at rest. A NaN or negative time is refused in every state alike.
fn stay(report: &mut LaneReport, asked: f64, residual: f64, rate: Option<f64>) {
    rested(report, 0.0, residual, rate);
    report.time = if asked.is_finite() { asked } else { 0.0 };
    report.failed = asked.is_nan() || asked < 0.0;
    if report.failed {
        (report.at_rest, report.rest_after, report.time) = (false, None, 0.0);
    }
}

fn rested(report: &mut LaneReport, after: f64, residual: f64, rate: Option<f64>) {
    report.at_rest = true;
    report.rest_after = Some(after);
    report.residual = residual;
    report.slowest_rate = rate;
}

/// Adds one leg of flow.
fn book(report: &mut LaneReport, leg: &LaneReport) {
    report.time += leg.time;
    report.residual = leg.residual;
    report.passes += leg.passes;
    report.steps += leg.steps;
    report.near_saddle |= leg.near_saddle;
}
