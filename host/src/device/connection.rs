//! The owner's end of a connection: channels to the task that keeps it alive (`pump`), and how it came about and ended.

use tokio::sync::{mpsc, oneshot};

use super::{
    error::DeviceError,
    figures::Gauge,
    outcome::{Cause, End, Judge, NotOpened},
    pump,
    transport::Transport,
};

/// Messages waiting on their way to the device.
const QUEUE: usize = 256;
/// Groups of messages waiting on their way from it.
const GROUPS: usize = 8;

/// Holds the owner's end of a connection.
pub(super) struct Connection {
    pub outgoing: mpsc::Sender<Vec<u8>>,
    /// Brings what came, in groups that came together.
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

    /// Says how the connection ended, once a channel has said that it did. The second time nothing is known any more.
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
