//! [`Ensemble`]: up to [`LANES`] samples that share a network's couplings, each with its own fields, clamped phases,
//! state, and what is known about where it will come to rest. Also the solvers' report and scratch memory.

use super::conjugate::Krylov;
use super::envelope::Tile;
use super::isa::Isa;
use super::kernels::{Bound, Energy, Fold, Force, Phasors};
use super::lanes::{LANES, Lanes, SinCos};
use super::network::Network;
use crate::math;

/// What a solver did to one lane.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct LaneReport {
    /// Model time units the lane advanced; the duration asked for unless it stopped early or failed.
    pub time: f64,
    /// max |∂E/∂φ| over the free sites of the state it ended in.
    pub residual: f64,
    /// The state is an equilibrium, to the solver's tolerance.
    pub at_rest: bool,
    /// A NaN or infinity turned up (in couplings, fields, phases or durations) or the pass limit was reached. The state
    /// is the last one that was finite, or the one given; never at rest.
    pub failed: bool,
    /// The flow passed so close to a saddle that its integration errors could have decided where it ends: its residual
    /// rose again after having been as small as they are. Told by solvers that follow the flow.
    pub near_saddle: bool,
    /// When at rest: time after which the flow got there, counted from the start of this call (0 if already there).
    pub rest_after: Option<f64>,
    /// The slowest relaxation rate at the equilibrium, where the twin estimated it.
    pub slowest_rate: Option<f64>,
    /// Safe upper bound of the fastest relaxation rate anywhere; 0 from solvers that do not need it.
    pub rate_bound: f64,
    /// Evaluations of all forces spent on this lane.
    pub passes: u32,
    /// Integration steps accepted.
    pub steps: u32,
    /// Factorisations spent on this lane.
    pub factorisations: u32,
}

/// What is known about a lane's equilibrium.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Rest {
    Unknown,
    /// The flow arrives at `star` in this much more time.
    Ahead {
        time: f64,
        rate: f64,
        residual: f64,
    },
    /// The state is the equilibrium.
    Here {
        residual: f64,
        rate: Option<f64>,
    },
}

/// Up to [`LANES`] samples on one network. All lanes start with phases, fields and clamps of zero.
#[derive(Debug, Clone)]
pub struct Ensemble {
    pub(crate) isa: Isa,
    pub(crate) phase: Vec<Lanes>,
    pub(crate) star: Vec<Lanes>,
    pub(crate) rest: [Rest; LANES],
    /// Smallest residual on the way from where the lane was last set.
    pub(crate) lowest: [f64; LANES],
    pub(crate) rate_bound: Lanes,
    /// Fields with the clamped sites' couplings folded in.
    pub(crate) static_x: Vec<Lanes>,
    pub(crate) static_y: Vec<Lanes>,
    pub(crate) torque: Vec<Lanes>,
    pub(crate) work: Workspace,
    pub(crate) field_x: Vec<Lanes>,
    pub(crate) field_y: Vec<Lanes>,
    clamp: Vec<Lanes>,
    /// Sines and cosines of the clamped phases.
    pub(crate) clamp_phasors: Vec<SinCos>,
    pub(crate) free: Vec<u32>,
    clamped: Vec<u32>,
    /// Which block of a batch it is.
    pub(crate) number: usize,
    sites: usize,
    version: u64,
    stale: bool,
    bound_stale: bool,
}

/// Scratch memory, allocated with the ensemble (the factor and the sweeps' state: at their first need) and never in a
/// step.
#[derive(Debug, Clone)]
pub(crate) struct Workspace {
    pub(crate) force: Vec<Lanes>,
    pub(crate) first_force: Vec<Lanes>,
    pub(crate) stage: Vec<Lanes>,
    pub(crate) stage_before: Vec<Lanes>,
    pub(crate) phasors: Vec<SinCos>,
    /// The state of coordinate relaxation.
    pub(crate) sweep: Vec<SinCos>,
    pub(crate) trial: Vec<Lanes>,
    pub(crate) right: Vec<Lanes>,
    pub(crate) tiles: Vec<Tile>,
    /// Where a new factor is made before it replaces the lanes that asked for it.
    pub(crate) fresh_tiles: Vec<Tile>,
    /// Which lanes of `tiles` hold a positive definite factor of the attempt that is being made.
    pub(crate) factored: [bool; LANES],
    /// For networks whose factor would be too large.
    pub(crate) krylov: Option<Box<Krylov>>,
}

