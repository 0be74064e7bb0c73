//! What a wrong configuration is answered with. Nothing is printed here: the command decides where it goes.

use std::{fmt, io};

use super::report::ConfigIssue;

/// Says why a configuration was refused: one issue or several. `Display` is the complete report, plain text of several lines.
pub struct ConfigError {
    issues: Vec<ConfigIssue>,
    cause: Option<io::Error>,
}

impl ConfigError {
    /// Returns everything that was found, at least one issue, in the order in which it is reported.
    pub fn issues(&self) -> &[ConfigIssue] {
        &self.issues
    }

    /// Refuses a configuration for such reasons.
    pub(super) fn invalid(issues: Vec<ConfigIssue>) -> Self {
        Self { issues, cause: None }
    }

    /// Refuses a file that the system does not let us read.
    pub(super) fn unreadable(issue: ConfigIssue, cause: io::Error) -> Self {
        Self { issues: vec![issue], cause: Some(cause) }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, issue) in self.issues.iter().enumerate() {
            if nth > 0 {
                f.write_str("\n\n")?;
            }
            write!(f, "{issue}")?;
        }
        Ok(())
    }
}

/// Prints the report: a panic on it is to be read by people.
impl fmt::Debug for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for ConfigError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.as_ref().map(|cause| cause as _)
    }
}

impl From<ConfigIssue> for ConfigError {
    fn from(issue: ConfigIssue) -> Self {
        Self::invalid(vec![issue])
    }
}
