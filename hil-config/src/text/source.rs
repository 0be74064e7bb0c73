//! Where configuration text comes from: a file and the `--set` overrides laid over it, with every value's place kept.
//!
//! A [`Sources`] numbers its bytes through: the file first, then one virtual line per override. Overrides are parsed behind
//! that many blanks, so that the spans the TOML parser reports point into the right text with no bookkeeping of our own.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Read as _};
use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::document::{Document, lay_over};
use super::report::{ConfigError, Issue, Place, neighbours, render, render_bare};

/// Larger files are no configuration; this also bounds what a device node or a pipe given as a path can cost.
const MAX_BYTES: u64 = 256 * 1024;

/// One piece of text: a file, or one override.
#[derive(Debug)]
pub(super) struct Piece {
    /// A path, or `command line`.
    pub origin: String,
    /// The file's text, or the override with `--set ` before it.
    pub text: String,
    /// Number of its first byte.
    start: usize,
    /// `text` behind `start` blanks, with `--set ` and `rig.` blanked out too (overrides only).
    padded: String,
    /// Keys of an override's path; empty for a file.
    keys: Vec<String>,
}

/// A file and its overrides.
#[derive(Debug)]
pub(super) struct Sources {
    pieces: Vec<Piece>,
}

/// One `--set a.b=value`, taken apart but not yet parsed as TOML.
#[derive(Clone, Debug)]
pub(super) struct Override {
    text: String,
    keys: Vec<String>,
    /// Addresses the rig file (its path began with `rig.`).
    pub for_rig: bool,
}

impl Override {
    /// Takes `path=value` apart; the path is one or more bare keys with dots between them.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let refused = |why: &str| {
            ConfigError::invalid(render_bare(
                &format!("`--set {text}`: {why}"),
                "write `--set table.key=value`, for example `--set train.seed=7` or `--set rig.plant.replicas=8`",
            ))
        };
        let (path, value) = text.split_once('=').ok_or_else(|| refused("there is no `=`"))?;
        if value.trim().is_empty() {
            return Err(refused("there is no value after `=`"));
        }
        if text.chars().any(char::is_control) {
            return Err(refused("line breaks and control characters are not allowed"));
        }
        let bare =
            |key: &str| !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
        let mut keys: Vec<String> = path.trim().split('.').map(|key| key.trim().to_owned()).collect();
        if !keys.iter().all(|key| bare(key)) {
            return Err(refused("the part before `=` must be keys with dots between them"));
        }
        let for_rig = keys.len() > 1 && keys[0] == "rig";
        if for_rig {
            keys.remove(0);
        }
        Ok(Self { text: text.to_owned(), keys, for_rig })
    }
}

