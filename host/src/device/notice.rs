//! What is told of a line while a run goes on over it: lost, silent, back, getting bad.

use std::{fmt, sync::Arc};

/// Tells what has just happened to the line or the device at its end. None of it is an error: the run goes on, or waits.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Notice {
    /// The connection ended; it is tried again until a stop is asked for.
    Lost {
        /// Where.
        place: String,
        /// What happened.
        reason: String,
    },
    /// An attempt to connect again failed; each reason is told once.
    NotYet {
        /// What happened.
        reason: String,
    },
    /// The connection stands again, and what was in force is in force.
    Back {
        /// Where.
        place: String,
        /// Seconds since it was lost.
        after_s: f64,
        /// Why the device was restarted meanwhile, in words; `None` if it was not.
        restarted: Option<String>,
        /// What is in force and how it came to be, in words.
        in_force: String,
        /// Shots that run again, under the same numbers.
        shots_again: usize,
    },
    /// The device has not been heard for a while.
    Silent {
        /// Where.
        place: String,
        /// For how many seconds.
        silence_s: u64,
    },
    /// A silent device is heard again.
    HeardAgain {
        /// Where.
        place: String,
    },
    /// The device had gone safe because it did not hear of us, and was armed again.
    Rearmed {
        /// Where.
        place: String,
    },
    /// More frames than usual are damaged or sent again.
    GettingBad {
        /// Where.
        place: String,
        /// The figures, in words.
        figures: String,
    },
    /// What the device offered after a reconnect was not ours: everything on it is dropped and asked for again.
    StartedOver {
        /// What it offered.
        what: String,
    },
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost { place, reason } => {
                write!(f, "lost {place}: {reason}. Outputs go safe by themselves; trying to reconnect")
            }
            Self::NotYet { reason } => write!(f, "not yet: {reason}"),
            Self::Back { place, after_s, restarted, in_force, shots_again } => {
                write!(f, "{place} is back after {after_s:.1} s: ")?;
                match restarted {
                    Some(why) => write!(f, "it was restarted ({why})")?,
                    None => write!(f, "the same boot")?,
                }
                write!(f, ", {in_force}, {shots_again} shots run again")
            }
            Self::Silent { place, silence_s } => {
                write!(f, "{place} has been silent for {silence_s} s: the run pauses, outputs go safe by themselves")
            }
            Self::HeardAgain { place } => write!(f, "{place} is heard again: the run goes on"),
            Self::Rearmed { place } => write!(
                f,
                "{place} had gone safe after a silence of the host: it is armed again, unfinished shots run again"
            ),
            Self::GettingBad { place, figures } => {
                write!(f, "{place}: the line is getting bad: {figures}. Check cable, connectors and baud rate")
            }
            Self::StartedOver { what } => write!(f, "{what}: everything on the device is dropped and asked for again"),
        }
    }
}

/// Is told of every [`Notice`], on whatever thread it happens; it must not block.
pub type Listener = Arc<dyn Fn(&Notice) + Send + Sync>;

/// Returns the listener of a client that has no other: it writes a warning for whoever collects `tracing` events.
pub(super) fn warn() -> Listener {
    Arc::new(|notice| tracing::warn!("{notice}"))
}
