//! One issue with a configuration as data, and the report that is made of it: annotated source, plain text, no colours.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use serde::Serialize;

/// Holds one thing that is wrong with a configuration, as data. `Display` is the report on it: file, line, source, what
/// is allowed, next step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ConfigIssue {
    /// The file, as it was named; `command line` for an override that was read. `None` if it is in no text.
    pub file: Option<String>,
    /// Dotted path of the value in that file, e.g. `lattice.outputs.0.1`. `None` if the issue is with all of it.
    pub path: Option<String>,
    /// Line of the value, from 1; of the table or array around it if the value is not written.
    pub line: Option<usize>,
    /// Column in characters, from 1.
    pub column: Option<usize>,
    /// What is wrong, one sentence.
    pub what: String,
    /// Which values or keys are allowed there, in words.
    pub allowed: Option<String>,
    /// The next step.
    pub hint: Option<String>,
    /// How the report shows it.
    #[serde(skip)]
    pub(super) view: View,
}

/// Holds what the report shows beside the sentence.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct View {
    /// Whether the file is named where there is no source to show.
    pub names_file: bool,
    /// Source with marks, the first one's first mark is the value.
    pub excerpts: Vec<Excerpt>,
    /// What stands below the source.
    pub note: Option<String>,
    /// What stands below that.
    pub help: Option<String>,
}

/// Holds a text and the places marked in it.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Excerpt {
    pub origin: String,
    pub text: Arc<str>,
    pub marks: Vec<Mark>,
}

impl fmt::Debug for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the text: it is a whole file.
        f.debug_struct("Excerpt").field("origin", &self.origin).field("marks", &self.marks).finish_non_exhaustive()
    }
}

/// Marks a place in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub span: Range<usize>,
    pub label: Option<String>,
    /// It is the value itself and no context of it.
    pub primary: bool,
}

impl ConfigIssue {
    /// Makes an issue that has no place in any text.
    pub(super) fn bare(what: impl Into<String>, hint: impl Into<String>) -> Self {
        let hint = Some(hint.into()).filter(|hint| !hint.is_empty());
        Self {
            file: None,
            path: None,
            line: None,
            column: None,
            what: what.into(),
            allowed: None,
            view: View { help: hint.clone(), ..View::default() },
            hint,
        }
    }

    /// Names the file it is about.
    pub(super) fn in_file(mut self, file: impl Into<String>) -> Self {
        self.file = Some(file.into());
        self
    }
}

impl fmt::Display for ConfigIssue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut group = Group::with_title(Level::ERROR.primary_title(self.what.as_str()));
        for excerpt in &self.view.excerpts {
            let mut snippet = Snippet::source(&*excerpt.text).path(excerpt.origin.as_str());
            for mark in &excerpt.marks {
                let kind = if mark.primary { AnnotationKind::Primary } else { AnnotationKind::Context };
                let annotation = kind.span(mark.span.clone());
                snippet = snippet.annotation(match &mark.label {
                    Some(label) => annotation.label(label.as_str()),
                    None => annotation,
                });
            }
            group = group.element(snippet);
        }
        if let (true, true, Some(file)) = (self.view.excerpts.is_empty(), self.view.names_file, &self.file) {
            group = group.element(Origin::path(file.as_str()));
        }
        if let Some(note) = &self.view.note {
            group = group.element(Level::NOTE.message(note.as_str()));
        }
        if let Some(help) = &self.view.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        f.write_str(&Renderer::plain().render(&[group]))
    }
}
