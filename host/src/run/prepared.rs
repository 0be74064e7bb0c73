//! The first step of a run: settings, array and data that fit each other, before any device is asked.

use std::{path::PathBuf, sync::Arc};

use super::error::RunError;
use crate::{
    calibration::Codes,
    config::Config,
    device::Route,
    folder::{DataRecord, RunFolder},
    rig,
    task::Task,
    train::{Problem, Trainer},
};

/// Holds what a run will do, known to be possible on an array as its rig file describes it.
pub struct Prepared {
    pub(super) config: Config,
    pub(super) problem: Arc<Problem>,
    pub(super) purpose: Purpose,
    pub(super) started_by: Vec<String>,
}

/// Says what a run is for.
pub(super) enum Purpose {
    /// To train, then to judge.
    Training(Box<Trainer>),
    /// To judge the codes of another run.
    Evaluation {
        /// The folder of that run.
        of: RunFolder,
        /// The name it was given when it was made.
        run: String,
        /// Its final codes.
        codes: Codes,
        /// Where the evaluation's own folder is made; in `evaluations/` of that run if nothing is said.
        parent: Option<PathBuf>,
    },
}

impl Prepared {
    /// Prepares a training and the evaluation after it.
    ///
    /// # Errors
    /// If rig, task and settings do not fit each other.
    pub fn training(config: Config) -> Result<Self, RunError> {
        let task = Task::from_settings(&config.experiment.task)?;
        let problem = problem(&config, task)?;
        let trainer = Trainer::new(problem.clone())?;
        Ok(Self { config, problem, purpose: Purpose::Training(Box::new(trainer)), started_by: Vec::new() })
    }

    /// Prepares another evaluation of a run's final codes; `change` may change its settings, the device for example.
    ///
    /// # Errors
    /// If the folder holds no finished run, or one that was for other data.
    pub fn evaluation(of: RunFolder, change: impl FnOnce(&mut Config)) -> Result<Self, RunError> {
        let record = of.read_record()?;
        if let Some(run) = record.run.evaluation_of {
            return Err(RunError::IsEvaluation { folder: of.path().to_owned(), run });
        }
        let mut config = record.config;
        change(&mut config);
        let codes = of.read_final()?.codes();
        let task = Task::as_recorded(&config.experiment.task, record.data.split.as_ref())?;
        if DataRecord::new(&task) != record.data {
            return Err(RunError::OtherData { folder: of.path().to_owned() });
        }
        let problem = problem(&config, task)?;
        let purpose = Purpose::Evaluation { of, run: record.run.id, codes, parent: None };
        Ok(Self { config, problem, purpose, started_by: Vec::new() })
    }

    /// Makes the folder of an evaluation in `parent`, not in the folder of the run that is evaluated.
    #[must_use]
    pub fn into_parent(mut self, folder: PathBuf) -> Self {
        if let Purpose::Evaluation { parent, .. } = &mut self.purpose {
            *parent = Some(folder);
        }
        self
    }

    /// Records the command line that started the run, program first.
    #[must_use]
    pub fn started_by(mut self, command: Vec<String>) -> Self {
        self.started_by = command;
        self
    }

    /// Returns all settings.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Returns settings, array and data.
    pub fn problem(&self) -> &Problem {
        &self.problem
    }

    /// Returns the route to the device that the settings name.
    ///
    /// # Errors
    /// If it is the embedded one and does not start.
    pub fn route(&self) -> Result<Route, RunError> {
        Ok(rig::route(&self.config.rig, &self.problem.array)?)
    }
}

fn problem(config: &Config, task: Task) -> Result<Arc<Problem>, RunError> {
    let array = config.rig.array()?;
    Ok(Arc::new(Problem::new(config.experiment.clone(), array, task)?))
}
