//! The field kernel: forces of eight samples, per workload and instruction set, inside a flow of equal steps.
//! `cargo bench -p xyloop-benches --bench kernels`; items are directed couplings × samples, each two multiplications and
//! two additions.
#![allow(clippy::unwrap_used)]

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use xyloop_benches::workload::{NAMES, Workload};
use xyloop_lattice::flow::{self, FlowTolerance};
use xyloop_lattice::{Ensemble, Isa, LANES, Network};

fn main() {
    divan::main();
}

/// Steps long enough that what is done once a call does not count.
const STEPS: f64 = 200.0;

fn cases() -> Vec<String> {
    NAMES
        .into_iter()
        .flat_map(|name| Isa::available().into_iter().map(move |isa| format!("{name} {}", isa.name())))
        .collect()
}

#[divan::bench(args = cases(), sample_count = 20, sample_size = 1)]
fn field(bencher: Bencher<'_, '_>, case: &str) {
    let (name, isa) = case.split_once(' ').unwrap();
    let workload = Workload::named(name).unwrap();
    let graph = &workload.graph;
    let (parameters, starts) = (workload.parameters(0), workload.starts(0));
    let mut network = Network::new(graph);
    network.set_couplings(&parameters.couplings);
    let mut ensemble = Ensemble::new(&network);
    ensemble.set_isa(Isa::available().into_iter().find(|known| known.name() == isa).unwrap());
    let load = |ensemble: &mut Ensemble| {
        for (lane, state) in starts.chunks_exact(graph.len()).cycle().take(LANES).enumerate() {
            ensemble.set_fields(lane, &parameters.field_x, &parameters.field_y);
            ensemble.set_phases(lane, state);
            for (input, &clamp) in workload.clamps_of(lane % workload.batch).iter().enumerate() {
                ensemble.clamp(lane, input, clamp);
            }
        }
    };
    let mut run = || {
        load(&mut ensemble);
        // Short equal steps: two stages each, none rejected.
        let tolerance = FlowTolerance { max_step: 1e-3, ..FlowTolerance::default() };
        flow::advance(&network, &mut ensemble, &[STEPS * 1e-3; LANES], &tolerance)
    };
    let passes = run()[0].passes as usize;
    let free = |site: u32| !graph.inputs().contains(&site);
    let inner = graph.couplings().iter().filter(|&&(i, j)| free(i) && free(j)).count();
    bencher.counter(ItemsCount::new(passes * 2 * inner * LANES)).bench_local(|| black_box(run()));
}
