//! Cost against size: one cold free phase of a lattice, per size, batch and preset.
//!
//! `cargo run --release -p xyloop-benches --bin size -- [NAME…]`, names as `4nsq-64x64-b8`; without any, the table of the
//! README. Every line is measured in a process of its own, so that peak memory is that line's.

use std::process::Command;

use anyhow::{Context, Result, bail};
use xyloop_benches::clock::{median, peak_memory, time};
use xyloop_benches::ours::{Effort, Ours, Start};
use xyloop_benches::workload::Workload;

/// Starts that are settled per line; the middle time is printed.
const REPEATS: usize = 3;
/// Phases settled at most in a line of the README's table: batch × sites.
const MOST: usize = 1 << 20;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [flag, name] = &arguments[..]
        && flag == "--one"
    {
        return one(name);
    }
    println!(
        "| Lattice | Batch | Free phase, s | of that per sample, ms | Passes per sample | Factors | Unsettled | Peak memory, MiB | of that per sample, kB |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    let names = if arguments.is_empty() { table() } else { arguments };
    let program = std::env::current_exe().context("cannot find this program to start it again")?;
    for name in names {
        let status =
            Command::new(&program).args(["--one", &name]).status().context("cannot start this program again")?;
        if !status.success() {
            bail!("`{name}` failed");
        }
    }
    Ok(())
}

fn table() -> Vec<String> {
    let mut names = Vec::new();
    for preset in ["sq", "4nsq"] {
        for side in [15, 64, 256] {
            let batches = [1, 8, 100, 1000].into_iter().filter(|batch| batch * side * side <= MOST);
            names.extend(batches.map(|batch| format!("{preset}-{side}x{side}-b{batch}")));
        }
    }
    names
}

/// Measures one size and prints its line.
fn one(name: &str) -> Result<()> {
    let workload = Workload::named(name)?;
    let parameters = workload.parameters(0);
    let mut ours = Ours::new(&workload);
    let before = peak_memory();
    let mut seconds = Vec::new();
    let mut effort = Effort::default();
    // Long ones once: they are far above the clock's noise.
    for repeat in 0..REPEATS {
        let starts = workload.starts(repeat);
        let (spent, took) = time(|| ours.settle(&parameters, Start::Cold(&starts)));
        effort = spent;
        seconds.push(took.cpu);
        if took.cpu > 10.0 {
            break;
        }
    }
    let (seconds, batch) = (median(seconds), workload.batch as f64);
    let memory = match (before, peak_memory()) {
        (Some(before), Some(peak)) => {
            let per_sample = peak.saturating_sub(before) as f64 / batch / 1024.0;
            format!("{:.0} | {per_sample:.0}", peak as f64 / 1_048_576.0)
        }
        _ => "unknown | unknown".to_owned(),
    };
    let (lattice, _) = name.rsplit_once("-b").unwrap_or((name, ""));
    println!(
        "| {lattice} | {} | {seconds:.4} | {:.3} | {:.0} | {} | {} | {memory} |",
        workload.batch,
        seconds / batch * 1e3,
        effort.passes as f64 / batch,
        effort.factorisations,
        effort.unsettled,
    );
    Ok(())
}
