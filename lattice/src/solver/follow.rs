//! Following an equilibrium as its parameters change: Newton from the old state, chord iterations while they gain enough,
//! implicit steps along the flow where the old equilibrium is gone, the twin from the old state where nothing converges.
//! What comes out depends on the old state and the new parameters alone. A state without force stays, on a saddle too: the
//! flow would not leave it either.
//!
//! For nudges, and for training in the model from step to step. A warm start remembers: training samples that start
//! from their own last equilibrium can carry the label in it and be right from nowhere else. What is measured for a
//! verdict starts from a state that knows nothing of the label.

use super::ensemble::{Ensemble, LaneReport, Rest};
use super::lanes::LANES;
use super::network::Network;
use super::newton::{self, Limits};
use super::twin::{Twin, TwinTolerance};
use super::{Solver, forever, twin};

/// When a move along the way counts, and what is done if it does not.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Follow {
    /// Residual max |force| of an equilibrium (1e-10).
    pub residual: f64,
    /// A chord iteration must leave at most this part of the residual, or the lane is factored anew (0.1).
    pub chord_gain: f64,
    /// Longest single move of any site, radians (0.6).
    pub max_move_rad: f64,
    /// What an old state that leads nowhere is left to.
    pub last_resort: TwinTolerance,
}

impl Default for Follow {
    fn default() -> Self {
        let last_resort = TwinTolerance::default();
        Self { residual: last_resort.residual, chord_gain: 0.1, max_move_rad: 0.6, last_resort }
    }
}

impl Solver for Follow {
    fn name(&self) -> &'static str {
        "follow"
    }

    fn tolerance(&self) -> String {
        format!("residual {:e}, last resort {}", self.residual, Twin(self.last_resort).tolerance())
    }

    /// From equilibria of slightly different parameters. [`LaneReport::rest_after`] is known only where the twin had to
    /// help; [`LaneReport::factorisations`] and passes include what failed.
    fn settle(&self, network: &Network, ensemble: &mut Ensemble, lanes: [bool; LANES]) -> [LaneReport; LANES] {
        ensemble.refresh(network);
        let limits = Limits {
            residual: self.residual,
            max_move_rad: self.max_move_rad,
            max_total_rad: self.last_resort.max_total_rad,
            max_factor_bytes: self.last_resort.max_factor_bytes,
            chord_gain: self.chord_gain,
            accept_rest: true,
            transient: true,
            rates: false,
        };
        let attempts = newton::attempt(network, ensemble, lanes, &limits);
        let stuck = std::array::from_fn(|l| lanes[l] && !attempts[l].converged);
        let mut reports = if stuck.contains(&true) {
            twin::advance(network, ensemble, &forever(stuck), &self.last_resort)
        } else {
            [LaneReport::default(); LANES]
        };
        for l in (0..LANES).filter(|&l| lanes[l]) {
            let (report, attempt) = (&mut reports[l], &attempts[l]);
            report.passes += attempt.effort.passes;
            report.factorisations += attempt.effort.factorisations;
            if attempt.converged {
                report.at_rest = true;
                report.residual = attempt.residual;
                for (phase, star) in ensemble.phase.iter_mut().zip(&ensemble.star) {
                    phase.0[l] = star.0[l];
                }
                ensemble.rest[l] = Rest::Here { residual: attempt.residual, rate: None };
            }
        }
        reports
    }
}
