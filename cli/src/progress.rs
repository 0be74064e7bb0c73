//! Progress on stderr: a line that renews itself on a terminal, a line every few seconds elsewhere.

use std::{
    io::IsTerminal,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};
use xyloop::{device::LinkFigures, train::EpochReport};

use crate::text::duration;

/// Time between two lines where stderr is no terminal.
const INTERVAL: Duration = Duration::from_secs(5);

/// Shows how a training goes.
pub struct Progress {
    bar: Option<ProgressBar>,
    epochs_max: u32,
    last: Option<Instant>,
}

impl Progress {
    /// For a training of at most this many epochs.
    pub fn new(epochs_max: u32) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(u64::from(epochs_max));
            let style = ProgressStyle::with_template("{bar:20} {pos}/{len}  {msg}");
            bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        Self { bar, epochs_max, last: None }
    }

    /// After an epoch.
    pub fn epoch(&mut self, report: &EpochReport, link: LinkFigures) {
        if let Some(bar) = &self.bar {
            bar.set_position(u64::from(report.epoch));
            bar.set_message(self.line(report, link));
        } else if self.last.is_none_or(|last| last.elapsed() >= INTERVAL) {
            self.last = Some(Instant::now());
            eprintln!("epoch {}/{}  {}", report.epoch, self.epochs_max, self.line(report, link));
        }
    }

    /// Takes the line away.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn line(&self, report: &EpochReport, link: LinkFigures) -> String {
        let counts = &report.counts;
        let left = report.seconds / f64::from(report.epoch) * f64::from(self.epochs_max - report.epoch);
        let (received, sent) = link.bytes;
        format!(
            "loss {:.4}, D {:.4}, right {:>5.1} %, good in a row {}, at most {} left  |  settle {:.1} ms, unsettled {}, \
             basin changed {} of {}{}  |  link {:.1} MB, {} bad, {} resent",
            report.mean_cost,
            report.mean_distance,
            100.0 * report.accuracy,
            report.in_a_row,
            duration(left),
            counts.mean_settle_us() / 1000.0,
            counts.unsettled,
            counts.basin_changed,
            counts.shots,
            if counts.adc_clipped + counts.weak > 0 {
                format!(", ADC clipped {}, weak {}", counts.adc_clipped, counts.weak)
            } else {
                String::new()
            },
            (received + sent) as f64 / 1e6,
            link.bad_frames,
            link.resends,
        )
    }
}
