//! `xyloop train`: connect, train, evaluate, and say where everything is.

use std::path::PathBuf;

use xyloop::{
    config,
    folder::StopReason,
    run::{Prepared, Report},
    task::Task,
};

use crate::{
    options::{Place, Settings, faults_of, overrides},
    progress,
    signals::stop_flag,
    text::{command_line, duration, quoted},
    verdict,
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

/// Trains; `true` if training ended by itself.
pub async fn run(arguments: &Arguments) -> anyhow::Result<bool> {
    let config = config::load(&arguments.experiment, &overrides(&arguments.settings, &arguments.place))?;
    let prepared = Prepared::training(config)?.started_by(command_line());
    let (experiment, task) = (prepared.config().experiment.clone(), prepared.problem().task.clone());
    let route = arguments.place.tapped(prepared.route()?)?;
    let run = prepared.connect(Some(route), progress::observer(), stop_flag()).await?;
    let report = run.carry_out().await.inspect_err(|error| arguments.place.say_faults(faults_of(error)))?;
    arguments.place.say_faults(report.faults.as_ref());
    let (seed, starts) = (experiment.train.seed, experiment.eval.starts);
    let summary = Summary { name: &experiment.name, seed, starts, report };
    if arguments.json {
        summary.print_json();
    } else {
        summary.print(&task);
    }
    Ok(summary.report.is_complete())
}

/// Holds what is said at the end.
struct Summary<'s> {
    name: &'s str,
    seed: u64,
    starts: u32,
    report: Report,
}

impl Summary<'_> {
    fn print_json(&self) {
        let Report { place, outcome, evaluation, wall_s, folder, .. } = &self.report;
        let summary = serde_json::json!({
            "experiment": self.name,
            "seed": self.seed,
            "device": place,
            "reason": outcome.map(|outcome| outcome.reason.name()),
            "epochs": outcome.map(|outcome| outcome.epochs),
            "shots": outcome.map(|outcome| outcome.shots),
            "wall_s": wall_s,
            "evaluation": evaluation,
            "run": folder.path(),
        });
        println!("{summary}");
    }

    fn print(&self, task: &Task) {
        let Report { outcome, evaluation, wall_s, folder, .. } = &self.report;
        let Some(outcome) = outcome else { return };
        let (name, epochs, shots) = (self.name, outcome.epochs, outcome.shots);
        let ended = match outcome.reason {
            StopReason::Solved => format!("solved after {epochs} epochs"),
            StopReason::Interrupted => format!("interrupted after {epochs} epochs, outputs are safe"),
            _ => format!("not solved within {epochs} epochs"),
        };
        println!("{name}: {ended} ({shots} shots, {})", duration(*wall_s));
        if let Some(evaluation) = evaluation {
            verdict::print(evaluation, task, self.starts);
        }
        let path = folder.path();
        let text = |file: &str| path.join(file).display().to_string();
        println!("run folder: {}", path.display());
        if self.report.logged.equilibria > 0 {
            println!("  every equilibrium:  polars.read_ipc_stream({:?})", text("equilibria/000000.arrows"));
        }
        println!("  final parameters:   numpy.load({:?})", text("final/couplings.npy"));
        if evaluation.is_some() {
            println!("  judge it again:     xyloop eval {}", quoted(path));
        }
    }
}
