//! The host's own code against the Controller over lines that do harm, on a virtual clock: every shot's result exactly
//! once, and the one it must have; and no late reply ever taken for another one.
//!
//! `XYLOOP_SOAK_SHOTS=1000000 cargo test --release -p xyloop --test soak` is the full size.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod bad_line;
mod late;
mod many;
mod work;

/// Runs on a clock that moves only when everybody waits.
fn on_a_virtual_clock(future: impl Future<Output = ()>) {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_time().start_paused(true).build().unwrap().block_on(future);
}
