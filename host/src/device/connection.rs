//! The owner's end of a connection: channels to the task that keeps it alive (`pump`), what the device said in the first
//! exchange, the link's figures, and how the connection ended.

use std::{
    hash::{BuildHasher, Hasher},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

use super::{DeviceError, Transport, pump};

/// Messages waiting on their way to the device.
const QUEUE: usize = 256;
/// Groups of messages waiting on their way from it.
const GROUPS: usize = 8;

/// Figures of the link, as of a moment ago.
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
    /// For how long the device has not been heard.
    pub fn silence(&self, now: Instant) -> Duration {
        self.heard.map_or(Duration::ZERO, |heard| now.saturating_duration_since(heard))
    }

    /// These figures behind those of earlier connections.
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

/// The figures as the connection's task writes them.
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

/// What a device said in the first exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Peer {
    pub wiring_hash: u64,
    pub boot_id: u32,
    pub serial: String,
}

/// Looks at what a device said before the device is told that it has a host: a refusal leaves no trace there.
pub(super) type Judge = Box<dyn FnOnce(&Peer) -> Result<(), DeviceError> + Send>;

/// Why a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// The port failed or hung up.
    Broken(String),
    /// The device does not know the session.
    Forgotten,
    /// The device ended the session.
    Closed,
    /// Something that no resend and no reconnect cures.
    Failed(String),
    /// The owner went.
    Left,
}

impl std::fmt::Display for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Broken(reason) | Self::Failed(reason) => f.write_str(reason),
            Self::Forgotten => f.write_str("it does not know this connection (any more)"),
            Self::Closed => f.write_str("it closed the connection"),
            Self::Left => f.write_str("the connection was closed"),
        }
    }
}

/// How a connection ended.
#[derive(Debug)]
pub(super) struct End {
    pub cause: Cause,
    /// The line, where it still works: opening it anew could reset a board.
    pub transport: Option<Transport>,
}

/// A connection that did not come about.
pub(super) struct NotOpened {
    pub error: DeviceError,
    /// The line, where it still works.
    pub transport: Option<Transport>,
}

/// The owner's end of a connection.
pub(super) struct Connection {
    pub outgoing: mpsc::Sender<Vec<u8>>,
    /// What came together.
    pub incoming: mpsc::Receiver<Vec<Vec<u8>>>,
    pub gauge: Gauge,
    ended: oneshot::Receiver<End>,
    task: tokio::task::JoinHandle<()>,
}

impl Connection {
    /// Makes the first exchange with a device and keeps the connection alive from then on.
    pub async fn open(transport: Transport, wiring_hash: u64, judge: Judge) -> Result<Self, NotOpened> {
        let place = transport.place.clone();
        let (outgoing, to_device) = mpsc::channel(QUEUE);
        let (to_owner, incoming) = mpsc::channel(GROUPS);
        let (first, opened) = oneshot::channel();
        let (farewell, ended) = oneshot::channel();
        let gauge = Gauge::default();
        let exchange = pump::Exchange { wiring_hash, judge, first };
        let owner = pump::Ends { requests: to_device, events: to_owner, farewell, gauge: gauge.clone() };
        let task = tokio::spawn(pump::carry(transport, exchange, owner));
        match opened.await {
            Ok(Ok(())) => Ok(Self { outgoing, incoming, gauge, ended, task }),
            Ok(Err(refused)) => Err(refused),
            Err(_) => {
                let error = DeviceError::Lost { place, reason: "the connection's task ended".into() };
                Err(NotOpened { error, transport: None })
            }
        }
    }

    /// How the connection ended, once a channel has said that it did. The second time nothing is known any more.
    pub async fn end(&mut self) -> End {
        let unknown = || End { cause: Cause::Broken("the connection has ended".into()), transport: None };
        if self.ended.is_terminated() {
            return unknown();
        }
        (&mut self.ended).await.unwrap_or_else(|_| unknown())
    }

    /// Leaves the device after everything sent has arrived.
    pub async fn close(self) {
        drop(self.outgoing);
        drop(self.incoming);
        let _ = tokio::time::timeout(2 * pump::CLOSE_TIMEOUT, self.task).await;
    }
}

/// A number that nobody else has: names a session, a boot or a run. Not for secrets.
pub fn fresh_number() -> u32 {
    // The standard library seeds every `RandomState` from the system's generator.
    let number = std::collections::hash_map::RandomState::new().build_hasher().finish() as u32;
    number.max(1)
}