impl Ensemble {
    /// Room for [`LANES`] samples of a network, with the fastest instruction set of this machine.
    pub fn new(network: &Network) -> Self {
        let free = network.free.len();
        let lanes = || vec![Lanes::ZERO; free];
        Self {
            isa: Isa::best(),
            phase: lanes(),
            star: lanes(),
            rest: [Rest::Unknown; LANES],
            lowest: [f64::INFINITY; LANES],
            rate_bound: Lanes::ZERO,
            static_x: lanes(),
            static_y: lanes(),
            torque: lanes(),
            work: Workspace {
                force: lanes(),
                first_force: lanes(),
                stage: lanes(),
                stage_before: lanes(),
                phasors: vec![SinCos::ZERO; free],
                sweep: Vec::new(),
                trial: lanes(),
                right: vec![Lanes::ZERO; network.envelope.padded()],
                tiles: Vec::new(),
                fresh_tiles: Vec::new(),
                factored: [false; LANES],
                krylov: None,
            },
            field_x: lanes(),
            field_y: lanes(),
            clamp: vec![Lanes::ZERO; network.clamped.len()],
            clamp_phasors: vec![SinCos::ZERO; network.clamped.len()],
            free: network.free.clone(),
            clamped: network.clamped.clone(),
            number: 0,
            sites: network.sites,
            version: 0,
            stale: true,
            bound_stale: true,
        }
    }

    /// Uses another instruction set of this machine: for measurements, the results are the same.
    pub fn set_isa(&mut self, isa: Isa) {
        self.isa = isa;
    }

    /// The instruction set in use.
    pub fn isa(&self) -> Isa {
        self.isa
    }

    /// Sets a lane's bias fields, one per site; those of clamped sites have no effect. Setting what is already set
    /// keeps what is known about rest, anything else forgets it.
    ///
    /// # Panics
    /// If `lane` ≥ [`LANES`] or a length is not the number of sites.
    pub fn set_fields(&mut self, lane: usize, field_x: &[f64], field_y: &[f64]) {
        self.check(field_x);
        self.check(field_y);
        let mut changed = store(&mut self.field_x, lane, &self.free, field_x);
        changed |= store(&mut self.field_y, lane, &self.free, field_y);
        self.note(lane, changed);
    }

    /// Sets a lane's constant torques (energy per radian; for oscillators, natural frequency offsets), one per site,
    /// added to the forces. Zero unless set. Forgets what is known about rest if they changed.
    ///
    /// # Panics
    /// If `lane` ≥ [`LANES`] or the length is not the number of sites.
    pub fn set_torques(&mut self, lane: usize, torque: &[f64]) {
        self.check(torque);
        let changed = store(&mut self.torque, lane, &self.free, torque);
        self.note(lane, changed);
    }

    /// Sets a lane's state, one phase per site in radians (|φ| ≤ 10⁶); entries of clamped sites are ignored. Always
    /// forgets what is known about rest, so that a lane's history ends here.
    ///
    /// # Panics
    /// If `lane` ≥ [`LANES`] or the length is not the number of sites.
    pub fn set_phases(&mut self, lane: usize, phases: &[f64]) {
        self.check(phases);
        store(&mut self.phase, lane, &self.free, phases);
        self.rest[lane] = Rest::Unknown;
        self.lowest[lane] = f64::INFINITY;
    }

    /// Reads a lane's state, one phase per site in radians, unwrapped; clamped sites give their clamped phase.
    ///
    /// # Panics
    /// If `lane` ≥ [`LANES`] or the length is not the number of sites.
    pub fn phases(&self, lane: usize, phases: &mut [f64]) {
        self.check(phases);
        for (&site, value) in self.free.iter().zip(&self.phase) {
            phases[site as usize] = value.0[lane];
        }
        for (&site, value) in self.clamped.iter().zip(&self.clamp) {
            phases[site as usize] = value.0[lane];
        }
    }

    /// Clamps the `input`-th input of a lane to a phase in radians. Forgets what is known about rest if it changed.
    ///
    /// # Panics
    /// If `lane` ≥ [`LANES`] or there is no such input.
    pub fn clamp(&mut self, lane: usize, input: usize, phase: f64) {
        let slot = &mut self.clamp[input].0[lane];
        let changed = slot.to_bits() != phase.to_bits();
        *slot = phase;
        self.note(lane, changed);
    }

    /// Whether the lane is known to be at rest under its present couplings (as last advanced), fields and clamps.
    pub fn at_rest(&self, lane: usize) -> bool {
        matches!(self.rest[lane], Rest::Here { .. })
    }

    /// The energy of every lane's state under its present couplings, fields and clamps: [`energy`](crate::energy::energy)
    /// without what no free site takes part in (couplings between clamped sites, fields of clamped sites), so that
    /// differences between states of the same clamps are the same. NaN where something in the lane is not finite.
    ///
    /// Constant torques do not enter. Where couplings between free sites differ in their two directions the mean
    /// counts, of those from clamped sites the one that acts on the free site; the flow need not lower that number.
    ///
    /// # Panics
    /// If the ensemble was made for a network of another shape.
    pub fn energies(&mut self, network: &Network) -> [f64; LANES] {
        self.refresh(network);
        let work = &mut self.work;
        self.isa.run(Phasors { phase: &self.phase, phasors: &mut work.phasors });
        let energies = self.isa.run(Energy {
            row_start: &network.row_start,
            column: &network.column,
            weight: &network.weight,
            static_x: &self.static_x,
            static_y: &self.static_y,
            phasors: &work.phasors,
        });
        energies.0.map(|energy| if energy.is_finite() { energy } else { f64::NAN })
    }

