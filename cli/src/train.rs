//! `xyloop train`: connect, train, evaluate, and say where everything is.

use std::{path::PathBuf, time::Instant};

use anyhow::Context;
use xyloop::{
    array::Array,
    calibration::Codes,
    config::{self, Config, ReadWhat},
    device::{Client, Route, StopFlag},
    folder::{
        DataRecord, DeviceRecord, FinalParameters, LogOptions, MetricsRow, RunFolder, RunHeader, RunLog, RunRecord,
        Stop, StopCounts, StopReason, Utc,
    },
    task::Task,
    train::{EpochReport, Evaluation, Outcome, Reason, Trainer, evaluate, shots::Bench},
};

use crate::{
    options::{Place, Settings, overrides},
    progress::Progress,
    signals::stop_flag,
    text::{duration, quoted},
};

/// Train an array as an experiment file says, then evaluate it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  xyloop train hil-config/xor.toml
  xyloop train hil-config/iris.toml --set train.seed=3 --set train.epochs_max=500
  xyloop train hil-config/xor.toml --device /dev/serial/by-id/usb-Acme_table_0042-if00

Ctrl-C ends the training after the shot in progress, with outputs safe and the log complete. \
When the device is lost (cable, power, a restart) the run waits until it is back and goes on; Ctrl-C ends the waiting, too.")]
pub struct Arguments {
    /// The experiment file.
    experiment: PathBuf,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    settings: Settings,
    /// Print the summary as one line of JSON.
    #[arg(long)]
    json: bool,
}

/// `true` if training ended by itself.
pub async fn run(arguments: &Arguments) -> anyhow::Result<bool> {
    let config = config::load(&arguments.experiment, &overrides(&arguments.settings, &arguments.place))?;
    let array = Array::new(&config.rig)?;
    let task = Task::from_settings(&config.experiment.task)?;
    let mut trainer = Trainer::new(&config.experiment, &array, &task)?;
    let mut client = connect(&config, &array, &arguments.place).await?;
    let started = Instant::now();
    let folder = RunFolder::create(&config.experiment.log.dir, &config.experiment.name)?;
    record(&folder, &config, &task, &client)?;
    eprintln!(
        "training `{}` on {} ({} sites, {} couplings), seed {}, run folder {}",
        config.experiment.name,
        client.place(),
        array.graph.len(),
        array.graph.couplings().len(),
        config.experiment.train.seed,
        folder.path().display()
    );
    let log = RunLog::start(&folder, log_options(&config, &array))?;
    let stop = stop_flag();
    client.reconnect_until(stop.clone());
    let mut totals = StopCounts::default();
    let ran = train_and_judge(&config, &array, &task, &mut trainer, &mut client, &log, &stop, &mut totals).await;
    let place = client.place().to_owned();
    arguments.place.report_faults(&client);
    // Whatever happened: outputs safe, what was logged on disk.
    client.close().await;
    let logged = log.finish().await;
    // Also of a run that was cut short: what was learnt until then is worth keeping.
    let kept = folder.write_final(&final_parameters(&trainer, &array));
    let (outcome, evaluation) = ran.with_context(|| {
        format!("the run was cut short; its log and the parameters it had reached are in {}", folder.path().display())
    })?;
    let logged = logged?;
    kept?;
    if let Some(evaluation) = &evaluation {
        folder.write_evaluation(evaluation)?;
    }
    totals.equilibria_logged = logged.equilibria;
    let wall_s = started.elapsed().as_secs_f64();
    folder.write_stop(&Stop {
        reason: match outcome.reason {
            Reason::Solved => StopReason::Solved,
            Reason::Epochs => StopReason::Epochs,
            Reason::Interrupted => StopReason::Interrupted,
        },
        epochs: outcome.epochs,
        end_utc: Utc::now().to_string(),
        wall_s,
        shots: outcome.shots,
        counts: totals,
    })?;
    let summary = Summary { config: &config, folder: &folder, place: &place, outcome, evaluation: &evaluation, wall_s };
    if arguments.json {
        summary.print_json();
    } else {
        summary.print(&task);
    }
    Ok(outcome.reason != Reason::Interrupted && evaluation.is_some())
}

