//! `xyloop config check`: whether a file is right.

use std::path::PathBuf;

use xyloop::config;

use crate::options::Settings;

/// Which file.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The experiment or rig file.
    file: PathBuf,
    #[command(flatten)]
    settings: Settings,
}

/// Says that it is fine; what is not is the error.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let Arguments { file, settings } = arguments;
    let (rig, rig_file) = config::load_rig(file, &settings.set)?;
    if rig_file != *file {
        config::load(file, &settings.set)?;
    }
    let array = rig.array()?;
    println!(
        "{}: fine. Rig `{}`: {} sites, {} couplings, wiring {:016x}",
        file.display(),
        rig.name,
        array.graph.len(),
        array.graph.couplings().len(),
        array.wiring_hash()
    );
    Ok(())
}
