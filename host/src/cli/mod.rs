//! Arguments and exit codes. Each command lives in a module of its own; results go to stdout, everything else to stderr.

mod bench;
mod board;
mod board_plan;
mod config;
mod device;
mod doctor;
mod eval;
mod plant;
mod progress;
mod sim;
mod trace;
mod train;

use std::{io::IsTerminal, path::PathBuf, process::ExitCode};

use anyhow::Context;
use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;
use xyloop::{
    config::{ConfigError, Port},
    device::{Client, DeviceError, Way},
    run::RunError,
    train::TrainError,
};
use xyloop_protocol::adversary::Faults;
use xyloop_sim::{
    emulator::EmulatorError,
    rack::RackError,
    rig_image::PlanError,
    serve::{Recorder, ServeError},
};

const EXAMPLES: &str = "\
Examples:
  xyloop train hil-config/xor.toml                       on the embedded simulated device
  xyloop train hil-config/xor.toml --set train.seed=7    from another seed
  xyloop sim serve --pty --config hil-config/xor.toml    a simulated device behind a pty ...
  xyloop train hil-config/xor.toml --device /dev/pts/5   ... to train on, or a rig
  xyloop device doctor --device /dev/pts/5               why a device does not work, and what to do
  xyloop eval runs/20261121-204512-xor-3fa9c2            judge a finished run again

Exit codes: 0 done, 1 failed, 2 usage or configuration, 3 device or link.";

/// Train physical arrays of coupled oscillators by Equilibrium Propagation.
#[derive(Debug, Parser)]
#[command(name = "xyloop", version, after_help = EXAMPLES, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// Say more on stderr (twice: everything).
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    verbose: u8,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Train an array as an experiment file says, then evaluate it.
    Train(train::Arguments),
    /// Evaluate the final codes of a run again.
    Eval(eval::Arguments),
    /// Ask a device.
    #[command(subcommand)]
    Device(device::Command),
    /// Simulated devices.
    #[command(subcommand)]
    Sim(sim::Command),
    /// Look at configuration files.
    #[command(subcommand)]
    Config(config::Command),
}

/// Arguments that say which configuration is meant.
#[derive(Debug, clap::Args)]
struct Settings {
    /// Override a key, e.g. `train.seed=7` or `rig.plant.threads=1`; may be given more than once.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
}

/// The argument that says which device is meant.
#[derive(Debug, clap::Args)]
struct Place {
    /// `sim` (embedded), `tcp://HOST:PORT` or a serial port such as /dev/serial/by-id/…; default: what the rig file says.
    #[arg(long, value_name = "PLACE")]
    device: Option<Port>,
    /// Put faults on the line at this end, e.g. bit-error=1e-4,drop=0.05,seed=7 (`xyloop sim serve --help` lists them).
    #[arg(long, value_name = "SPEC")]
    fault: Option<Faults>,
    /// Record the line as this end sees it into this file (pcap); `xyloop device trace` prints it.
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
}

impl Place {
    /// Puts what is asked for around the line.
    fn around(&self, way: Way) -> anyhow::Result<Way> {
        if let Some(faults) = &self.fault {
            eprintln!("faults on the line: {faults}");
        }
        let recorder = self
            .trace
            .as_deref()
            .map(|path| Recorder::start(path).with_context(|| format!("cannot record to {}", path.display())));
        let recorder = recorder.transpose()?;
        Ok(if self.fault.is_some() || recorder.is_some() {
            way.with(&self.fault.unwrap_or_default(), recorder)
        } else {
            way
        })
    }

    /// Says what was done to the line, if something was asked for.
    fn report_faults(&self, client: &Client) {
        if let (Some(_), Some([to_device, to_host])) = (&self.fault, client.faults()) {
            eprintln!("faults done: {to_device} to the device; {to_host} to the host");
        }
    }
}

/// Parses, runs, reports.
pub fn run() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS };
        }
    };
    let level = ["warn", "info", "debug"][usize::from(arguments.verbose.min(2))];
    let filter = EnvFilter::try_from_env("XYLOOP_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .init();
    let done = match arguments.command {
        Command::Train(arguments) => runtime().and_then(|it| it.block_on(train::run(&arguments))),
        Command::Eval(arguments) => runtime().and_then(|it| it.block_on(eval::run(&arguments))),
        Command::Device(command) => runtime().and_then(|it| it.block_on(device::run(&command))),
        Command::Sim(command) => sim::run(&command).map(|()| true),
        Command::Config(command) => config::run(&command).map(|()| true),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            report(&error);
            ExitCode::from(code(&error))
        }
    }
}

/// The connection lives on the runtime's threads; commands run on the main thread, where they may compute and write.
fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?)
}

fn report(error: &anyhow::Error) {
    if let Some(config) = error.downcast_ref::<ConfigError>() {
        // Rendered with its source already.
        eprintln!("{}", config.rendered());
        return;
    }
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        // Some messages say their cause themselves.
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    eprintln!("error: {text}");
}

fn code(error: &anyhow::Error) -> u8 {
    // A run folder that cannot be made or is none is a wrong argument; one that fails later is not (that is a TrainError).
    if error.is::<ConfigError>()
        || error.is::<RunError>()
        || error.downcast_ref().is_some_and(trace::Unreadable::is_other_file)
        || error.downcast_ref().is_some_and(ServeError::is_wrong_argument)
        || error.is::<PlanError>()
        || error.downcast_ref().is_some_and(board::is_wrong_argument)
        || matches!(error.downcast_ref(), Some(TrainError::Settings(_)))
    {
        2
    } else if error.is::<DeviceError>()
        || error.is::<doctor::Unwell>()
        || error.is::<ServeError>()
        || error.is::<EmulatorError>()
        || error.is::<RackError>()
        || matches!(error.downcast_ref(), Some(TrainError::Device(_)))
    {
        3
    } else {
        1
    }
}

/// Overrides with the device the command line names, if it names one: it is checked like every other setting.
fn overrides(settings: &Settings, place: &Place) -> Vec<String> {
    let mut overrides = settings.set.clone();
    if let Some(port) = &place.device {
        overrides.push(format!("rig.device.port={port}"));
    }
    overrides
}

/// A path as an argument of a command that can be copied.
fn quoted(path: &std::path::Path) -> String {
    let path: PathBuf = path.to_owned();
    let text = path.display().to_string();
    if text.contains(char::is_whitespace) { format!("'{text}'") } else { text }
}
