//! One thing that is wrong, as a rule finds it: where, in what words, what is allowed, what to do. Where its place is in a
//! text is looked up later (`refuse`).

use std::ops::Range;

/// Says where an issue is: a path to look up, or a place that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Path(String),
    Span(Range<usize>),
}

/// Holds one thing that is wrong.
#[derive(Clone, Debug)]
pub(super) struct Issue {
    pub place: Place,
    /// Dotted path it is about, if that is not the one of its place.
    pub about: Option<String>,
    /// One sentence.
    pub what: String,
    /// What is allowed, as data.
    pub allowed: Option<String>,
    /// The next step, as data.
    pub hint: Option<String>,
    /// Written under the marked source.
    pub label: Option<String>,
    /// Written below the source.
    pub help: Option<String>,
    pub also: Option<Also>,
}

/// Points at a second place that explains the first.
#[derive(Clone, Debug)]
pub(super) struct Also {
    pub path: String,
    pub label: String,
    /// In the rig file, while the issue is in the experiment file.
    pub in_rig: bool,
}

impl Issue {
    /// Finds fault with the value of this path, e.g. `lattice.outputs.0.1`; an empty path is the whole document.
    pub fn at(path: &str, what: impl Into<String>) -> Self {
        Self {
            place: Place::Path(path.to_owned()),
            about: None,
            what: what.into(),
            allowed: None,
            hint: None,
            label: None,
            help: None,
            also: None,
        }
    }

    /// Finds fault with a place that is known already.
    pub fn spanned(span: Range<usize>, what: impl Into<String>) -> Self {
        Self { place: Place::Span(span), ..Self::at("", what) }
    }

    /// Names the path it is about where nothing is written at it.
    pub fn about(mut self, path: impl Into<String>) -> Self {
        self.about = Some(path.into());
        self
    }

    /// Writes a remark under the marked source.
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// Says under the marked source what is allowed there.
    pub fn allowed(mut self, allowed: impl Into<String>) -> Self {
        let allowed = allowed.into();
        self.label = Some(allowed.clone());
        self.allowed = Some(allowed);
        self
    }

    /// Lists below the source what is allowed; `words` introduce the list.
    pub fn choices(mut self, words: &str, list: impl Into<String>) -> Self {
        let list = list.into();
        self.help = Some(format!("{words}: {list}"));
        self.allowed = Some(list);
        self
    }

    /// Says under the marked source what may have been meant.
    pub fn guess(mut self, guess: impl Into<String>) -> Self {
        let guess = guess.into();
        self.label = Some(guess.clone());
        self.hint = Some(guess);
        self
    }

    /// Says below the source what to do next.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into()).filter(|help| !help.is_empty());
        self.hint.clone_from(&self.help);
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

/// Writes a path as people do: `lattice.outputs.0.1` becomes `` `lattice.outputs[0][1]` ``.
pub(super) fn show(path: &str) -> String {
    let mut shown = String::from("`");
    for (nth, key) in path.split('.').enumerate() {
        if key.bytes().all(|b| b.is_ascii_digit()) && !key.is_empty() {
            shown.extend(["[", key, "]"]);
        } else {
            if nth > 0 {
                shown.push('.');
            }
            shown.push_str(key);
        }
    }
    shown.push('`');
    shown
}
