//! `xyloop eval`: the final codes of a run, judged again on a device.

use std::path::PathBuf;

use anyhow::Context;

use xyloop::{
    calibration::Codes,
    folder::{DataRecord, FinalParameters, RunFolder},
    task::Task,
    train::{evaluate, shots::Bench},
};
use xyloop_protocol::units::DacCode;

use crate::{
    options::Place,
    signals::stop_flag,
    train::{connect, print_evaluation},
};

/// Evaluate the final codes of a run again: the same kicks, so the same verdict on the same simulated device.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  xyloop eval runs/20261121-204512-xor-3fa9c2                     on the device it was trained on
  xyloop eval runs/20261121-204512-xor-3fa9c2 --starts 1000 --device /dev/pts/5")]
pub struct Arguments {
    /// The run folder.
    run: PathBuf,
    #[command(flatten)]
    place: Place,
    /// Kicks per sample instead of the experiment's `eval.starts`.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    starts: Option<u32>,
    /// Print the verdict as one line of JSON.
    #[arg(long)]
    json: bool,
}

/// `true` if the evaluation was finished.
pub async fn run(arguments: &Arguments) -> anyhow::Result<bool> {
    let folder = RunFolder::open(&arguments.run)?;
    let record = folder.read_record()?;
    let mut config = record.config;
    if let Some(place) = &arguments.place.device {
        config.rig.device.port = place.clone();
    }
    if let Some(starts) = arguments.starts {
        config.experiment.eval.starts = starts;
    }
    let parameters = folder.read_final()?;
    let array = config.rig.array()?;
    let task = Task::from_settings(&config.experiment.task)?;
    if DataRecord::new(&task) != record.data {
        anyhow::bail!(
            "the data are not those of the run: {} records others. Use the program that made it",
            folder.path().display()
        );
    }
    let connected = connect(&config, &array, &arguments.place).await;
    let mut client = match &arguments.place.device {
        Some(_) => connected?,
        None => connected.with_context(|| {
            let port = &config.rig.device.port;
            format!("the run was trained on `{port}`; `--device sim` judges its codes on the simulated device")
        })?,
    };
    let place = format!("{} {} at {}", client.identity().model, client.identity().serial, client.place());
    let stop = stop_flag();
    client.reconnect_until(stop.clone());
    let mut bench =
        Bench { client: &mut client, log: None, batch_shots: config.experiment.link.batch_shots as usize, stop };
    let codes = codes(&parameters);
    let judged = evaluate(&mut bench, &config.experiment, &array, &task, &task.test, &codes).await;
    client.close().await;
    let Some(evaluation) = judged? else { return Ok(false) };
    if arguments.json {
        println!("{}", serde_json::json!({ "run": arguments.run, "device": place, "evaluation": evaluation }));
    } else {
        println!("on {place}");
        print_evaluation(&evaluation, &task, config.experiment.eval.starts);
    }
    Ok(true)
}

fn codes(parameters: &FinalParameters) -> Codes {
    Codes {
        couplings: parameters.coupling_codes.iter().map(|&code| DacCode(code)).collect(),
        fields: parameters.field_codes.iter().flatten().map(|&code| DacCode(code)).collect(),
        clipped: 0,
    }
}
