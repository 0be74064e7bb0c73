//! Watching a line while something is awaited from it: a silent device pauses the run, one that is heard and does not
//! answer is an error, a line that gets worse is told of before it fails.

use std::{collections::VecDeque, future::Future, pin::pin, time::Duration};

use tokio::time::Instant;

use super::{
    error::DeviceError,
    figures::{Gauge, LinkFigures},
    notice::{Listener, Notice, warn},
    stop::StopFlag,
};

/// Sets how often a wait looks around.
const TICK: Duration = Duration::from_millis(100);
/// A look that comes so late was held up on this side (a suspended host): it says nothing about the line.
const HELD_UP: Duration = Duration::from_millis(500);
/// A device that has not been heard for so long is not taken for one that is slow to answer.
const QUIET: Duration = Duration::from_secs(1);
/// A device that has not been heard for so long is called silent.
const SILENT: Duration = Duration::from_secs(2);

/// Looks after the line of a device, over all its connections.
pub(super) struct Liveness {
    place: String,
    /// With one, waiting has no end but an answer or this; without, a silent device is given up like a slow one.
    pub stop: Option<StopFlag>,
    /// Is told what happens to the line.
    pub listener: Listener,
    silent: bool,
    health: Health,
}

impl Liveness {
    pub fn new(place: String) -> Self {
        Self { place, stop: None, listener: warn(), silent: false, health: Health::default() }
    }

    /// Awaits something from the device. `limit` is how long it may take while the device is heard, and what was asked.
    pub async fn over<T>(
        &mut self,
        gauge: &Gauge,
        awaited: impl Future<Output = T>,
        limit: Option<(&'static str, Duration)>,
    ) -> Result<T, DeviceError> {
        let mut awaited = pin!(awaited);
        let mut waited = Duration::ZERO;
        let mut before = Instant::now();
        loop {
            let came = tokio::select! {
                biased;
                came = &mut awaited => Some(came),
                () = tokio::time::sleep(TICK) => None,
            };
            let now = Instant::now();
            let passed = now.saturating_duration_since(before);
            before = now;
            let figures = gauge.read();
            let silence = if passed > HELD_UP { Duration::ZERO } else { figures.silence(now) };
            if let Some(figures) = self.health.look(now, &figures) {
                self.tell(&Notice::GettingBad { place: self.place.clone(), figures });
            }
            if let Some(came) = came {
                if silence < QUIET {
                    self.heard_again();
                }
                return Ok(came);
            }
            self.note(silence);
            if silence < QUIET || self.stop.is_none() {
                waited += passed.min(HELD_UP);
            }
            if silence >= QUIET && self.stop.as_ref().is_some_and(StopFlag::is_set) {
                return Err(DeviceError::Interrupted);
            }
            if let Some((asked, limit)) = limit
                && waited >= limit
            {
                return Err(DeviceError::NoAnswer { place: self.place.clone(), asked, waited: limit });
            }
        }
    }

    /// Says if the device has not been heard for a while.
    pub fn is_quiet(&self, gauge: &Gauge) -> bool {
        self.silent && gauge.read().silence(Instant::now()) >= QUIET
    }

    /// Begins with another line.
    pub fn renew(&mut self) {
        self.silent = false;
        self.health.restart();
    }

    fn note(&mut self, silence: Duration) {
        if silence < QUIET {
            self.heard_again();
        } else if silence >= SILENT && !self.silent && self.stop.is_some() {
            self.silent = true;
            self.tell(&Notice::Silent { place: self.place.clone(), silence_s: silence.as_secs() });
        }
    }

    fn heard_again(&mut self) {
        if std::mem::take(&mut self.silent) {
            self.tell(&Notice::HeardAgain { place: self.place.clone() });
        }
    }

    /// Tells whoever listens.
    pub fn tell(&self, notice: &Notice) {
        (self.listener)(notice);
    }
}

/// Time over which a line is judged.
const WINDOW: Duration = Duration::from_secs(10);
/// Time between two looks.
const LOOK: Duration = Duration::from_secs(1);
/// Least time between two warnings.
const PAUSE: Duration = Duration::from_mins(1);
/// A line is bad where more than this percentage of its frames had to be sent again or came damaged.
const BAD_PERCENT: u64 = 20;
/// Fewer frames than this say nothing.
const FRAMES_MIN: u64 = 25;

/// Judges a line by its resends and damaged frames over the last seconds.
#[derive(Default)]
struct Health {
    /// Earlier looks, the oldest first.
    looks: VecDeque<(Instant, LinkFigures)>,
    warned: Option<Instant>,
}

impl Health {
    /// Forgets what was counted before: the line is another one.
    fn restart(&mut self) {
        self.looks.clear();
    }

