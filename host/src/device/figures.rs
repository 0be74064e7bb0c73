//! The link's figures: what the task that carries a connection counts, and everybody else may read.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// Counts what passed over the link, as of a moment ago.
#[derive(Clone, Copy, Debug, Default)]
pub struct LinkFigures {
    /// Bytes received and sent.
    pub bytes: (u64, u64),
    /// Good frames received, and data frames sent.
    pub frames: (u64, u64),
    /// Frames received that were damaged or of another session.
    pub bad_frames: u64,
    /// Frames sent again.
    pub resends: u64,
    /// Smoothed round trip, microseconds.
    pub rtt_us: u32,
    /// When the device was last heard.
    pub heard: Option<Instant>,
}

impl LinkFigures {
    /// Says for how long the device has not been heard.
    pub fn silence(&self, now: Instant) -> Duration {
        self.heard.map_or(Duration::ZERO, |heard| now.saturating_duration_since(heard))
    }

    /// Adds these figures to those of earlier connections.
    pub(super) fn after(self, earlier: Self) -> Self {
        Self {
            bytes: (self.bytes.0 + earlier.bytes.0, self.bytes.1 + earlier.bytes.1),
            frames: (self.frames.0 + earlier.frames.0, self.frames.1 + earlier.frames.1),
            bad_frames: self.bad_frames + earlier.bad_frames,
            resends: self.resends + earlier.resends,
            ..self
        }
    }
}

/// Passes the figures on from the connection's task, which writes them.
#[derive(Clone, Debug, Default)]
pub(super) struct Gauge(Arc<Mutex<LinkFigures>>);

impl Gauge {
    pub fn read(&self) -> LinkFigures {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn write(&self, figures: LinkFigures) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = figures;
    }
}
