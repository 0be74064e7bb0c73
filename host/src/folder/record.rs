//! What it takes to repeat or evaluate a run: `run.toml`, with the tables `[run]`, `[device]`, `[data]`, and the resolved
//! configuration as `[experiment]` and `[rig]`, which [`crate::config::load_resolved`] reads.

use std::path::Path;

use serde::{Deserialize, Serialize};
use xyloop_protocol::message::{BootCause, Identity, Limits, SCHEMA_HASH};

use super::error::FolderError;
use super::run_folder::RunFolder;
use super::utc::Utc;
use crate::config::{self, Config, Experiment, Rig};
use crate::task::{SplitRecord, Task};

/// Version of the run folder's layout. Raised when an older program would misread it.
const FORMAT: u32 = 1;

/// Holds everything in `run.toml`.
#[derive(Clone, Debug, PartialEq)]
pub struct RunRecord {
    /// Which run this is.
    pub run: RunHeader,
    /// The device it ran on.
    pub device: DeviceRecord,
    /// The data it was for.
    pub data: DataRecord,
    /// All settings, defaults and overrides included.
    pub config: Config,
}

/// `[run]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunHeader {
    /// Version of the folder's layout.
    pub format: u32,
    /// The folder's name when it was made; it names the run in all its files.
    pub id: String,
    /// When this was recorded, RFC 3339.
    pub start_utc: String,
    /// The command line, program first.
    pub command: Vec<String>,
    /// Name and version of the program.
    pub program: String,
    /// The run whose codes were judged, if this was nothing but an evaluation of another run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evaluation_of: Option<String>,
}

impl RunHeader {
    /// Describes a run that begins now, in this folder, by this program.
    pub fn new(folder: &RunFolder, command: Vec<String>) -> Self {
        Self {
            format: FORMAT,
            id: folder.id(),
            start_utc: Utc::now().to_string(),
            command,
            program: concat!("xyloop ", env!("CARGO_PKG_VERSION")).to_owned(),
            evaluation_of: None,
        }
    }
}

/// `[device]`: who was at the other end of the link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceRecord {
    /// Where it was found: `sim`, `tcp://…`, a serial port.
    pub place: String,
    /// Who made it.
    pub vendor: String,
    /// What it is.
    pub model: String,
    /// Which one it is.
    pub serial: String,
    /// Version of its firmware.
    pub firmware: String,
    /// Drawn anew at every start of the device.
    pub boot_id: u32,
    /// Why the device started.
    #[serde(default)]
    pub boot_cause: BootCause,
    /// What its firmware left behind before that; empty if nothing.
    #[serde(default)]
    pub boot_note: String,
    /// What is connected to what; hexadecimal in the file.
    #[serde(with = "hexadecimal")]
    pub wiring_hash: u64,
    /// Its calibration, 0 for none; hexadecimal in the file.
    #[serde(with = "hexadecimal")]
    pub calibration_id: u64,
    /// Hash of the messages both ends use; hexadecimal in the file.
    #[serde(with = "hexadecimal")]
    pub protocol_hash: u64,
    /// What it can take: counts, bytes, milliseconds.
    pub limits: Limits,
}

impl DeviceRecord {
    /// Records what a device at `place` said about itself, over this program's protocol.
    pub fn new(place: impl Into<String>, identity: &Identity<'_>) -> Self {
        Self {
            place: place.into(),
            vendor: identity.vendor.to_owned(),
            model: identity.model.to_owned(),
            serial: identity.serial.to_owned(),
            firmware: identity.firmware.to_owned(),
            boot_id: identity.boot_id,
            boot_cause: identity.boot_cause,
            boot_note: identity.boot_note.to_owned(),
            wiring_hash: identity.wiring_hash,
            calibration_id: identity.calibration_id,
            protocol_hash: u64::from_be_bytes(SCHEMA_HASH),
            limits: identity.limits,
        }
    }
}

/// `[data]`: enough to notice that the data are not the same any more. Two records are equal if the data are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DataRecord {
    /// `xor`, `iris`.
    pub task: String,
    /// Names of the classes, in the order of the labels.
    pub classes: Vec<String>,
    /// Origin in words.
    pub source: String,
    /// SHA-256 of the data file, hexadecimal; `None` if the data are computed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// How rows were divided and features scaled; `None` if they were not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub split: Option<SplitRecord>,
}

impl DataRecord {
    /// Records a task.
    pub fn new(task: &Task) -> Self {
        Self {
            task: task.name.clone(),
            classes: task.classes.clone(),
            source: task.provenance.source.clone(),
            sha256: task.provenance.sha256.clone(),
            split: task.provenance.split.clone(),
        }
    }
}

/// Orders the file as it is written: bare keys first, then what people look for first.
#[derive(Serialize)]
struct WrittenFile<'a> {
    experiment_path: &'a Path,
    rig_path: &'a Path,
    run: &'a RunHeader,
    device: &'a DeviceRecord,
    data: &'a DataRecord,
    experiment: &'a Experiment,
    rig: &'a Rig,
}

/// Holds the tables that are not the configuration's.
#[derive(Deserialize)]
struct ReadTables {
    run: RunHeader,
    device: DeviceRecord,
    data: DataRecord,
}

/// Holds what is looked at first: the rest may have changed.
#[derive(Deserialize)]
struct ReadFormat {
    run: FormatOnly,
}

#[derive(Deserialize)]
struct FormatOnly {
    format: u32,
    #[serde(default)]
    program: String,
}

impl RunFolder {
    /// Writes `run.toml`.
    ///
    /// # Errors
    /// If the disk refuses, or a value cannot be written as TOML (a path that is not UTF-8, a seed above 2^63 − 1).
    pub fn write_record(&self, record: &RunRecord) -> Result<(), FolderError> {
        let RunRecord { run, device, data, config } = record;
        let Config { experiment_path, rig_path, experiment, rig } = config;
        let file = WrittenFile { experiment_path, rig_path, run, device, data, experiment, rig };
        let path = self.record_path();
        let text = toml::to_string(&file).map_err(|error| FolderError::unwritable(&path, &error))?;
        self.write_atomically("run.toml", text.as_bytes())
    }

    /// Reads `run.toml`.
    ///
    /// # Errors
    /// If it is missing or damaged, was written by a later version, or holds a configuration that is refused.
    pub fn read_record(&self) -> Result<RunRecord, FolderError> {
        let path = self.record_path();
        let text = self.read_text("run.toml")?;
        let malformed = |error: toml::de::Error| FolderError::malformed(&path, &error.to_string().trim_end());
        let ReadFormat { run } = toml::from_str(&text).map_err(malformed)?;
        if run.format > FORMAT {
            return Err(FolderError::NewerFormat { path, found: run.format, known: FORMAT, program: run.program });
        }
        let ReadTables { run, device, data } = toml::from_str(&text).map_err(malformed)?;
        let config = config::load_resolved(&path).map_err(|source| FolderError::Config { path, source })?;
        Ok(RunRecord { run, device, data, config })
    }
}

/// Writes 64-bit names as 16 hexadecimal digits: TOML's integers end at 2^63 − 1.
mod hexadecimal {
    use serde::de::{Deserialize, Deserializer, Error};
    use serde::ser::Serializer;

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
    pub(super) fn serialize<S: Serializer>(name: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&format!("{name:016x}"))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        let text = String::deserialize(deserializer)?;
        u64::from_str_radix(&text, 16).map_err(|_| D::Error::custom("16 hexadecimal digits in quotes are expected"))
    }
}
