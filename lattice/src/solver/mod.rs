//! Batched solvers: eight samples of one network at a time, one SIMD lane per sample.
//!
//! | Solver | Follows | Use |
//! |---|---|---|
//! | [`flow`] | dφ/dt = −∂E/∂φ to a stated tolerance | reference, early reads |
//! | [`twin`] | the same flow, and jumps to the equilibrium the flow is bound for once that is certain | the simulated device |
//! | [`diffuse`] | the flow with phase noise, at a fixed step | a noisy device |
//!
//! A lane's result depends on its own inputs and history only: any other lane may hold anything, NaN included.

pub mod diffuse;
pub mod flow;
pub mod twin;

mod chebyshev;
mod ensemble;
mod envelope;
mod isa;
mod kernels;
mod lanes;
mod network;
mod newton;
mod stepping;
mod vector;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use ensemble::{Ensemble, LaneReport};
pub use isa::Isa;
pub use lanes::{LANES, Lanes};
pub use network::Network;
