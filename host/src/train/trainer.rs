//! The training loop, a step at a time: commit codes, run the shots of a step, add up the contrast, step; an epoch is all
//! samples once.

use std::sync::Arc;

use xyloop_lattice::Parameters;
use xyloop_protocol::message::Plan;

use super::{
    error::TrainError,
    measurement::{Measured, Measurement},
    optimiser::{Optimiser, Trained, epsilon_of_readout, norm},
    orders::order,
    plan::{self, Role},
    problem::Problem,
    report::{EpochReport, Judged, Outcome},
    shots::{Context, Order, ShotRunner},
    state::{Best, EpochSoFar, TrainerState},
};
use crate::{
    calibration::{Calibration, Codes, Rounding},
    config::NudgeMode,
    draws::{Draws, seed_for},
    folder::{StopReason, Stream},
};

/// Trains: holds a [`TrainerState`] and takes it from step to step.
pub struct Trainer {
    problem: Arc<Problem>,
    calibration: Calibration,
    optimiser: Optimiser,
    roles: Vec<Role>,
    beta: f64,
    draws: TrainingDraws,
    /// The samples in the order of an epoch, with its number: drawn when it begins.
    order: Option<(u32, Vec<usize>)>,
    state: TrainerState,
}

/// Makes the draws of a training, one kind for each purpose: see [`crate::draws`].
struct TrainingDraws {
    order: Draws,
    sign: Draws,
    rounding: Draws,
}

impl Trainer {
    /// Begins with parameters drawn as the experiment says; nothing was run yet.
    ///
    /// # Errors
    /// If nothing says how couplings are spread.
    pub fn new(problem: Arc<Problem>) -> Result<Self, TrainError> {
        let trained = Trained::new(problem.initial_parameters()?, problem.experiment.train.optimiser.fields);
        Ok(Self::over(problem, TrainerState::new(trained)))
    }

    /// Goes on from a state that [`Self::state`] gave. That it is of the same seed, task and settings is for the caller to
    /// know: here only its shape is looked at.
    ///
    /// # Errors
    /// [`TrainError::OtherState`] if it does not fit the array or the way of training.
    pub fn resume(problem: Arc<Problem>, state: TrainerState) -> Result<Self, TrainError> {
        let graph = &problem.array.graph;
        let form = problem.experiment.train.optimiser.fields;
        let TrainerState { trained, moments, epoch, .. } = &state;
        let of_couplings = [&trained.couplings, &moments.couplings[0], &moments.couplings[1]];
        let [m1, m2] = [&moments.first, &moments.second];
        let of_sites = [&trained.first, &trained.second, &m1[0], &m1[1], &m2[0], &m2[1]];
        let reason = if let Some(found) = of_couplings.iter().find(|it| it.len() != graph.couplings().len()) {
            Some(format!("it has {} couplings, the array {}", found.len(), graph.couplings().len()))
        } else if let Some(found) = of_sites.iter().find(|it| it.len() != graph.len()) {
            Some(format!("it has {} sites, the array {}", found.len(), graph.len()))
        } else if trained.form != form {
            Some(format!("its fields are {:?}, the experiment's {form:?}", trained.form))
        } else if epoch.steps >= problem.steps_of_an_epoch() {
            Some(format!("it is {} steps into an epoch of {}", epoch.steps, problem.steps_of_an_epoch()))
        } else {
            None
        };
        match reason {
            Some(reason) => Err(TrainError::OtherState { reason }),
            None => Ok(Self::over(problem, state)),
        }
    }

