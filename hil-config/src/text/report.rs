//! What a wrong configuration is answered with: [`ConfigError`] and the rendering of issues as annotated source.
//!
//! Plain text, no colours, nothing printed here: the command decides where it goes (exit code 2 is its business too).

use std::io;
use std::ops::Range;
use std::path::Path;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use super::document::Document;

/// Why a configuration was refused. `Display` is the complete report: file, line, source, what is allowed, next step.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A file could not be read.
    #[error("{rendered}")]
    Read {
        /// The report, plain text, several lines.
        rendered: String,
        /// What the system said.
        source: io::Error,
    },
    /// A file or a `--set` is not TOML, or holds a wrong key, type or value.
    #[error("{rendered}")]
    Invalid {
        /// The report, plain text, several lines; several errors with an empty line between them.
        rendered: String,
    },
}

impl ConfigError {
    /// The complete report, plain text without colours.
    pub fn rendered(&self) -> &str {
        match self {
            Self::Read { rendered, .. } | Self::Invalid { rendered } => rendered,
        }
    }

    pub(super) fn invalid(rendered: String) -> Self {
        Self::Invalid { rendered }
    }
}

/// Where an issue is: a path to look up, or a place that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Path(String),
    Span(Range<usize>),
}

/// One thing that is wrong.
#[derive(Clone, Debug)]
pub(super) struct Issue {
    pub place: Place,
    pub title: String,
    label: Option<String>,
    help: Option<String>,
    also: Option<Also>,
}

/// A second place that explains the first.
#[derive(Clone, Debug)]
struct Also {
    path: String,
    label: String,
    /// In the rig file, while the issue is in the experiment file.
    in_rig: bool,
}

impl Issue {
    /// At the value with this path, e.g. `lattice.outputs.0.1`; an empty path is the whole document.
    pub fn at(path: &str, title: impl Into<String>) -> Self {
        Self { place: Place::Path(path.to_owned()), title: title.into(), label: None, help: None, also: None }
    }

    /// At a place that is known already.
    pub fn spanned(span: Range<usize>, title: impl Into<String>) -> Self {
        Self { place: Place::Span(span), ..Self::at("", title) }
    }

    /// What is written under the marked source.
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// The next step.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into()).filter(|help| !help.is_empty());
        self
    }

    /// Shows another value of the same document as well.
    pub fn also(mut self, path: &str, label: impl Into<String>) -> Self {
        self.also = Some(Also { path: path.to_owned(), label: label.into(), in_rig: false });
        self
    }

    /// Shows a value of the rig file as well.
    pub fn also_in_rig(mut self, path: &str, label: impl Into<String>) -> Self {
        self.also = Some(Also { path: path.to_owned(), label: label.into(), in_rig: true });
        self
    }
}

/// All issues as one error.
pub(super) fn refuse(issues: &[Issue], document: &Document<'_>, rig: Option<&Document<'_>>) -> Result<(), ConfigError> {
    if issues.is_empty() {
        return Ok(());
    }
    let reports: Vec<String> = issues.iter().map(|issue| render(issue, document, rig)).collect();
    Err(ConfigError::invalid(reports.join("\n\n")))
}

/// One issue as text.
pub(super) fn render(issue: &Issue, document: &Document<'_>, rig: Option<&Document<'_>>) -> String {
    let span = match &issue.place {
        Place::Path(path) => document.span(path),
        Place::Span(span) => Some(span.clone()),
    };
    let mut group = Group::with_title(Level::ERROR.primary_title(issue.title.as_str()));
    let mark = |kind: AnnotationKind, span: Range<usize>, label: Option<&str>| {
        let annotation = kind.span(span);
        match label {
            Some(label) => annotation.label(label.to_owned()),
            None => annotation,
        }
    };

    let also = issue.also.as_ref().and_then(|also| {
        let document = if also.in_rig { rig? } else { document };
        let span = document.span(&also.path);
        Some((also, document, span))
    });
    match span.as_ref().and_then(|span| document.sources.locate(span)) {
        Some((piece, span)) => {
            let mut snippet = Snippet::source(piece.text.as_str()).path(piece.origin.as_str()).annotation(mark(
                AnnotationKind::Primary,
                span,
                issue.label.as_deref(),
            ));
            let mut other = None;
            if let Some((also, document, Some(at))) = &also
                && let Some((also_piece, at)) = document.sources.locate(at)
            {
                let note = mark(AnnotationKind::Context, at, Some(&also.label));
                if std::ptr::eq(piece, also_piece) {
                    snippet = snippet.annotation(note);
                } else {
                    let origin = also_piece.origin.as_str();
                    other = Some(Snippet::source(also_piece.text.as_str()).path(origin).annotation(note));
                }
            }
            group = group.element(snippet);
            if let Some(other) = other {
                group = group.element(other);
            }
        }
        None => group = group.element(Origin::path(document.sources.file())),
    }
    // What the other document leaves to its default has no place to show.
    if let Some((also, document, None)) = &also {
        group = group.element(Level::NOTE.message(format!(
            "`{}` leaves it to its default: {}",
            document.sources.file(),
            also.label
        )));
    }
    if let Some(help) = &issue.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    Renderer::plain().render(&[group])
}

/// An issue that has no place in any text.
pub(super) fn render_bare(title: &str, help: &str) -> String {
    let mut group = Group::with_title(Level::ERROR.primary_title(title));
    if !help.is_empty() {
        group = group.element(Level::HELP.message(help));
    }
    Renderer::plain().render(&[group])
}

/// "did you mean …": the configuration files beside a missing one.
pub(super) fn neighbours(path: &Path) -> String {
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

/// The candidate that is nearest to a misspelt word, if one is near enough to be meant.
pub(super) fn nearest<'c>(word: &str, candidates: impl Iterator<Item = &'c str>) -> Option<&'c str> {
    let allowed = (word.chars().count() / 3).max(1);
    candidates.map(|c| (edits(word, c), c)).filter(|(n, _)| *n <= allowed).min_by_key(|(n, _)| *n).map(|(_, c)| c)
}

/// Insertions, deletions, substitutions and swaps of neighbours between two words (optimal string alignment).
fn edits(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.to_lowercase().chars().take(64).collect();
    let b: Vec<char> = b.to_lowercase().chars().take(64).collect();
    let mut rows = vec![vec![0_usize; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            rows[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let changed = usize::from(a[i - 1] != b[j - 1]);
                let mut best = (rows[i - 1][j] + 1).min(rows[i][j - 1] + 1).min(rows[i - 1][j - 1] + changed);
                if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                    best = best.min(rows[i - 2][j - 2] + 1);
                }
                best
            };
        }
    }
    rows[a.len()][b.len()]
}
