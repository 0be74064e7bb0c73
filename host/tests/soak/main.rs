//! The host's own code against the Controller over lines that do harm, on a virtual clock: every shot's result exactly
//! once, and the one it must have; and no late reply ever taken for another one.
//!
//! `XYLOOP_SOAK_SHOTS=1000000 cargo test --release -p xyloop --test soak` is the full size.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../common/mod.rs"]
#[expect(dead_code, reason = "the tests of reconnecting use all of it")]
mod common;
mod late;
mod many;

use common::{VirtualRig, workload};
use xyloop::device::{Client, ShotResult};
use xyloop_protocol::{
    message::{Generation, Kick, Plan, ReadOut, Settle},
    units::ShotId,
};
use xyloop_sim::Description;

/// A device that is fast.
fn start_bench() -> VirtualRig {
    VirtualRig::start(Description { replicas: 32, ..workload::nine_sites() })
}

/// A kick, a free run and a nudge, read as soon as nearly nothing moves: shots finish in any order.
fn plan(generation: Generation) -> Plan {
    Plan {
        kick: Kick { seed: 11, range_steps: 32_000, duration_us: 50 },
        settle: Settle { min_us: 300, window_us: 100, reads_per_window: 1, tolerance_turn: 20, timeout_us: 1000 },
        reads: 1,
        basin_tolerance_turn: 100,
        ..workload::plan(generation, &[40_000], ReadOut::Phases)
    }
}

/// Runs one batch; `seen` is told of each result as it comes.
async fn run_batch(
    client: &mut Client,
    task: u64,
    ids: impl IntoIterator<Item = ShotId>,
    mut seen: impl FnMut(&ShotResult),
) -> Vec<ShotResult> {
    let plan = plan(client.generation());
    let mut results = Vec::new();
    let keep = |result| {
        seen(&result);
        results.push(result);
    };
    workload::run_batch(client, plan, workload::orders(task, ids), usize::MAX, keep).await.unwrap();
    results
}
