//! Looking at a device and the way to it: what is wrong ([`examine`]), and how much both can carry ([`measure`]).
//!
//! | Module | What lives there |
//! |---|---|
//! | `port` | what the system knows of a port: owner, holders, adapter; without opening it |
//! | `contact` | what a port and a first exchange come to |
//! | `judge` | identity, limits, state, link and clock, judged from what the device said |
//! | `trips` | small round trips: their percentiles, and what they say of the device's clock |
//! | `doctor` | all of it in order |
//! | `throughput` | figures: round trips, codes to the device |
//! | `shot_rate` | figures of shots |

mod contact;
mod doctor;
mod judge;
mod port;
mod shot_rate;
mod throughput;
mod trips;

use serde::Serialize;

pub use contact::port_findings;
pub use doctor::{RigFile, Subject, examine};
pub use port::System;
pub use shot_rate::ShotFigures;
pub use throughput::{Measured, StagingFigures, ThroughputOptions, ThroughputReport, measure};
pub use trips::{Quantiles, percentile};

/// What a check came to.
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
    /// As it is printed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Failed => "failed",
        }
    }
}

/// One check: what was found, why it matters, what to do.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// What was looked at.
    pub check: &'static str,
    /// What it came to.
    pub verdict: Verdict,
    /// What was found.
    pub found: String,
    /// Why it matters; empty where all is well.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub why: String,
    /// What to do about it; empty where all is well.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub next: String,
    /// The numbers behind it, for scripts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub figures: Option<serde_json::Value>,
}

impl Finding {
    /// As it should be.
    pub fn ok(check: &'static str, found: impl Into<String>) -> Self {
        Self {
            check,
            verdict: Verdict::Ok,
            found: found.into(),
            why: String::new(),
            next: String::new(),
            figures: None,
        }
    }

    /// It works, and not as it could.
    pub fn warning(
        check: &'static str,
        found: impl Into<String>,
        why: impl Into<String>,
        next: impl Into<String>,
    ) -> Self {
        Self { verdict: Verdict::Warning, why: why.into(), next: next.into(), ..Self::ok(check, found) }
    }

    /// It does not work.
    pub fn failed(
        check: &'static str,
        found: impl Into<String>,
        why: impl Into<String>,
        next: impl Into<String>,
    ) -> Self {
        Self { verdict: Verdict::Failed, ..Self::warning(check, found, why, next) }
    }

    /// The same with the numbers behind it.
    #[must_use]
    pub fn with(mut self, figures: serde_json::Value) -> Self {
        self.figures = Some(figures);
        self
    }
}

/// Everything that was looked at.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Examination {
    /// What the user called the way to the device.
    pub place: String,
    /// In the order in which it was looked at.
    pub checks: Vec<Finding>,
    /// What could not be looked at because of something that failed before.
    pub not_examined: Vec<&'static str>,
}

impl Examination {
    /// The names of the checks that came to this, each once.
    pub fn with_verdict(&self, verdict: Verdict) -> Vec<&'static str> {
        self.checks.iter().filter(|finding| finding.verdict == verdict).map(|finding| finding.check).collect()
    }
}
