//! Why training cannot go on: [`TrainError`].

use crate::{device::DeviceError, folder::FolderError};

/// Says why training cannot go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// The device or the way to it.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The run folder.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The task has other terminals than the array.
    #[error(
        "task `{task}` has {task_inputs} inputs and {task_outputs} outputs, the rig has {rig_inputs} and {rig_outputs}"
    )]
    OtherTerminals {
        /// Name of the task.
        task: String,
        /// Inputs of the task.
        task_inputs: usize,
        /// Outputs of the task.
        task_outputs: usize,
        /// Input sites of the rig.
        rig_inputs: usize,
        /// Output sites of the rig.
        rig_outputs: usize,
    },
    /// The array's geometry gives couplings no initial spread.
    #[error("the couplings cannot be drawn: {reason}")]
    NoInitialSpread {
        /// What the geometry says.
        reason: String,
    },
    /// A trainer's state belongs to another experiment.
    #[error("the trainer's state does not fit the experiment: {reason}")]
    OtherState {
        /// What contradicts what.
        reason: String,
    },
    /// The gradient is infinite or not a number.
    #[error("epoch {epoch}: the gradient is not a number")]
    NotFinite {
        /// From 1.
        epoch: u32,
    },
    /// The thread that computes linear responses is gone.
    #[error("the linear response was not computed: {reason}")]
    Computation {
        /// What the runtime says.
        reason: String,
    },
    /// A step in which nothing could be measured.
    #[error(
        "epoch {epoch}: all {shots} shots of a step were left out ({unsettled} unsettled, {basin_changed} changed basin)"
    )]
    NothingLeft {
        /// From 1.
        epoch: u32,
        /// Shots of the step.
        shots: u64,
        /// Of these, unsettled.
        unsettled: u64,
        /// Of these, changed basin.
        basin_changed: u64,
    },
    /// Linear response found none of the measured states in the model.
    #[error(
        "epoch {epoch}: the model has none of the {shots} states that were measured: it is not a model of this array"
    )]
    NotTheModel {
        /// From 1.
        epoch: u32,
        /// Shots of the step.
        shots: u64,
    },
}
