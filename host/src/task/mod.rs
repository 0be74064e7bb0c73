//! Data sets as the trainer sees them: phases to clamp, phases to reach, and the rule that says what counts as right.
//!
//! A [`Task`] is plain data, made once from the experiment's settings. Encoding: bits and features become phases in
//! [−π/2, π/2], the targets are ±π/2. Splits and scalings are recorded in its [`Provenance`].

mod data;
mod iris;
mod split;
mod xor;

pub use data::{Provenance, Sample, SplitRecord, Task, TaskError};

use crate::config::{TaskKind, TaskSettings};

impl Task {
    /// Makes the data set an experiment asks for.
    ///
    /// # Errors
    /// If the data are damaged or the split leaves a class empty.
    pub fn from_settings(settings: &TaskSettings) -> Result<Self, TaskError> {
        match settings.kind {
            TaskKind::Xor => Ok(Self::xor()),
            TaskKind::Iris => Self::iris(settings.iris.test_fraction, settings.iris.split_seed),
        }
    }

    /// Makes it again as a run recorded it: divided as it was then, however this version would divide it.
    ///
    /// # Errors
    /// If the data are damaged, or the record does not divide them.
    pub fn as_recorded(settings: &TaskSettings, split: Option<&SplitRecord>) -> Result<Self, TaskError> {
        match (settings.kind, split) {
            (TaskKind::Iris, Some(split)) => iris::as_recorded(iris::CSV, split),
            _ => Self::from_settings(settings),
        }
    }

    /// Makes exclusive or: two inputs, one output, four patterns, which are training and test set at once.
    pub fn xor() -> Self {
        xor::task()
    }

    /// Makes Fisher's irises: four inputs, three outputs, split per class.
    ///
    /// # Errors
    /// If the split leaves a class without training or without test rows.
    pub fn iris(test_fraction: f64, split_seed: u64) -> Result<Self, TaskError> {
        iris::task(iris::CSV, test_fraction, split_seed)
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
