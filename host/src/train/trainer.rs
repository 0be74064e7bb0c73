//! The training loop: commit codes, run the shots of a step, add up the contrast, step; an epoch is all samples once.

use std::time::Instant;

use rand::{RngExt, SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Normal};
use xyloop_lattice::{Parameters, geometry::coupling_std};
use xyloop_protocol::units::ShotId;

use super::{
    evaluate::{OutputPhases, distance_of, order},
    gradient::{Accumulator, Counts},
    optimiser::{Optimiser, Trained, epsilon_of_readout, norm},
    plan::{self, Role},
    response::Responses,
    seed_for,
    shots::{Bench, Context, Order},
};
use crate::{
    calibration::{Calibration, Codes, Rounding},
    config::{Array, Cost, Experiment, Nudge, NudgeMode},
    device::{DeviceError, ShotResult, Sums},
    folder::{RunError, Stream},
    task::{Sample, Task},
};

/// Why training cannot go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// The device or the way to it.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The run folder.
    #[error(transparent)]
    Run(#[from] RunError),
    /// Settings that cannot be carried out on this array.
    #[error("{0}")]
    Settings(String),
    /// A step in which nothing could be measured.
    #[error(
        "epoch {epoch}: all {shots} shots of a step were left out ({unsettled} unsettled, {basin_changed} changed basin). \
         Give the rig more time (`settle.timeout_us`), or count such shots instead of leaving them out (`train.guard`)"
    )]
    NothingLeft {
        /// From 1.
        epoch: u32,
        /// Shots of the step.
        shots: u32,
        /// Of these, unsettled.
        unsettled: u32,
        /// Of these, changed basin.
        basin_changed: u32,
    },
    /// Linear response found none of the measured states in the model.
    #[error(
        "epoch {epoch}: the model has none of the {shots} states that were measured: it is not a model of this array. \
         Train with nudges (`train.nudge.mode`), average more reads, or raise `train.guard.release_tolerance_rad`"
    )]
    NotTheModel {
        /// From 1.
        epoch: u32,
        /// Shots of the step.
        shots: u32,
    },
}

/// An epoch in figures.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct EpochReport {
    /// From 1.
    pub epoch: u32,
    /// Optimiser steps so far.
    pub steps: u32,
    /// Mean D of the free states.
    pub mean_distance: f64,
    /// Mean cost of the free states, the log cost bounded where its nudge is.
    pub mean_cost: f64,
    /// Share of free states that were right.
    pub accuracy: f64,
    /// What was noticed in the epoch's shots.
    pub counts: Counts,
    /// Codes that were clipped to their converter's range, and parameters put back into it.
    pub codes_clipped: u32,
    /// Euclidean norm of the last step's gradient.
    pub gradient_norm: f64,
    /// Epochs in a row that were good enough.
    pub in_a_row: u32,
    /// Seconds since training began.
    pub seconds: f64,
}

/// Why training ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Enough good epochs in a row.
    Solved,
    /// The most epochs allowed.
    Epochs,
    /// A stop was asked for.
    Interrupted,
}

/// How training ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Why.
    pub reason: Reason,
    /// Epochs finished.
    pub epochs: u32,
    /// Shots measured.
    pub shots: u64,
}

/// A training in progress.
pub struct Trainer<'t> {
    experiment: &'t Experiment,
    array: &'t Array,
    task: &'t Task,
    calibration: Calibration,
    trained: Trained,
    optimiser: Optimiser,
    roles: Vec<Role>,
    beta: f64,
    next_shot: ShotId,
    steps: u32,
    random: Streams,
}

/// Independent random streams, one per purpose.
struct Streams {
    order: ChaCha8Rng,
    sign: ChaCha8Rng,
    rounding: ChaCha8Rng,
}