    /// Takes the figures of this moment; returns what there is to say about the last seconds, if anything.
    fn look(&mut self, now: Instant, figures: &LinkFigures) -> Option<String> {
        if self.looks.back().is_some_and(|(last, _)| now.saturating_duration_since(*last) < LOOK) {
            return None;
        }
        self.looks.push_back((now, *figures));
        // The first one kept is the youngest that is old enough.
        while self.looks.get(1).is_some_and(|(at, _)| now.saturating_duration_since(*at) >= WINDOW) {
            self.looks.pop_front();
        }
        let (since, earlier) = self.looks.front()?;
        let grown = |now: u64, then: u64| now.saturating_sub(then);
        let (received, sent) = (grown(figures.frames.0, earlier.frames.0), grown(figures.frames.1, earlier.frames.1));
        let (bad, again) = (grown(figures.bad_frames, earlier.bad_frames), grown(figures.resends, earlier.resends));
        let is_bad = |part: u64, all: u64| all >= FRAMES_MIN && 100 * part > BAD_PERCENT * all;
        let recently = self.warned.is_some_and(|at| now.saturating_duration_since(at) < PAUSE);
        if recently || !(is_bad(again, sent) || is_bad(bad, received + bad)) {
            return None;
        }
        self.warned = Some(now);
        let seconds = now.saturating_duration_since(*since).as_secs();
        Some(format!(
            "of {sent} data frames sent in the last {seconds} s {again} had to be sent again, of {} \
             received {bad} were damaged",
            received + bad
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(frames: (u64, u64), bad_frames: u64, resends: u64) -> LinkFigures {
        LinkFigures { frames, bad_frames, resends, ..LinkFigures::default() }
    }

    #[tokio::test(start_paused = true)]
    async fn a_bad_line_is_told_of_once_a_minute_and_a_good_one_never() {
        let start = Instant::now();
        let mut health = Health::default();
        let at = |second: u64| start + Duration::from_secs(second);
        let warnings: Vec<u64> = (0..150_u64)
            // A quarter of the frames sent is repeated from second 20 on.
            .filter(|second| {
                let resends = 25 * second.saturating_sub(20);
                health.look(at(*second), &figures((100 * second, 100 * second), 0, resends)).is_some()
            })
            .collect();
        // Nine of the ten seconds looked at must be bad before a fifth of their frames is.
        assert_eq!(warnings, [29, 89, 149]);
        let mut health = Health::default();
        assert!((0..150).all(|second| {
            health.look(at(second), &figures((100 * second, 100 * second), 19 * second, 19 * second)).is_none()
        }));
    }

    #[tokio::test(start_paused = true)]
    async fn damaged_frames_count_and_a_handful_does_not() {
        let start = Instant::now();
        let mut health = Health::default();
        assert!(health.look(start, &figures((0, 0), 0, 0)).is_none());
        assert!(health.look(start + LOOK, &figures((3, 3), 3, 3)).is_none(), "too few to judge");
        let said = health.look(start + 2 * LOOK, &figures((100, 100), 40, 3)).unwrap_or_default();
        assert!(said.contains("of 140 received 40 were damaged"), "{said}");
    }

    #[tokio::test(start_paused = true)]
    async fn only_time_in_which_the_device_is_heard_counts_towards_a_limit() {
        let gauge = Gauge::default();
        let mut watch = Liveness::new("rig".into());
        watch.stop = Some(StopFlag::default());
        let limit = Some(("status", Duration::from_secs(10)));
        let started = Instant::now();
        // Heard now and then never again: the wait goes on.
        gauge.write(LinkFigures { heard: Some(started), ..LinkFigures::default() });
        let hour = Duration::from_hours(1);
        assert!(watch.over(&gauge, tokio::time::sleep(hour), limit).await.is_ok());
        assert!(started.elapsed() >= hour);
        // Heard all the time: it ends.
        let heard = gauge.clone();
        let beats = tokio::spawn(async move {
            loop {
                heard.write(LinkFigures { heard: Some(Instant::now()), ..LinkFigures::default() });
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        });
        let started = Instant::now();
        let ended = watch.over(&gauge, std::future::pending::<()>(), limit).await;
        assert!(matches!(ended, Err(DeviceError::NoAnswer { asked: "status", .. })), "{ended:?}");
        assert_eq!(started.elapsed().as_secs(), 10);
        beats.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_ends_waiting_for_a_silent_device_and_not_for_one_that_is_heard() {
        let gauge = Gauge::default();
        let (mut watch, stop) = (Liveness::new("rig".into()), StopFlag::default());
        watch.stop = Some(stop.clone());
        let started = Instant::now();
        gauge.write(LinkFigures { heard: Some(started), ..LinkFigures::default() });
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(30)).await;
            stop.set();
        });
        let ended = watch.over(&gauge, std::future::pending::<()>(), None).await;
        assert!(matches!(ended, Err(DeviceError::Interrupted)), "{ended:?}");
        assert!(started.elapsed() <= Duration::from_secs(30) + TICK, "{:?}", started.elapsed());
        gauge.write(LinkFigures { heard: Some(Instant::now()), ..LinkFigures::default() });
        let shot = tokio::time::sleep(QUIET / 2);
        assert!(watch.over(&gauge, shot, None).await.is_ok(), "the shot in progress is waited for");
    }
}
