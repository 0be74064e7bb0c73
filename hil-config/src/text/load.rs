//! The way through the text layer: reads a rig file, an experiment file that names its rig, and `--set` overrides into
//! checked settings.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::document::Document;
use super::error::ConfigError;
use super::experiment::{Experiment, Purpose};
use super::issue::Issue;
use super::overrides::Override;
use super::refuse::{refusal, refuse};
use super::report::ConfigIssue;
use super::rig::Rig;
use super::source::Sources;
use super::{experiment_rules, retired, rig_rules, typed};

/// Holds a checked experiment with its checked rig.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Config {
    /// Where the experiment was read from, as given.
    pub experiment_path: PathBuf,
    /// Where the rig was read from.
    pub rig_path: PathBuf,
    /// What to train.
    pub experiment: Experiment,
    /// What to train it on.
    pub rig: Rig,
}

/// Reads an experiment file and its rig for training; `overrides` are the arguments of `--set`, later ones win.
///
/// `rig.a.b=c` addresses the rig file's key `a.b`; everything else (and `rig=PATH`) the experiment file's. A value is read
/// as TOML; what is not TOML is taken as a string, so quotes can be left out.
///
/// # Errors
/// [`ConfigError`] with the complete report if anything at all is wrong.
pub fn load(path: impl AsRef<Path>, overrides: &[String]) -> Result<Config, ConfigError> {
    load_for(path, overrides, Purpose::Train)
}

/// Reads as [`load`] does, for any purpose.
///
/// # Errors
/// As [`load`].
pub fn load_for(path: impl AsRef<Path>, overrides: &[String], purpose: Purpose) -> Result<Config, ConfigError> {
    let path = path.as_ref();
    let overrides = parse_overrides(overrides)?;
    let mut sources = Sources::read(path)?;
    sources.add(overrides.iter().filter(|over| !over.for_rig));
    let document = sources.parse()?;
    if is_rig(&document) {
        let issue =
            Issue::at("lattice", format!("`{}` is a rig file, an experiment file is needed here", path.display()));
        let issue = issue
            .label("only rig files have a lattice")
            .help("an experiment file names its rig: rig = \"rigs/….toml\"");
        return Err(refusal(&issue, &document));
    }
    let experiment = read_experiment(&document, purpose)?;

    let rig_path = path.parent().unwrap_or(Path::new("")).join(&experiment.rig);
    let mut rig_sources = Sources::read_named_by(&rig_path, &document, "rig")?;
    rig_sources.add(overrides.iter().filter(|over| over.for_rig));
    let rig_document = rig_sources.parse()?;
    let rig = read_rig(&rig_document)?;

    refuse(&experiment_rules::check_with_rig(&experiment, &rig), &document, Some(&rig_document))?;
    Ok(Config { experiment_path: path.to_owned(), rig_path, experiment, rig })
}

/// Reads a rig from a rig file, or from an experiment file (then its rig), and says where it was read from.
///
/// In overrides the prefix `rig.` may be left out if the file is a rig file.
///
/// # Errors
/// As [`load`].
pub fn load_rig(path: impl AsRef<Path>, overrides: &[String]) -> Result<(Rig, PathBuf), ConfigError> {
    let path = path.as_ref();
    let mut sources = Sources::read(path)?;
    if !is_rig(&sources.parse()?) {
        let config = load_for(path, overrides, Purpose::Rig)?;
        return Ok((config.rig, config.rig_path));
    }
    sources.add(parse_overrides(overrides)?.iter());
    Ok((read_rig(&sources.parse()?)?, path.to_owned()))
}

impl Config {
    /// Writes everything that was resolved, defaults and overrides included, as one TOML document with the tables `[experiment]`
    /// and `[rig]`. [`from_resolved`] reads it back.
    ///
    /// # Errors
    /// If a value was put in by hand that TOML cannot hold, such as a path that is not UTF-8.
    pub fn to_toml(&self) -> Result<String, ConfigError> {
        toml::to_string(self).map_err(|error| {
            let what = format!("the configuration cannot be written as TOML: {error}");
            ConfigIssue::bare(what, "paths must be UTF-8").into()
        })
    }
}

/// Reads what [`Config::to_toml`] wrote, judged as for training. Other keys and tables beside `[experiment]` and `[rig]` are
/// left alone, so the text may be a whole `run.toml`.
///
/// # Errors
/// As [`load`].
pub fn from_resolved(text: &str) -> Result<Config, ConfigError> {
    resolved(&Sources::from_text("resolved configuration".to_owned(), text.to_owned()))
}

/// Reads as [`from_resolved`] does, from a file: the `run.toml` of a run. Messages then name it.
///
/// # Errors
/// As [`load`].
pub fn load_resolved(path: impl AsRef<Path>) -> Result<Config, ConfigError> {
    resolved(&Sources::read(path.as_ref())?)
}

fn resolved(sources: &Sources) -> Result<Config, ConfigError> {
    let document = sources.parse()?;
    let part = |key: &str| {
        document.part(key).ok_or_else(|| {
            let issue = Issue::at("", format!("there is no table [{key}]"));
            let issue =
                issue.help("a resolved configuration has the tables [experiment] and [rig], as in a run's run.toml");
            refusal(&issue, &document)
        })
    };
    let (mut experiment_part, rig_part) = (part("experiment")?, part("rig")?);
    retired::forget(&mut experiment_part);
    let experiment = read_experiment(&experiment_part, Purpose::Train)?;
    let rig = read_rig(&rig_part)?;
    refuse(&experiment_rules::check_with_rig(&experiment, &rig), &experiment_part, Some(&rig_part))?;
    let path = |key: &str| {
        PathBuf::from(document.root.get(key).and_then(|value| value.get_ref().as_str()).unwrap_or_default())
    };
    Ok(Config { experiment_path: path("experiment_path"), rig_path: path("rig_path"), experiment, rig })
}

fn parse_overrides(overrides: &[String]) -> Result<Vec<Override>, ConfigError> {
    overrides.iter().map(|text| Override::parse(text)).collect()
}

fn is_rig(document: &Document<'_>) -> bool {
    document.root.contains_key("lattice") && !document.root.contains_key("task") && !document.root.contains_key("rig")
}

fn read_experiment(document: &Document<'_>, purpose: Purpose) -> Result<Experiment, ConfigError> {
    refuse(&retired::check(document), document, None)?;
    let experiment = typed::read(document)?;
    refuse(&experiment_rules::check(&experiment, purpose), document, None)?;
    Ok(experiment)
}

fn read_rig(document: &Document<'_>) -> Result<Rig, ConfigError> {
    let rig = typed::read(document)?;
    refuse(&rig_rules::check(&rig), document, None)?;
    Ok(rig)
}