impl<'t> Trainer<'t> {
    /// Parameters drawn as the experiment says, nothing run yet.
    ///
    /// # Errors
    /// If the task does not fit the array.
    pub fn new(experiment: &'t Experiment, array: &'t Array, task: &'t Task) -> Result<Self, TrainError> {
        let graph = &array.graph;
        let (inputs, outputs) = (graph.inputs().len(), graph.outputs().len());
        if (inputs, outputs) != (task.inputs(), task.outputs()) {
            return Err(TrainError::Settings(format!(
                "task `{}` has {} inputs and {} outputs, the rig has {inputs} and {outputs}",
                task.name,
                task.inputs(),
                task.outputs()
            )));
        }
        let settings = &experiment.train;
        let calibration = Calibration::ideal(array.converters);
        let stream = |purpose| ChaCha8Rng::seed_from_u64(seed_for(settings.seed, purpose));
        let parameters = initial(experiment, array, &mut stream("initial parameters"))?;
        let trained = Trained::new(parameters, settings.optimiser.fields);
        let beta = plan::realised_beta(&settings.nudge, &calibration);
        let (_, roles) = plan::training_segments(&settings.nudge, &calibration);
        let divisor = match settings.nudge.mode {
            NudgeMode::Symmetric => 2.0 * beta,
            NudgeMode::OneSided | NudgeMode::RandomSign => beta,
            // Errors of a read-out are not divided by anything.
            NudgeMode::LinearResponse => 1.0,
        };
        let samples = samples_of_a_step(experiment, task);
        let reads = f64::from(experiment.read.reads);
        let shots = samples * settings.starts as usize;
        let epsilon = epsilon_of_readout(calibration.phase_step_rad() / reads.sqrt(), divisor, shots);
        let optimiser = Optimiser::new(&settings.optimiser, epsilon, &calibration, &trained);
        Ok(Self {
            experiment,
            array,
            task,
            calibration,
            trained,
            optimiser,
            roles,
            beta,
            next_shot: 1,
            steps: 0,
            random: Streams {
                order: stream("sample order"),
                sign: stream("nudge sign"),
                rounding: stream("stochastic rounding"),
            },
        })
    }

    /// The parameters as they are now, model units.
    pub fn parameters(&self) -> Parameters {
        self.trained.parameters()
    }

    /// The codes nearest to the parameters: what a finished training leaves.
    pub fn final_codes(&self) -> Codes {
        self.calibration.encode::<ChaCha8Rng>(&self.parameters(), Rounding::Nearest)
    }

