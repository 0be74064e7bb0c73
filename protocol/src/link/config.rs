//! What a link is given at construction, and what it says about itself: storage, settings, state, errors.

use super::send::InFlight;
use crate::frame::{self, WIRE_VERSION};

/// Longest greeting in an Open or Accept, in bytes.
pub const GREETING_MAX: usize = 96;

/// Longest message any session can carry, in bytes: with its length it just fits the largest window.
pub const MESSAGE_MAX: usize = 65_533;

/// Bytes of an Open or Accept payload in front of the greeting: version, max payload, window.
pub(super) const OPENING_LEN: usize = 7;

/// Least length of [`Storage::frame`] with which every Open or Accept can be received, in bytes.
pub const FRAME_STORAGE_MIN: usize = frame::storage_len(OPENING_LEN + GREETING_MAX);

/// Least length of the slice given to [`super::Link::transmit`] with which every frame but Data surely fits, in
/// bytes. Data frames are cut to what there is.
pub const TRANSMIT_MIN: usize = frame::encoded_len(OPENING_LEN + GREETING_MAX);

/// Least length of [`Storage::flight`]: one frame in flight and one record to cut it in two.
pub const FLIGHT_MIN: usize = 2;

/// The memory of a link, handed over for its life.
///
/// | slice | holds | rule of thumb |
/// |---|---|---|
/// | `frame` | the frame being received | [`crate::frame::storage_len`] of the payload, at least [`FRAME_STORAGE_MIN`] |
/// | `receive` | bytes not yet read by the owner: the window offered to the peer | longest message + 2, and two round trips of line time |
/// | `send` | bytes not yet acknowledged by the peer | the same for the other direction |
/// | `flight` | what is known of every Data frame in flight | `send` / 128, from [`FLIGHT_MIN`] to 256 |
#[derive(Debug)]
pub struct Storage<'a> {
    /// Where one frame is decoded, in bytes.
    pub frame: &'a mut [u8],
    /// Received stream bytes; a message of `n` bytes needs `n + 2` of them.
    pub receive: &'a mut [u8],
    /// Unacknowledged stream bytes; a message of `n` bytes needs `n + 2` of them.
    pub send: &'a mut [u8],
    /// One record for every Data frame in flight, at least [`FLIGHT_MIN`]; with fewer, nothing is ever sent.
    pub flight: &'a mut [InFlight],
}

/// Settings of a link; all times in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// Wire version spoken. Anything but [`WIRE_VERSION`] is for tests of the mismatch.
    pub version: u8,
    /// Largest Data payload this end wants to receive, in bytes; bounded by the frame storage.
    pub max_payload: u16,
    /// An Ack is sent when nothing else was for this long, in microseconds; 0 sends none.
    pub keepalive_us: u32,
    /// Least slack of the resend timer above the measured round trip, in microseconds: covers the peer's polling.
    pub rto_min_us: u32,
    /// Resend time-out before a round trip was measured, in microseconds.
    pub rto_initial_us: u32,
    /// Bound of the exponential backoff, in microseconds. A measured round trip beyond it is still respected.
    pub rto_max_us: u32,
    /// Time between two Opens while there is no answer, in microseconds.
    pub open_interval_us: u32,
    /// Where this end's stream starts, modulo 2³²; `None` draws it from session, time and salt, as it should be.
    pub start_offset: Option<u32>,
    /// Something that differs between two boots of the same device (its boot id); guards against replayed Opens.
    pub salt: u32,
}

impl Config {
    /// The host's defaults: keep-alive every 50 ms.
    pub const fn host() -> Self {
        Self {
            version: WIRE_VERSION,
            max_payload: 1024,
            keepalive_us: 50_000,
            rto_min_us: 30_000,
            rto_initial_us: 200_000,
            rto_max_us: 300_000,
            open_interval_us: 100_000,
            start_offset: None,
            salt: 0,
        }
    }

    /// The device's defaults: keep-alive every 200 ms, so that a host can tell a busy device from one that is gone.
    pub const fn device() -> Self {
        Self { keepalive_us: 200_000, ..Self::host() }
    }
}

/// Where a link stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// No session yet. The device listens, the host has to call [`super::Link::connect`].
    Idle,
    /// Host: Open is sent again and again until the device answers.
    Connecting {
        /// Session asked for.
        session: u32,
    },
    /// Both streams run. Another session number than last time means: both streams started afresh.
    Connected {
        /// Session in force.
        session: u32,
    },
    /// Host: the device does not know the session; it was rebooted, or another host took it over.
    Reset {
        /// Session that was lost.
        session: u32,
    },
    /// One end called `close`.
    Closed {
        /// Session that ended.
        session: u32,
        /// Whether the peer closed it.
        by_peer: bool,
    },
    /// The peer speaks another wire version. A device says so only while it has no session; it keeps listening.
    VersionMismatch {
        /// Wire version of this end.
        ours: u8,
        /// Wire version of the peer.
        theirs: u8,
    },
    /// The session was given up by this end for a reason that a resend cannot cure.
    Failed {
        /// Session that was given up.
        session: u32,
        /// The reason.
        fault: Fault,
    },
}

/// Why this end gave up a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The peer announced a message longer than the receive storage can ever hold.
    MessageTooLong {
        /// Length the peer announced, in bytes.
        announced: usize,
        /// Longest message the receive storage can hold, in bytes.
        longest: usize,
    },
}

impl core::fmt::Display for Fault {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::MessageTooLong { announced, longest } => {
                write!(f, "the peer announced a message of {announced} bytes; the receive storage holds {longest}")
            }
        }
    }
}

/// Why a message was not taken for sending; nothing of it was queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendError {
    /// No room just now: try again when the peer has acknowledged more.
    Full,
    /// Longer than this end's send storage, the peer's receive storage or 65 535 bytes: it will never fit.
    TooLong {
        /// Length of the message, in bytes.
        length: usize,
        /// Longest message possible in this session, in bytes.
        longest: usize,
    },
    /// There is no session.
    NotConnected,
}

impl core::fmt::Display for SendError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Full => f.write_str("the send storage is full until the peer acknowledges more"),
            Self::TooLong { length, longest } => {
                write!(f, "the message has {length} bytes, the longest possible in this session is {longest}")
            }
            Self::NotConnected => f.write_str("the link has no session"),
        }
    }
}

impl core::error::Error for SendError {}

/// A greeting longer than [`GREETING_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GreetingTooLong {
    /// Length of the greeting refused, in bytes.
    pub length: usize,
}

impl core::fmt::Display for GreetingTooLong {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "the greeting has {} bytes, {GREETING_MAX} is the most", self.length)
    }
}

impl core::error::Error for GreetingTooLong {}
