//! What the shots of one optimiser step say: counts, verdicts on the free states, the gradient.

use xyloop_lattice::Parameters;
use xyloop_protocol::message::ReadOut;

use super::{
    error::TrainError,
    gradient::Accumulator,
    orders::{OutputPhases, distance_of},
    plan::Role,
    problem::Problem,
    report::{Judged, Settling},
    response::Responses,
    shots::Order,
};
use crate::{
    config::{Cost, Nudge},
    counts::ShotCounts,
    device::{ShotResult, Sums},
};

/// Collects the results of a step's shots.
pub(super) struct Measurement<'m> {
    problem: &'m Problem,
    outputs: OutputPhases,
    counts: ShotCounts,
    settling: Settling,
    judged: Judged,
    contrast: Accumulator<'m>,
    /// The device adds the contrast up itself.
    sums_on_device: bool,
    responses: Option<Responses>,
}

/// Says what a step came to.
pub(super) struct Measured {
    pub counts: ShotCounts,
    pub settling: Settling,
    pub judged: Judged,
    pub gradient: Parameters,
}

impl<'m> Measurement<'m> {
    /// Holds nothing yet. `beta` is the nudge strength that the converters make, `in_force` what the codes on the device
    /// stand for if the model is asked for the gradient, `roles` says what each equilibrium of a shot is.
    pub fn new(
        problem: &'m Problem,
        read_out: ReadOut,
        roles: &'m [Role],
        beta: f64,
        in_force: Option<Parameters>,
    ) -> Self {
        let (graph, settings) = (&problem.array.graph, &problem.experiment.train);
        let mode = settings.nudge.mode;
        Self {
            problem,
            outputs: OutputPhases::new(&problem.array, read_out),
            counts: ShotCounts::default(),
            settling: Settling::default(),
            judged: Judged::default(),
            contrast: Accumulator::new(graph, &settings.guard, mode, beta, roles),
            sums_on_device: read_out == ReadOut::Contrast,
            responses: in_force.map(|model| Responses::new(graph, model, &settings.nudge, &settings.guard)),
        }
    }

    /// Takes in one shot.
    pub fn take(&mut self, order: &Order, result: &ShotResult) {
        self.counts.add(result.flags());
        self.settling.add(result);
        self.judge(order, &self.outputs.of(result, 0));
        if let Some(responses) = &mut self.responses {
            responses.add(&order.shot, result, &mut self.counts);
        } else if !self.sums_on_device {
            self.contrast.add(result, order.shot.flip, &mut self.counts);
        }
    }

    /// Takes in the sums that the device made of a batch.
    pub fn take_sums(&mut self, sums: &Sums) {
        self.contrast.add_sums(sums, &mut self.counts);
    }

    fn judge(&mut self, order: &Order, outputs_rad: &[f64]) {
        let Problem { experiment, task, .. } = self.problem;
        let sample = &task.train[order.sample];
        let nudge = &experiment.train.nudge;
        let costs = outputs_rad.iter().zip(&sample.targets_rad).map(|(phase, target)| cost_of(nudge, phase - target));
        self.judged.merge(&Judged {
            states: 1,
            right: u64::from(task.is_right(outputs_rad, sample)),
            distance: distance_of(outputs_rad, &sample.targets_rad),
            cost: costs.sum(),
        });
    }

    /// Makes the gradient of what was taken in. Seconds with linear response on a large array, on a thread where nothing
    /// waits for it. `epoch`, from 1, is for errors.
    ///
    /// # Errors
    /// If nothing was left to make one of, or it is not finite.
    pub async fn finish(self, epoch: u32) -> Result<Measured, TrainError> {
        let Self { mut counts, settling, judged, contrast, responses, .. } = self;
        let mut gradient = contrast.gradient();
        if let Some(responses) = responses {
            // The link must stay alive meanwhile.
            let answered = tokio::task::spawn_blocking(|| responses.gradient()).await;
            let (answer, not_there) =
                answered.map_err(|error| TrainError::Computation { reason: error.to_string() })?;
            if u64::from(not_there) == counts.shots {
                return Err(TrainError::NotTheModel { epoch, shots: counts.shots });
            }
            (gradient, counts.left_out) = (answer, counts.left_out + u64::from(not_there));
        }
        let ShotCounts { shots, left_out, unsettled, basin_changed, .. } = counts;
        if left_out == shots {
            return Err(TrainError::NothingLeft { epoch, shots, unsettled, basin_changed });
        }
        Ok(Measured { counts, settling, judged, gradient })
    }
}

/// Returns the nudged cost of one output; the log cost is bounded where its nudge is, so that a mean stays finite.
fn cost_of(nudge: &Nudge, delta_rad: f64) -> f64 {
    match nudge.cost {
        Cost::Log => -(1.0 + delta_rad.cos()).max(nudge.clip).ln(),
        Cost::Cosine => 1.0 - delta_rad.cos(),
    }
}
