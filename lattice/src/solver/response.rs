//! Linear response: how an equilibrium gives way to a small drive, λ = H⁻¹ g, from one factor and one solution.
//!
//! With g = ∂C/∂φ at the outputs, a nudge of strength β moves the equilibrium by −βλ to first order, and λ is all that the
//! exact gradient of the settled cost needs (implicit differentiation of ∂E/∂φ = 0):
//!
//! ```text
//! dC/dW_ij = −(λ_i − λ_j) sin(φ_i − φ_j)    dC/db_x,i = −λ_i sin φ_i    dC/db_y,i = λ_i cos φ_i
//! ```
//!
//! This is the limit β → 0 of Equilibrium Propagation (Scellier, Bengio, Front. Comput. Neurosci. 11 (2017) 24): the
//! reference its estimates are held against, and a way to train in the model. It knows nothing of basins: a state that is
//! about to flip gets the gradient of staying.

use super::ensemble::Ensemble;
use super::hessian::{self, Effort, Method};
use super::lanes::{LANES, Lanes};
use super::network::Network;
use crate::graph::Graph;
use crate::math::sin_cos;
use crate::parameters::Parameters;

/// What conjugate gradients leave of the drive, for networks that are not factored.
const ACCURACY: f64 = 1e-12;

/// The responses of the lanes of an ensemble.
#[derive(Debug, Clone)]
pub struct Response {
    free: Vec<u32>,
    sites: usize,
    pub(crate) values: Vec<Lanes>,
    found: [bool; LANES],
    /// Force evaluations spent on each lane, or what costs as much.
    pub passes: [u32; LANES],
    /// Factorisations spent on each lane.
    pub factorisations: [u32; LANES],
}

impl Response {
    /// Whether a lane has a response: it was asked for, at rest, and its equilibrium is stable.
    pub fn is_found(&self, lane: usize) -> bool {
        self.found[lane]
    }

    /// λ of every site of a lane, in radians per unit of torque; 0 at clamped sites.
    ///
    /// # Panics
    /// If `lane` ≥ [`LANES`] or the length is not the number of sites.
    pub fn read(&self, lane: usize, response: &mut [f64]) {
        assert_eq!(response.len(), self.sites, "one value per site");
        response.fill(0.0);
        for (&site, value) in self.free.iter().zip(&self.values) {
            response[site as usize] = value.0[lane];
        }
    }
}

/// λ = H⁻¹ g in the marked lanes, at the equilibria they are at. `drive`: sites with g per lane; clamped sites do not move.
/// Of couplings that differ in their two directions the mean counts: the result is then not exact.
///
/// A lane that is not known to be at rest, or whose Hessian is not positive definite, has none.
///
/// # Panics
/// If the ensemble was made for a network of another shape.
pub fn respond(
    network: &Network,
    ensemble: &mut Ensemble,
    lanes: [bool; LANES],
    drive: &[(u32, Lanes)],
    max_factor_bytes: usize,
) -> Response {
    ensemble.refresh(network);
    let method = Method::of(network, max_factor_bytes);
    let mut efforts = [Effort::default(); LANES];
    let at_rest = std::array::from_fn(|l| lanes[l] && ensemble.at_rest(l));
    ensemble.work.trial.copy_from_slice(&ensemble.phase);
    ensemble.force_at_trial(network);
    let sound = hessian::take(network, ensemble, at_rest, method, Lanes::ZERO, &mut efforts);
    ensemble.work.right.fill(Lanes::ZERO);
    for &(site, value) in drive {
        if let Ok(free) = network.free.binary_search(&site) {
            ensemble.work.right[free] += value;
        }
    }
    let solved = hessian::solve(network, ensemble, sound, method, Some(ACCURACY), &mut efforts);
    let values = ensemble.work.right[..network.free.len()].to_vec();
    let finite = |l: usize| values.iter().all(|value| value.0[l].is_finite());
    let found = std::array::from_fn(|l| sound[l] && solved[l] && finite(l));
    let (passes, factorisations) = (efforts.map(|effort| effort.passes), efforts.map(|effort| effort.factorisations));
    Response { free: network.free.clone(), sites: network.sites, values, found, passes, factorisations }
}

/// Adds the gradient of one sample's settled cost to `gradient`: `phases` of its equilibrium and its `response` to
/// g = ∂C/∂φ, one per site, radians.
///
/// # Panics
/// If the sizes are not the graph's.
pub fn add_gradient(graph: &Graph, phases: &[f64], response: &[f64], gradient: &mut Parameters) {
    assert!(phases.len() == graph.len() && response.len() == graph.len(), "one value per site");
    assert!(gradient.fits(graph), "the gradient belongs to another graph");
    let phasors: Vec<(f64, f64)> = phases.iter().map(|&phase| sin_cos(phase)).collect();
    for (sum, &(i, j)) in gradient.couplings.iter_mut().zip(graph.couplings()) {
        let ((sin_i, cos_i), (sin_j, cos_j)) = (phasors[i as usize], phasors[j as usize]);
        *sum -= (response[i as usize] - response[j as usize]) * (sin_i * cos_j - cos_i * sin_j);
    }
    for (site, &(sin, cos)) in phasors.iter().enumerate() {
        gradient.field_x[site] -= response[site] * sin;
        gradient.field_y[site] += response[site] * cos;
    }
}
