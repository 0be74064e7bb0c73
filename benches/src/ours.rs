//! One EP step over a batch with this project's solvers, on one thread: free phase, two nudges, all gradients.

use xyloop_lattice::energy::frozen_amplitude;
use xyloop_lattice::ep::{Contrast, Gradient, Nudging};
use xyloop_lattice::flow::{self, FlowTolerance};
use xyloop_lattice::twin::{self, TwinTolerance};
use xyloop_lattice::{Cost, Ensemble, LANES, LaneReport, Network, Parameters};

use crate::workload::{BETA, CLIP, Workload};

/// What a batch is solved with, allocated once.
#[derive(Debug)]
pub struct Ours<'w> {
    workload: &'w Workload,
    network: Network,
    ensemble: Ensemble,
    field_x: Vec<f64>,
    field_y: Vec<f64>,
}

/// What solving cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Effort {
    /// Evaluations of all forces, summed over the samples.
    pub passes: u64,
    /// Factorisations, summed over the samples.
    pub factorisations: u64,
    /// States asked for that are not at rest.
    pub unsettled: usize,
}

/// One EP step.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Free equilibria, one phase per sample and site, radians.
    pub free: Vec<f64>,
    /// Gradient of the cost wrt all parameters, averaged over the samples.
    pub gradient: Gradient,
    /// What it cost.
    pub effort: Effort,
}

impl<'w> Ours<'w> {
    /// Ready to solve a workload.
    pub fn new(workload: &'w Workload) -> Self {
        let network = Network::new(&workload.graph);
        let ensemble = Ensemble::new(&network);
        let sites = || vec![0.0; workload.graph.len()];
        Self { workload, network, ensemble, field_x: sites(), field_y: sites() }
    }

    /// The free equilibria from these starts (one phase per sample and site), as [`Step::free`].
    pub fn settle(&mut self, parameters: &Parameters, starts: &[f64]) -> (Vec<f64>, Effort) {
        let mut effort = Effort::default();
        let mut free = vec![0.0; starts.len()];
        self.network.set_couplings(&parameters.couplings);
        for first in (0..self.workload.batch).step_by(LANES) {
            let samples = first..self.workload.batch.min(first + LANES);
            self.load(parameters, starts, &samples);
            self.advance(samples.len(), &mut effort);
            self.read(samples, &mut free);
        }
        (free, effort)
    }

    /// One EP step from these starts (one phase per sample and site).
    pub fn step(&mut self, parameters: &Parameters, starts: &[f64]) -> Step {
        let graph = &self.workload.graph;
        let mut effort = Effort::default();
        let mut free = vec![0.0; starts.len()];
        let mut contrast = Contrast::zeros(graph);
        self.network.set_couplings(&parameters.couplings);
        for first in (0..self.workload.batch).step_by(LANES) {
            let samples = first..self.workload.batch.min(first + LANES);
            let live = samples.len();
            self.load(parameters, starts, &samples);
            self.advance(live, &mut effort);
            self.read(samples.clone(), &mut free);

            let sites = graph.len();
            let at_rest = |sample: usize| &free[sample * sites..(sample + 1) * sites];
            let mut nudged: [Vec<f64>; 2] = std::array::from_fn(|_| vec![0.0; live * sites]);
            for (sign, states) in [1.0, -1.0].into_iter().zip(&mut nudged) {
                for (lane, sample) in samples.clone().enumerate() {
                    self.nudge(parameters, at_rest(sample), sample, sign);
                    self.ensemble.set_fields(lane, &self.field_x, &self.field_y);
                    self.ensemble.set_phases(lane, at_rest(sample));
                }
                self.advance(live, &mut effort);
                for (lane, state) in states.chunks_exact_mut(sites).enumerate() {
                    self.ensemble.phases(lane, state);
                }
            }
            for (plus, minus) in nudged[0].chunks_exact(sites).zip(nudged[1].chunks_exact(sites)) {
                contrast.add(graph, plus, minus);
            }
        }
        Step { free, gradient: contrast.gradient(Nudging::Symmetric { beta: BETA }), effort }
    }

    /// Equilibria of the flow itself, integrated to 1e-9 rad per step and a residual of 1e-7, of the first samples.
    pub fn reference(&mut self, parameters: &Parameters, starts: &[f64], samples: usize) -> Vec<f64> {
        let sites = self.workload.graph.len();
        let mut free = vec![0.0; samples * sites];
        self.network.set_couplings(&parameters.couplings);
        for first in (0..samples).step_by(LANES) {
            let block = first..samples.min(first + LANES);
            self.load(parameters, starts, &block);
            let duration = std::array::from_fn(|lane| if lane < block.len() { f64::INFINITY } else { 0.0 });
            flow::settle(&self.network, &mut self.ensemble, &duration, &[1e-7; LANES], &FlowTolerance::REFERENCE);
            self.read(block, &mut free);
        }
        free
    }

    fn load(&mut self, parameters: &Parameters, starts: &[f64], samples: &std::ops::Range<usize>) {
        let sites = self.workload.graph.len();
        for (lane, sample) in samples.clone().enumerate() {
            self.ensemble.set_fields(lane, &parameters.field_x, &parameters.field_y);
            self.ensemble.set_phases(lane, &starts[sample * sites..(sample + 1) * sites]);
            for (input, &clamp) in self.workload.clamps_of(sample).iter().enumerate() {
                self.ensemble.clamp(lane, input, clamp);
            }
        }
    }

    fn advance(&mut self, live: usize, effort: &mut Effort) {
        let duration = std::array::from_fn(|lane| if lane < live { f64::INFINITY } else { 0.0 });
        let reports = twin::advance(&self.network, &mut self.ensemble, &duration, &TwinTolerance::default());
        for LaneReport { passes, factorisations, at_rest, .. } in &reports[..live] {
            effort.passes += u64::from(*passes);
            effort.factorisations += u64::from(*factorisations);
            effort.unsettled += usize::from(!at_rest);
        }
    }

    fn read(&self, samples: std::ops::Range<usize>, states: &mut [f64]) {
        let sites = self.workload.graph.len();
        for (lane, sample) in samples.enumerate() {
            self.ensemble.phases(lane, &mut states[sample * sites..(sample + 1) * sites]);
        }
    }

    /// The fields of one sample with its frozen nudge, into `field_x` and `field_y`.
    fn nudge(&mut self, parameters: &Parameters, free: &[f64], sample: usize, sign: f64) {
        self.field_x.copy_from_slice(&parameters.field_x);
        self.field_y.copy_from_slice(&parameters.field_y);
        for (&site, &target) in self.workload.graph.outputs().iter().zip(self.workload.targets_of(sample)) {
            let site = site as usize;
            let frozen = frozen_amplitude(BETA, free[site], target, CLIP);
            let field = Cost::Log.nudge_field(sign * frozen.amplitude, target);
            self.field_x[site] += field[0];
            self.field_y[site] += field[1];
        }
    }
}
