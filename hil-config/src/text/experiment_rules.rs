//! Which values an experiment file may hold: by itself, for a purpose, and together with its rig.

use std::f64::consts::PI;

use super::experiment::{Experiment, Purpose, ReadWhat};
use super::issue::Issue;
use super::lattice::Shape;
use super::rig::Rig;
use super::rig_array::converters;
use super::rules::{Rules, positive};
use super::training::{BasinRule, NudgeMode};
use crate::scaling::Scaling;

/// Returns everything that can be said about an experiment without its rig.
pub(super) fn check(experiment: &Experiment, purpose: Purpose) -> Vec<Issue> {
    let mut rules = Rules::default();
    rules.name("name", &experiment.name);
    rules.range("task.iris.test_fraction", experiment.task.iris.test_fraction, 0.02..=0.98, "");
    rules.seed("task.iris.split_seed", experiment.task.iris.split_seed);
    train(experiment, &mut rules);
    states(experiment, &mut rules);
    if experiment.read.what == ReadWhat::Outputs && purpose == Purpose::Train {
        let issue = Issue::at("read.what", "`read.what` = \"outputs\" cannot be trained with");
        let issue = issue.label("couplings need both of their sites read");
        rules.push(issue.help("write \"phases\" or \"contrast\""));
    }
    if experiment.train.nudge.mode == NudgeMode::LinearResponse
        && experiment.read.what == ReadWhat::Contrast
        && purpose == Purpose::Train
    {
        let issue = Issue::at("read.what", "`train.nudge.mode` = \"linear-response\" needs `read.what` = \"phases\"");
        let issue = issue.label("without nudges there is no contrast");
        rules.push(issue.help("write \"phases\": the model is asked at the states that were read"));
    }
    if experiment.read.what == ReadWhat::Contrast && experiment.train.guard.basin == BasinRule::Cap {
        let issue =
            Issue::at("read.what", "`read.what` = \"contrast\" and `train.guard.basin` = \"cap\" exclude each other");
        let issue = issue.label("the device adds up shots without weighing them");
        rules.push(issue.help("write basin = \"count\" or \"reject\" in [train.guard], or read \"phases\""));
    }
    rules.issues
}

fn train(experiment: &Experiment, rules: &mut Rules) {
    let train = &experiment.train;
    rules.seed("train.seed", train.seed);
    rules.range("train.epochs_max", train.epochs_max, 1..=1_000_000_000, "epochs");
    rules.range("train.batch", train.batch, 0..=1_000_000, "samples (0 = all)");
    rules.range("train.starts", train.starts, 1..=65_536, "starts");

    rules.range_if("train.init.coupling_std", train.init.coupling_std, 0.0..=1e6, "(model units)");
    rules.range("train.init.coupling_mean", train.init.coupling_mean, -1e6..=1e6, "(model units)");
    rules.range("train.init.field_std", train.init.field_std, 0.0..=1e6, "(model units)");

    rules.range("train.nudge.beta", train.nudge.beta, positive(10.0), "(model units)");
    rules.range("train.nudge.clip", train.nudge.clip, positive(2.0), "(lower bound of 1 + cos Δ)");

    let optimiser = &train.optimiser;
    rules.range("train.optimiser.rate", optimiser.rate, positive(10.0), "");
    rules.range("train.optimiser.momentum", optimiser.momentum, 0.0..1.0, "");
    rules.range("train.optimiser.beta1", optimiser.beta1, 0.0..1.0, "");
    rules.range("train.optimiser.beta2", optimiser.beta2, 0.0..1.0, "");
    rules.range_if("train.optimiser.epsilon", optimiser.epsilon, positive(1.0), "");
    rules.range_if("train.optimiser.clip_norm", optimiser.clip_norm, positive(1e6), "");
    rules.range("train.optimiser.field_decay", optimiser.field_decay, 0.0..1.0, "per step");
    rules.range_if("train.optimiser.field_max", optimiser.field_max, positive(1e6), "(model units)");

    rules.range("train.guard.cap_rad", train.guard.cap_rad, positive(PI), "rad");
    rules.range("train.guard.release_tolerance_rad", train.guard.release_tolerance_rad, positive(PI), "rad");
    rules.range("train.stop.distance", train.stop.distance, 0.0..=1.0, "(mean D)");
}

fn states(experiment: &Experiment, rules: &mut Rules) {
    let settle = &experiment.settle;
    rules.range("settle.min_us", settle.min_us, 1.., "µs");
    rules.range("settle.window_us", settle.window_us, 1.., "µs");
    rules.range("settle.reads_per_window", settle.reads_per_window, 1..=64, "reads");
    rules.range("settle.tolerance_rad", settle.tolerance_rad, positive(1.0), "rad");
    let shortest = u64::from(settle.min_us) + 2 * u64::from(settle.window_us);
    if u64::from(settle.timeout_us) < shortest {
        let title = format!("`settle.timeout_us` is {}: no state can settle before {shortest} µs", settle.timeout_us);
        let issue = Issue::at("settle.timeout_us", title).allowed(format!("{shortest} µs or more"));
        rules.push(issue.help("min_us and two windows of window_us come first; ten times that is usual"));
    }
    rules.range("kick.range", experiment.kick.range, positive(1e6), "(model units)");
    rules.range("kick.duration_us", experiment.kick.duration_us, 1.., "µs");
    rules.range("read.reads", experiment.read.reads, 1..=64, "reads");
    rules.range("eval.starts", experiment.eval.starts, 1..=1_000_000, "starts per sample");
    if experiment.log.dir.as_os_str().is_empty() {
        rules.push(
            Issue::at("log.dir", "`log.dir` is empty").help("write dir = \"runs\", or \".\" for the working directory"),
        );
    }
}

