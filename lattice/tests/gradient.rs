//! The EP gradient against finite differences of the settled free cost.
//!
//! Left out: samples that change basin, that is, whose nudged state moved a site by more than 0.5 rad or whose release
//! does not come back to the free state. They are counted and printed.
#![allow(clippy::unwrap_used)]

mod common;

use common::{difference, parameters, phases, rng, state};
use xyloop_lattice::energy::frozen_amplitude;
use xyloop_lattice::ep::{Contrast, Nudging, polar_gradient};
use xyloop_lattice::twin::{self, TwinTolerance};
use xyloop_lattice::{Cost, Ensemble, Geometry, Graph, LANES, Network, Parameters, Preset};

const BETA: f64 = 0.01;
const SAMPLES: u64 = 6;

struct Sample<'a> {
    graph: &'a Graph,
    inputs: Vec<f64>,
    targets: Vec<f64>,
}

impl Sample<'_> {
    /// The state at rest under these parameters from this start.
    fn settle(&self, parameters: &Parameters, start: &[f64]) -> Vec<f64> {
        let mut network = Network::new(self.graph);
        network.set_couplings(&parameters.couplings);
        let mut ensemble = Ensemble::new(&network);
        ensemble.set_fields(0, &parameters.field_x, &parameters.field_y);
        ensemble.set_phases(0, start);
        for (k, &phase) in self.inputs.iter().enumerate() {
            ensemble.clamp(0, k, phase);
        }
        let mut duration = [0.0; LANES];
        duration[0] = f64::INFINITY;
        let tolerance = TwinTolerance { residual: 1e-13, ..TwinTolerance::default() };
        let report = twin::advance(&network, &mut ensemble, &duration, &tolerance)[0];
        assert!(report.at_rest && report.residual <= 1e-13, "{report:?}");
        state(&ensemble, self.graph.len(), 0)
    }

    fn nudged(&self, parameters: &Parameters, cost: Cost, beta: f64, free: &[f64]) -> Vec<f64> {
        let mut with = parameters.clone();
        for (&site, &target) in self.graph.outputs().iter().zip(&self.targets) {
            let site = site as usize;
            let amplitude = match cost {
                Cost::Cosine => beta,
                Cost::Log => frozen_amplitude(beta, free[site], target, 1e-3).amplitude,
            };
            let [x, y] = cost.nudge_field(amplitude, target);
            with.field_x[site] += x;
            with.field_y[site] += y;
        }
        self.settle(&with, free)
    }

    /// Central differences of the free cost over W, b_x and b_y.
    fn finite_differences(&self, parameters: &Parameters, cost: Cost, free: &[f64]) -> Parameters {
        let step = 1e-5;
        let slope = |change: &dyn Fn(&mut Parameters, f64)| {
            let at = |sign: f64| {
                let mut moved = parameters.clone();
                change(&mut moved, sign * step);
                cost.total(self.graph, &self.settle(&moved, free), &self.targets)
            };
            (at(1.0) - at(-1.0)) / (2.0 * step)
        };
        Parameters {
            couplings: (0..parameters.couplings.len()).map(|k| slope(&|p, d| p.couplings[k] += d)).collect(),
            field_x: (0..parameters.field_x.len()).map(|k| slope(&|p, d| p.field_x[k] += d)).collect(),
            field_y: (0..parameters.field_y.len()).map(|k| slope(&|p, d| p.field_y[k] += d)).collect(),
        }
    }
}

