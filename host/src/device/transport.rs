//! A stream of bytes to and from a device: the line itself, without any idea of what travels. Nothing else in the host
//! knows the kinds apart; how a line is opened, and opened again, is said by a `route`.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_serial::SerialStream;

#[cfg(feature = "embedded")]
use super::embedded::InProcess;

/// Carries bytes to and from a device.
pub struct Transport {
    stream: Stream,
    /// Names it as the user called it.
    pub place: String,
    /// Line rate in bits per second, if it has one.
    pub baud: Option<u32>,
}

pub(super) enum Stream {
    #[cfg(feature = "embedded")]
    Embedded(InProcess),
    Serial(SerialStream),
    Tcp(TcpStream),
    Other(Box<dyn Line>),
}

/// Carries bytes both ways.
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

    /// Takes any stream: a tunnel, a test's own line. `place` names it in messages, `baud` is its line rate in bits per second,
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
            #[cfg(feature = "embedded")]
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
            #[cfg(feature = "embedded")]
            Stream::Embedded(stream) => Poll::Ready(stream.write(bytes)),
            Stream::Serial(stream) => Pin::new(stream).poll_write(cx, bytes),
            Stream::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Stream::Other(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            #[cfg(feature = "embedded")]
            Stream::Embedded(_) => Poll::Ready(Ok(())),
            // A serial flush waits for the line (tcdrain) and would block: acknowledgements say what has arrived.
            Stream::Serial(_) => Poll::Ready(Ok(())),
            Stream::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Other(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            #[cfg(feature = "embedded")]
            Stream::Embedded(_) => Poll::Ready(Ok(())),
            Stream::Serial(_) => Poll::Ready(Ok(())),
            Stream::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Other(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
