//! From text to a tree: a file is parsed as TOML, and each override as the one value it sets.

use std::borrow::Cow;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::document::{Document, lay_over};
use super::error::ConfigError;
use super::issue::{Issue, Place};
use super::refuse::refusal;
use super::source::{Piece, Sources};

impl Sources {
    /// Parses file and overrides into one tree.
    pub fn parse(&self) -> Result<Document<'_>, ConfigError> {
        let Some((file, overrides)) = self.pieces.split_first() else {
            return Ok(Document::empty(self));
        };
        let mut document = Document::empty(self);
        document.root = DeTable::parse(&file.text).map_err(|error| self.syntax(&error, &document))?.into_inner();
        for piece in overrides {
            let tree = self.parse_override(piece, &document)?;
            if let Err(stuck) = lay_over(&mut document.root, tree, piece.keys.len()) {
                let issue = Issue::spanned(stuck.span(), format!("`{}` is a value, not a table", stuck.get_ref()))
                    .help("leave out what follows it, or check the spelling");
                return Err(refusal(&issue, &document));
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
            issue = Issue::spanned(span, issue.what);
        }
        let help = if self.pieces.len() > 1 && issue.place != Place::Path(String::new()) {
            "strings need quotes, tables look like `[train.nudge]`, keys like `beta = 0.03`; a `--set` value is TOML too"
        } else {
            "strings need quotes, tables look like `[train.nudge]`, keys like `beta = 0.03`"
        };
        refusal(&issue.help(help), document)
    }
}
