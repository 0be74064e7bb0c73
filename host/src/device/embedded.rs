//! The simulated device in this process, and the line to it: a channel in each direction.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
};

use tokio::{io::ReadBuf, sync::mpsc};
use xyloop_sim::{Description, Embedded};

use super::{error::DeviceError, fresh_number::fresh_number};

/// Holds the embedded simulated device. It lives as long as somebody holds this, however often its line is cut and opened.
pub(super) struct EmbeddedDevice {
    device: Embedded,
    /// Number of the line that is open, if one is: the last one opened.
    line: AtomicU64,
}

impl EmbeddedDevice {
    /// Starts it.
    pub fn start(description: Description) -> Result<Arc<Self>, DeviceError> {
        Ok(Self::of(Embedded::start(description, fresh_number())?))
    }

    /// Takes one that was started.
    pub fn of(device: Embedded) -> Arc<Self> {
        Arc::new(Self { device, line: AtomicU64::new(0) })
    }
}

/// Carries bytes to the embedded simulated device and back, over a channel in each direction.
pub(super) struct InProcess {
    device: Arc<EmbeddedDevice>,
    number: u64,
    received: mpsc::UnboundedReceiver<Vec<u8>>,
    /// Bytes of a received piece that did not fit the reader's buffer.
    rest: Vec<u8>,
    taken: usize,
}

impl InProcess {
    /// Opens the line; another one that was open is cut.
    pub fn open(device: &Arc<EmbeddedDevice>) -> Self {
        // The link's window bounds what is under way; the channel itself need not.
        let (sender, received) = mpsc::unbounded_channel();
        let number = device.line.fetch_add(1, Ordering::Relaxed) + 1;
        device.device.connect(move |bytes| {
            let _ = sender.send(bytes);
        });
        Self { device: Arc::clone(device), number, received, rest: Vec::new(), taken: 0 }
    }

    /// Reads what has come; nothing at its end, when the line was cut.
    pub fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.taken == self.rest.len() {
            match ready!(self.received.poll_recv(cx)) {
                Some(bytes) => (self.rest, self.taken) = (bytes, 0),
                None => return Poll::Ready(Ok(())), // End of stream: the line was cut, or the device's thread is gone.
            }
        }
        let rest = &self.rest[self.taken..];
        let length = rest.len().min(buf.remaining());
        buf.put_slice(&rest[..length]);
        self.taken += length;
        Poll::Ready(Ok(()))
    }

    /// Hands bytes to the device, all of them at once.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.device.device.send(bytes.to_vec()) { Ok(bytes.len()) } else { Err(io::ErrorKind::BrokenPipe.into()) }
    }
}

impl Drop for InProcess {
    fn drop(&mut self) {
        // A line that was opened since is none of our business.
        if self.device.line.load(Ordering::Relaxed) == self.number {
            self.device.device.disconnect();
        }
    }
}