/// Connects to the rig's device, refusing any other.
pub async fn connect(config: &Config, array: &Array, place: &Place) -> anyhow::Result<Client> {
    let rig = &config.rig;
    let route = place.tapped(Route::or_simulated(&rig.device.port, rig.device.serial.baud, array.description(rig))?)?;
    let mut client = Client::connect(route, array.wanted(rig)).await?;
    client.use_codec(config.experiment.link.codec.into())?;
    client.take_over().await?;
    Ok(client)
}

#[expect(clippy::too_many_arguments, reason = "everything a run consists of, in one place")]
async fn train_and_judge(
    config: &Config,
    array: &Array,
    task: &Task,
    trainer: &mut Trainer<'_>,
    client: &mut Client,
    log: &RunLog,
    stop: &StopFlag,
    totals: &mut StopCounts,
) -> anyhow::Result<(Outcome, Option<Evaluation>)> {
    let experiment = &config.experiment;
    let mut progress = Progress::new(experiment.train.epochs_max);
    let mut bench =
        Bench { client, log: Some(log), batch_shots: experiment.link.batch_shots as usize, stop: stop.clone() };
    let mut metrics = Vec::new();
    let outcome = trainer
        .run(&mut bench, |report, bench| {
            progress.epoch(report, bench.client.figures());
            add(totals, report);
            // Written by the log's thread; whether it could is asked below.
            metrics.push(log.metrics(row(report)));
        })
        .await;
    progress.finish();
    let mut outcome = outcome?;
    for written in metrics {
        written.await?;
    }
    if outcome.reason == Reason::Interrupted {
        return Ok((outcome, None));
    }
    eprintln!("evaluating: {} samples × {} kicks", task.test.len(), experiment.eval.starts);
    let evaluation = evaluate(&mut bench, experiment, array, task, &task.test, &trainer.final_codes()).await?;
    if evaluation.is_none() {
        outcome.reason = Reason::Interrupted;
    }
    Ok((outcome, evaluation))
}

fn record(folder: &RunFolder, config: &Config, task: &Task, client: &Client) -> anyhow::Result<()> {
    let identity = client.identity();
    folder.write_record(&RunRecord {
        run: RunHeader::new(folder, std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect()),
        device: DeviceRecord::new(client.place(), &identity.as_message()),
        data: DataRecord::new(task),
        config: config.clone(),
    })?;
    Ok(())
}

fn log_options(config: &Config, array: &Array) -> LogOptions {
    let sites = array.graph.len();
    let options = match config.experiment.read.what {
        ReadWhat::Phases => LogOptions::all(sites as u16),
        ReadWhat::Outputs | ReadWhat::Contrast => {
            LogOptions::of_sites(sites, array.graph.outputs().iter().map(|&site| site as u16).collect())
        }
    };
    LogOptions { equilibria: config.experiment.log.equilibria, ..options }
}

