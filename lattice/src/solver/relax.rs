//! Coordinate (Gauss-Seidel) relaxation: the sites in turn, each put where its neighbours want it.
//!
//! With the others held, a site's energy is −R cos δ: R (cos α, sin α) = b + Σ W (cos φ_j, sin φ_j) is its local field
//! and δ = α − φ its lag. The minimum, δ = 0, is the phasor field/R: no trigonometry and no step to choose. Over-relaxed
//! by κ the site turns by θ with tan(θ/2) = κ tan(δ/2); κ = 1 is the minimum itself.
//!
//! No visit raises the energy for 0 < κ < 2: θ has the sign of δ, and |θ| < |2δ| since 2 tan(δ/2) ≤ tan δ below a right
//! angle and |θ| < π from there on; so |δ − θ| < |δ|. Couplings that act differently on their two ends have no energy: they
//! are relaxed all the same, without that promise.
//!
//! It ends in *other* equilibria than the flow: 60 to 85 % of cold samples did on 15 × 15 lattices at the XOR recipe's
//! start, 90 % with all sites coupled (256 samples each), of slightly lower energy. What a device would settle to is
//! [`super::twin`]'s answer. This is for finding states of low energy ([`search`]), and for structures it solves block by
//! block: at κ = 1 a plane without couplings inside (layered graphs, stacked planes) is at its exact joint minimum after
//! one visit, given the rest.
#![allow(clippy::inline_always)]

use super::Solver;
use super::ensemble::{Ensemble, LaneReport, Rest};
use super::isa::Kernel;
use super::kernels::{Phasors, site_field};
use super::lanes::{LANES, Lanes, SinCos};
use super::network::Network;
use super::vector::Vector;
use crate::math;

/// How the sites are relaxed, and when they count as at rest.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Relax {
    /// κ, above 0 and below 2 (1.6); 1 puts every site at its minimum.
    pub over_relaxation: f64,
    /// max |force| of an equilibrium (1e-10).
    pub residual: f64,
    /// Sweeps over all free sites after which a lane is given up and reported as failed, in the state it then has
    /// (20 000).
    pub max_sweeps: u32,
}

impl Default for Relax {
    /// κ 1.6 needs the fewest sweeps from cold starts, a third of those at κ = 1 (`examples/settle_cost.rs`).
    fn default() -> Self {
        Self { over_relaxation: 1.6, residual: 1e-10, max_sweeps: 20_000 }
    }
}

impl Solver for Relax {
    fn name(&self) -> &'static str {
        "relax"
    }

    fn tolerance(&self) -> String {
        let Self { over_relaxation, residual, max_sweeps } = self;
        format!("over-relaxation {over_relaxation}, residual {residual:e}, sweeps at most {max_sweeps}")
    }

    /// By sweeps over the free sites in ascending order. A lane stops after a sweep that met no force above the
    /// residual, if the forces of the state it ended in confirm it; those alone make it [`LaneReport::at_rest`]. Every
    /// phase stays within half a turn of where it was.
    ///
    /// [`LaneReport::passes`] counts the sweeps, not the confirmations; there is no [`LaneReport::rest_after`] and no
    /// [`LaneReport::rate_bound`], since no time passes. An equilibrium is not promised to be stable: each site is at its own minimum, all together may
    /// be on a saddle. A site without local field stays.
    ///
    /// Lanes fail untouched if κ is out of range, if anything is not finite or a local field above 10¹⁵⁰, and also if any
    /// torque is not zero: with one, a phasor has no energy (every turn gains 2π × torque), and where it exceeds the
    /// local field no rest.
    fn settle(&self, network: &Network, ensemble: &mut Ensemble, lanes: [bool; LANES]) -> [LaneReport; LANES] {
        ensemble.refresh(network);
        let (mut reports, mut running) = self.begin(ensemble, lanes);
        if running.contains(&true) {
            // Lanes that are not running are swept along: what they hold is never read.
            let work = &mut ensemble.work;
            work.sweep.resize(work.phasors.len(), SinCos::ZERO);
            ensemble.isa.run(Phasors { phase: &ensemble.phase, phasors: &mut work.sweep });
        }
        let mut sweeps = 0;
        while running.contains(&true) {
            let mut quiet = running;
            if sweeps < self.max_sweeps {
                sweeps += 1;
                let (largest, check) = ensemble.isa.run(Sweep {
                    row_start: &network.row_start,
                    column: &network.column,
                    weight: &network.weight,
                    static_x: &ensemble.static_x,
                    static_y: &ensemble.static_y,
                    over_relaxation: self.over_relaxation,
                    phasors: &mut ensemble.work.sweep,
                });
                for l in 0..LANES {
                    if !running[l] {
                        continue;
                    }
                    reports[l].passes = sweeps;
                    running[l] = check.0[l].is_finite();
                    reports[l].failed = !running[l];
                    // The last sweep is judged by its outcome alone.
                    quiet[l] = running[l] && (largest.0[l] <= self.residual || sweeps == self.max_sweeps);
                }
            }
            if !quiet.contains(&true) {
                continue;
            }
            propose(ensemble, quiet);
            let residual = ensemble.force_at_trial(network);
            for l in (0..LANES).filter(|&l| quiet[l]) {
                let at_rest = residual.0[l] <= self.residual;
                if at_rest || sweeps == self.max_sweeps {
                    running[l] = false;
                    reports[l] = LaneReport { residual: residual.0[l], at_rest, failed: !at_rest, ..reports[l] };
                    arrive(ensemble, l, &reports[l]);
                }
            }
        }
        reports
    }
}

