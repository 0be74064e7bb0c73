//! The twin ends in the equilibria of the accurate flow, on the three workloads, and flags those it may miss.
//!
//! `XYLOOP_FAITHFUL_SAMPLES=1000 cargo test --release -p xyloop-lattice --test faithful -- --nocapture`
#![allow(clippy::unwrap_used)]

mod common;

use common::{difference, normal, phases, rng, state};
use rand::RngExt;
use xyloop_lattice::flow::{Flow, FlowTolerance};

use xyloop_lattice::geometry::{Below, Padding, Plane, coupling_std};
use xyloop_lattice::twin::Twin;
use xyloop_lattice::{Ensemble, Geometry, Graph, LANES, Network, Preset, Solver};

fn samples() -> usize {
    std::env::var("XYLOOP_FAITHFUL_SAMPLES").ok().and_then(|n| n.parse().ok()).unwrap_or(40)
}

fn faithful(name: &str, graph: &Graph, std: &[f64]) {
    let (mut differing, mut flagged, mut missed, mut all) = (0, 0, 0, 0);
    for block in 0..samples().div_ceil(LANES) {
        let mut rng = rng(7000 + block as u64);
        let couplings: Vec<f64> = std.iter().map(|std| normal(&mut rng, *std, 1)[0]).collect();
        let (x, y) = (normal(&mut rng, 0.3, graph.len()), normal(&mut rng, 0.3, graph.len()));
        let mut network = Network::new(graph);
        network.set_couplings(&couplings);
        let mut quick = Ensemble::new(&network);
        for lane in 0..LANES {
            quick.set_fields(lane, &x, &y);
            quick.set_phases(lane, &phases(&mut rng, graph.len()));
            for input in 0..graph.inputs().len() {
                quick.clamp(lane, input, rng.random_range(-1.57..1.57));
            }
        }
        let mut exact = quick.clone();
        let reports = Twin::default().settle(&network, &mut quick, [true; LANES]);
        let reference = Flow { tolerance: FlowTolerance::REFERENCE, residual: 1e-8 };
        let references = reference.settle(&network, &mut exact, [true; LANES]);
        for lane in 0..LANES {
            assert!(reports[lane].at_rest && references[lane].at_rest);
            let apart = difference(&state(&quick, graph.len(), lane), &state(&exact, graph.len(), lane));
            let differs = apart > 1e-2;
            all += 1;
            differing += usize::from(differs);
            flagged += usize::from(reports[lane].near_saddle);
            missed += usize::from(differs && !reports[lane].near_saddle);
            if differs {
                println!("{name} block {block} lane {lane}: {apart:.3} rad apart; {:?}", reports[lane]);
            }
        }
    }
    println!(
        "{name}: {differing} of {all} end elsewhere, {flagged} flagged, {missed} of those that differ not flagged"
    );
    assert!(differing * 100 <= all, "{differing} of {all}");
    assert!(missed == 0, "{missed} end elsewhere without a flag");
}

#[test]
fn xor() {
    let graph = common::xor_graph(Preset::UpToFourthShell);
    faithful("XOR 4nsq", &graph, &vec![0.072; graph.couplings().len()]);
}

#[test]
fn iris_like() {
    let geometry = Geometry::preset(Preset::UpToFourthShell, 7, 20);
    let graph = Graph::new(&geometry).unwrap().with_terminals(&[0, 40, 80, 120], &[19, 79, 139]).unwrap();
    faithful("Iris-like 7 x 20 4nsq", &graph, &coupling_std(&geometry).unwrap());
}

#[test]
fn mnist_like() {
    let hidden = Plane {
        rows: 28,
        columns: 28,
        below: Below::Window { size: 5, stride: 1, padding: Padding::Same },
        inside: Preset::Square.offsets(),
    };
    let outputs = Plane { rows: 1, columns: 10, below: Below::Dense, inside: Vec::new() };
    let geometry = Geometry::LocallyConnected { input: [28, 28], planes: vec![hidden, outputs] };
    let graph = Graph::new(&geometry).unwrap();
    faithful("MNIST-like lcl", &graph, &coupling_std(&geometry).unwrap());
}
