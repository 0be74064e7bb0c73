//! `xyloop config check`: whether a file is right.

use std::path::PathBuf;

use serde_json::json;
use xyloop::config::{self, ConfigError, Rig};

use crate::options::Settings;

/// Says which file is checked.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The experiment or rig file.
    file: PathBuf,
    #[command(flatten)]
    settings: Settings,
    /// Print one line of JSON: whether it is right, what it describes, or each issue with its place in the text.
    #[arg(long)]
    json: bool,
}

/// Says that it is fine; what is not is the error.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let Arguments { file, json, .. } = arguments;
    let rig = match check(arguments) {
        Ok(rig) => rig,
        Err(error) => {
            if *json {
                println!("{}", json!({ "ok": false, "file": file, "issues": error.issues() }));
            }
            return Err(error.into());
        }
    };
    let array = rig.array()?;
    let (sites, couplings) = (array.graph.len(), array.graph.couplings().len());
    let wiring = format!("{:016x}", array.wiring_hash());
    if *json {
        let rig = json!({ "name": rig.name, "sites": sites, "couplings": couplings, "wiring_hash": wiring });
        println!("{}", json!({ "ok": true, "file": file, "rig": rig }));
    } else {
        let (file, rig) = (file.display(), &rig.name);
        println!("{file}: fine. Rig `{rig}`: {sites} sites, {couplings} couplings, wiring {wiring}");
    }
    Ok(())
}

/// Reads a rig file, or an experiment file as for training.
fn check(arguments: &Arguments) -> Result<Rig, ConfigError> {
    let Arguments { file, settings, .. } = arguments;
    let (rig, rig_file) = config::load_rig(file, &settings.set)?;
    if rig_file != *file {
        config::load(file, &settings.set)?;
    }
    Ok(rig)
}
