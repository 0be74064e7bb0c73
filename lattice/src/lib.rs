//! Arrays of coupled phase oscillators: geometries, energy, Equilibrium Propagation gradients and the solvers that
//! find the equilibria. Pure numbers: no I/O, no clock, no random generator.
//!
//! | Module | What lives there |
//! |---|---|
//! | [`geometry`] | neighbour presets (`sq`, `4nsq`, …), offset lists, layers, stacked planes, the authors' coupling scale |
//! | [`graph`] | sites, couplings, positions, input and output sites |
//! | [`parameters`] | couplings W and bias fields (b_x, b_y) = h (cos ψ, sin ψ) |
//! | [`energy`] | energy, force, costs, distance, nudge torque: the scalar reference |
//! | [`ep`] | contrast between two equilibria and the gradient it gives |
//! | [`solver`] | eight samples at a time: exact flow, device twin, following, relaxation, linear response, noisy flow |
//! | [`math`] | sine, cosine, logarithm, arc tangent with the same bits on every machine |
//!
//! # Units and conventions
//!
//! Phases are radians, energies and couplings share one arbitrary unit, and time is counted in the model's own unit:
//! dφ_i/dt = −∂E/∂φ_i with
//!
//! ```text
//! E = − Σ_{i<j} W_ij cos(φ_i − φ_j) − Σ_i (b_x,i cos φ_i + b_y,i sin φ_i)
//! ```
//!
//! Per-site slices have one entry per site of the [`Graph`], per-coupling slices one per entry of
//! [`Graph::couplings`]. Results carry the same bits on every machine with fused multiply-add (x86-64 since 2013, every
//! aarch64), whatever the other lanes of an ensemble hold and however many threads there are: no system `sin`/`cos`, a
//! fixed order of summation. On older x86-64 they agree to rounding ([`Isa::is_fused`]).
//!
//! # Use
//!
//! ```
//! use xyloop_lattice::{Cost, Ensemble, Geometry, Graph, LANES, Network, Preset, ep, twin};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let geometry = Geometry::preset(Preset::UpToFourthShell, 5, 5);
//! let graph = Graph::new(&geometry)?.with_terminals(&[10, 14], &[12])?;
//! let couplings = vec![0.3; graph.couplings().len()];
//! let (mut field_x, mut field_y) = (vec![0.2; graph.len()], vec![0.1; graph.len()]);
//!
//! let mut network = Network::new(&graph);
//! network.set_couplings(&couplings);
//! let mut ensemble = Ensemble::new(&network);
//! ensemble.set_fields(0, &field_x, &field_y);
//! ensemble.set_phases(0, &vec![0.5; graph.len()]);
//! ensemble.clamp(0, 0, 1.0);
//! ensemble.clamp(0, 1, -1.0);
//!
//! // Only lane 0 runs, for 500 time units: long enough to come to rest.
//! let mut duration = [0.0; LANES];
//! duration[0] = 500.0;
//! let report = twin::advance(&network, &mut ensemble, &duration, &twin::TwinTolerance::default());
//! assert!(report[0].at_rest && !report[0].failed);
//! let mut free = vec![0.0; graph.len()];
//! ensemble.phases(0, &mut free);
//!
//! // The cosine nudge is one more field on the output; the nudged phase starts from the free state.
//! let (beta, target, output) = (0.05, 1.2, graph.outputs()[0] as usize);
//! let nudge = Cost::Cosine.nudge_field(beta, target);
//! field_x[output] += nudge[0];
//! field_y[output] += nudge[1];
//! ensemble.set_fields(0, &field_x, &field_y);
//! twin::advance(&network, &mut ensemble, &duration, &twin::TwinTolerance::default());
//! let mut nudged = vec![0.0; graph.len()];
//! ensemble.phases(0, &mut nudged);
//!
//! let mut contrast = ep::Contrast::zeros(&graph);
//! contrast.add(&graph, &nudged, &free);
//! let gradient = contrast.gradient(ep::Nudging::OneSided { beta });
//! assert_eq!(gradient.couplings.len(), graph.couplings().len());
//! # Ok(())
//! # }
//! ```
#![deny(missing_docs)]
#![deny(unsafe_code)]
// Physics writes i for a site in several arrays at once; an iterator chain over five of them hides the formula.
#![allow(clippy::needless_range_loop)]
// Formulas in the documentation (φ_i, W_ij) are not identifiers.
#![allow(clippy::doc_markdown)]

pub mod energy;
pub mod ep;
pub mod geometry;
pub mod graph;
pub mod math;
pub mod parameters;
mod planes;
pub mod solver;

pub use energy::Cost;
pub use geometry::{Geometry, GeometryError, Preset};
pub use graph::{Graph, GraphError};
pub use parameters::Parameters;
pub use solver::{
    Ensemble, Isa, LANES, LaneReport, Lanes, Network, Solver,
    batch::Batch,
    diffuse, flow,
    follow::{self, Follow},
    relax, response,
    step::{self, Step},
    twin,
};
