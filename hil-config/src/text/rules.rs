//! Collects what is wrong with values: one small helper per kind of rule, so that every message reads the same.

use std::fmt::Display;
use std::ops::{Bound, RangeBounds};

use super::issue::{Issue, show};

/// Collects the issues found so far. Rules go on after the first, so that a person sees everything at once.
#[derive(Debug, Default)]
pub(super) struct Rules {
    pub issues: Vec<Issue>,
}

impl Rules {
    /// Demands that `value` lies in `allowed`.
    pub fn range<T>(&mut self, path: &str, value: T, allowed: impl RangeBounds<T>, unit: &str)
    where
        T: Copy + PartialOrd + Display,
    {
        if !allowed.contains(&value) {
            let unit = if unit.is_empty() { String::new() } else { format!(" {unit}") };
            let allowed = in_words(&allowed);
            self.push(
                Issue::at(path, format!("{} is {value}: allowed is {allowed}{unit}", show(path)))
                    .allowed(format!("{allowed}{unit}")),
            );
        }
    }

    /// Demands the same as [`Rules::range`] of a value that may be left out.
    pub fn range_if<T>(&mut self, path: &str, value: Option<T>, allowed: impl RangeBounds<T>, unit: &str)
    where
        T: Copy + PartialOrd + Display,
    {
        if let Some(value) = value {
            self.range(path, value, allowed, unit);
        }
    }

    /// Bounds a seed: TOML's integers end at 2^63 − 1, a larger seed could not be written into the run's record.
    pub fn seed(&mut self, path: &str, value: u64) {
        self.range(path, value, ..=i64::MAX as u64, "");
    }

    /// Demands a name that can be part of a folder's name.
    pub fn name(&mut self, path: &str, value: &str) {
        let ok = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if value.is_empty() || value.len() > 64 || value.starts_with('.') || !value.chars().all(ok) {
            let issue = Issue::at(path, format!("{} is {value:?}: it becomes part of a folder's name", show(path)));
            self.push(
                issue
                    .allowed("1 to 64 of: letters, digits, `.` (not first), `_`, `-`")
                    .help("long texts go into `description`"),
            );
        }
    }

    /// Adds anything else.
    pub fn push(&mut self, issue: Issue) {
        self.issues.push(issue);
    }
}

/// Says "0 to 1", "above 0, at most 10", "0 up to but not including 1".
fn in_words<T: Display>(range: &impl RangeBounds<T>) -> String {
    match (range.start_bound(), range.end_bound()) {
        (Bound::Included(a), Bound::Included(b)) => format!("{a} to {b}"),
        (Bound::Included(a), Bound::Excluded(b)) => format!("{a} up to but not including {b}"),
        (Bound::Excluded(a), Bound::Included(b)) => format!("above {a}, at most {b}"),
        (Bound::Excluded(a), Bound::Excluded(b)) => format!("above {a} and below {b}"),
        (Bound::Included(a), Bound::Unbounded) => format!("{a} or more"),
        (Bound::Excluded(a), Bound::Unbounded) => format!("above {a}"),
        (Bound::Unbounded, Bound::Included(b)) => format!("at most {b}"),
        (Bound::Unbounded, Bound::Excluded(b)) => format!("below {b}"),
        (Bound::Unbounded, Bound::Unbounded) => "anything".to_owned(),
    }
}

/// Bounds a value: above 0 and at most `top`.
pub(super) fn positive(top: f64) -> (Bound<f64>, Bound<f64>) {
    (Bound::Excluded(0.0), Bound::Included(top))
}
