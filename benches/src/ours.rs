//! One EP step over a batch with this project's solvers, on one thread: free phase, nudges, all gradients.

use std::num::NonZeroUsize;

use xyloop_lattice::flow::Flow;
use xyloop_lattice::step::Nudge;
use xyloop_lattice::twin::{Twin, TwinTolerance};
use xyloop_lattice::{Batch, Cost, Follow, LaneReport, Network, Parameters, Solver, Step, step::Outcome};

use crate::workload::{BETA, CLIP, Workload};

/// Residual max |force| at which both sides stop: the peer's limit is 1e-6, and the script checks it.
const RESIDUAL: f64 = 5e-7;

/// Where the free phase starts.
#[derive(Debug, Clone, Copy)]
pub enum Start<'s> {
    /// At these phases, one per sample and site, by the device twin.
    Cold(&'s [f64]),
    /// At the free equilibria of the step before, by following them.
    Warm,
}

/// What a batch is solved with, allocated once; keeps the free states of its last step.
#[derive(Debug, Clone)]
pub struct Ours<'w> {
    workload: &'w Workload,
    network: Network,
    batch: Batch,
    /// How gradients are made.
    pub nudge: Nudge,
}

/// What solving cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Effort {
    /// Evaluations of all forces, summed over the samples.
    pub passes: u64,
    /// Factorisations, summed over the samples.
    pub factorisations: u64,
    /// Samples with a state that is not at rest.
    pub unsettled: usize,
}

impl Effort {
    /// Of one phase.
    fn of(reports: &[LaneReport]) -> Self {
        Self {
            passes: reports.iter().map(|report| u64::from(report.passes)).sum(),
            factorisations: reports.iter().map(|report| u64::from(report.factorisations)).sum(),
            unsettled: reports.iter().filter(|report| !report.at_rest).count(),
        }
    }
}

impl From<&Outcome> for Effort {
    fn from(outcome: &Outcome) -> Self {
        let Outcome { passes, factorisations, .. } = *outcome;
        Self { passes, factorisations, unsettled: outcome.left_out.len() }
    }
}

fn twin() -> Twin {
    Twin(TwinTolerance { residual: RESIDUAL, ..TwinTolerance::default() })
}

fn follow() -> Follow {
    Follow { residual: RESIDUAL, last_resort: twin().0, ..Follow::default() }
}

impl<'w> Ours<'w> {
    /// Ready to solve a workload, with symmetric nudges.
    pub fn new(workload: &'w Workload) -> Self {
        let network = Network::new(&workload.graph);
        let mut batch = Batch::new(&network, workload.batch);
        for sample in 0..workload.batch {
            for (input, &clamp) in workload.clamps_of(sample).iter().enumerate() {
                batch.clamp(sample, input, clamp);
            }
        }
        Self { workload, network, batch, nudge: Nudge::Symmetric { beta: BETA } }
    }

    /// The free phase alone.
    pub fn settle(&mut self, parameters: &Parameters, start: Start<'_>) -> Effort {
        self.load(parameters, start);
        let solver: &dyn Solver = if matches!(start, Start::Warm) { &follow() } else { &twin() };
        Effort::of(&self.batch.settle(&self.network, solver, NonZeroUsize::MIN))
    }

    /// One EP step.
    pub fn step(&mut self, parameters: &Parameters, start: Start<'_>) -> Outcome {
        self.load(parameters, start);
        let step = Step { nudge: self.nudge, cost: Cost::Log, clip: CLIP, follow: follow() };
        let solver: &dyn Solver = if matches!(start, Start::Warm) { &follow() } else { &twin() };
        step.run(&self.network, &mut self.batch, solver, &self.workload.targets, NonZeroUsize::MIN)
    }

    /// Equilibria of the flow itself, integrated to 1e-9 rad per step and a residual of 1e-7, of the first samples: one
    /// phase per sample and site. Warm steps cannot go on from here.
    pub fn reference(&mut self, parameters: &Parameters, starts: &[f64], samples: usize) -> Vec<f64> {
        self.load(parameters, Start::Cold(starts));
        let sites = self.workload.graph.len();
        let mut first = Batch::new(&self.network, samples);
        for sample in 0..samples {
            first.set_fields(sample, &parameters.field_x, &parameters.field_y);
            first.set_phases(sample, &starts[sample * sites..(sample + 1) * sites]);
            for (input, &clamp) in self.workload.clamps_of(sample).iter().enumerate() {
                first.clamp(sample, input, clamp);
            }
        }
        first.settle(&self.network, &Flow::REFERENCE, NonZeroUsize::MIN);
        states(&first, sites)
    }

    /// The free equilibria of the last phase or step: one phase per sample and site, radians.
    pub fn free(&self) -> Vec<f64> {
        states(&self.batch, self.workload.graph.len())
    }

    fn load(&mut self, parameters: &Parameters, start: Start<'_>) {
        let sites = self.workload.graph.len();
        self.network.set_couplings(&parameters.couplings);
        for sample in 0..self.workload.batch {
            self.batch.set_fields(sample, &parameters.field_x, &parameters.field_y);
            if let Start::Cold(phases) = start {
                self.batch.set_phases(sample, &phases[sample * sites..(sample + 1) * sites]);
            }
        }
    }
}

fn states(batch: &Batch, sites: usize) -> Vec<f64> {
    let mut states = vec![0.0; batch.len() * sites];
    for (sample, state) in states.chunks_exact_mut(sites).enumerate() {
        batch.phases(sample, state);
    }
    states
}
