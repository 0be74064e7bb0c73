//! From issues to the error that refuses a configuration: looks up where in the texts each of them is.

use std::ops::Range;
use std::sync::Arc;

use super::document::Document;
use super::error::ConfigError;
use super::issue::{Issue, Place};
use super::report::{ConfigIssue, Excerpt, Mark, View};

/// Refuses a document if there are issues with it. `rig` is the rig's document where an issue shows some of it.
pub(super) fn refuse(issues: &[Issue], document: &Document<'_>, rig: Option<&Document<'_>>) -> Result<(), ConfigError> {
    if issues.is_empty() {
        return Ok(());
    }
    Err(ConfigError::invalid(issues.iter().map(|issue| placed(issue, document, rig)).collect()))
}

/// Makes the error of one issue.
pub(super) fn refusal(issue: &Issue, document: &Document<'_>) -> ConfigError {
    placed(issue, document, None).into()
}

/// Looks up where an issue is, and what of the source its report shows.
pub(super) fn placed(issue: &Issue, document: &Document<'_>, rig: Option<&Document<'_>>) -> ConfigIssue {
    let (span, path) = match &issue.place {
        Place::Path(path) => (document.span(path), Some(path.clone())),
        Place::Span(span) => (Some(span.clone()), document.path_at(span)),
    };
    let path = issue.about.clone().or(path).filter(|path| !path.is_empty());
    let mut placed = ConfigIssue {
        file: Some(document.sources.file().to_owned()),
        path: path.map(|path| document.whole_path(&path)),
        line: None,
        column: None,
        what: issue.what.clone(),
        allowed: issue.allowed.clone(),
        hint: issue.hint.clone(),
        view: View { names_file: true, help: issue.help.clone(), ..View::default() },
    };
    let also = issue.also.as_ref().and_then(|also| {
        let document = if also.in_rig { rig? } else { document };
        Some((also, document, document.span(&also.path)))
    });
    if let Some((piece, span)) = span.as_ref().and_then(|span| document.sources.locate(span)) {
        let (line, column) = line_and_column(&piece.text, &span);
        (placed.line, placed.column) = (Some(line), Some(column));
        placed.file = Some(piece.origin.clone());
        let excerpts = &mut placed.view.excerpts;
        excerpts.push(Excerpt {
            origin: piece.origin.clone(),
            text: Arc::clone(&piece.text),
            marks: vec![Mark { span, label: issue.label.clone(), primary: true }],
        });
        if let Some((also, document, Some(at))) = &also
            && let Some((also_piece, at)) = document.sources.locate(at)
        {
            let mark = Mark { span: at, label: Some(also.label.clone()), primary: false };
            if std::ptr::eq(piece, also_piece) {
                excerpts[0].marks.push(mark);
            } else {
                let (origin, text) = (also_piece.origin.clone(), Arc::clone(&also_piece.text));
                excerpts.push(Excerpt { origin, text, marks: vec![mark] });
            }
        }
    }
    // What the other document leaves to its default has no place to show.
    if let Some((also, document, None)) = &also {
        placed.view.note = Some(format!("`{}` leaves it to its default: {}", document.sources.file(), also.label));
    }
    placed
}

/// Counts lines, and characters of the line, up to a place: both from 1.
fn line_and_column(text: &str, span: &Range<usize>) -> (usize, usize) {
    let before = &text[..span.start];
    let line = before.rsplit('\n').next().unwrap_or(before);
    (before.matches('\n').count() + 1, line.chars().count() + 1)
}
