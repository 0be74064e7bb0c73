//! The field kernel and the factorisation against the machine's multiply-add peak, all in one run, per workload and
//! instruction set: `cargo bench -p xyloop-benches --bench kernels`.
//!
//! Each figure is the best of several runs in turns: what the kernel can do when nothing else runs.
#![allow(clippy::unwrap_used)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use xyloop_benches::workload::{NAMES, Workload};
use xyloop_lattice::solver::measure;
use xyloop_lattice::{Ensemble, Isa, LANES, Network};

/// Every kernel is timed this often, in turns.
const TURNS: usize = 15;
/// About how long each time.
const LONG: Duration = Duration::from_millis(20);

fn main() {
    println!("GFlop/s on one thread, {LANES} samples; share of the multiply-add peak measured in the same run");
    println!("| Workload | Instructions | Peak | Field kernel | Share | Factorisation | Share |");
    println!("|---|---|---|---|---|---|---|");
    for name in NAMES {
        let workload = Workload::named(name).unwrap();
        let (network, start) = loaded(&workload);
        for isa in Isa::available() {
            let mut ensemble = start.clone();
            ensemble.set_isa(isa);
            let mut best = [0.0_f64; 3];
            let mut rounds = [1; 3];
            for _ in 0..TURNS {
                for (kind, (best, rounds)) in best.iter_mut().zip(&mut rounds).enumerate() {
                    let (rate, took) = timed(|| match kind {
                        0 => {
                            let (sum, operations) = measure::multiply_adds(isa, *rounds);
                            black_box(sum);
                            operations
                        }
                        1 => measure::fields(&network, &mut ensemble, *rounds),
                        _ => measure::factorisations(&network, &mut ensemble, *rounds),
                    });
                    *best = best.max(rate);
                    *rounds = (*rounds as f64 * LONG.as_secs_f64() / took.as_secs_f64()).clamp(1.0, 1e9) as usize;
                }
            }
            let [peak, field, factor] = best;
            println!(
                "| {name} | {} | {peak:.1} | {field:.1} | {:.0} % | {factor:.1} | {:.0} % |",
                isa.name(),
                100.0 * field / peak,
                100.0 * factor / peak
            );
        }
    }
}

/// Operations per nanosecond of some work, and how long it took.
fn timed(work: impl FnOnce() -> u64) -> (f64, Duration) {
    let begun = Instant::now();
    let operations = work();
    let took = begun.elapsed();
    (operations as f64 / took.as_nanos() as f64, took)
}

/// A full block of the workload's first samples at their cold starts.
fn loaded(workload: &Workload) -> (Network, Ensemble) {
    let graph = &workload.graph;
    let (parameters, starts) = (workload.parameters(0), workload.starts(0));
    let mut network = Network::new(graph);
    network.set_couplings(&parameters.couplings);
    let mut ensemble = Ensemble::new(&network);
    for (lane, state) in starts.chunks_exact(graph.len()).cycle().take(LANES).enumerate() {
        ensemble.set_fields(lane, &parameters.field_x, &parameters.field_y);
        ensemble.set_phases(lane, state);
        for (input, &clamp) in workload.clamps_of(lane % workload.batch).iter().enumerate() {
            ensemble.clamp(lane, input, clamp);
        }
    }
    (network, ensemble)
}
