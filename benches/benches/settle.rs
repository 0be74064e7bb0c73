//! The free phase and the whole EP step, cold and warm, per workload: `cargo bench -p xyloop-benches --bench settle`.
#![allow(clippy::unwrap_used)]

use divan::{Bencher, black_box};
use xyloop_benches::ours::{Ours, Start};
use xyloop_benches::workload::{BETA, NAMES, Workload};
use xyloop_lattice::step::Nudge;

fn main() {
    divan::main();
}

/// Cold starts of step 0.
#[divan::bench(args = NAMES, sample_count = 10, sample_size = 1)]
fn cold_settle(bencher: Bencher<'_, '_>, name: &str) {
    let workload = Workload::named(name).unwrap();
    let (parameters, starts) = (workload.parameters(0), workload.starts(0));
    let mut ours = Ours::new(&workload);
    bencher.bench_local(|| black_box(ours.settle(&parameters, Start::Cold(&starts))));
}

/// As `cold_settle`, with both nudges and all gradients.
#[divan::bench(args = NAMES, sample_count = 10, sample_size = 1)]
fn cold_step(bencher: Bencher<'_, '_>, name: &str) {
    let workload = Workload::named(name).unwrap();
    let (parameters, starts) = (workload.parameters(0), workload.starts(0));
    let mut ours = Ours::new(&workload);
    bencher.bench_local(|| black_box(ours.step(&parameters, Start::Cold(&starts))));
}

/// From the equilibria of one step to those of the next, ten steps on.
#[divan::bench(args = NAMES, sample_count = 10, sample_size = 1)]
fn warm_settle(bencher: Bencher<'_, '_>, name: &str) {
    let workload = Workload::named(name).unwrap();
    let mut ours = Ours::new(&workload);
    ours.settle(&workload.parameters(0), Start::Cold(&workload.starts(0)));
    let mut step = 0;
    let mut next = || {
        step += 1;
        workload.parameters(step)
    };
    bencher.with_inputs(&mut next).bench_local_refs(|parameters| black_box(ours.settle(parameters, Start::Warm)));
}

/// As `warm_settle`, with both nudges and all gradients.
#[divan::bench(args = NAMES, sample_count = 10, sample_size = 1)]
fn warm_step(bencher: Bencher<'_, '_>, name: &str) {
    warm(bencher, name, Nudge::Symmetric { beta: BETA });
}

/// As `warm_settle`, with the linear response instead of nudges.
#[divan::bench(args = NAMES, sample_count = 10, sample_size = 1)]
fn warm_response(bencher: Bencher<'_, '_>, name: &str) {
    warm(bencher, name, Nudge::LinearResponse);
}

fn warm(bencher: Bencher<'_, '_>, name: &str, nudge: Nudge) {
    let workload = Workload::named(name).unwrap();
    let mut ours = Ours::new(&workload);
    ours.nudge = nudge;
    ours.settle(&workload.parameters(0), Start::Cold(&workload.starts(0)));
    let mut step = 0;
    let mut next = || {
        step += 1;
        workload.parameters(step)
    };
    bencher.with_inputs(&mut next).bench_local_refs(|parameters| black_box(ours.step(parameters, Start::Warm)));
}
