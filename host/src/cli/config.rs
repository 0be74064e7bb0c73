//! `xyloop config`: whether a file is right, and what it comes to with defaults and overrides.

use std::path::PathBuf;

use clap::Subcommand;
use xyloop::{array::Array, config};

use super::Settings;

/// Look at configuration files.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Say whether a rig file, or an experiment file and its rig, are right.
    Check {
        /// The experiment or rig file.
        file: PathBuf,
        #[command(flatten)]
        settings: Settings,
    },
    /// Print everything an experiment file comes to, defaults and overrides included, as TOML.
    Show {
        /// The experiment file.
        experiment: PathBuf,
        #[command(flatten)]
        settings: Settings,
    },
    /// Say which converter chips a board needs for a rig, and write the rig image that is flashed and the wiring list.
    Board(super::board_plan::Arguments),
}

/// Runs it.
pub fn run(command: &Command) -> anyhow::Result<()> {
    match command {
        Command::Check { file, settings } => {
            let (rig, rig_file) = config::load_rig(file, &settings.set)?;
            if rig_file != *file {
                config::load(file, &settings.set)?;
            }
            let array = Array::new(&rig)?;
            println!(
                "{}: fine. Rig `{}`: {} sites, {} couplings, wiring {:016x}",
                file.display(),
                rig.name,
                array.graph.len(),
                array.graph.couplings().len(),
                array.wiring_hash()
            );
        }
        Command::Board(arguments) => super::board_plan::run(arguments)?,
        Command::Show { experiment, settings } => print!("{}", config::load(experiment, &settings.set)?.to_toml()?),
    }
    Ok(())
}
