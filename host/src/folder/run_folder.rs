//! The folder itself: making it under a name of its own, finding it again, and its small files, whole or not at all.
//!
//! All calls here block on the disk: from async code, use them before and after the run, or on a blocking thread.

use std::collections::hash_map::RandomState;
use std::fs::{self, File};
use std::hash::{BuildHasher as _, Hasher as _};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::FolderError;
use super::stop::Stop;
use super::utc::Utc;

/// Names tried before giving up; two runs in one second draw the same one once in 16 million.
const ATTEMPTS: usize = 16;

/// Most bytes of a file that is read whole: 2^26 numbers of 64 bits are more than any array has couplings.
const MAX_BYTES: u64 = 1 << 29;

/// Stands for the folder of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunFolder {
    path: PathBuf,
}

impl RunFolder {
    /// Makes a new folder `<utc>-<experiment>-<short id>` in `parent`, which is made as well if only it is missing (a
    /// longer path that is missing is more likely a slip, or a disk that is not mounted).
    ///
    /// # Errors
    /// If the experiment's name cannot be part of a folder's, or the system refuses.
    pub fn create(parent: &Path, experiment: &str) -> Result<Self, FolderError> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if experiment.is_empty() || experiment.len() > 64 || !experiment.chars().all(allowed) {
            return Err(FolderError::Name { parent: parent.to_owned(), name: experiment.to_owned() });
        }
        if !parent.is_dir() {
            match fs::create_dir(parent) {
                Err(_) if parent.is_dir() => {} // someone else was faster
                made => made.map_err(|error| FolderError::create(parent, error))?,
            }
        }
        let stamp = Utc::now().compact();
        let mut refused = None;
        for _ in 0..ATTEMPTS {
            let path = parent.join(format!("{stamp}-{experiment}-{:06x}", random_u24()));
            match fs::create_dir(&path) {
                Ok(()) => return Ok(Self { path }),
                Err(error) => {
                    let taken = error.kind() == ErrorKind::AlreadyExists;
                    refused = Some(FolderError::create(&path, error));
                    if !taken {
                        break;
                    }
                }
            }
        }
        Err(refused.unwrap_or_else(|| FolderError::create(parent, ErrorKind::AlreadyExists.into())))
    }

    /// Opens a folder that is there already.
    ///
    /// # Errors
    /// If there is no `run.toml` in it.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, FolderError> {
        let folder = Self { path: path.into() };
        match fs::metadata(folder.record_path()) {
            Ok(file) if file.is_file() => Ok(folder),
            _ if folder.path.is_dir() => Err(FolderError::NotARun { path: folder.path }),
            Ok(_) => Err(FolderError::NotARun { path: folder.path }),
            Err(error) => Err(FolderError::read(&folder.path, error)),
        }
    }

    /// Returns where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its name, which names the run. (A folder may be renamed: [`super::RunHeader::id`] keeps its first name.)
    pub fn id(&self) -> String {
        let full = fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone());
        full.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    }

    /// Writes `stop.toml`: the run came to a clean end.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn write_stop(&self, stop: &Stop) -> Result<(), FolderError> {
        let text =
            toml::to_string(stop).map_err(|error| FolderError::unwritable(&self.path.join("stop.toml"), &error))?;
        self.write_atomically("stop.toml", text.as_bytes())
    }

    /// Reads `stop.toml`; `None` if the run has not come to a clean end.
    ///
    /// # Errors
    /// If it is damaged.
    pub fn read_stop(&self) -> Result<Option<Stop>, FolderError> {
        match self.read_text("stop.toml") {
            Ok(text) => toml::from_str(&text)
                .map(Some)
                .map_err(|error| FolderError::malformed(&self.path.join("stop.toml"), &error.to_string().trim_end())),
            Err(FolderError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes `evaluation.json`. Numbers that are not finite become `null`.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn write_evaluation<T: Serialize>(&self, evaluation: &T) -> Result<(), FolderError> {
        let mut text = serde_json::to_vec_pretty(evaluation)
            .map_err(|error| FolderError::unwritable(&self.path.join("evaluation.json"), &error))?;
        text.push(b'\n');
        self.write_atomically("evaluation.json", &text)
    }

    /// Reads `evaluation.json`.
    ///
    /// # Errors
    /// If it is missing or is no `T`.
    pub fn read_evaluation<T: DeserializeOwned>(&self) -> Result<T, FolderError> {
        let text = self.read_text("evaluation.json")?;
        serde_json::from_str(&text).map_err(|error| FolderError::malformed(&self.path.join("evaluation.json"), &error))
    }

    pub(super) fn record_path(&self) -> PathBuf {
        self.path.join("run.toml")
    }

    /// Puts a file in place whole: whoever looks sees the old one or the new one.
    pub(super) fn write_atomically(&self, name: &str, bytes: &[u8]) -> Result<(), FolderError> {
        let (path, temporary) = (self.path.join(name), self.path.join(format!(".{name}.new")));
        write_synced(&temporary, bytes).and_then(|()| fs::rename(&temporary, &path)).map_err(|error| {
            // Best effort: what matters is the first error.
            let _ = fs::remove_file(&temporary);
            FolderError::write(&path, error)
        })
    }

    pub(super) fn read_text(&self, name: &str) -> Result<String, FolderError> {
        let path = self.path.join(name);
        String::from_utf8(read_limited(&path)?).map_err(|_| FolderError::malformed(&path, &"it is not UTF-8 text"))
    }
}

/// Writes a file and waits until the disk has it, so that a rename never gives an empty file its name.
pub(super) fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Reads a whole file, if it is not absurdly large.
pub(super) fn read_limited(path: &Path) -> Result<Vec<u8>, FolderError> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes))
        .map_err(|error| FolderError::read(path, error))?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(FolderError::malformed(path, &"it is larger than 512 MiB"));
    }
    Ok(bytes)
}

/// Draws 24 random bits from the keys the standard library draws for its hash maps.
fn random_u24() -> u64 {
    RandomState::new().build_hasher().finish() & 0xff_ffff
}
