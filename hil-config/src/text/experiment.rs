//! The experiment file's tables, except `[train]` (see `training`): task, settling, kick, reads, evaluation.
//!
//! Only shapes and defaults live here. Which values are allowed is in `experiment_rules`.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::training::Train;

/// Says what to train on a rig, how, and how long: one file in `hil-config/`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Experiment {
    /// Short name, part of the run folder's name: letters, digits, `.`, `_`, `-`.
    pub name: String,
    /// One line for people. Default: empty.
    #[serde(default)]
    pub description: String,
    /// The rig file, relative to the experiment file.
    pub rig: PathBuf,
    /// What to learn.
    pub task: TaskSettings,
    /// How to learn it.
    #[serde(default)]
    pub train: Train,
    /// When a state counts as an equilibrium.
    pub settle: Settle,
    /// The label-independent start.
    pub kick: Kick,
    /// What is read, how often.
    #[serde(default)]
    pub read: Read,
    /// The evaluation after training.
    #[serde(default)]
    pub eval: Eval,
    /// Limits of the upload, and the codec.
    #[serde(default)]
    pub link: Link,
    /// What is kept, where.
    #[serde(default)]
    pub log: Log,
}

/// Says what a configuration is going to be used for: some settings are refused for some purposes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Training (and evaluation afterwards): everything that could falsify the result is refused.
    Train,
    /// Anything else, for which the rig behind the experiment is enough: its device is asked, served, wired.
    Rig,
}

/// Says what to learn: `[task]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskSettings {
    /// Which data set.
    pub kind: TaskKind,
    /// `[task.iris]`; read only when `kind = "iris"`.
    #[serde(default)]
    pub iris: IrisSettings,
}

/// Names a data set that is built in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TaskKind {
    /// Exclusive or: two inputs, one output, four patterns.
    Xor,
    /// Fisher's irises: four inputs, three outputs, 150 rows.
    Iris,
}

impl TaskKind {
    /// Returns the name as written in an experiment file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Xor => "xor",
            Self::Iris => "iris",
        }
    }

    /// Returns how many input sites and output sites the task needs.
    pub fn terminals(self) -> (usize, usize) {
        match self {
            Self::Xor => (2, 1),
            Self::Iris => (4, 3),
        }
    }
}

/// Divides the irises: `[task.iris]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IrisSettings {
    /// Share of each class kept for testing, 0.02 to 0.98. Default 0.3 (15 of 50).
    pub test_fraction: f64,
    /// Seed of the stratified split. Default 1.
    pub split_seed: u64,
}

impl Default for IrisSettings {
    fn default() -> Self {
        Self { test_fraction: 0.3, split_seed: 1 }
    }
}

/// Says when a state counts as an equilibrium, in what a rig can see: `[settle]`.
///
/// After `min_us`, and then every `window_us`, `reads_per_window` reads are averaged; the state has settled when two
/// consecutive means differ by less than `tolerance_rad` at every site. Required: it depends on the rig, there is no honest default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settle {
    /// Minimum time before the first window, µs; at least one `tau_us`.
    pub min_us: u32,
    /// From one window's reads to the next one's, µs.
    pub window_us: u32,
    /// Reads averaged per window, 1 to 64. Default 1.
    #[serde(default = "one")]
    pub reads_per_window: u32,
    /// Largest difference of two window means that counts as settled, radians, above 0 and at most 1.
    pub tolerance_rad: f64,
    /// Give up (flag `unsettled`) after this time, µs; at least `min_us + 2 * window_us`.
    pub timeout_us: u32,
}

fn one() -> u32 {
    1
}

/// Starts a shot with random bias fields for a while, then the trained ones, so that no start knows its label: `[kick]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kick {
    /// Length of the random field vectors, model units; at most the rig's `converters.field_range`.
    pub range: f64,
    /// How long the random fields stay, µs.
    pub duration_us: u32,
}

/// Says what is read, and how often: `[read]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Read {
    /// Reads averaged per equilibrium, 1 to 64. Default 1.
    pub reads: u32,
    /// What comes back over the link. Default `phases`.
    pub what: ReadWhat,
}

impl Default for Read {
    fn default() -> Self {
        Self { reads: 1, what: ReadWhat::default() }
    }
}

/// Says what comes back for each equilibrium.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReadWhat {
    /// Every site's phase.
    #[default]
    Phases,
    /// The output sites only: enough to evaluate, not to train.
    Outputs,
    /// Sums over the batch of the gradient's terms, added up by the device.
    Contrast,
}

/// Sets the evaluation, done once, after training: `[eval]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Eval {
    /// Random starts per sample, from a stream never used in training, 1 to 1 000 000. Default 100.
    pub starts: u32,
}

impl Default for Eval {
    fn default() -> Self {
        Self { starts: 100 }
    }
}

/// Sets how batches travel: `[link]`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Link {
    /// Shots per batch, 0 = all of a step in one. Default 0.
    pub batch_shots: u32,
    /// How codes, read-outs and sums travel. Nothing measured depends on it. Default `words`.
    pub codec: Codec,
}

/// Says how codes, read-outs and sums travel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Codec {
    /// 16- and 32-bit words: least work, for a device in the same computer or behind a fast line.
    #[default]
    Words,
    /// Differences in a code of variable length: fewest bytes, for a serial line.
    Delta,
}

impl From<Codec> for xyloop_protocol::codec::Codec {
    fn from(codec: Codec) -> Self {
        match codec {
            Codec::Words => Self::Words,
            Codec::Delta => Self::Delta,
        }
    }
}

/// Says what is kept, and where: `[log]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// Folder for run folders, relative to the working directory. Default `runs`.
    pub dir: PathBuf,
    /// Which equilibria are kept. Default `all`.
    pub equilibria: Keep,
}

impl Default for Log {
    fn default() -> Self {
        Self { dir: PathBuf::from("runs"), equilibria: Keep::default() }
    }
}

/// Says which equilibria are kept in the run folder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Keep {
    /// Every one that was measured.
    #[default]
    All,
    /// None: metrics only.
    None,
}
