//! A stream of bytes to and from a device: the line itself, without any idea of what travels. Nothing else in the host
//! knows the kinds apart; how a line is opened, and opened again, is said by a [`Route`](super::Route).

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    sync::mpsc,
};
use tokio_serial::SerialStream;
use xyloop_sim::{Description, Embedded};

use super::{DeviceError, connection::fresh_number};

/// A stream of bytes to and from a device.
pub struct Transport {
    stream: Stream,
    /// What the user called it.
    pub place: String,
    /// Line rate in bits per second, if it has one.
    pub baud: Option<u32>,
}

pub(super) enum Stream {
    Embedded(InProcess),
    Serial(SerialStream),
    Tcp(TcpStream),
    Other(Box<dyn Line>),
}

/// Whatever carries bytes both ways.
pub(super) trait Line: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Line for T {}

impl std::fmt::Debug for Transport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Transport({})", self.place)
    }
}

impl Transport {
    pub(super) fn new(stream: Stream, place: String, baud: Option<u32>) -> Self {
        Self { stream, place, baud }
    }

    /// Any stream: a tunnel, a test's own line. `place` names it in messages, `baud` is its line rate in bits per second,
    /// if it has one.
    pub fn over(
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        place: impl Into<String>,
        baud: Option<u32>,
    ) -> Self {
        Self::new(Stream::Other(Box::new(stream)), place.into(), baud)
    }
}

impl AsyncRead for Transport {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Embedded(stream) => stream.poll_read(cx, buf),
            Stream::Serial(stream) => Pin::new(stream).poll_read(cx, buf),
            Stream::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Stream::Other(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Transport {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Stream::Embedded(stream) => Poll::Ready(stream.write(bytes)),
            Stream::Serial(stream) => Pin::new(stream).poll_write(cx, bytes),
            Stream::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Stream::Other(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            // A serial flush waits for the line (tcdrain) and would block: acknowledgements say what has arrived.
            Stream::Embedded(_) | Stream::Serial(_) => Poll::Ready(Ok(())),
            Stream::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Other(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Embedded(_) | Stream::Serial(_) => Poll::Ready(Ok(())),
            Stream::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Other(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

/// The embedded simulated device. It lives as long as somebody holds this, however often its line is cut and opened.
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

    /// One that was started.
    pub fn of(device: Embedded) -> Arc<Self> {
        Arc::new(Self { device, line: AtomicU64::new(0) })
    }
}

/// The line to the embedded simulated device: a channel in each direction.
pub(super) struct InProcess {
    device: Arc<EmbeddedDevice>,
    number: u64,
    received: mpsc::UnboundedReceiver<Vec<u8>>,
    /// Bytes of a received piece that did not fit the reader's buffer.
    rest: Vec<u8>,
    taken: usize,
}

impl InProcess {
    /// The line; another one that was open is cut.
    pub fn open(device: &Arc<EmbeddedDevice>) -> Self {
        // The link's window bounds what is under way; the channel itself need not.
        let (sender, received) = mpsc::unbounded_channel();
        let number = device.line.fetch_add(1, Ordering::Relaxed) + 1;
        device.device.connect(move |bytes| {
            let _ = sender.send(bytes);
        });
        Self { device: Arc::clone(device), number, received, rest: Vec::new(), taken: 0 }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
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

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
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
