//! Data sets as the trainer sees them: phases to clamp, phases to reach, and the rule that says what counts as right.
//!
//! A [`Task`] is plain data, made once from the experiment's settings. Encoding: bits and features become phases in
//! [−π/2, π/2], the targets are ±π/2. Splits and scalings are recorded in its [`Provenance`].

mod iris;
mod split;
mod xor;

use serde::{Deserialize, Serialize};

use crate::config::{TaskKind, TaskSettings};

/// One pattern.
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

/// A data set, split and encoded.
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

/// Enough to make exactly the same [`Task`] again, and to notice if the data have changed.
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

/// How rows were divided and features scaled.
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

/// Why a data set could not be made.
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
}

impl Task {
    /// The data set an experiment asks for.
    ///
    /// # Errors
    /// If the data are damaged or the split leaves a class empty.
    pub fn from_settings(settings: &TaskSettings) -> Result<Self, TaskError> {
        match settings.kind {
            TaskKind::Xor => Ok(Self::xor()),
            TaskKind::Iris => Self::iris(settings.iris.test_fraction, settings.iris.split_seed),
        }
    }

    /// Exclusive or: two inputs, one output, four patterns, which are training and test set at once.
    pub fn xor() -> Self {
        xor::task()
    }

    /// Fisher's irises: four inputs, three outputs, split per class.
    ///
    /// # Errors
    /// If the split leaves a class without training or without test rows.
    pub fn iris(test_fraction: f64, split_seed: u64) -> Result<Self, TaskError> {
        iris::task(iris::CSV, test_fraction, split_seed)
    }

    /// Number of input sites.
    pub fn inputs(&self) -> usize {
        self.train.first().map_or(0, |sample| sample.inputs_rad.len())
    }

    /// Number of output sites.
    pub fn outputs(&self) -> usize {
        self.train.first().map_or(0, |sample| sample.targets_rad.len())
    }

    /// The class that output phases (radians) stand for: with one output the sign of its sine, with several the output with
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

    /// Whether output phases (radians) stand for the sample's class; see [`Task::prediction`].
    pub fn is_right(&self, outputs_rad: &[f64], sample: &Sample) -> bool {
        self.prediction(outputs_rad) == Some(sample.label)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::f64::consts::PI;

    use super::*;

    #[test]
    fn one_output_is_judged_by_its_sign() {
        let task = Task::xor();
        assert_eq!(task.prediction(&[0.1]), Some(1));
        assert_eq!(task.prediction(&[0.1 + 4.0 * PI]), Some(1));
        assert_eq!(task.prediction(&[-3.0]), Some(0));
        assert_eq!(task.prediction(&[0.0]), None);
        assert_eq!(task.prediction(&[f64::NAN]), None);
        assert_eq!(task.prediction(&[]), None);
        assert_eq!(task.prediction(&[0.1, 0.1]), None);
    }

    #[test]
    fn several_outputs_are_judged_by_the_largest_sine() {
        let task = Task::iris(0.3, 1).unwrap();
        assert_eq!(task.prediction(&[-1.5, 1.5, -1.5]), Some(1));
        assert_eq!(task.prediction(&[3.0, 0.5, -0.1]), Some(1));
        assert_eq!(task.prediction(&[-1.5, -1.5, -1.4]), Some(2));
        assert_eq!(task.prediction(&[1.0, 1.0, 0.0]), None);
        assert_eq!(task.prediction(&[0.0, 1.0, 1.2]), Some(2));
        assert_eq!(task.prediction(&[f64::INFINITY, 0.0, 0.0]), None);
    }

    #[test]
    fn targets_are_right_by_the_rule() {
        for task in [Task::xor(), Task::iris(0.3, 1).unwrap()] {
            for sample in task.train.iter().chain(&task.test) {
                assert!(task.is_right(&sample.targets_rad, sample), "{sample:?}");
                let opposite: Vec<f64> = sample.targets_rad.iter().map(|target| -target).collect();
                assert!(!task.is_right(&opposite, sample), "{sample:?}");
            }
        }
    }
}
