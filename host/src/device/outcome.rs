//! How a connection comes about and how it ends: what the device said first and who judges it, the cause of an end, and
//! the line where it outlives the connection.

use super::{error::DeviceError, transport::Transport};

/// Holds what a device said in the first exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Peer {
    pub wiring_hash: u64,
    pub boot_id: u32,
    pub serial: String,
}

/// Looks at what a device said before the device is told that it has a host: a refusal leaves no trace there.
pub(super) type Judge = Box<dyn FnOnce(&Peer) -> Result<(), DeviceError> + Send>;

/// Says why a connection ended.
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

/// Says how a connection ended.
#[derive(Debug)]
pub(super) struct End {
    pub cause: Cause,
    /// The line, where it still works: opening it anew could reset a board.
    pub transport: Option<Transport>,
}

/// Says why a connection did not come about.
pub(super) struct NotOpened {
    pub error: DeviceError,
    /// The line, where it still works.
    pub transport: Option<Transport>,
}
