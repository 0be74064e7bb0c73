//! Equilibrium Propagation on a device: which shots are run, what their equilibria say about the gradient, how
//! parameters follow it, and how the result is judged.
//!
//! [`Trainer`] keeps parameters in high resolution; [`plan`] turns settings into what a device runs; [`gradient`] turns
//! equilibria into a gradient, or [`response`] asks the model for it; [`optimiser`] makes the step; [`mod@evaluate`] judges committed codes from starts that
//! training never saw. [`shots`] runs batches and puts every equilibrium into the log before the device forgets it.

pub mod evaluate;
pub mod gradient;
pub mod optimiser;
pub mod plan;
pub mod response;
pub mod shots;
mod trainer;

pub use evaluate::{Evaluation, evaluate};
pub use trainer::{EpochReport, Outcome, Reason, TrainError, Trainer};

/// A seed for one purpose, from the seed of an experiment: streams of different purposes share nothing.
pub fn seed_for(seed: u64, purpose: &str) -> u64 {
    // FNV-1a over the purpose, then the finaliser of SplitMix64: every bit of both inputs reaches every bit.
    let hash = purpose
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    let mut mixed = seed.wrapping_add(hash).wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
