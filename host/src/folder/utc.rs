//! Universal time as run folders write it. The only place in this module that reads a clock.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

const SECONDS_PER_DAY: u64 = 86_400;

/// Names a moment in universal time, to the second. `Display` is RFC 3339: `2026-11-21T20:51:33Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Utc {
    seconds: u64,
}

impl Utc {
    /// Returns now, by the system's clock; a clock before 1970 gives 1970.
    pub fn now() -> Self {
        Self::from_unix_seconds(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()))
    }

    /// Returns the moment so many seconds after 1970-01-01T00:00:00Z; capped at the last second of the year 9999.
    pub fn from_unix_seconds(seconds: u64) -> Self {
        Self { seconds: seconds.min(253_402_300_799) }
    }

    /// Returns it as in the names of run folders: `20261121-205133`.
    pub fn compact(self) -> String {
        let (year, month, day) = self.date();
        let (hour, minute, second) = self.time();
        format!("{year:04}{month:02}{day:02}-{hour:02}{minute:02}{second:02}")
    }

    fn time(self) -> (u64, u64, u64) {
        let second = self.seconds % SECONDS_PER_DAY;
        (second / 3600, second / 60 % 60, second % 60)
    }

    /// Returns year, month, day: H. Hinnant, "chrono-compatible low-level date algorithms", `civil_from_days`. Years
    /// begin in March there, so that the leap day comes last.
    fn date(self) -> (u64, u64, u64) {
        let days = self.seconds / SECONDS_PER_DAY + 719_468; // since 0000-03-01
        let (era, day_of_era) = (days / 146_097, days % 146_097);
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
        (year_of_era + era * 400 + u64::from(month <= 2), month, day)
    }
}

impl fmt::Display for Utc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.date();
        let (hour, minute, second) = self.time();
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }
}

#[cfg(test)]
mod tests {
    use super::Utc;

    #[test]
    fn dates_are_those_of_the_calendar() {
        // From `date -u -d @SECONDS`.
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_251_199, "2024-02-29T23:59:59Z"),
            (1_795_294_293, "2026-11-21T20:51:33Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (u64::MAX, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(Utc::from_unix_seconds(seconds).to_string(), text);
        }
        assert_eq!(Utc::from_unix_seconds(1_795_294_293).compact(), "20261121-205133");
    }
}