    fn over(problem: Arc<Problem>, state: TrainerState) -> Self {
        let Problem { experiment, array, .. } = &*problem;
        let settings = &experiment.train;
        let calibration = Calibration::ideal(array.converters);
        let beta = plan::realised_beta(&settings.nudge, &calibration);
        let (_, roles) = plan::training_segments(&settings.nudge, &calibration);
        let divisor = match settings.nudge.mode {
            NudgeMode::Symmetric => 2.0 * beta,
            NudgeMode::OneSided | NudgeMode::RandomSign => beta,
            // Errors of a read-out are not divided by anything.
            NudgeMode::LinearResponse => 1.0,
        };
        let reads = f64::from(experiment.read.reads);
        let shots = problem.samples_of_a_step() * settings.starts as usize;
        let epsilon = epsilon_of_readout(calibration.phase_step_rad() / reads.sqrt(), divisor, shots);
        let draws = |purpose| Draws::new(settings.seed, purpose);
        Self {
            optimiser: Optimiser::new(&settings.optimiser, epsilon, &calibration),
            draws: TrainingDraws {
                order: draws("sample order"),
                sign: draws("nudge sign"),
                rounding: draws("stochastic rounding"),
            },
            calibration,
            roles,
            beta,
            order: None,
            state,
            problem,
        }
    }

    /// Returns everything that is to be kept to go on later.
    pub fn state(&self) -> &TrainerState {
        &self.state
    }

    /// Returns the parameters as they are now, model units.
    pub fn parameters(&self) -> Parameters {
        self.state.trained.parameters()
    }

    /// Returns the codes nearest to the parameters: what a finished training leaves.
    pub fn final_codes(&self) -> Codes {
        self.calibration.encode(&self.parameters(), &Rounding::Nearest)
    }

    /// Returns how training ended; `None` while there are steps to make.
    pub fn outcome(&self) -> Option<Outcome> {
        let TrainerState { epochs, counts, ended, .. } = &self.state;
        let out_of_epochs = (*epochs >= self.problem.experiment.train.epochs_max).then_some(StopReason::Epochs);
        ended.or(out_of_epochs).map(|reason| Outcome { reason, epochs: *epochs, shots: counts.shots })
    }

    /// Returns how training ended if it is left now.
    pub fn outcome_if_stopped(&self) -> Outcome {
        let TrainerState { epochs, counts, .. } = &self.state;
        self.outcome().unwrap_or(Outcome { reason: StopReason::Interrupted, epochs: *epochs, shots: counts.shots })
    }

    /// Makes one optimiser step. `None` if training is over, or if a stop was asked for in it: then the state is as it was
    /// before, and whoever makes the step again runs its shots under the same ids.
    ///
    /// # Errors
    /// If the device or the log fails, or nothing could be measured; the state is as it was before.
    pub async fn step(&mut self, runner: &mut ShotRunner<'_>) -> Result<Option<StepReport>, TrainError> {
        if self.outcome().is_some() {
            return Ok(None);
        }
        let codes = self.codes_of_a_step();
        let Some(generation) = runner.commit(&codes).await? else { return Ok(None) };
        let orders = self.orders_of_a_step();
        let Problem { experiment, .. } = &*self.problem;
        let settings = &experiment.train;
        let (segments, _) = plan::training_segments(&settings.nudge, &self.calibration);
        let kick_seed = seed_for(settings.seed, "training kicks");
        let plan: Plan = plan::plan(experiment, &self.calibration, generation, segments, kick_seed);
        let epoch = self.state.epochs + 1;
        let context =
            Context { epoch, step: self.state.steps, stream: Stream::Train, roles: &self.roles, beta: self.beta };
        let asks_the_model = settings.nudge.mode == NudgeMode::LinearResponse;
        let in_force = asks_the_model.then(|| self.calibration.decode(&codes));
        let mut measurement = Measurement::new(&self.problem, plan.read_out, &self.roles, self.beta, in_force);
        let mut sums = Vec::new();
        let take = |order: &Order, result: &_| measurement.take(order, result);
        if !runner.run(&plan, &orders, context, take, |part: &_| sums.push(Clone::clone(part))).await? {
            return Ok(None);
        }
        for part in &sums {
            measurement.take_sums(part);
        }
        let measured = measurement.finish(epoch).await?;
        let gradient_norm =
            norm([&measured.gradient.couplings, &measured.gradient.field_x, &measured.gradient.field_y]);
        if !gradient_norm.is_finite() {
            return Err(TrainError::NotFinite { epoch });
        }
        Ok(Some(self.advance(&measured, gradient_norm, &codes, orders.len())))
    }

