//! What a check came to ([`Finding`]), and all of them together ([`Examination`]).

use serde::Serialize;

use crate::error::{Action, Advice};

/// Names what a check came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// It works, and not as well as it could, or not for long.
    Warning,
    /// It does not work like this.
    Failed,
}

impl Verdict {
    /// Returns it as it is printed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Failed => "failed",
        }
    }
}

/// Says of one check what was found, why it matters, and what to do.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// Names what was looked at.
    pub check: &'static str,
    /// Says what it came to.
    pub verdict: Verdict,
    /// Says what was found.
    pub found: String,
    /// Says why it matters; empty where all is well.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub why: String,
    /// Says what to do about it; empty where all is well.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub next: String,
    /// Names what the program around this library can offer beside that, in words of its own.
    #[serde(skip)]
    pub action: Option<Action>,
    /// The numbers behind it, for scripts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub figures: Option<serde_json::Value>,
}

impl Finding {
    /// Finds it as it should be.
    pub fn ok(check: &'static str, found: impl Into<String>) -> Self {
        Self {
            check,
            verdict: Verdict::Ok,
            found: found.into(),
            why: String::new(),
            next: String::new(),
            action: None,
            figures: None,
        }
    }

    /// Finds that it works, and not as it could.
    pub fn warning(
        check: &'static str,
        found: impl Into<String>,
        why: impl Into<String>,
        next: impl Into<String>,
    ) -> Self {
        Self { verdict: Verdict::Warning, why: why.into(), next: next.into(), ..Self::ok(check, found) }
    }

    /// Finds that it does not work.
    pub fn failed(
        check: &'static str,
        found: impl Into<String>,
        why: impl Into<String>,
        next: impl Into<String>,
    ) -> Self {
        Self { verdict: Verdict::Failed, ..Self::warning(check, found, why, next) }
    }

    /// Finds that it does not work, for the reason that an error gives.
    pub fn of_error(check: &'static str, found: impl Into<String>, advice: Advice) -> Self {
        Self { action: advice.action, ..Self::failed(check, found, advice.why, advice.next) }
    }

    /// Adds what the program can offer.
    #[must_use]
    pub fn offering(self, action: Action) -> Self {
        Self { action: Some(action), ..self }
    }

    /// Adds the numbers behind it.
    #[must_use]
    pub fn with(mut self, figures: serde_json::Value) -> Self {
        self.figures = Some(figures);
        self
    }
}

/// Holds everything that was looked at.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Examination {
    /// Names the place as the user called it.
    pub place: String,
    /// In the order in which it was looked at.
    pub checks: Vec<Finding>,
    /// Lists what could not be looked at because of something that failed before.
    pub not_examined: Vec<&'static str>,
}

impl Examination {
    /// Returns the names of the checks that came to this, each once.
    pub fn with_verdict(&self, verdict: Verdict) -> Vec<&'static str> {
        self.checks.iter().filter(|finding| finding.verdict == verdict).map(|finding| finding.check).collect()
    }
}