fn final_parameters(trainer: &Trainer<'_>, array: &Array) -> FinalParameters {
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

fn row(report: &EpochReport) -> MetricsRow {
    let counts = &report.counts;
    MetricsRow {
        epoch: report.epoch,
        steps: report.steps,
        mean_distance: report.mean_distance,
        accuracy: report.accuracy,
        mean_cost: report.mean_cost,
        basin_changed: counts.basin_changed.into(),
        unsettled: counts.unsettled.into(),
        left_out: counts.left_out.into(),
        adc_clipped: counts.adc_clipped.into(),
        weak: counts.weak.into(),
        nudge_bounded: counts.nudge_bounded.into(),
        actuator_clipped: counts.actuator_clipped.into(),
        codes_clipped: report.codes_clipped.into(),
        gradient_norm: report.gradient_norm,
        mean_settle_us: counts.mean_settle_us(),
        max_settle_us: counts.longest_settle_us,
        max_moved_rad: counts.moved_rad,
        shots: counts.shots.into(),
        seconds: report.seconds,
    }
}

fn add(totals: &mut StopCounts, report: &EpochReport) {
    let counts = &report.counts;
    totals.steps = report.steps.into();
    totals.basin_changed += u64::from(counts.basin_changed);
    totals.unsettled += u64::from(counts.unsettled);
    totals.left_out += u64::from(counts.left_out);
    totals.adc_clipped += u64::from(counts.adc_clipped);
    totals.weak += u64::from(counts.weak);
    totals.nudge_bounded += u64::from(counts.nudge_bounded);
    totals.actuator_clipped += u64::from(counts.actuator_clipped);
    totals.codes_clipped += u64::from(report.codes_clipped);
}

/// What is said at the end.
struct Summary<'s> {
    config: &'s Config,
    folder: &'s RunFolder,
    place: &'s str,
    outcome: Outcome,
    evaluation: &'s Option<Evaluation>,
    wall_s: f64,
}

impl Summary<'_> {
    fn reason(&self) -> &'static str {
        match self.outcome.reason {
            Reason::Solved => "solved",
            Reason::Epochs => "epochs",
            Reason::Interrupted => "interrupted",
        }
    }

    fn print_json(&self) {
        let summary = serde_json::json!({
            "experiment": self.config.experiment.name,
            "seed": self.config.experiment.train.seed,
            "device": self.place,
            "reason": self.reason(),
            "epochs": self.outcome.epochs,
            "shots": self.outcome.shots,
            "wall_s": self.wall_s,
            "evaluation": self.evaluation,
            "run": self.folder.path(),
        });
        println!("{summary}");
    }

    fn print(&self, task: &Task) {
        let Outcome { epochs, shots, .. } = self.outcome;
        let name = &self.config.experiment.name;
        let ended = match self.outcome.reason {
            Reason::Solved => format!("solved after {epochs} epochs"),
            Reason::Epochs => format!("not solved within {epochs} epochs"),
            Reason::Interrupted => format!("interrupted after {epochs} epochs, outputs are safe"),
        };
        println!("{name}: {ended} ({shots} shots, {})", duration(self.wall_s));
        if let Some(evaluation) = self.evaluation {
            print_evaluation(evaluation, task, self.config.experiment.eval.starts);
        }
        let path = self.folder.path();
        let text = |file: &str| path.join(file).display().to_string();
        println!("run folder: {}", path.display());
        println!("  every equilibrium:  polars.read_ipc_stream({:?})", text("equilibria/000000.arrows"));
        println!("  final parameters:   numpy.load({:?})", text("final/couplings.npy"));
        if self.evaluation.is_some() {
            println!("  judge it again:     xyloop eval {}", quoted(path));
        }
    }
}

/// An evaluation for people.
pub fn print_evaluation(evaluation: &Evaluation, task: &Task, starts: u32) {
    let Evaluation { evaluations, right, accuracy, mean_distance, unsettled, basin_changed, .. } = evaluation;
    let samples = if task.test == task.train { "the samples trained with" } else { "samples never trained with" };
    println!(
        "evaluated on the committed codes: {} samples × {starts} kicks ({samples}, kicks never used in training)",
        task.test.len()
    );
    println!("  right          {right} of {evaluations} ({:.2} %)", 100.0 * accuracy);
    println!("  mean D         {mean_distance:.5}");
    println!("  unsettled      {unsettled}, moved at the second look {basin_changed} (counted as wrong)");
    let width = task.classes.iter().map(|class| class.chars().count()).max().unwrap_or(0).max(7);
    println!("  confusion (rows: class, columns: prediction)");
    print!("    {:width$}", "");
    for class in &task.classes {
        print!("  {class:>width$}");
    }
    println!();
    for (class, row) in task.classes.iter().zip(&evaluation.confusion) {
        print!("    {class:width$}");
        for count in row {
            print!("  {count:>width$}");
        }
        println!();
    }
}
