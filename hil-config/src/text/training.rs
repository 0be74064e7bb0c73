//! `[train]` of the experiment file: initial parameters, nudge, optimiser, guard against basin changes, stop rule.
//!
//! Every choice that the papers leave open is a setting here. Which values are allowed is in `experiment_rules`.

use serde::{Deserialize, Serialize};

/// Sets a training: `[train]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Train {
    /// Seed of the initial parameters, sample order, starts and random signs. Default 1.
    pub seed: u64,
    /// Stop after this many epochs at the latest, at least 1. Default 2000.
    pub epochs_max: u32,
    /// Samples per optimiser step, 0 = all of them. Default 0.
    pub batch: u32,
    /// Random starts averaged per sample and step, 1 to 65 536. Default 4.
    pub starts: u32,
    /// Initial parameters.
    pub init: Init,
    /// How outputs are nudged.
    pub nudge: Nudge,
    /// How a gradient becomes a step.
    pub optimiser: Optimiser,
    /// What happens to shots that changed basin or did not settle.
    pub guard: Guard,
    /// When training has succeeded.
    pub stop: Stop,
}

impl Default for Train {
    fn default() -> Self {
        Self {
            seed: 1,
            epochs_max: 2000,
            batch: 0,
            starts: 4,
            init: Init::default(),
            nudge: Nudge::default(),
            optimiser: Optimiser::default(),
            guard: Guard::default(),
            stop: Stop::default(),
        }
    }
}

/// Draws the initial parameters from normal distributions, model units: `[train.init]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Init {
    /// Standard deviation of the couplings. Default (not given): the authors' rule for the geometry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub coupling_std: Option<f64>,
    /// Mean of the couplings: a ferromagnetic offset. Default 0.0.
    pub coupling_mean: f64,
    /// Standard deviation of the bias fields, per quadrature. Default 0.3.
    pub field_std: f64,
}

impl Default for Init {
    fn default() -> Self {
        Self { coupling_std: None, coupling_mean: 0.0, field_std: 0.3 }
    }
}

/// Sets how outputs are nudged: `[train.nudge]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Nudge {
    /// Which nudged phases a shot has. Default `symmetric`.
    pub mode: NudgeMode,
    /// Which cost nudges. Default `log`.
    pub cost: Cost,
    /// Strength β in model units, above 0 and at most 10. Default 0.03.
    pub beta: f64,
    /// Lower bound of 1 + cos Δ in the frozen log amplitude β / (1 + cos Δ), above 0 and at most 2. Default 0.1.
    pub clip: f64,
}

impl Default for Nudge {
    fn default() -> Self {
        Self { mode: NudgeMode::default(), cost: Cost::default(), beta: 0.03, clip: 0.1 }
    }
}

/// Says which nudged phases a shot has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NudgeMode {
    /// Free, +β, release, −β; the contrast is between ±β and divided by 2β.
    #[default]
    Symmetric,
    /// Free, +β.
    OneSided,
    /// Free, +β or −β, drawn per shot.
    RandomSign,
    /// Free alone; the gradient of weak nudges (β → 0) comes from the model's linear response at the measured state. Exact
    /// on the ideal simulated device; on a rig it is training through a model.
    LinearResponse,
}

/// Says which cost nudges the outputs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cost {
    /// −log(1 + cos Δ), as a static field with its amplitude frozen at the free state.
    #[default]
    Log,
    /// 1 − cos Δ: a static field of amplitude β.
    Cosine,
}

/// Sets how a gradient becomes a step: `[train.optimiser]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Optimiser {
    /// Which rule. Default `adam`.
    pub kind: OptimiserKind,
    /// Learning rate, above 0 and at most 10. Default 0.001.
    pub rate: f64,
    /// Momentum of `momentum`, 0 up to but not including 1. Default 0.9.
    pub momentum: f64,
    /// Adam's decay of the first moment, 0 up to but not including 1. Default 0.9.
    pub beta1: f64,
    /// Adam's decay of the second moment, 0 up to but not including 1. Default 0.999.
    pub beta2: f64,
    /// Adam's ε, in units of the gradient. Default (not given): tied to the read-out's step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epsilon: Option<f64>,
    /// Scale the gradient down to this Euclidean norm. Default (not given): never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clip_norm: Option<f64>,
    /// How bias fields are parametrised. Default `xy`.
    pub fields: FieldForm,
    /// Share of each bias field taken away per step, 0 up to but not including 1. Default 0.0.
    pub field_decay: f64,
    /// Largest bias amplitude h, model units. Default (not given): the rig's range per quadrature.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field_max: Option<f64>,
}

impl Default for Optimiser {
    fn default() -> Self {
        Self {
            kind: OptimiserKind::default(),
            rate: 0.001,
            momentum: 0.9,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: None,
            clip_norm: None,
            fields: FieldForm::default(),
            field_decay: 0.0,
            field_max: None,
        }
    }
}

/// Says which rule turns a gradient into a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OptimiserKind {
    /// Plain gradient descent.
    Sgd,
    /// Gradient descent with momentum.
    Momentum,
    /// Adam.
    #[default]
    Adam,
}

/// Says how bias fields are parametrised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FieldForm {
    /// (`b_x`, `b_y`) = h (cos ψ, sin ψ).
    #[default]
    Xy,
    /// (h, ψ), as in the papers.
    Polar,
}

/// Says what happens to shots that left their basin under the nudge, or did not settle: `[train.guard]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Guard {
    /// Shots that moved far under the nudge, or whose release did not come back to the free state. Default `cap`: flips of
    /// an output towards its target are how the log cost works, so rejecting them all stops learning, but at full weight
    /// they drown everything else by 1/β.
    pub basin: BasinRule,
    /// With `basin = "cap"`: a shot in which a site moved farther than this weighs less, in proportion; radians, above 0
    /// and at most π. Default 0.3.
    pub cap_rad: f64,
    /// A release farther than this from the free state, at any site, is a basin change: radians, above 0 and at most π.
    /// Default 0.05.
    pub release_tolerance_rad: f64,
    /// Shots with an unsettled phase. Default `reject`.
    pub unsettled: UnsettledRule,
}

impl Default for Guard {
    fn default() -> Self {
        Self {
            basin: BasinRule::default(),
            cap_rad: 0.3,
            release_tolerance_rad: 0.05,
            unsettled: UnsettledRule::default(),
        }
    }
}

/// Says what happens to a shot that changed basin. It is counted in every case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BasinRule {
    /// Count it and use it.
    Count,
    /// Use it with its weight capped. Needs phases: a device that adds up the contrast cannot weigh.
    #[default]
    Cap,
    /// Leave it out of the step.
    Reject,
}

/// Says what happens to a shot with an unsettled phase. It is counted in every case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UnsettledRule {
    /// Leave it out of the step.
    #[default]
    Reject,
    /// Count it and use it.
    Count,
}

/// Says what success is, judged on the free states of training: `[train.stop]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Stop {
    /// Mean distance D below which an epoch counts, 0 to 1. Default 0.02.
    pub distance: f64,
    /// Stop after this many such epochs in a row with every start right; 0 = never. Default 50.
    pub epochs_in_a_row: u32,
}

impl Default for Stop {
    fn default() -> Self {
        Self { distance: 0.02, epochs_in_a_row: 50 }
    }
}
