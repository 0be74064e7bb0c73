//! Batched solvers: eight samples of one network at a time, one SIMD lane per sample.
//!
//! | Solver | Follows | Use |
//! |---|---|---|
//! | [`flow`] | dφ/dt = −∂E/∂φ to a stated tolerance | reference, early reads |
//! | [`twin`] | the same flow, and jumps to the equilibrium the flow is bound for once that is certain | the simulated device |
//! | [`follow`] | the equilibrium of before, as couplings, fields or clamps change a little | nudges, training in the model |
//! | [`relax`] | nothing: each site in turn is put where its neighbours want it | states of low energy, layers |
//! | [`diffuse`] | the flow with phase noise, at a fixed step | a noisy device |
//!
//! All that come to rest share the trait [`Solver`]. On top of them: [`batch`] (any number of samples, any number of
//! threads), [`response`] (how an equilibrium gives way to a small drive), [`step`] (gradients of Equilibrium Propagation
//! in the model).
//!
//! A lane's result depends on its own inputs and history only: any other lane may hold anything, NaN included.

pub mod batch;
pub mod diffuse;
pub mod flow;
pub mod follow;
pub mod measure;
pub mod relax;
pub mod response;
pub mod step;
pub mod twin;

mod chebyshev;
mod conjugate;
mod ensemble;
mod envelope;
mod hessian;
mod isa;
mod kernels;
mod lanes;
mod network;
mod newton;
mod stepping;
mod sums;
mod vector;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use ensemble::{Ensemble, LaneReport};
pub use isa::Isa;
pub use lanes::{LANES, Lanes};
pub use network::Network;

/// A way to bring samples to rest.
///
/// Which equilibrium it is depends on the solver: only [`flow::Flow`] and [`twin::Twin`] promise the one that the
/// physical gradient flow reaches from the state given.
pub trait Solver: std::fmt::Debug + Send + Sync {
    /// Its name in configuration files and run records.
    fn name(&self) -> &'static str;

    /// The tolerances it works to, for the record: `key value` pairs with units, separated by commas.
    fn tolerance(&self) -> String;

    /// Brings the marked lanes to rest from the states they are in; the others are not touched. A lane that ends
    /// otherwise (not a number, no convergence) is never reported [`at_rest`](LaneReport::at_rest).
    ///
    /// # Panics
    /// If the ensemble was made for a network of another shape.
    fn settle(&self, network: &Network, ensemble: &mut Ensemble, lanes: [bool; LANES]) -> [LaneReport; LANES];
}

/// A duration for [`flow::settle`] and [`twin::advance`]: without end in the marked lanes, none in the others.
fn forever(lanes: [bool; LANES]) -> [f64; LANES] {
    lanes.map(|marked| if marked { f64::INFINITY } else { 0.0 })
}