    /// Returns the codes of the next step: between two codes the side is drawn, so that small changes count on average.
    fn codes_of_a_step(&self) -> Codes {
        let step = self.state.steps.into();
        let draw = |number| self.draws.rounding.uniform(step, number);
        self.calibration.encode(&self.parameters(), &Rounding::Stochastic(&draw))
    }

    /// Lists the shots of the next step: its samples, each from each of its starts.
    fn orders_of_a_step(&mut self) -> Vec<Order> {
        let each = self.problem.samples_of_a_step();
        let epoch = self.state.epochs;
        let all = self.problem.task.train.len();
        if self.order.as_ref().is_none_or(|(of, _)| *of != epoch) {
            let mut samples: Vec<usize> = (0..all).collect();
            if each < all {
                self.draws.order.shuffle(epoch.into(), &mut samples);
            }
            self.order = Some((epoch, samples));
        }
        let samples = self.order.as_ref().map(|(_, samples)| &samples[..]).unwrap_or_default();
        let samples = samples.chunks(each).nth(self.state.epoch.steps as usize).unwrap_or_default();
        let settings = &self.problem.experiment.train;
        let steps = self.state.steps;
        let mut orders = Vec::with_capacity(samples.len() * settings.starts as usize);
        for start in 0..settings.starts {
            for &index in samples {
                let nth = orders.len() as u64;
                let flip = match settings.nudge.mode {
                    // +−, −+, +−, …: slow drift cancels over pairs of a sample's shots.
                    NudgeMode::Symmetric => (start as usize + index + steps as usize) % 2 == 1,
                    NudgeMode::OneSided | NudgeMode::LinearResponse => false,
                    NudgeMode::RandomSign => self.draws.sign.bit(steps.into(), nth),
                };
                let sample = &self.problem.task.train[index];
                orders.push(order(&self.calibration, sample, index, start, self.state.next_shot + nth, flip));
            }
        }
        orders
    }

    /// Takes the state a step further.
    fn advance(&mut self, measured: &Measured, gradient_norm: f64, codes: &Codes, shots: usize) -> StepReport {
        let Measured { counts, settling, judged, gradient } = measured;
        let state = &mut self.state;
        state.steps += 1;
        let projected = self.optimiser.step(state.steps, &mut state.trained, &mut state.moments, gradient);
        let codes_clipped = u64::from(codes.clipped) + u64::from(projected);
        state.next_shot += shots as u64;
        state.counts.merge(counts);
        state.codes_clipped += codes_clipped;
        let so_far = &mut state.epoch;
        so_far.steps += 1;
        so_far.counts.merge(counts);
        so_far.settling.merge(settling);
        so_far.judged.merge(judged);
        so_far.codes_clipped += codes_clipped;
        so_far.gradient_norm = gradient_norm;
        let is_over = so_far.steps >= self.problem.steps_of_an_epoch();
        StepReport { step: self.state.steps, epoch: is_over.then(|| self.end_epoch()) }
    }

    fn end_epoch(&mut self) -> EpochReport {
        let stop = &self.problem.experiment.train.stop;
        let state = &mut self.state;
        let EpochSoFar { counts, settling, judged, codes_clipped, gradient_norm, .. } =
            std::mem::take(&mut state.epoch);
        state.epochs += 1;
        let Judged { states, right, distance, cost } = judged;
        let states = states.max(1) as f64;
        let (accuracy, mean_distance) = (right as f64 / states, distance / states);
        let good = accuracy >= 1.0 && mean_distance < stop.distance;
        state.in_a_row = if good { state.in_a_row + 1 } else { 0 };
        if stop.epochs_in_a_row > 0 && state.in_a_row >= stop.epochs_in_a_row {
            state.ended = Some(StopReason::Solved);
        }
        let report = EpochReport {
            epoch: state.epochs,
            steps: state.steps,
            mean_distance,
            mean_cost: cost / states,
            accuracy,
            counts,
            settling,
            codes_clipped,
            gradient_norm,
            in_a_row: state.in_a_row,
        };
        state.best = Some(Best::or(state.best, &report));
        report
    }
}

/// Says what a step came to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepReport {
    /// Optimiser steps so far, this one included.
    pub step: u32,
    /// The epoch's figures, if the step was its last.
    pub epoch: Option<EpochReport>,
}
