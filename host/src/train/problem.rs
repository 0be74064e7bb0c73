//! What is to be learnt, by which array, under which settings: [`Problem`].

use xyloop_lattice::{Parameters, geometry::coupling_std};

use super::error::TrainError;
use crate::{
    config::{Array, Experiment},
    draws::Draws,
    task::Task,
};

/// Holds an experiment's settings, the array it trains and the data it trains with, known to fit each other.
#[derive(Clone, Debug)]
pub struct Problem {
    /// The settings.
    pub experiment: Experiment,
    /// Sites, couplings, terminals, converters.
    pub array: Array,
    /// Samples to train with and to be judged by.
    pub task: Task,
}

impl Problem {
    /// Puts them together.
    ///
    /// # Errors
    /// [`TrainError::OtherTerminals`] if the task has other inputs or outputs than the array.
    pub fn new(experiment: Experiment, array: Array, task: Task) -> Result<Self, TrainError> {
        let (rig_inputs, rig_outputs) = (array.graph.inputs().len(), array.graph.outputs().len());
        let (task_inputs, task_outputs) = (task.inputs(), task.outputs());
        if (rig_inputs, rig_outputs) != (task_inputs, task_outputs) {
            let task = task.name;
            return Err(TrainError::OtherTerminals { task, task_inputs, task_outputs, rig_inputs, rig_outputs });
        }
        Ok(Self { experiment, array, task })
    }

    /// Returns how many samples an optimiser step takes.
    pub fn samples_of_a_step(&self) -> usize {
        let all = self.task.train.len().max(1);
        match self.experiment.train.batch as usize {
            0 => all,
            batch => batch.min(all),
        }
    }

    /// Returns how many optimiser steps an epoch takes: every training sample once.
    pub fn steps_of_an_epoch(&self) -> u32 {
        self.task.train.len().div_ceil(self.samples_of_a_step()) as u32
    }

    /// Draws the parameters that training begins with, model units: `[train.init]` of the experiment.
    ///
    /// # Errors
    /// [`TrainError::NoInitialSpread`] if no spread is set and the geometry gives none.
    pub fn initial_parameters(&self) -> Result<Parameters, TrainError> {
        let Self { experiment, array, .. } = self;
        let settings = &experiment.train.init;
        let stds = match settings.coupling_std {
            Some(std) => vec![std; array.graph.couplings().len()],
            None => coupling_std(&array.geometry)
                .map_err(|error| TrainError::NoInitialSpread { reason: error.to_string() })?,
        };
        let seed = experiment.train.seed;
        let (couplings, fields) = (Draws::new(seed, "initial couplings"), Draws::new(seed, "initial fields"));
        let mut parameters = Parameters::zeros(&array.graph);
        for ((coupling, std), index) in parameters.couplings.iter_mut().zip(stds).zip(0..) {
            *coupling = settings.coupling_mean + std * couplings.normal_pair(0, index)[0];
        }
        for ((x, y), site) in parameters.field_x.iter_mut().zip(&mut parameters.field_y).zip(0..) {
            [*x, *y] = fields.normal_pair(0, site).map(|drawn| settings.field_std * drawn);
        }
        for &input in array.graph.inputs() {
            // A clamped site follows its clamp: a bias field would only work against it.
            (parameters.field_x[input as usize], parameters.field_y[input as usize]) = (0.0, 0.0);
        }
        Ok(parameters)
    }
}
