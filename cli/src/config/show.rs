//! `xyloop config show`: everything an experiment file comes to.

use std::path::PathBuf;

use xyloop::config;

use crate::options::Settings;

/// Says which file is shown.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The experiment file.
    experiment: PathBuf,
    #[command(flatten)]
    settings: Settings,
}

/// Prints it as TOML.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    print!("{}", config::load(&arguments.experiment, &arguments.settings.set)?.to_toml()?);
    Ok(())
}