    /// Trains until solved, out of epochs or stopped; `report` is called after every epoch.
    ///
    /// # Errors
    /// If the device or the log fails.
    pub async fn run(
        &mut self,
        bench: &mut Bench<'_>,
        mut report: impl FnMut(&EpochReport, &Bench<'_>),
    ) -> Result<Outcome, TrainError> {
        let started = Instant::now();
        let settings = &self.experiment.train;
        let mut in_a_row = 0;
        let mut shots = 0;
        for epoch in 0..settings.epochs_max {
            let Some(mut figures) = self.epoch(bench, epoch).await? else {
                return Ok(Outcome { reason: Reason::Interrupted, epochs: epoch, shots });
            };
            shots += u64::from(figures.counts.shots);
            let good = figures.accuracy >= 1.0 && figures.mean_distance < settings.stop.distance;
            in_a_row = if good { in_a_row + 1 } else { 0 };
            (figures.in_a_row, figures.seconds) = (in_a_row, started.elapsed().as_secs_f64());
            report(&figures, bench);
            if settings.stop.epochs_in_a_row > 0 && in_a_row >= settings.stop.epochs_in_a_row {
                return Ok(Outcome { reason: Reason::Solved, epochs: epoch + 1, shots });
            }
        }
        Ok(Outcome { reason: Reason::Epochs, epochs: settings.epochs_max, shots })
    }

    /// All training samples once. `None` if a stop was asked for.
    async fn epoch(&mut self, bench: &mut Bench<'_>, epoch: u32) -> Result<Option<EpochReport>, TrainError> {
        let mut samples: Vec<usize> = (0..self.task.train.len()).collect();
        let each = samples_of_a_step(self.experiment, self.task);
        if each < samples.len() {
            samples.shuffle(&mut self.random.order);
        }
        let mut figures = EpochReport { epoch: epoch + 1, ..EpochReport::default() };
        let mut judged = Judged::default();
        for chunk in samples.chunks(each) {
            if !self.step(bench, epoch, chunk, &mut figures, &mut judged).await? {
                return Ok(None);
            }
        }
        figures.steps = self.steps;
        let shots = f64::from(judged.shots.max(1));
        (figures.mean_distance, figures.mean_cost) = (judged.distance / shots, judged.cost / shots);
        figures.accuracy = f64::from(judged.right) / shots;
        Ok(Some(figures))
    }

    /// One optimiser step on these samples. `false` if a stop was asked for.
    async fn step(
        &mut self,
        bench: &mut Bench<'_>,
        epoch: u32,
        samples: &[usize],
        figures: &mut EpochReport,
        judged: &mut Judged,
    ) -> Result<bool, TrainError> {
        let settings = &self.experiment.train;
        let codes = self.calibration.encode(&self.parameters(), Rounding::Stochastic(&mut self.random.rounding));
        let Some(generation) = bench.commit(&codes).await? else { return Ok(false) };
        let (segments, _) = plan::training_segments(&settings.nudge, &self.calibration);
        let kick_seed = seed_for(settings.seed, "training kicks");
        let plan = plan::plan(self.experiment, &self.calibration, generation, segments, kick_seed);
        let orders = self.orders(samples);
        let context =
            Context { epoch: epoch + 1, step: self.steps, stream: Stream::Train, roles: &self.roles, beta: self.beta };
        let outputs = OutputPhases::new(self.array, plan.read_out);
        let mode = settings.nudge.mode;
        let mut counts = Counts::default();
        let mut accumulator = Accumulator::new(&self.array.graph, &settings.guard, mode, self.beta, &self.roles);
        let on_device = plan.read_out == xyloop_protocol::message::ReadOut::Contrast;
        let mut responses = (mode == NudgeMode::LinearResponse).then(|| {
            let in_force = self.calibration.decode(&codes);
            Responses::new(&self.array.graph, in_force, &settings.nudge, &settings.guard)
        });
        let take = |order: &Order, result: &ShotResult| {
            counts.add(result);
            judged.add(self.task, &settings.nudge, &self.task.train[order.sample], &outputs.of(result, 0));
            if let Some(responses) = &mut responses {
                responses.add(&order.shot, result, &mut counts);
            } else if !on_device {
                accumulator.add(result, order.shot.flip, &mut counts);
            }
        };
        let mut sums = Vec::new();
        let finished = bench.run(&plan, &orders, context, take, |part: &Sums| sums.push(part.clone())).await?;
        if !finished {
            return Ok(false);
        }
        for part in &sums {
            accumulator.add_sums(part, &mut counts);
        }
        let mut gradient = accumulator.gradient();
        if let Some(responses) = responses {
            // Seconds on a large array: the link must stay alive meanwhile.
            let answered = tokio::task::spawn_blocking(|| responses.gradient()).await;
            let answered = answered.map_err(|error| TrainError::Settings(format!("the linear response: {error}")))?;
            if answered.1 == counts.shots {
                return Err(TrainError::NotTheModel { epoch: epoch + 1, shots: counts.shots });
            }
            (gradient, counts.left_out) = (answered.0, counts.left_out + answered.1);
        }
        let step_counts = counts;
        if step_counts.left_out == step_counts.shots {
            return Err(TrainError::NothingLeft {
                epoch: epoch + 1,
                shots: step_counts.shots,
                unsettled: step_counts.unsettled,
                basin_changed: step_counts.basin_changed,
            });
        }
        let gradient_norm = norm([&gradient.couplings, &gradient.field_x, &gradient.field_y]);
        if !gradient_norm.is_finite() {
            return Err(TrainError::Settings(
                "the gradient is not a number: is `train.nudge.beta` far too small?".into(),
            ));
        }
        let projected = self.optimiser.step(&mut self.trained, &gradient);
        self.steps += 1;
        figures.counts.merge(&step_counts);
        figures.codes_clipped += codes.clipped + projected;
        figures.gradient_norm = gradient_norm;
        Ok(true)
    }

    /// The shots of a step: every sample from each of its starts.
    fn orders(&mut self, samples: &[usize]) -> Vec<Order> {
        let settings = &self.experiment.train;
        let mut orders = Vec::with_capacity(samples.len() * settings.starts as usize);
        for start in 0..settings.starts {
            for &index in samples {
                let flip = match settings.nudge.mode {
                    // +−, −+, +−, …: slow drift cancels over pairs of a sample's shots.
                    NudgeMode::Symmetric => (start as usize + index + self.steps as usize) % 2 == 1,
                    NudgeMode::OneSided | NudgeMode::LinearResponse => false,
                    NudgeMode::RandomSign => self.random.sign.random::<bool>(),
                };
                let sample: &Sample = &self.task.train[index];
                orders.push(order(&self.calibration, sample, index, start, self.next_shot, flip));
                self.next_shot += 1;
            }
        }
        orders
    }
}

/// Free states judged during training.
#[derive(Default)]
struct Judged {
    shots: u32,
    right: u32,
    distance: f64,
    cost: f64,
}

impl Judged {
    fn add(&mut self, task: &Task, nudge: &Nudge, sample: &Sample, outputs_rad: &[f64]) {
        self.shots += 1;
        self.cost += outputs_rad
            .iter()
            .zip(&sample.targets_rad)
            .map(|(phase, target)| cost_of(nudge, phase - target))
            .sum::<f64>();
        self.right += u32::from(task.is_right(outputs_rad, sample));
        self.distance += distance_of(outputs_rad, &sample.targets_rad);
    }
}

/// The cost that is nudged, of one output; the log cost bounded where its nudge is, so that a mean stays finite.
fn cost_of(nudge: &Nudge, delta_rad: f64) -> f64 {
    match nudge.cost {
        Cost::Log => -(1.0 + delta_rad.cos()).max(nudge.clip).ln(),
        Cost::Cosine => 1.0 - delta_rad.cos(),
    }
}

fn samples_of_a_step(experiment: &Experiment, task: &Task) -> usize {
    let all = task.train.len().max(1);
    match experiment.train.batch as usize {
        0 => all,
        batch => batch.min(all),
    }
}

fn initial(experiment: &Experiment, array: &Array, rng: &mut ChaCha8Rng) -> Result<Parameters, TrainError> {
    let settings = &experiment.train.init;
    let stds = match settings.coupling_std {
        Some(std) => vec![std; array.graph.couplings().len()],
        None => coupling_std(&array.geometry).map_err(|error| TrainError::Settings(error.to_string()))?,
    };
    let normal = |mean: f64, std: f64| {
        Normal::new(mean, std).map_err(|error| TrainError::Settings(format!("train.init: {error}")))
    };
    let mut parameters = Parameters::zeros(&array.graph);
    for (coupling, std) in parameters.couplings.iter_mut().zip(stds) {
        *coupling = normal(settings.coupling_mean, std)?.sample(rng);
    }
    let field = normal(0.0, settings.field_std)?;
    for (x, y) in parameters.field_x.iter_mut().zip(&mut parameters.field_y) {
        (*x, *y) = (field.sample(rng), field.sample(rng));
    }
    for &input in array.graph.inputs() {
        // A clamped site follows its clamp: a bias field would only work against it.
        (parameters.field_x[input as usize], parameters.field_y[input as usize]) = (0.0, 0.0);
    }
    Ok(parameters)
}