impl Relax {
    /// Which of the marked lanes are to be swept; the reports of the others are complete.
    fn begin(&self, ensemble: &Ensemble, lanes: [bool; LANES]) -> ([LaneReport; LANES], [bool; LANES]) {
        let mut reports = [LaneReport::default(); LANES];
        let mut running = [false; LANES];
        let usable = self.over_relaxation > 0.0 && self.over_relaxation < 2.0;
        for l in (0..LANES).filter(|&l| lanes[l]) {
            let report = &mut reports[l];
            let still = ensemble.torque.iter().all(|torque| torque.0[l] == 0.0);
            report.failed = !(usable && still);
            match ensemble.rest[l] {
                Rest::Here { residual, rate } if !report.failed && residual <= self.residual => {
                    (report.at_rest, report.residual, report.slowest_rate) = (true, residual, rate);
                }
                _ => running[l] = !report.failed,
            }
        }
        (reports, running)
    }
}

/// One visit to every free site in order. Returns the largest force met, each taken just before its site moved, and a
/// sum that is not finite if any of them or the square of any local field is not.
struct Sweep<'a> {
    row_start: &'a [usize],
    column: &'a [u32],
    weight: &'a [f64],
    static_x: &'a [Lanes],
    static_y: &'a [Lanes],
    over_relaxation: f64,
    phasors: &'a mut [SinCos],
}

impl Kernel for Sweep<'_> {
    type Output = (Lanes, Lanes);

    #[inline(always)]
    #[allow(clippy::float_cmp)]
    fn run<V: Vector>(self) -> (Lanes, Lanes) {
        let (mut largest, mut check) = (V::splat(0.0), V::splat(0.0));
        let closed = self.over_relaxation == 1.0;
        let kappa = V::splat(self.over_relaxation);
        for i in 0..self.phasors.len() {
            let fields = [V::load(&self.static_x[i]), V::load(&self.static_y[i])];
            let (a, b) = site_field(i, self.row_start, self.column, self.weight, fields, self.phasors);
            let (sin, cos) = (V::load(&self.phasors[i].sin), V::load(&self.phasors[i].cos));
            let force = cos.mul_add(b, sin.mul_sub_from(a, V::splat(0.0))).abs();
            let square = a.mul_add(a, b * b);
            largest = largest.max(force);
            check = check + (force + square);
            let inverse = V::splat(1.0) / square.sqrt();
            let aim = (b * inverse, a * inverse);
            let (new_sin, new_cos) = if closed { aim } else { turn_towards((sin, cos), aim, kappa) };
            // No field (or one whose square is lost): nowhere to go.
            let least = V::splat(f64::MIN_POSITIVE);
            let there = (square.where_greater(least, new_sin, sin), square.where_greater(least, new_cos, cos));
            self.phasors[i].set(there);
        }
        let mut out = (Lanes::ZERO, Lanes::ZERO);
        largest.store(&mut out.0);
        check.store(&mut out.1);
        out
    }
}

