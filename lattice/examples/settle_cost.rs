//! What settling costs: milliseconds, force passes and factorisations for a block of eight samples, cold (random
//! phases to rest) and nudged (a field of 0.05 on one output of a rested state), per geometry and instruction set; and
//! the same cold blocks relaxed by coordinates at several over-relaxations κ (passes are then sweeps).
//!
//! `cargo run --release -p xyloop-lattice --example settle_cost`
#![allow(clippy::unwrap_used)]

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Normal};
use std::time::Instant;
use xyloop_lattice::{Ensemble, Geometry, Graph, Isa, LANES, LaneReport, Network, Preset, relax, solver::Solver, twin};

const BLOCKS: usize = 16;
const KAPPAS: [f64; 5] = [1.0, 1.2, 1.4, 1.6, 1.8];

fn main() {
    let cases = [
        ("4nsq 15x15", Geometry::preset(Preset::UpToFourthShell, 15, 15), 0.072),
        ("sq 15x15", Geometry::preset(Preset::Square, 15, 15), 0.145),
        ("all-to-all 225", Geometry::AllToAll { rows: 15, columns: 15 }, 0.02),
    ];
    println!(
        "per block of {LANES} samples, median of {BLOCKS} blocks; passes and factorisations: the worst lane's mean"
    );
    for (name, geometry, std) in cases {
        let graph = Graph::new(&geometry).unwrap().with_terminals(&[110, 114], &[112]).unwrap();
        for isa in Isa::available() {
            measure(name, &graph, std, isa);
        }
    }
}

fn measure(name: &str, graph: &Graph, std: f64, isa: Isa) {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut network = Network::new(graph);
    let (mut cold, mut nudged) = (Figures::default(), Figures::default());
    let mut relaxed: [Figures; KAPPAS.len()] = Default::default();
    for _ in 0..BLOCKS {
        let weight = Normal::new(0.0, std).unwrap();
        let couplings: Vec<f64> = graph.couplings().iter().map(|_| weight.sample(&mut rng)).collect();
        network.set_couplings(&couplings);
        let field = Normal::new(0.0, 0.3).unwrap();
        let mut bx: Vec<f64> = (0..graph.len()).map(|_| field.sample(&mut rng)).collect();
        let by: Vec<f64> = (0..graph.len()).map(|_| field.sample(&mut rng)).collect();
        let mut ensemble = Ensemble::new(&network);
        ensemble.set_isa(isa);
        for lane in 0..LANES {
            let phases: Vec<f64> = (0..graph.len()).map(|_| rng.random_range(-3.1..3.1)).collect();
            ensemble.set_fields(lane, &bx, &by);
            ensemble.set_phases(lane, &phases);
            for input in 0..2 {
                ensemble.clamp(lane, input, if lane >> input & 1 == 0 { -1.57 } else { 1.57 });
            }
        }
        for (figures, over_relaxation) in relaxed.iter_mut().zip(KAPPAS) {
            let (mut ensemble, relax) = (ensemble.clone(), relax::Relax { over_relaxation, ..Default::default() });
            figures.time(|| relax.settle(&network, &mut ensemble, [true; LANES]));
        }
        let forever = [f64::INFINITY; LANES];
        let tolerance = twin::TwinTolerance::default();
        cold.time(|| twin::advance(&network, &mut ensemble, &forever, &tolerance));
        bx[112] += 0.05;
        for lane in 0..LANES {
            ensemble.set_fields(lane, &bx, &by);
        }
        nudged.time(|| twin::advance(&network, &mut ensemble, &forever, &tolerance));
    }
    println!("{name:15} {:9} cold {cold}", isa.name());
    println!("{:15} {:9} nudged {nudged}", "", "");
    for (figures, kappa) in relaxed.iter().zip(KAPPAS) {
        println!("{:15} {:9} κ {kappa} {figures}", "", "");
    }
}

#[derive(Default)]
struct Figures {
    milliseconds: Vec<f64>,
    passes: u32,
    factorisations: u32,
    unsettled: usize,
    rest_after: f64,
}

impl Figures {
    fn time(&mut self, run: impl FnOnce() -> [LaneReport; LANES]) {
        let start = Instant::now();
        let reports = run();
        self.milliseconds.push(start.elapsed().as_secs_f64() * 1e3);
        self.passes += reports.iter().map(|r| r.passes).max().unwrap_or(0);
        self.factorisations += reports.iter().map(|r| r.factorisations).max().unwrap_or(0);
        self.unsettled += reports.iter().filter(|r| !r.at_rest).count();
        self.rest_after = reports.iter().filter_map(|r| r.rest_after).fold(self.rest_after, f64::max);
    }
}

impl std::fmt::Display for Figures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut sorted = self.milliseconds.clone();
        sorted.sort_by(f64::total_cmp);
        write!(
            f,
            "{:8.3} ms (fastest {:.3}, slowest {:.3})  {:6} passes  {:3.1} factorisations  unsettled {}  slowest rest {:.0}",
            sorted[sorted.len() / 2],
            sorted[0],
            sorted[sorted.len() - 1],
            self.passes as usize / BLOCKS,
            f64::from(self.factorisations) / BLOCKS as f64,
            self.unsettled,
            self.rest_after
        )
    }
}
