//! Reads configuration files from the disk, and says what is near by if one is not there.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use super::document::Document;
use super::error::ConfigError;
use super::issue::Issue;
use super::refuse::placed;
use super::report::ConfigIssue;
use super::source::Sources;
use super::spelling::nearest;

/// Larger files are no configuration; this also bounds what a device node or a pipe given as a path can cost.
const MAX_BYTES: u64 = 256 * 1024;

impl Sources {
    /// Reads a file that the caller named.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        match read_limited(path) {
            Ok(text) => Ok(Self::from_text(path.display().to_string(), text)),
            Err(source) => {
                let title = format!("cannot read `{}`: {}", path.display(), plain(&source));
                let issue = ConfigIssue::bare(title, neighbours(path)).in_file(path.display().to_string());
                Err(ConfigError::unreadable(issue, source))
            }
        }
    }

    /// Reads a file that is named by `place` in another document.
    pub fn read_named_by(path: &Path, named: &Document<'_>, place: &str) -> Result<Self, ConfigError> {
        match read_limited(path) {
            Ok(text) => Ok(Self::from_text(path.display().to_string(), text)),
            Err(source) => {
                let title = format!("cannot read `{}`: {}", path.display(), plain(&source));
                let issue =
                    Issue::at(place, title).label("named here, relative to the experiment file").help(neighbours(path));
                Err(ConfigError::unreadable(placed(&issue, named, None), source))
            }
        }
    }
}

fn read_limited(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(MAX_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_BYTES {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "larger than 256 KiB, so it is no configuration file"));
    }
    Ok(text)
}

/// Returns the message without its capital and without "(os error 2)".
fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

/// Suggests the configuration files beside a missing one.
fn neighbours(path: &Path) -> String {
    if path.exists() {
        return "check that it is a readable text file".to_owned();
    }
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let Ok(entries) = std::fs::read_dir(folder) else {
        return format!("there is no readable folder `{}`: check the path and the working directory", folder.display());
    };
    let mut names: Vec<String> = entries
        .flatten()
        .take(1000)
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| Path::new(name).extension().is_some_and(|extension| extension == "toml"))
        .collect();
    names.sort();
    names.truncate(12);
    let wanted = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    match nearest(&wanted, names.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{}`?", folder.join(near).display()),
        None if names.is_empty() => format!("there is no .toml file in `{}`", folder.display()),
        None => format!("in `{}` there are: {}", folder.display(), names.join(", ")),
    }
}
