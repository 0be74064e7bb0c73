//! Ways to a device: in this process, over a serial port or pty, over TCP. Nothing else in the host knows them apart.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    sync::mpsc,
};
use tokio_serial::{SerialPortBuilderExt, SerialStream};
use xyloop_sim::{Description, Embedded};

use super::DeviceError;
use crate::config::Port;

/// A stream of bytes to and from a device.
#[derive(Debug)]
pub struct Transport {
    stream: Stream,
    /// What the user called it.
    pub place: String,
    /// Line rate in bits per second, if it has one.
    pub baud: Option<u32>,
}

#[derive(Debug)]
enum Stream {
    Embedded(InProcess),
    Serial(SerialStream),
    Tcp(TcpStream),
}

impl Transport {
    /// Opens the way to a device. `embedded` is what is started where the port is `sim`.
    ///
    /// # Errors
    /// If the port is not there, in use, not permitted, no port, or nobody listens.
    pub async fn open(port: &Port, baud: u32, embedded: Option<Description>) -> Result<Self, DeviceError> {
        let place = port.to_string();
        Ok(match port {
            Port::Sim => {
                let description = embedded.ok_or(DeviceError::NothingToSimulate)?;
                Self { stream: Stream::Embedded(InProcess::start(description)?), place, baud: None }
            }
            Port::Tcp(address) => {
                let stream = TcpStream::connect(address)
                    .await
                    .map_err(|error| DeviceError::NoListener { place: place.clone(), reason: error.to_string() })?;
                let _ = stream.set_nodelay(true);
                Self { stream: Stream::Tcp(stream), place, baud: None }
            }
            Port::Serial(path) => {
                let wanted = path.clone();
                // Opening may block (a modem line, a slow adapter): not on the runtime's threads.
                let opened = tokio::task::spawn_blocking(move || open_serial(&wanted, baud)).await;
                let stream =
                    opened.map_err(|error| DeviceError::Open { place: place.clone(), reason: error.to_string() })??;
                Self { stream: Stream::Serial(stream), place, baud: (baud > 0).then_some(baud) }
            }
        })
    }
}

fn open_serial(path: &std::path::Path, baud: u32) -> Result<SerialStream, DeviceError> {
    use tokio_serial::ErrorKind;
    let name = path.to_string_lossy();
    let port = || path.to_owned();
    if let Err(error) = std::fs::metadata(path)
        && error.kind() == io::ErrorKind::NotFound
        && !name.starts_with("COM")
    {
        let available = tokio_serial::available_ports().unwrap_or_default();
        return Err(DeviceError::NoPort {
            path: port(),
            available: available.into_iter().map(|found| found.port_name).collect(),
        });
    }
    // A rate of 0 leaves the line's settings alone, as ptys on some systems require.
    tokio_serial::new(name.as_ref(), baud).open_native_async().map_err(|error| match error.kind() {
        ErrorKind::Io(io::ErrorKind::PermissionDenied) => DeviceError::Permission { path: port() },
        // Exclusive access is a lock on the port: what exists and is "no device" is held by somebody else.
        ErrorKind::NoDevice | ErrorKind::Io(io::ErrorKind::ResourceBusy | io::ErrorKind::WouldBlock) => {
            DeviceError::Busy { path: port() }
        }
        _ => DeviceError::NotAPort { path: port(), reason: error.to_string() },
    })
}

impl AsyncRead for Transport {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Embedded(stream) => stream.poll_read(cx, buf),
            Stream::Serial(stream) => Pin::new(stream).poll_read(cx, buf),
            Stream::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Transport {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Stream::Embedded(stream) => Poll::Ready(stream.write(bytes)),
            Stream::Serial(stream) => Pin::new(stream).poll_write(cx, bytes),
            Stream::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            // A serial flush waits for the line (tcdrain) and would block: acknowledgements say what has arrived.
            Stream::Embedded(_) | Stream::Serial(_) => Poll::Ready(Ok(())),
            Stream::Tcp(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Embedded(_) | Stream::Serial(_) => Poll::Ready(Ok(())),
            Stream::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

/// The embedded simulated device, with a channel in each direction.
struct InProcess {
    device: Embedded,
    received: mpsc::UnboundedReceiver<Vec<u8>>,
    /// Bytes of a received piece that did not fit the reader's buffer.
    rest: Vec<u8>,
    taken: usize,
}

impl std::fmt::Debug for InProcess {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("InProcess")
    }
}

impl InProcess {
    fn start(description: Description) -> Result<Self, DeviceError> {
        // The link's window bounds what is under way; the channel itself need not.
        let (sender, received) = mpsc::unbounded_channel();
        let device = Embedded::start(description, super::connection::fresh_number())?;
        device.connect(move |bytes| {
            let _ = sender.send(bytes);
        });
        Ok(Self { device, received, rest: Vec::new(), taken: 0 })
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.taken == self.rest.len() {
            match ready!(self.received.poll_recv(cx)) {
                Some(bytes) => (self.rest, self.taken) = (bytes, 0),
                None => return Poll::Ready(Ok(())), // End of stream: the device's thread is gone.
            }
        }
        let rest = &self.rest[self.taken..];
        let length = rest.len().min(buf.remaining());
        buf.put_slice(&rest[..length]);
        self.taken += length;
        Poll::Ready(Ok(()))
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.device.send(bytes.to_vec()) { Ok(bytes.len()) } else { Err(io::ErrorKind::BrokenPipe.into()) }
    }
}
