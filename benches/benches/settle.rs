//! The free phase and the whole EP step, cold and warm, per workload: `cargo bench -p xyloop-benches --bench settle`.
#![allow(clippy::unwrap_used)]

use divan::{Bencher, black_box};
use xyloop_benches::ours::Ours;
use xyloop_benches::workload::{NAMES, Workload};

fn main() {
    divan::main();
}

/// Cold starts of step 0.
#[divan::bench(args = NAMES, sample_count = 10, sample_size = 1)]
fn cold_settle(bencher: Bencher<'_, '_>, name: &str) {
    let workload = Workload::named(name).unwrap();
    let (parameters, starts) = (workload.parameters(0), workload.starts(0));
    let mut ours = Ours::new(&workload);
    bencher.bench_local(|| black_box(ours.settle(&parameters, &starts)));
}

/// As `cold_settle`, with both nudges and all gradients.
#[divan::bench(args = NAMES, sample_count = 10, sample_size = 1)]
fn cold_step(bencher: Bencher<'_, '_>, name: &str) {
    let workload = Workload::named(name).unwrap();
    let (parameters, starts) = (workload.parameters(0), workload.starts(0));
    let mut ours = Ours::new(&workload);
    bencher.bench_local(|| black_box(ours.step(&parameters, &starts)));
}

/// From the equilibria of step 0 to those of step 1.
#[divan::bench(args = NAMES, sample_count = 10, sample_size = 1)]
fn warm_settle(bencher: Bencher<'_, '_>, name: &str) {
    let workload = Workload::named(name).unwrap();
    let mut ours = Ours::new(&workload);
    let (starts, _) = ours.settle(&workload.parameters(0), &workload.starts(0));
    let parameters = workload.parameters(1);
    bencher.bench_local(|| black_box(ours.settle(&parameters, &starts)));
}

/// As `warm_settle`, with both nudges and all gradients.
#[divan::bench(args = NAMES, sample_count = 10, sample_size = 1)]
fn warm_step(bencher: Bencher<'_, '_>, name: &str) {
    let workload = Workload::named(name).unwrap();
    let mut ours = Ours::new(&workload);
    let (starts, _) = ours.settle(&workload.parameters(0), &workload.starts(0));
    let parameters = workload.parameters(1);
    bencher.bench_local(|| black_box(ours.step(&parameters, &starts)));
}
