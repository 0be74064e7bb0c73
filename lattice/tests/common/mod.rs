//! Random systems shared by the tests.
#![allow(dead_code, clippy::unwrap_used)]

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Normal};
use xyloop_lattice::{Ensemble, Geometry, Graph, LANES, Network, Parameters, Preset};

/// A seeded generator.
pub fn rng(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

/// `count` normal numbers.
pub fn normal(rng: &mut ChaCha8Rng, std: f64, count: usize) -> Vec<f64> {
    let distribution = Normal::new(0.0, std).unwrap();
    (0..count).map(|_| distribution.sample(rng)).collect()
}

/// Uniform phases of every site.
pub fn phases(rng: &mut ChaCha8Rng, count: usize) -> Vec<f64> {
    (0..count).map(|_| rng.random_range(-std::f64::consts::PI..std::f64::consts::PI)).collect()
}

/// Couplings and fields of the XOR recipe at its start.
pub fn parameters(rng: &mut ChaCha8Rng, graph: &Graph, coupling_std: f64) -> Parameters {
    Parameters {
        couplings: normal(rng, coupling_std, graph.couplings().len()),
        field_x: normal(rng, 0.3, graph.len()),
        field_y: normal(rng, 0.3, graph.len()),
    }
}

/// The 15 × 15 XOR array with its terminals.
pub fn xor_graph(preset: Preset) -> Graph {
    Graph::new(&Geometry::preset(preset, 15, 15)).unwrap().with_terminals(&[110, 114], &[112]).unwrap()
}

/// A network with the couplings set.
pub fn network(graph: &Graph, parameters: &Parameters) -> Network {
    let mut network = Network::new(graph);
    network.set_couplings(&parameters.couplings);
    network
}

/// An ensemble with the same fields in all lanes, random phases and the four XOR patterns on the first two inputs.
pub fn cold_ensemble(rng: &mut ChaCha8Rng, graph: &Graph, network: &Network, parameters: &Parameters) -> Ensemble {
    let mut ensemble = Ensemble::new(network);
    for lane in 0..LANES {
        ensemble.set_fields(lane, &parameters.field_x, &parameters.field_y);
        ensemble.set_phases(lane, &phases(rng, graph.len()));
        for input in 0..graph.inputs().len() {
            ensemble.clamp(lane, input, if lane >> (input % 2) & 1 == 0 { -1.57 } else { 1.57 });
        }
    }
    ensemble
}

/// All phases of a lane.
pub fn state(ensemble: &Ensemble, sites: usize, lane: usize) -> Vec<f64> {
    let mut out = vec![0.0; sites];
    ensemble.phases(lane, &mut out);
    out
}

/// Largest difference of two states, whole turns not counted.
pub fn difference(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| xyloop_lattice::math::wrap(a - b).abs()).fold(0.0, f64::max)
}

/// Bits of a state.
pub fn bits(values: &[f64]) -> Vec<u64> {
    values.iter().map(|value| value.to_bits()).collect()
}
