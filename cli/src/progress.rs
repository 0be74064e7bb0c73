//! Progress on stderr: a line that renews itself on a terminal, a line every few seconds elsewhere.

use std::{
    io::IsTerminal,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};
use xyloop::{
    device::{LinkFigures, Notice},
    run::{Event, Observer},
    train::EpochReport,
};

use crate::text::duration;

/// Time between two lines where stderr is no terminal.
const INTERVAL: Duration = Duration::from_secs(5);

/// Returns an observer that says on stderr how a run goes.
pub fn observer() -> Observer {
    let progress = Mutex::new(Progress::default());
    Arc::new(move |event| progress.lock().unwrap_or_else(PoisonError::into_inner).say(event))
}

/// Shows how a run goes.
#[derive(Default)]
struct Progress {
    bar: Option<ProgressBar>,
    last: Option<Instant>,
}

impl Progress {
    fn say(&mut self, event: &Event) {
        match event {
            Event::Started { evaluation_of: Some(run), place, .. } => {
                eprintln!("judging the codes of {run} on {place}");
            }
            Event::Started { place, folder, experiment, sites, couplings, seed, .. } => eprintln!(
                "training `{experiment}` on {place} ({sites} sites, {couplings} couplings), seed {seed}, run folder {}",
                folder.display()
            ),
            Event::Epoch { report, epochs_max, link, seconds } => self.epoch(report, *epochs_max, *link, *seconds),
            Event::Trained => {
                if let Some(bar) = self.bar.take() {
                    bar.finish_and_clear();
                }
            }
            Event::Link(notice) => {
                let waits = matches!(notice, Notice::Lost { .. } | Notice::Silent { .. });
                tracing::warn!("{notice}{}", if waits { " (Ctrl-C stops)" } else { "" });
            }
            Event::Judging { samples, starts } => eprintln!("evaluating: {samples} samples × {starts} kicks"),
            _ => {}
        }
    }

    fn epoch(&mut self, report: &EpochReport, epochs_max: u32, link: LinkFigures, seconds: f64) {
        let line = line(report, epochs_max, link, seconds);
        if std::io::stderr().is_terminal() {
            let bar = self.bar.get_or_insert_with(|| {
                let style = ProgressStyle::with_template("{bar:20} {pos}/{len}  {msg}");
                ProgressBar::new(u64::from(epochs_max))
                    .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
            });
            bar.set_position(u64::from(report.epoch));
            bar.set_message(line);
        } else if self.last.is_none_or(|last| last.elapsed() >= INTERVAL) {
            self.last = Some(Instant::now());
            eprintln!("epoch {}/{epochs_max}  {line}", report.epoch);
        }
    }
}

fn line(report: &EpochReport, epochs_max: u32, link: LinkFigures, seconds: f64) -> String {
    let counts = &report.counts;
    let left = seconds / f64::from(report.epoch) * f64::from(epochs_max.saturating_sub(report.epoch));
    let (received, sent) = link.bytes;
    format!(
        "loss {:.4}, D {:.4}, right {:>5.1} %, good in a row {}, at most {} left  |  settle {:.1} ms, unsettled {}, \
         basin changed {} of {}{}  |  link {:.1} MB, {} bad, {} resent",
        report.mean_cost,
        report.mean_distance,
        100.0 * report.accuracy,
        report.in_a_row,
        duration(left),
        report.settling.mean_us() / 1000.0,
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