/// Returns what only experiment and rig together can get wrong.
pub(super) fn check_with_rig(experiment: &Experiment, rig: &Rig) -> Vec<Issue> {
    let mut rules = Rules::default();
    let task = experiment.task.kind;
    let (inputs, outputs) = task.terminals();
    for (kind, key, needed, has) in
        [("input", "inputs", inputs, rig.input_sites().len()), ("output", "outputs", outputs, rig.output_sites().len())]
    {
        if needed != has {
            let title = format!("task \"{}\" needs {needed} {kind} sites, rig `{}` has {has}", task.name(), rig.name);
            let place = match rig.lattice.shape() {
                Shape::Grid { .. } => format!("lattice.{key}"),
                Shape::Layers(_) => "lattice.layers".to_owned(),
                Shape::Planes(_) => "lattice.planes".to_owned(),
            };
            let issue = Issue::at("task.kind", title).also_in_rig(&place, format!("{has} {kind} sites"));
            rules.push(issue.help(format!("name another rig, or give this one {needed} {kind} sites")));
        }
    }

    ranges(experiment, rig, &mut rules);
    resolution(experiment, rig, &mut rules);

    let tau = rig.timing.tau_us;
    let forgotten = experiment.kick.range * f64::from(experiment.kick.duration_us) / tau;
    if forgotten < LEAST_KICK {
        let title = format!("`kick` is too weak: range × duration_us / tau_us is {forgotten:.3}");
        let issue = Issue::at("kick", title).allowed(format!("{LEAST_KICK} or more"));
        rules.push(issue.help(
            "the state before a kick fades as exp(-range × duration / tau): a weak kick starts from what ran before, \
             and the state would remember its label",
        ));
    }
    if f64::from(experiment.settle.min_us) < tau {
        let title = format!("`settle.min_us` is {}: shorter than the rig's time unit", experiment.settle.min_us);
        let issue = Issue::at("settle.min_us", title).allowed(format!("{tau} µs or more"));
        let issue = issue.also_in_rig("timing.tau_us", format!("tau_us = {tau}"));
        rules.push(issue.help("states settle in tens to hundreds of time units: 400 of them is a good start"));
    }
    rules.issues
}

/// Least range × duration / tau of a kick: what was before it has faded to exp(-5), under 1 %.
const LEAST_KICK: f64 = 5.0;
/// Least nudge in steps of a field DAC: below, rounding decides what is nudged.
const LEAST_NUDGE_STEPS: f64 = 8.0;

/// Finds what is too small for the rig's converters.
fn resolution(experiment: &Experiment, rig: &Rig, rules: &mut Rules) {
    let step = Scaling::new(converters(&rig.converters)).field_step();
    let beta = experiment.train.nudge.beta;
    if beta < LEAST_NUDGE_STEPS * step {
        let title = format!("`train.nudge.beta` is {beta}: only {:.2} steps of the rig's field DACs", beta / step);
        let issue = Issue::at("train.nudge.beta", title).allowed(format!("{} or more", LEAST_NUDGE_STEPS * step));
        let issue = issue.also_in_rig("converters", format!("one step is {step} model units"));
        rules.push(
            issue.help("a nudge is made with the bias fields' DACs: give β, field_bits or a smaller field_range"),
        );
    }
}

/// Finds what the rig's converters cannot make.
fn ranges(experiment: &Experiment, rig: &Rig, rules: &mut Rules) {
    let (field, coupling) = (rig.converters.field_range, rig.converters.coupling_range);
    let mut within = |path: &str, value: f64, key: &str, limit: f64, help: &str| {
        if value.abs() > limit {
            let issue = Issue::at(path, format!("`{path}` is {value}: the rig reaches ± {limit} model units"));
            let issue = issue.allowed(format!("at most {limit}"));
            rules.push(issue.also_in_rig(&format!("converters.{key}"), format!("{key} = {limit}")).help(help));
        }
    };
    let init = &experiment.train.init;
    within("kick.range", experiment.kick.range, "field_range", field, "a kick is made with the bias fields' DACs");
    within(
        "train.nudge.beta",
        experiment.train.nudge.beta,
        "field_range",
        field,
        "a nudge is made with the bias fields' DACs",
    );
    within("train.init.field_std", init.field_std, "field_range", field, "most initial bias fields would be clipped");
    within(
        "train.init.coupling_mean",
        init.coupling_mean,
        "coupling_range",
        coupling,
        "most initial couplings would be clipped",
    );
    if let Some(std) = init.coupling_std {
        within("train.init.coupling_std", std, "coupling_range", coupling, "most initial couplings would be clipped");
    }
    if let Some(max) = experiment.train.optimiser.field_max {
        within("train.optimiser.field_max", max, "field_range", field, "leave it out to use the rig's range");
    }
}
