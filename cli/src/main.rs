//! The `xyloop` command: reads arguments, runs a command, prints what it came to, and exits with 0 (done), 1 (failed),
//! 2 (usage or configuration) or 3 (device or link).
//!
//! Each command lives in the file or folder of its name; results go to stdout, everything else to stderr.
#![forbid(unsafe_code)]

mod config;
mod device;
mod eval;
mod exit_code;
mod offer;
mod options;
mod progress;
mod runtime;
mod signals;
mod sim;
mod text;
mod train;
mod verdict;

use std::{io::IsTerminal, process::ExitCode};

use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

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

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(exit_code::USAGE) } else { ExitCode::SUCCESS };
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
    exit_code::of(match arguments.command {
        Command::Train(arguments) => runtime::block_on(train::run(&arguments)),
        Command::Eval(arguments) => runtime::block_on(eval::run(&arguments)),
        Command::Device(command) => runtime::block_on(device::run(&command)),
        Command::Sim(command) => sim::run(&command).map(|()| true),
        Command::Config(command) => config::run(&command).map(|()| true),
    })
}
