//! Where configuration text comes from: a file and the `--set` overrides laid over it, with every value's place kept.
//!
//! A [`Sources`] numbers its bytes through: the file first, then one virtual line per override. Overrides are parsed behind
//! that many blanks, so that the spans the TOML parser reports point into the right text with no bookkeeping of our own.

use std::ops::Range;
use std::sync::Arc;

use super::overrides::Override;

/// Holds one piece of text: a file, or one override.
#[derive(Debug)]
pub(super) struct Piece {
    /// A path, or `command line`.
    pub origin: String,
    /// The file's text, or the override with `--set ` before it.
    pub text: Arc<str>,
    /// Number of its first byte.
    start: usize,
    /// `text` behind `start` blanks, with `--set ` and `rig.` blanked out too (overrides only).
    pub padded: String,
    /// Keys of an override's path; empty for a file.
    pub keys: Vec<String>,
}

/// Holds a file and its overrides.
#[derive(Debug)]
pub(super) struct Sources {
    pub pieces: Vec<Piece>,
}

impl Sources {
    /// Takes text that is at hand already.
    pub fn from_text(origin: String, text: String) -> Self {
        let file = Piece { origin, text: text.into(), start: 0, padded: String::new(), keys: Vec::new() };
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
                text: format!("--set {}", over.text).into(),
                start,
                padded,
                keys: over.keys.clone(),
            });
        }
    }

    /// Finds the piece a span lies in, and the span within its text.
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

    /// Names the file.
    pub fn file(&self) -> &str {
        self.pieces.first().map_or("", |piece| &piece.origin)
    }
}