/// The phasor (sin, cos) turned by θ with tan(θ/2) = κ tan(δ/2), δ being the angle to the phasor `aim`.
#[inline(always)]
fn turn_towards<V: Vector>((sin, cos): (V, V), aim: (V, V), kappa: V) -> (V, V) {
    let (zero, one) = (V::splat(0.0), V::splat(1.0));
    let sin_delta = cos.mul_add(aim.0, sin.mul_sub_from(aim.1, zero));
    let cos_delta = cos.mul_add(aim.1, sin * aim.0);
    // tan(δ/2) = sin δ/(1 + cos δ) = (1 − cos δ)/sin δ as a pair of numbers: the form that does not cancel, and nothing
    // to divide by at δ = π.
    let up = cos_delta.where_greater(zero, sin_delta, one - cos_delta);
    let down = cos_delta.where_greater(zero, one + cos_delta, sin_delta);
    let up = kappa * up;
    let (up_square, down_square) = (up * up, down * down);
    let scale = one / (up_square + down_square);
    let (sin_theta, cos_theta) = (V::splat(2.0) * up * down * scale, (down_square - up_square) * scale);
    let new_sin = sin.mul_add(cos_theta, cos * sin_theta);
    let new_cos = sin.mul_sub_from(sin_theta, cos * cos_theta);
    // One Newton iteration for 1/length: rounding does not add up over the sweeps.
    let square = new_sin.mul_add(new_sin, new_cos * new_cos);
    let length = square.mul_sub_from(V::splat(0.5), V::splat(1.5));
    (new_sin * length, new_cos * length)
}

/// The swept state of some lanes as phases, each next to the phase it began with, into `work.trial`.
fn propose(ensemble: &mut Ensemble, lanes: [bool; LANES]) {
    let work = &mut ensemble.work;
    ensemble.isa.run(Phasors { phase: &ensemble.phase, phasors: &mut work.phasors });
    work.trial.copy_from_slice(&ensemble.phase);
    for ((trial, from), to) in work.trial.iter_mut().zip(&work.phasors).zip(&work.sweep) {
        for l in (0..LANES).filter(|&l| lanes[l]) {
            let (s, c) = (from.sin.0[l], from.cos.0[l]);
            let (sin, cos) = (c * to.sin.0[l] - s * to.cos.0[l], c * to.cos.0[l] + s * to.sin.0[l]);
            trial.0[l] += math::atan2(sin, cos);
        }
    }
}

/// Makes the proposed phases a lane's state, unless they are not finite.
fn arrive(ensemble: &mut Ensemble, lane: usize, report: &LaneReport) {
    if report.residual.is_finite() {
        for (phase, trial) in ensemble.phase.iter_mut().zip(&ensemble.work.trial) {
            phase.0[lane] = trial.0[lane];
        }
    }
    // What was known of an equilibrium ahead, and of the way here, is of another place.
    ensemble.lowest[lane] = f64::INFINITY;
    ensemble.rest[lane] =
        if report.at_rest { Rest::Here { residual: report.residual, rate: None } } else { Rest::Unknown };
}

/// Relaxes `count` starts in every lane and leaves each lane in the state of lowest energy among those that came to
/// rest, the first of equals; returns its energy ([`Ensemble::energies`]). A lane in which none did keeps the state it
/// had and gives `None`.
///
/// `starts(start, lane, phases)` writes a start: one phase per site in radians, entries of clamped sites ignored; it is
/// given the state that the lane had before the search. It is asked in order of start, then lane, and the outcome is a
/// function of what it writes.
///
/// # Panics
/// If the ensemble was made for a network of another shape.
pub fn search(
    network: &Network,
    ensemble: &mut Ensemble,
    mut starts: impl FnMut(usize, usize, &mut [f64]),
    count: usize,
    relax: &Relax,
) -> [Option<f64>; LANES] {
    ensemble.refresh(network);
    let mut lowest: [Option<f64>; LANES] = [None; LANES];
    let mut known = [Rest::Unknown; LANES];
    let mut best = ensemble.phase.clone();
    let mut given = vec![vec![0.0; network.sites()]; LANES];
    for (lane, phases) in given.iter_mut().enumerate() {
        ensemble.phases(lane, phases);
    }
    let mut phases = vec![0.0; network.sites()];
    for start in 0..count {
        for lane in 0..LANES {
            phases.copy_from_slice(&given[lane]);
            starts(start, lane, &mut phases);
            ensemble.set_phases(lane, &phases);
        }
        let reports = relax.settle(network, ensemble, [true; LANES]);
        let energies = ensemble.energies(network);
        for l in 0..LANES {
            // A NaN is no energy: the comparison fails.
            if reports[l].at_rest && energies[l] < lowest[l].unwrap_or(f64::INFINITY) {
                lowest[l] = Some(energies[l]);
                known[l] = ensemble.rest[l];
                for (best, phase) in best.iter_mut().zip(&ensemble.phase) {
                    best.0[l] = phase.0[l];
                }
            }
        }
    }
    ensemble.phase = best;
    if count > 0 {
        ensemble.rest = known;
    }
    lowest
}
