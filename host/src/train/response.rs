//! The gradient of weak nudges, answered by the model: linear response at the free states that were measured.
//!
//! `train.nudge.mode = "linear-response"`: a shot is a kick and a free phase, nothing is nudged. The committed codes, as the
//! calibration decodes them, make the model; each measured state is followed to the model's equilibrium next to it, and
//! the exact gradient of the settled cost there is β → 0 of what nudges estimate ([`xyloop_lattice::response`]). On the
//! ideal simulated device that is the device's own gradient, in half the time; on a rig it is training through a model,
//! only as good as its calibration: states that the model does not have are left out and counted.

use std::num::NonZeroUsize;

use xyloop_lattice::{Batch, Cost, Follow, Graph, Network, Parameters, Step, math::wrap, step::Nudge};
use xyloop_protocol::units::Flags;

use crate::{
    calibration::radians,
    config::{self, UnsettledRule},
    counts::ShotCounts,
    device::{ShotOrder, ShotResult},
};

/// Collects the free states of a step, as they come in.
pub struct Responses {
    network: Network,
    sites: usize,
    parameters: Parameters,
    step: Step,
    /// Farthest the model's equilibrium may be from what was measured, radians at any site.
    tolerance_rad: f64,
    leave_out_unsettled: bool,
    shots: Vec<Measured>,
}

/// Holds one measured free state.
struct Measured {
    phases: Vec<f64>,
    inputs: Vec<f64>,
    targets: Vec<f64>,
}

impl Responses {
    /// Holds nothing yet. `parameters`: those in force on the device.
    pub fn new(graph: &Graph, parameters: Parameters, nudge: &config::Nudge, guard: &config::Guard) -> Self {
        let mut network = Network::new(graph);
        network.set_couplings(&parameters.couplings);
        let cost = match nudge.cost {
            config::Cost::Log => Cost::Log,
            config::Cost::Cosine => Cost::Cosine,
        };
        let step = Step { nudge: Nudge::LinearResponse, cost, clip: nudge.clip, follow: Follow::default() };
        Self {
            network,
            sites: graph.len(),
            parameters,
            step,
            tolerance_rad: guard.release_tolerance_rad,
            leave_out_unsettled: guard.unsettled == UnsettledRule::Reject,
            shots: Vec::new(),
        }
    }

    /// Takes in a shot's free state; `counts` learns whether it was left out.
    pub fn add(&mut self, order: &ShotOrder, result: &ShotResult, counts: &mut ShotCounts) {
        let free = result.equilibria.first().filter(|free| free.phases.len() == self.sites);
        let unsettled = self.leave_out_unsettled && result.flags().any(Flags::UNSETTLED);
        let Some(free) = free.filter(|_| !unsettled) else {
            counts.left_out += 1;
            return;
        };
        let phases = free.phases.iter().map(|turn| radians(*turn)).collect();
        let inputs = order.inputs.iter().map(|turn| radians(*turn)).collect();
        let targets = order.targets.iter().map(|turn| radians(*turn)).collect();
        self.shots.push(Measured { phases, inputs, targets });
    }

    /// Returns the gradient averaged over the states that the model has too, and how many it has not. Takes milliseconds and more:
    /// not inside an async task.
    pub fn gradient(mut self) -> (Parameters, u32) {
        let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let mut batch = self.batch();
        let reports = batch.settle(&self.network, &self.step.follow, threads);
        let mut phases = vec![0.0; self.sites];
        let mut index = 0;
        let before = self.shots.len();
        self.shots.retain(|shot| {
            batch.phases(index, &mut phases);
            let apart = phases.iter().zip(&shot.phases).map(|(model, read)| wrap(model - read).abs());
            let kept = reports[index].at_rest && apart.fold(0.0, f64::max) <= self.tolerance_rad;
            index += 1;
            kept
        });
        if self.shots.len() < before {
            batch = self.batch();
        }
        let targets: Vec<f64> = self.shots.iter().flat_map(|shot| shot.targets.iter().copied()).collect();
        let outcome = self.step.run(&self.network, &mut batch, &self.step.follow, &targets, threads);
        (outcome.gradient, (before - outcome.counted) as u32)
    }

    fn batch(&self) -> Batch {
        let mut batch = Batch::new(&self.network, self.shots.len());
        for (sample, shot) in self.shots.iter().enumerate() {
            batch.set_fields(sample, &self.parameters.field_x, &self.parameters.field_y);
            batch.set_phases(sample, &shot.phases);
            for (input, phase) in shot.inputs.iter().enumerate() {
                batch.clamp(sample, input, *phase);
            }
        }
        batch
    }
}

#[cfg(test)]
mod tests {
    use xyloop_lattice::Geometry;

    use super::*;
    use crate::{calibration::turn, device::Equilibrium};

    fn order() -> ShotOrder {
        ShotOrder { id: 1, flip: false, inputs: vec![turn(0.4)], targets: vec![turn(1.0)] }
    }

    fn measured(phases: &[f64], flags: Flags) -> ShotResult {
        let phases = phases.iter().map(|phase| turn(*phase)).collect();
        let free =
            Equilibrium { segment: 1, generation: 1, flags, settle_us: 1, residual_turn: 0, moved_turn: 0, phases };
        ShotResult { id: 1, equilibria: vec![free] }
    }

    /// Couples input, hidden, output in a row by 1: all free sites end at the input's phase.
    fn responses(guard: &config::Guard) -> Responses {
        let graph = Graph::new(&Geometry::Layered { widths: vec![1, 1, 1] });
        let graph = graph.unwrap_or_else(|error| unreachable!("{error}"));
        let mut parameters = Parameters::zeros(&graph);
        parameters.couplings.fill(1.0);
        let nudge = config::Nudge { cost: config::Cost::Cosine, ..config::Nudge::default() };
        Responses::new(&graph, parameters, &nudge, guard)
    }

    #[test]
    fn the_gradient_of_a_chain_is_the_closed_form() {
        let (mut responses, mut counts) = (responses(&config::Guard::default()), ShotCounts::default());
        responses.add(&order(), &measured(&[0.4, 0.4, 0.4], Flags::default()), &mut counts);
        let (gradient, left_out) = responses.gradient();
        assert_eq!((left_out, counts.left_out), (0, 0));
        // A torque on the output turns both sites of the chain: λ = (1, 2) sin Δ for springs of 1 in series.
        let delta = radians(turn(0.4)) - radians(turn(1.0));
        let phase = radians(turn(0.4));
        for (site, lambda) in [(1, delta.sin()), (2, 2.0 * delta.sin())] {
            assert!((gradient.field_x[site] + lambda * phase.sin()).abs() < 1e-9);
            assert!((gradient.field_y[site] - lambda * phase.cos()).abs() < 1e-9);
        }
        assert!(gradient.couplings.iter().all(|x| x.abs() < 1e-9), "no coupling is twisted");
    }

    #[test]
    fn states_that_the_model_does_not_have_or_that_did_not_settle_are_left_out() {
        let (mut responses, mut counts) = (responses(&config::Guard::default()), ShotCounts::default());
        responses.add(&order(), &measured(&[0.4, 0.4, 0.4], Flags::default()), &mut counts);
        responses.add(&order(), &measured(&[0.4, 0.5, 0.6], Flags::default()), &mut counts);
        responses.add(&order(), &measured(&[0.4, 0.4, 0.4], Flags::UNSETTLED), &mut counts);
        assert_eq!(counts.left_out, 1);
        assert_eq!(responses.gradient().1, 1);
    }
}
