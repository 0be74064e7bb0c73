//! A run in progress: a connected device, a folder, a log; training, judging, closing.

use std::{sync::Arc, time::Instant};

use super::{
    error::{Kept, RunError},
    event::{Event, Observer},
    prepared::{Prepared, Purpose},
    report::Report,
};
use crate::{
    calibration::Codes,
    config::{Array, ReadWhat},
    counts::ShotCounts,
    device::{Client, DeviceError, Route, StopFlag},
    folder::{
        DataRecord, DeviceRecord, FinalParameters, LogOptions, MetricsRow, RunFolder, RunHeader, RunLog, RunRecord,
        Stop, StopCounts, StopReason, Utc,
    },
    rig::wanted,
    train::{EpochReport, Evaluation, Outcome, Trainer, evaluate, shots::ShotRunner},
};

/// Runs: made by [`Prepared::connect`], to be ended by [`Run::close`] or [`Run::carry_out`]. Dropped without either, the
/// device goes safe by itself and `final/` and `stop.toml` are missing.
pub struct Run {
    prepared: Prepared,
    client: Client,
    folder: RunFolder,
    log: RunLog,
    observer: Observer,
    stop: StopFlag,
    started: Instant,
    outcome: Option<Outcome>,
    evaluation: Option<Evaluation>,
    /// What was noticed in the shots of the evaluation.
    judged: ShotCounts,
    /// Something went wrong on the way: no clean end.
    failed: bool,
}

impl Prepared {
    /// Connects to the rig's device, refusing any other, and makes the run's folder and log. `route` leads to the device,
    /// the one the settings name if none is given. `stop` ends the run at the next shot boundary, whenever it is set.
    ///
    /// # Errors
    /// If there is no such device, it is another one, or the folder cannot be made; [`DeviceError::Interrupted`] if a stop
    /// was asked for meanwhile.
    pub async fn connect(self, route: Option<Route>, observer: Observer, stop: StopFlag) -> Result<Run, RunError> {
        let route = match route {
            Some(route) => route,
            None => self.route()?,
        };
        let connecting = Client::connect(route, wanted(&self.config.rig, &self.problem.array));
        let mut client = tokio::select! {
            biased;
            () = stop.wait() => return Err(DeviceError::Interrupted.into()),
            client = connecting => client?,
        };
        let told = observer.clone();
        client.listen(Arc::new(move |notice| told(&Event::Link(notice.clone()))));
        client.use_codec(self.config.experiment.link.codec.into())?;
        client.take_over().await?;
        if stop.is_set() {
            client.close().await;
            return Err(DeviceError::Interrupted.into());
        }
        Run::begin(self, client, observer, stop)
    }
}

impl Run {
    /// Makes folder, record and log. Blocks on the disk for a moment.
    fn begin(prepared: Prepared, mut client: Client, observer: Observer, stop: StopFlag) -> Result<Self, RunError> {
        let started = Instant::now();
        let (config, problem) = (&prepared.config, &prepared.problem);
        let name = &config.experiment.name;
        let (folder, evaluation_of) = match &prepared.purpose {
            Purpose::Training(_) => (RunFolder::create(&config.experiment.log.dir, name)?, None),
            Purpose::Evaluation { of, run, parent, .. } => {
                let parent = parent.clone().unwrap_or_else(|| of.path().join("evaluations"));
                (RunFolder::create(&parent, name)?, Some(run.clone()))
            }
        };
        folder.write_record(&RunRecord {
            run: RunHeader {
                evaluation_of: evaluation_of.clone(),
                ..RunHeader::new(&folder, prepared.started_by.clone())
            },
            device: DeviceRecord::new(client.place(), &client.identity().as_message()),
            data: DataRecord::new(&problem.task),
            config: config.clone(),
        })?;
        let log = RunLog::start(&folder, log_options(&prepared))?;
        observer(&Event::Started {
            place: client.place().to_owned(),
            folder: folder.path().to_owned(),
            experiment: name.clone(),
            sites: problem.array.graph.len(),
            couplings: problem.array.graph.couplings().len(),
            seed: config.experiment.train.seed,
            evaluation_of,
        });
        client.reconnect_until(stop.clone());
        Ok(Self {
            prepared,
            client,
            folder,
            log,
            observer,
            stop,
            started,
            outcome: None,
            evaluation: None,
            judged: ShotCounts::default(),
            failed: false,
        })
    }