impl Sources {
    /// Reads a file; `pointed_at` says who named it (for the error message), if not the person on the command line.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        match read_limited(path) {
            Ok(text) => Ok(Self::from_text(path.display().to_string(), text)),
            Err(source) => {
                let title = format!("cannot read `{}`: {}", path.display(), plain(&source));
                Err(ConfigError::Read { rendered: render_bare(&title, &neighbours(path)), source })
            }
        }
    }

    /// Like [`Sources::read`], for a file named by `place` in another document.
    pub fn read_named_by(path: &Path, named: &Document<'_>, place: &str) -> Result<Self, ConfigError> {
        match read_limited(path) {
            Ok(text) => Ok(Self::from_text(path.display().to_string(), text)),
            Err(source) => {
                let title = format!("cannot read `{}`: {}", path.display(), plain(&source));
                let issue =
                    Issue::at(place, title).label("named here, relative to the experiment file").help(neighbours(path));
                Err(ConfigError::Read { rendered: render(&issue, named, None), source })
            }
        }
    }

    /// Text that is at hand already.
    pub fn from_text(origin: String, text: String) -> Self {
        let file = Piece { origin, text, start: 0, padded: String::new(), keys: Vec::new() };
        Self { pieces: vec![file] }
    }

    /// Lays overrides over the file; later ones win.
    pub fn add<'o>(&mut self, overrides: impl Iterator<Item = &'o Override>) {
        for over in overrides {
            let start = self.pieces.last().map_or(0, |p| p.start + p.text.len() + 1);
            // `rig.` is blanked out: the rig file's own keys start after it.
            let skip = if over.for_rig { over.text.find('.').map_or(0, |dot| dot + 1) } else { 0 };
            let padded = format!("{}{}", " ".repeat(start + "--set ".len() + skip), &over.text[skip..]);
            self.pieces.push(Piece {
                origin: "command line".to_owned(),
                text: format!("--set {}", over.text),
                start,
                padded,
                keys: over.keys.clone(),
            });
        }
    }

    /// Parses file and overrides into one tree.
    pub fn parse(&self) -> Result<Document<'_>, ConfigError> {
        let Some((file, overrides)) = self.pieces.split_first() else {
            return Ok(Document { sources: self, root: DeTable::new() });
        };
        let mut document = Document { sources: self, root: DeTable::new() };
        document.root = DeTable::parse(&file.text).map_err(|error| self.syntax(&error, &document))?.into_inner();
        for piece in overrides {
            let tree = self.parse_override(piece, &document)?;
            if let Err(stuck) = lay_over(&mut document.root, tree, piece.keys.len()) {
                let issue = Issue::spanned(stuck.span(), format!("`{}` is a value, not a table", stuck.get_ref()))
                    .help("leave out what follows it, or check the spelling with `xyloop config show`");
                return Err(ConfigError::invalid(render(&issue, &document, None)));
            }
        }
        Ok(document)
    }

    fn parse_override<'s>(&'s self, piece: &'s Piece, document: &Document<'s>) -> Result<DeTable<'s>, ConfigError> {
        let error = match DeTable::parse(&piece.padded) {
            Ok(tree) => return Ok(tree.into_inner()),
            Err(error) => error,
        };
        let equals = piece.padded.find('=').unwrap_or(0);
        let value = piece.padded[equals + 1..].trim();
        if value.starts_with(['[', '{', '"', '\'']) {
            return Err(self.syntax(&error, document));
        }
        // Not TOML by itself: a bare word, i.e. a string. Its keys were checked to be bare, so none needs quoting.
        let begin = equals + 1 + piece.padded[equals + 1..].find(value).unwrap_or(0);
        let mut node = Spanned::new(begin..begin + value.len(), DeValue::String(Cow::Borrowed(value)));
        let mut end = equals;
        for (nth, key) in piece.keys.iter().enumerate().rev() {
            let at = piece.padded[..end].rfind(key.as_str()).unwrap_or(0);
            let span = at..at + key.len();
            let mut table = DeTable::new();
            table.insert(Spanned::new(span.clone(), Cow::Borrowed(key.as_str())), node);
            if nth == 0 {
                return Ok(table);
            }
            node = Spanned::new(span, DeValue::Table(table));
            end = at;
        }
        Ok(DeTable::new())
    }

    fn syntax(&self, error: &toml::de::Error, document: &Document<'_>) -> ConfigError {
        let title = format!("this is not TOML: {}", error.message());
        let mut issue = Issue::at("", title);
        if let Some(span) = error.span() {
            issue = Issue::spanned(span, issue.title);
        }
        let help = if self.pieces.len() > 1 && issue.place != Place::Path(String::new()) {
            "strings need quotes, tables look like `[train.nudge]`, keys like `beta = 0.03`; a `--set` value is TOML too"
        } else {
            "strings need quotes, tables look like `[train.nudge]`, keys like `beta = 0.03`"
        };
        ConfigError::invalid(render(&issue.help(help), document, None))
    }

    /// The piece a span lies in, and the span within its text.
    pub fn locate(&self, span: &Range<usize>) -> Option<(&Piece, Range<usize>)> {
        let piece = self.pieces.iter().rev().find(|piece| piece.start <= span.start)?;
        let inside = |at: usize| {
            let mut at = at.saturating_sub(piece.start).min(piece.text.len());
            while !piece.text.is_char_boundary(at) {
                at -= 1;
            }
            at
        };
        Some((piece, inside(span.start)..inside(span.end)))
    }

    /// Name of the file.
    pub fn file(&self) -> &str {
        self.pieces.first().map_or("", |piece| &piece.origin)
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

/// The message without its capital and without "(os error 2)".
fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}
