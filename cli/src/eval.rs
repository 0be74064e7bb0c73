//! `xyloop eval`: the final codes of a run, judged again on a device.

use std::path::PathBuf;

use anyhow::Context;
use xyloop::{
    error::ErrorKind,
    folder::RunFolder,
    run::{Prepared, RunError},
};

use crate::{
    options::{Place, faults_of},
    progress,
    signals::stop_flag,
    text::command_line,
    verdict,
};

/// Evaluate the final codes of a run again: the same kicks, so the same verdict on the same simulated device.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  xyloop eval runs/20261121-204512-xor-3fa9c2                     on the device it was trained on
  xyloop eval runs/20261121-204512-xor-3fa9c2 --starts 1000 --device /dev/pts/5

Every equilibrium and the verdict are kept in a folder of their own, in the run's folder: evaluations/.")]
pub struct Arguments {
    /// The run folder.
    run: PathBuf,
    #[command(flatten)]
    place: Place,
    /// Kicks per sample instead of the experiment's `eval.starts`.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    starts: Option<u32>,
    /// Make the evaluation's folder in this one instead.
    #[arg(long, value_name = "DIR")]
    into: Option<PathBuf>,
    /// Print the verdict as one line of JSON.
    #[arg(long)]
    json: bool,
}

/// Judges; `true` if the evaluation was finished.
pub async fn run(arguments: &Arguments) -> anyhow::Result<bool> {
    let mut prepared = Prepared::evaluation(RunFolder::open(&arguments.run)?, |config| {
        if let Some(place) = &arguments.place.device {
            config.rig.device.port = place.clone();
        }
        if let Some(starts) = arguments.starts {
            config.experiment.eval.starts = starts;
        }
    })?
    .started_by(command_line());
    if let Some(parent) = &arguments.into {
        prepared = prepared.into_parent(parent.clone());
    }
    let (task, starts) = (prepared.problem().task.clone(), prepared.config().experiment.eval.starts);
    let port = prepared.config().rig.device.port.clone();
    let route = arguments.place.tapped(prepared.route()?)?;
    let run = match prepared.connect(Some(route), progress::observer(), stop_flag()).await {
        Err(error @ RunError::Device(_))
            if arguments.place.device.is_none() && error.kind() != ErrorKind::Interrupted =>
        {
            Err(error).with_context(|| {
                format!("the run was trained on `{port}`; `--device sim` judges its codes on the simulated device")
            })?
        }
        connected => connected?,
    };
    let report = run.carry_out().await.inspect_err(|error| arguments.place.say_faults(faults_of(error)))?;
    arguments.place.say_faults(report.faults.as_ref());
    let Some(evaluation) = &report.evaluation else {
        eprintln!("interrupted, outputs are safe; what was measured is in {}", report.folder.path().display());
        return Ok(false);
    };
    let (place, folder) = (format!("{} at {}", report.device, report.place), report.folder.path());
    if arguments.json {
        let verdict = serde_json::json!({
            "run": arguments.run, "device": place, "evaluation": evaluation, "folder": folder,
        });
        println!("{verdict}");
    } else {
        println!("on {place}");
        verdict::print(evaluation, &task, starts);
        println!("folder: {}", folder.display());
    }
    Ok(true)
}