    /// Returns where everything is written.
    pub fn folder(&self) -> &RunFolder {
        &self.folder
    }

    /// Returns the device.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Trains until solved, out of epochs or stopped. Does nothing in an evaluation of another run.
    ///
    /// # Errors
    /// If the device or the log fails for good. The run is still to be closed.
    pub async fn train(&mut self) -> Result<(), RunError> {
        self.train_until(|_| false).await
    }

    /// Trains as [`Self::train`] does, and ends as well after the first epoch of which `enough` says so.
    ///
    /// # Errors
    /// If the device or the log fails for good. The run is still to be closed.
    pub async fn train_until(&mut self, mut enough: impl FnMut(&EpochReport) -> bool) -> Result<(), RunError> {
        let Self { prepared, client, log, observer, stop, .. } = self;
        let Purpose::Training(trainer) = &mut prepared.purpose else { return Ok(()) };
        let experiment = &prepared.problem.experiment;
        let batch_shots = experiment.link.batch_shots as usize;
        let began = Instant::now();
        let trained = async {
            while trainer.outcome().is_none() && !stop.is_set() {
                let mut runner = ShotRunner { client: &mut *client, log: Some(&*log), batch_shots, stop: stop.clone() };
                let Some(step) = trainer.step(&mut runner).await? else { break };
                let Some(report) = step.epoch else { continue };
                let seconds = began.elapsed().as_secs_f64();
                let (link, epochs_max) = (client.figures(), experiment.train.epochs_max);
                observer(&Event::Epoch { report, epochs_max, link, seconds });
                log.metrics(metrics_row(&report, seconds)).await?;
                if enough(&report) && trainer.outcome().is_none() {
                    return Ok(Outcome { reason: StopReason::Enough, ..trainer.outcome_if_stopped() });
                }
            }
            Ok(trainer.outcome_if_stopped())
        };
        let trained: Result<Outcome, RunError> = trained.await;
        observer(&Event::Trained);
        self.failed |= trained.is_err();
        self.outcome = Some(trained?);
        Ok(())
    }

    /// Judges the codes nearest to the trained parameters, or those of the run that is evaluated, from kicks that
    /// training never saw; every equilibrium is logged. Does nothing after a stop.
    ///
    /// # Errors
    /// If the device or the log fails for good. The run is still to be closed.
    pub async fn judge(&mut self) -> Result<(), RunError> {
        if self.stop.is_set() {
            // Also a training that was just solved is interrupted: nobody has judged it.
            if let Some(outcome) = &mut self.outcome {
                outcome.reason = StopReason::Interrupted;
            }
            return Ok(());
        }
        let Self { prepared, client, log, observer, stop, judged, .. } = self;
        let problem = &prepared.problem;
        let codes = match &prepared.purpose {
            Purpose::Training(trainer) => trainer.final_codes(),
            Purpose::Evaluation { codes, .. } => codes.clone(),
        };
        observer(&Event::Judging { samples: problem.task.test.len(), starts: problem.experiment.eval.starts });
        let batch_shots = problem.experiment.link.batch_shots as usize;
        let mut runner = ShotRunner { client, log: Some(log), batch_shots, stop: stop.clone() };
        *judged = ShotCounts::default();
        let verdict = evaluate(&mut runner, problem, &codes, judged).await;
        self.failed |= verdict.is_err();
        self.evaluation = verdict?;
        if let (None, Some(outcome)) = (&self.evaluation, &mut self.outcome) {
            outcome.reason = StopReason::Interrupted;
        }
        Ok(())
    }

