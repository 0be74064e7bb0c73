//! The three kernels of the integrator in [`super::flow`]: first phasors, forces with error estimate, next stage.
#![allow(clippy::inline_always)]

use super::chebyshev::Stage;
use super::isa::Kernel;
use super::kernels::site_force;
use super::lanes::{Lanes, Mask, SinCos};
use super::vector::{Vector, sin_cos};

/// Loads the state as stage 0.
pub(crate) struct Start<'a> {
    pub(crate) phase: &'a [Lanes],
    pub(crate) stage: &'a mut [Lanes],
    pub(crate) stage_before: &'a mut [Lanes],
    pub(crate) first_force: &'a mut [Lanes],
    pub(crate) phasors: &'a mut [SinCos],
}

impl Kernel for Start<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector>(self) {
        self.stage.copy_from_slice(self.phase);
        // What an earlier run left here enters with a factor of zero, and 0 · NaN is NaN.
        self.stage_before.copy_from_slice(self.phase);
        self.first_force.fill(Lanes::ZERO);
        for (phase, phasor) in self.phase.iter().zip(self.phasors) {
            phasor.set(sin_cos(V::load(phase)));
        }
    }
}

/// Forces at the present stage, and what each lane needs to judge its step if this stage was the last: the largest
/// force, and the largest estimate |4/5 (Y_0 − Y_s) + 2/5 τ (F_0 + F_s)| of the local error (Sommeijer et al., eq. 3.1,
/// of third order in τ).
pub(crate) struct Judge<'a> {
    pub(crate) row_start: &'a [usize],
    pub(crate) column: &'a [u32],
    pub(crate) weight: &'a [f64],
    pub(crate) static_x: &'a [Lanes],
    pub(crate) static_y: &'a [Lanes],
    pub(crate) torque: &'a [Lanes],
    pub(crate) phasors: &'a [SinCos],
    pub(crate) phase: &'a [Lanes],
    pub(crate) first_force: &'a [Lanes],
    pub(crate) stage: &'a [Lanes],
    pub(crate) force: &'a mut [Lanes],
    pub(crate) tau: Lanes,
}

/// What [`Judge`] found, per lane.
pub(crate) struct Verdict {
    pub(crate) residual: Lanes,
    pub(crate) error: Lanes,
    /// Not finite if any force or error was not: the maxima drop a NaN.
    pub(crate) check: Lanes,
}

impl Kernel for Judge<'_> {
    type Output = Verdict;

    #[inline(always)]
    fn run<V: Vector>(self) -> Verdict {
        let (mut residual, mut largest, mut check) = (V::splat(0.0), V::splat(0.0), V::splat(0.0));
        let weight_of_force = V::splat(0.4) * V::load(&self.tau);
        for i in 0..self.force.len() {
            let local = [V::load(&self.static_x[i]), V::load(&self.static_y[i]), V::load(&self.torque[i])];
            let force = site_force(i, self.row_start, self.column, self.weight, local, self.phasors);
            let magnitude = force.abs();
            let moved = V::load(&self.phase[i]) - V::load(&self.stage[i]);
            let pull = weight_of_force * (V::load(&self.first_force[i]) + force);
            let error = moved.mul_add(V::splat(0.8), pull).abs();
            residual = residual.max(magnitude);
            largest = largest.max(error);
            check = check + (magnitude + error);
            force.store(&mut self.force[i]);
        }
        let mut verdict = Verdict { residual: Lanes::ZERO, error: Lanes::ZERO, check: Lanes::ZERO };
        residual.store(&mut verdict.residual);
        largest.store(&mut verdict.error);
        check.store(&mut verdict.check);
        verdict
    }
}

/// Coefficients of the next stage, per lane.
pub(crate) struct Factors {
    base: Lanes,
    last: Lanes,
    before: Lanes,
    force: Lanes,
    first: Lanes,
}

impl Factors {
    /// Gives one lane its coefficients for a step of length `tau`.
    pub(crate) fn set(&mut self, lane: usize, stage: Stage, tau: f64) {
        self.base.0[lane] = stage.base;
        self.last.0[lane] = stage.last;
        self.before.0[lane] = stage.before;
        self.force.0[lane] = stage.force * tau;
        self.first.0[lane] = stage.first * tau;
    }
}

/// Takes over the state where a lane's step was accepted, then computes the next stage into `stage_before` (of which
/// it is the last reader) and its phasors.
pub(crate) struct Step<'a> {
    pub(crate) factors: Factors,
    pub(crate) accept: Option<Mask>,
    pub(crate) phase: &'a mut [Lanes],
    pub(crate) first_force: &'a mut [Lanes],
    pub(crate) stage: &'a [Lanes],
    pub(crate) stage_before: &'a mut [Lanes],
    pub(crate) force: &'a [Lanes],
    pub(crate) phasors: &'a mut [SinCos],
}

impl Step<'_> {
    /// Coefficients that leave every lane at its state.
    pub(crate) fn coefficients() -> Factors {
        let zero = Lanes::ZERO;
        Factors { base: Lanes::splat(1.0), last: zero, before: zero, force: zero, first: zero }
    }
}

impl Kernel for Step<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector>(self) {
        let f = &self.factors;
        let (base, last, before) = (V::load(&f.base), V::load(&f.last), V::load(&f.before));
        let (of_force, first) = (V::load(&f.force), V::load(&f.first));
        for i in 0..self.phase.len() {
            let (stage, force) = (V::load(&self.stage[i]), V::load(&self.force[i]));
            let (mut phase, mut first_force) = (V::load(&self.phase[i]), V::load(&self.first_force[i]));
            if let Some(accept) = &self.accept {
                phase = V::select(accept, stage, phase);
                first_force = V::select(accept, force, first_force);
                phase.store(&mut self.phase[i]);
                first_force.store(&mut self.first_force[i]);
            }
            let before = before * V::load(&self.stage_before[i]);
            let states = base.mul_add(phase, last.mul_add(stage, before));
            let next = of_force.mul_add(force, first.mul_add(first_force, states));
            next.store(&mut self.stage_before[i]);
            self.phasors[i].set(sin_cos(next));
        }
    }
}
