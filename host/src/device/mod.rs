//! Talking to a device: where it is ([`Transport`]), the connection kept alive by a task of its own (`connection`), and
//! what is asked of it ([`Client`]).
//!
//! Every device, the embedded simulated one included, is reached only through the protocol.

mod batch;
mod client;
mod connection;
mod error;
mod transport;

pub use batch::{Batch, Equilibrium, ShotOrder, ShotResult};
pub use client::{Client, Identity, Sums};
pub use connection::{LinkFigures, fresh_number};
pub use error::{DeviceError, state_in_words};
pub use transport::Transport;
