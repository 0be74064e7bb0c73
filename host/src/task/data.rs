//! A data set as plain data: [`Task`], its [`Sample`]s, where it came from, and the rule that says what counts as right.

use serde::{Deserialize, Serialize};

/// Holds one pattern.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Sample {
    /// Phases of the input sites, radians in [−π/2, π/2], in the order of the rig's inputs.
    pub inputs_rad: Vec<f64>,
    /// Target phases of the output sites, ±π/2, in the order of the rig's outputs.
    pub targets_rad: Vec<f64>,
    /// The class, from 0.
    pub label: usize,
    /// Which row of the data set this is, from 0; unique over training and test rows.
    pub index: u32,
}

/// Holds a data set, split and encoded.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Task {
    /// `xor`, `iris`.
    pub name: String,
    /// What may be trained with, in a shuffled order (XOR: its four patterns).
    pub train: Vec<Sample>,
    /// What is judged, never trained with, by row (XOR has only four patterns: the same four).
    pub test: Vec<Sample>,
    /// Names of the classes; a label is an index into this.
    pub classes: Vec<String>,
    /// Where all this came from.
    pub provenance: Provenance,
}

/// Records enough to make exactly the same [`Task`] again, and to notice if the data have changed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Provenance {
    /// Origin in words.
    pub source: String,
    /// SHA-256 of the data file, hexadecimal; `None` if the data are computed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// How rows were divided and features scaled; `None` if they were not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub split: Option<SplitRecord>,
}

/// Records how rows were divided and features scaled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SplitRecord {
    /// Seed of the split and of the training order.
    pub seed: u64,
    /// Share of each class kept for testing.
    pub test_fraction: f64,
    /// Generator and procedure.
    pub procedure: String,
    /// Rows trained with, ascending.
    pub train_rows: Vec<u32>,
    /// Rows kept for testing, ascending.
    pub test_rows: Vec<u32>,
    /// Per feature the (smallest, largest) value of the training rows, in the data's unit: they become −π/2 and +π/2.
    pub feature_ranges: Vec<(f64, f64)>,
    /// How many values of test rows lay outside these ranges and were clamped to them.
    pub test_values_clamped: u32,
}

/// Says why a data set could not be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TaskError {
    /// A line of the data file is not a row.
    #[error("{file}, line {line}: {reason}")]
    Row {
        /// Name of the file.
        file: String,
        /// Line, from 1.
        line: usize,
        /// What was found and what was expected.
        reason: String,
    },
    /// The split leaves a class without training or without test rows.
    #[error("class `{class}` has {rows} rows: a test fraction of {fraction} leaves none to train or none to test")]
    Split {
        /// Name of the class.
        class: String,
        /// Its rows.
        rows: usize,
        /// What was asked for.
        fraction: String,
    },
    /// A recorded split is none of this data set's.
    #[error("the recorded split does not divide the {rows} rows of `{task}`: {reason}")]
    OtherSplit {
        /// Name of the task.
        task: String,
        /// Rows of the data set.
        rows: usize,
        /// What is wrong with it.
        reason: String,
    },
}

impl Task {
    /// Returns the number of input sites.
    pub fn inputs(&self) -> usize {
        self.train.first().map_or(0, |sample| sample.inputs_rad.len())
    }

    /// Returns the number of output sites.
    pub fn outputs(&self) -> usize {
        self.train.first().map_or(0, |sample| sample.targets_rad.len())
    }

    /// Returns the class that output phases (radians) stand for: with one output the sign of its sine, with several the output with
    /// the largest sine.
    ///
    /// `None` if they stand for none: a sine of exactly 0, a tie, a phase that is not finite, the wrong number of phases.
    pub fn prediction(&self, outputs_rad: &[f64]) -> Option<usize> {
        if outputs_rad.len() != self.outputs() || outputs_rad.iter().any(|phase| !phase.is_finite()) {
            return None;
        }
        if let [phase] = outputs_rad {
            let sine = phase.sin();
            return (sine != 0.0).then_some(usize::from(sine > 0.0));
        }
        let mut best = (f64::NEG_INFINITY, None);
        for (class, phase) in outputs_rad.iter().enumerate() {
            let sine = phase.sin();
            if sine > best.0 {
                best = (sine, Some(class));
            } else if sine >= best.0 {
                best.1 = None;
            }
        }
        best.1
    }

    /// Says if output phases (radians) stand for the sample's class; see [`Task::prediction`].
    pub fn is_right(&self, outputs_rad: &[f64], sample: &Sample) -> bool {
        self.prediction(outputs_rad) == Some(sample.label)
    }
}
