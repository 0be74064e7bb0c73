//! `xyloop config`: whether a file is right, what it comes to with defaults and overrides, which chips its board needs.

mod board;
mod check;
mod show;

use clap::Subcommand;

/// Look at configuration files.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Say whether a rig file, or an experiment file and its rig, are right.
    Check(check::Arguments),
    /// Print everything an experiment file comes to, defaults and overrides included, as TOML.
    Show(show::Arguments),
    /// Say which converter chips a board needs for a rig, and write the rig image that is flashed and the wiring list.
    Board(board::Arguments),
}

/// Runs it.
pub fn run(command: &Command) -> anyhow::Result<()> {
    match command {
        Command::Check(arguments) => check::run(arguments),
        Command::Show(arguments) => show::run(arguments),
        Command::Board(arguments) => board::run(arguments),
    }
}