    /// Makes the outputs safe, finishes the log, writes what was learnt and, after a clean end, `stop.toml`.
    ///
    /// # Errors
    /// If the disk refuses.
    pub async fn close(self) -> Result<Report, RunError> {
        let Self { prepared, client, folder, log, started, outcome, evaluation, judged, failed, .. } = self;
        let place = client.place().to_owned();
        let device = format!("{} {}", client.identity().model, client.identity().serial);
        let faults = client.faults();
        // Whatever happened: outputs safe, what was logged on disk.
        client.close().await;
        let logged = log.finish().await;
        let mut kept = Ok(());
        let mut counts = StopCounts { shots: judged, ..StopCounts::default() };
        if let Purpose::Training(trainer) = &prepared.purpose {
            // Also of a run that was cut short: what was learnt until then is worth keeping.
            kept = folder.write_final(&final_parameters(trainer, &prepared.problem.array));
            let state = trainer.state();
            counts = StopCounts {
                steps: state.steps.into(),
                codes_clipped: state.codes_clipped,
                shots: state.counts,
                equilibria_logged: 0,
            };
        }
        let logged = logged?;
        kept?;
        counts.equilibria_logged = logged.equilibria;
        if let Some(evaluation) = &evaluation {
            folder.write_evaluation(evaluation)?;
        }
        let wall_s = started.elapsed().as_secs_f64();
        let stop = Stop {
            reason: match outcome {
                Some(outcome) => outcome.reason,
                None if evaluation.is_some() => StopReason::Evaluated,
                None => StopReason::Interrupted,
            },
            epochs: outcome.map_or(0, |outcome| outcome.epochs),
            end_utc: Utc::now().to_string(),
            wall_s,
            shots: counts.shots.shots,
            counts,
        };
        let stop = (!failed).then_some(stop);
        if let Some(stop) = &stop {
            folder.write_stop(stop)?;
        }
        Ok(Report { folder, place, device, outcome, evaluation, logged, stop, faults, wall_s })
    }

    /// Trains, judges and closes.
    ///
    /// # Errors
    /// [`RunError::CutShort`] if it could not be carried out, which says what was kept.
    pub async fn carry_out(mut self) -> Result<Report, RunError> {
        let folder = self.folder.path().to_owned();
        let is_training = matches!(self.prepared.purpose, Purpose::Training(_));
        // On the heap: what a run awaits is deep.
        let mut done = Box::pin(self.train()).await;
        if done.is_ok() {
            done = Box::pin(self.judge()).await;
        }
        let faults = self.client.faults().map(Box::new);
        let closed = Box::pin(self.close()).await;
        let (kept, source) = match (done, closed) {
            (Ok(()), Ok(report)) => return Ok(report),
            (Ok(()), Err(source)) => (Kept::Part { why: "it could not be closed".to_owned() }, source),
            (Err(source), Ok(_)) if is_training => (Kept::LogAndParameters, source),
            (Err(source), Ok(_)) => (Kept::Log, source),
            (Err(source), Err(error)) => (Kept::Part { why: error.to_string() }, source),
        };
        Err(RunError::CutShort { folder, kept, faults, source: Box::new(source) })
    }
}

fn log_options(prepared: &Prepared) -> LogOptions {
    let (experiment, graph) = (&prepared.config.experiment, &prepared.problem.array.graph);
    let options = match experiment.read.what {
        ReadWhat::Phases => LogOptions::all(graph.len() as u16),
        ReadWhat::Outputs | ReadWhat::Contrast => {
            LogOptions::of_sites(graph.len(), graph.outputs().iter().map(|&site| site as u16).collect())
        }
    };
    let metrics = matches!(prepared.purpose, Purpose::Training(_));
    LogOptions { equilibria: experiment.log.equilibria, metrics, ..options }
}

fn final_parameters(trainer: &Trainer, array: &Array) -> FinalParameters {
    let parameters = trainer.parameters();
    let Codes { couplings, fields, .. } = trainer.final_codes();
    FinalParameters {
        couplings: parameters.couplings,
        field_x: parameters.field_x,
        field_y: parameters.field_y,
        coupling_codes: couplings.iter().map(|code| code.0).collect(),
        field_codes: fields.as_chunks::<2>().0.iter().map(|[x, y]| [x.0, y.0]).collect(),
        coupling_sites: array.graph.couplings().iter().map(|&(a, b)| [a as u16, b as u16]).collect(),
        positions: array.graph.positions().to_vec(),
    }
}

fn metrics_row(report: &EpochReport, seconds: f64) -> MetricsRow {
    let EpochReport { epoch, steps, mean_distance, mean_cost, accuracy, counts, settling, .. } = *report;
    MetricsRow {
        epoch,
        steps,
        mean_distance,
        accuracy,
        mean_cost,
        counts,
        codes_clipped: report.codes_clipped,
        gradient_norm: report.gradient_norm,
        mean_settle_us: settling.mean_us(),
        max_settle_us: settling.longest_settle_us,
        max_moved_rad: settling.moved_rad,
        seconds,
    }
}