    fn check(&self, values: &[f64]) {
        assert_eq!(values.len(), self.sites, "one value per site");
    }

    /// Adds a field to one free site of a lane, by its number among the free ones.
    pub(crate) fn add_field(&mut self, lane: usize, free: usize, [x, y]: [f64; 2]) {
        self.field_x[free].0[lane] += x;
        self.field_y[free].0[lane] += y;
        self.note(lane, true);
    }

    /// Sets the fields of one free site in every lane, by its number among the free ones.
    pub(crate) fn put_fields(&mut self, free: usize, [x, y]: [Lanes; 2]) {
        (self.field_x[free], self.field_y[free]) = (x, y);
        self.stale = true;
    }

    /// The lanes from `count` on become copies of the first `count`, which must be at most half of all.
    pub(crate) fn mirror(&mut self, count: usize) {
        let arrays = [&mut self.phase, &mut self.field_x, &mut self.field_y, &mut self.torque, &mut self.clamp];
        for value in arrays.into_iter().flatten() {
            value.0.copy_within(..count, count);
        }
        for lane in 0..count {
            self.rest[count + lane] = Rest::Unknown;
        }
        self.stale = true;
    }

    fn note(&mut self, lane: usize, changed: bool) {
        if changed {
            self.rest[lane] = Rest::Unknown;
            self.lowest[lane] = f64::INFINITY;
            self.stale = true;
        }
    }

    /// Brings static fields up to date with the network. Every lane is computed anew from its own
    /// values, which repeats the bits of those that had not changed.
    pub(crate) fn refresh(&mut self, network: &Network) {
        assert!(
            self.sites == network.sites && self.free == network.free && self.clamped == network.clamped,
            "the ensemble was made for a network of another shape"
        );
        if self.version != network.version() {
            self.version = network.version();
            self.rest = [Rest::Unknown; LANES];
            self.lowest = [f64::INFINITY; LANES];
            self.stale = true;
        }
        if !self.stale {
            return;
        }
        self.stale = false;
        self.isa.run(Fold {
            links: &network.clamp_links,
            clamp: &self.clamp,
            clamp_phasors: &mut self.clamp_phasors,
            field_x: &self.field_x,
            field_y: &self.field_y,
            static_x: &mut self.static_x,
            static_y: &mut self.static_y,
        });
        self.bound_stale = true;
    }

    /// As [`refresh`](Self::refresh), with the rate bounds that whatever integrates in time needs.
    pub(crate) fn refresh_with_bounds(&mut self, network: &Network) {
        self.refresh(network);
        if !std::mem::take(&mut self.bound_stale) {
            return;
        }
        self.rate_bound = self.isa.run(Bound {
            row_start: &network.row_start,
            column: &network.column,
            weight: &network.weight,
            field_x: &self.static_x,
            field_y: &self.static_y,
            diagonal: &mut self.work.force,
            vector: &mut self.work.stage,
            product: &mut self.work.stage_before,
        });
    }

    /// Forces of all lanes at the state in `self.work.trial` into `self.work.force`; the lanes' largest ones, NaN
    /// where anything is not finite. Leaves the sines and cosines in `self.work.phasors`.
    pub(crate) fn force_at_trial(&mut self, network: &Network) -> Lanes {
        let work = &mut self.work;
        self.isa.run(Phasors { phase: &work.trial, phasors: &mut work.phasors });
        let (largest, check) = self.isa.run(Force {
            row_start: &network.row_start,
            column: &network.column,
            weight: &network.weight,
            static_x: &self.static_x,
            static_y: &self.static_y,
            torque: &self.torque,
            phasors: &work.phasors,
            force: &mut work.force,
        });
        Lanes(std::array::from_fn(|l| if check.0[l].is_finite() { largest.0[l] } else { f64::NAN }))
    }
}

/// Writes one lane's values for the free sites; whether any bit changed.
fn store(target: &mut [Lanes], lane: usize, free: &[u32], values: &[f64]) -> bool {
    let mut changed = false;
    for (slot, &site) in target.iter_mut().zip(free) {
        let value = values[site as usize];
        changed |= slot.0[lane].to_bits() != value.to_bits();
        slot.0[lane] = value;
    }
    changed
}

/// Distance between two states of a lane: the largest phase difference of any free site.
pub(crate) fn largest_difference(a: &[Lanes], b: &[Lanes], lane: usize) -> f64 {
    let mut largest = 0.0_f64;
    for (x, y) in a.iter().zip(b) {
        let difference = (x.0[lane] - y.0[lane]).abs();
        if difference.is_nan() {
            return f64::NAN;
        }
        largest = largest.max(difference);
    }
    largest
}

/// ln(distance/target)/rate, not below 0: how long a mode of that rate takes to shrink to the target.
pub(crate) fn time_to_shrink(distance: f64, target: f64, rate: f64) -> f64 {
    (math::ln(distance / target) / rate).max(0.0)
}