fn cosine(a: &[f64], b: &[f64]) -> f64 {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

fn check(name: &str, graph: &Graph, coupling_std: f64) {
    let (mut used, mut left_out, mut worst) = (0, 0, 1.0_f64);
    for seed in 0..SAMPLES {
        let mut rng = rng(40 + seed);
        let parameters = parameters(&mut rng, graph, coupling_std);
        let sample = Sample {
            graph,
            inputs: phases(&mut rng, graph.inputs().len()).iter().map(|phase| 0.5 * phase).collect(),
            targets: phases(&mut rng, graph.outputs().len()).iter().map(|phase| 0.5 * phase).collect(),
        };
        let free = sample.settle(&parameters, &phases(&mut rng, graph.len()));
        for cost in [Cost::Log, Cost::Cosine] {
            let plus = sample.nudged(&parameters, cost, BETA, &free);
            let minus = sample.nudged(&parameters, cost, -BETA, &free);
            let released = sample.settle(&parameters, &plus);
            if difference(&plus, &free).max(difference(&minus, &free)) > 0.5 || difference(&released, &free) > 1e-6 {
                left_out += 1;
                continue;
            }
            used += 1;
            let exact = sample.finite_differences(&parameters, cost, &free);
            let (h, psi) = parameters.polar();
            let exact_polar = polar_gradient(&exact, &h, &psi);
            for (reference, nudging) in
                [(&free, Nudging::OneSided { beta: BETA }), (&minus, Nudging::Symmetric { beta: BETA })]
            {
                let mut contrast = Contrast::zeros(graph);
                contrast.add(graph, &plus, reference);
                let gradient = contrast.gradient(nudging);
                let polar = polar_gradient(&gradient, &h, &psi);
                let blocks = [
                    ("W", &gradient.couplings, &exact.couplings),
                    ("b_x", &gradient.field_x, &exact.field_x),
                    ("b_y", &gradient.field_y, &exact.field_y),
                    ("h", &polar.0, &exact_polar.0),
                    ("psi", &polar.1, &exact_polar.1),
                ];
                for (block, ours, exact) in blocks {
                    let similarity = cosine(ours, exact);
                    worst = worst.min(similarity);
                    assert!(similarity >= 0.99, "{name} {seed} {cost:?} {nudging:?} {block}: cosine {similarity}");
                }
            }
            // The direction alone would not notice a wrong factor; the size is that of the limit of small β, since a
            // soft sample's response is far from linear at 0.01.
            let beta = 1e-5;
            let mut contrast = Contrast::zeros(graph);
            let plus = sample.nudged(&parameters, cost, beta, &free);
            contrast.add(graph, &plus, &sample.nudged(&parameters, cost, -beta, &free));
            let gradient = contrast.gradient(Nudging::Symmetric { beta });
            for (ours, exact) in [
                (&gradient.couplings, &exact.couplings),
                (&gradient.field_x, &exact.field_x),
                (&gradient.field_y, &exact.field_y),
            ] {
                let (similarity, ratio) = (cosine(ours, exact), norm(ours) / norm(exact));
                assert!(
                    similarity > 0.9999 && (ratio - 1.0).abs() < 0.01,
                    "{name} {seed} {cost:?}: {similarity} {ratio}"
                );
            }
        }
    }
    println!(
        "{name}: worst cosine {worst:.6}; {used} pairs of sample and cost used, {left_out} left out (basin changed)"
    );
    assert!(used >= 9, "{name}: only {used} used");
}

fn norm(values: &[f64]) -> f64 {
    values.iter().map(|value| value * value).sum::<f64>().sqrt()
}

#[test]
fn lattice_4nsq() {
    let graph = Graph::new(&Geometry::preset(Preset::FourthSq, 5, 5)).unwrap();
    check("4nsq 5x5", &graph.with_terminals(&[10, 14], &[12]).unwrap(), 0.2);
}

#[test]
fn lattice_sq_two_outputs() {
    let graph = Graph::new(&Geometry::preset(Preset::Sq, 4, 5)).unwrap();
    check("sq 4x5", &graph.with_terminals(&[0, 4], &[12, 19]).unwrap(), 0.4);
}

#[test]
fn all_to_all() {
    let graph = Graph::new(&Geometry::AllToAll { rows: 3, columns: 4 }).unwrap();
    check("all-to-all 3x4", &graph.with_terminals(&[0, 3], &[7]).unwrap(), 0.25);
}

#[test]
fn layered() {
    check("layered 3-6-2", &Graph::new(&Geometry::Layered { widths: vec![3, 6, 2] }).unwrap(), 0.4);
}

/// Chain rule and the printed formula of PHYSICS §1 give the same (h, ψ) gradient.
#[test]
fn polar_gradient_is_the_published_formula() {
    let graph = Graph::new(&Geometry::preset(Preset::Sq, 3, 3)).unwrap();
    let mut rng = rng(3);
    let (nudged, free) = (phases(&mut rng, 9), phases(&mut rng, 9));
    let (h, psi) = parameters(&mut rng, &graph, 1.0).polar();
    let mut contrast = Contrast::zeros(&graph);
    contrast.add(&graph, &nudged, &free);
    let (along, across) = polar_gradient(&contrast.gradient(Nudging::OneSided { beta: 0.2 }), &h, &psi);
    for i in 0..9 {
        let by_amplitude = -((nudged[i] - psi[i]).cos() - (free[i] - psi[i]).cos()) / 0.2;
        let by_direction = -h[i] * ((nudged[i] - psi[i]).sin() - (free[i] - psi[i]).sin()) / 0.2;
        assert!((along[i] - by_amplitude).abs() < 1e-13 && (across[i] - by_direction).abs() < 1e-13);
    }
}
