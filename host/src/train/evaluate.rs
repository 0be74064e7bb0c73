//! Judging what was trained: once, on committed codes, through the device, from kicks of a stream of its own.
//!
//! Each free state is looked at twice. An evaluation that did not settle, or did not hold until the second look, counts as
//! wrong.

use serde::{Deserialize, Serialize};
use xyloop_protocol::{
    message::ReadOut,
    units::{Flags, ShotId},
};

use super::{
    error::TrainError,
    orders::{OutputPhases, distance_of, order},
    plan,
    problem::Problem,
    shots::{Context, Order, ShotRunner},
};
use crate::{
    calibration::{Calibration, Codes},
    counts::ShotCounts,
    device::ShotResult,
    draws::seed_for,
    folder::Stream,
};

/// Evaluation shots are numbered from here: never reached by training, and the same again when a run is evaluated again.
const FIRST_SHOT: ShotId = 1 << 40;

/// Holds the verdict on one list of samples.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Shots judged: samples × starts.
    pub evaluations: u32,
    /// Right ones.
    pub right: u32,
    /// `right / evaluations`.
    pub accuracy: f64,
    /// Mean over all evaluations of D = ½ Σ (1 − cos Δ) over the outputs.
    pub mean_distance: f64,
    /// Evaluations that did not settle in time (counted as wrong).
    pub unsettled: u32,
    /// Evaluations whose state had moved at the second look (counted as wrong).
    pub basin_changed: u32,
    /// Rows: class of the sample; columns: class predicted. What is wrong for its flags is in no column.
    pub confusion: Vec<Vec<u32>>,
}

/// Commits the codes and judges the task's test samples from `eval.starts` kicks each. `None` if a stop was asked for.
/// `counts`, empty at first, learns what was noticed in the shots, also in those before a stop.
///
/// # Errors
/// If the device or the log fails.
pub async fn evaluate(
    runner: &mut ShotRunner<'_>,
    problem: &Problem,
    codes: &Codes,
    counts: &mut ShotCounts,
) -> Result<Option<Evaluation>, TrainError> {
    let Problem { experiment, array, task } = problem;
    let samples = &task.test;
    let calibration = Calibration::ideal(array.converters);
    let Some(generation) = runner.commit(codes).await? else { return Ok(None) };
    let kick_seed = seed_for(experiment.train.seed, "evaluation kicks");
    let (segments, roles) = plan::evaluation_segments();
    let mut plan = plan::plan(experiment, &calibration, generation, segments, kick_seed);
    if plan.read_out == ReadOut::Contrast {
        plan.read_out = ReadOut::Outputs;
    }
    let mut orders = Vec::new();
    for start in 0..experiment.eval.starts {
        for (index, sample) in samples.iter().enumerate() {
            let id = FIRST_SHOT + u64::from(start) * samples.len() as u64 + index as u64;
            orders.push(order(&calibration, sample, index, start, id, false));
        }
    }
    let outputs = OutputPhases::new(array, plan.read_out);
    let classes = task.classes.len();
    let mut verdict = Evaluation { confusion: vec![vec![0; classes]; classes], ..Evaluation::default() };
    let context = Context { epoch: 0, step: 0, stream: Stream::Eval, roles: &roles, beta: 0.0 };
    let mut distance = 0.0;
    let take = |order: &Order, result: &ShotResult| {
        let sample = &samples[order.sample];
        let phases = outputs.of(result, 0);
        let flags = result.flags();
        let untrusted = flags.any(Flags::UNSETTLED.with(Flags::BASIN_CHANGED));
        counts.add(flags);
        verdict.right += u32::from(!untrusted && task.is_right(&phases, sample));
        distance += distance_of(&phases, &sample.targets_rad);
        if !untrusted && let Some(predicted) = task.prediction(&phases) {
            verdict.confusion[sample.label][predicted] += 1;
        }
    };
    let finished = runner.run(&plan, &orders, context, take, |_| {}).await?;
    let count = |of: u64| u32::try_from(of).unwrap_or(u32::MAX);
    verdict.evaluations = count(counts.shots);
    (verdict.unsettled, verdict.basin_changed) = (count(counts.unsettled), count(counts.basin_changed));
    let evaluations = f64::from(verdict.evaluations.max(1));
    verdict.accuracy = f64::from(verdict.right) / evaluations;
    verdict.mean_distance = distance / evaluations;
    Ok(finished.then_some(verdict))
}
