//! The way to a device, to be gone again and again: in this process, over a serial port or pty, over TCP, or whatever an
//! [`Opener`] opens.

use std::{
    future::Future,
    io,
    path::{Path, PathBuf},
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use tokio::net::TcpStream;
use tokio_serial::{SerialPortBuilderExt, SerialStream};
use xyloop_protocol::{
    fault::{FaultCounts, Faults},
    trace::LineRecorder,
};
use xyloop_sim::{Description, Embedded};

use super::{
    DeviceError, Transport,
    around::Around,
    transport::{EmbeddedDevice, InProcess, Stream},
};
use crate::config::Port;

/// Longest wait for an address to take a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Opens a line to a device as often as it is asked to.
pub trait Opener: Send + Sync {
    /// Opens it once more; what was opened before is gone by then.
    ///
    /// # Errors
    /// Why it could not be opened now.
    fn open(&self) -> Pin<Box<dyn Future<Output = Result<Transport, DeviceError>> + Send + '_>>;
}

/// The way to a device.
pub struct Way {
    place: String,
    kind: Kind,
    around: Option<Around>,
}

enum Kind {
    Embedded(Arc<EmbeddedDevice>),
    Serial { path: PathBuf, baud: u32 },
    Tcp(String),
    Other(Box<dyn Opener>),
}

impl Way {
    /// The way to a port; `baud` is the rate of a serial one, bits per second (0 leaves it alone). `embedded` is what is
    /// simulated where the port is `sim`: that device starts here and lives as long as the way, not as a line to it.
    ///
    /// # Errors
    /// If the embedded device does not start, or nothing says what it is.
    pub fn new(port: &Port, baud: u32, embedded: Option<Description>) -> Result<Self, DeviceError> {
        let kind = match port {
            Port::Sim => Kind::Embedded(EmbeddedDevice::start(embedded.ok_or(DeviceError::NothingToSimulate)?)?),
            Port::Tcp(address) => Kind::Tcp(address.clone()),
            Port::Serial(path) => Kind::Serial { path: path.clone(), baud },
        };
        Ok(Self { place: port.to_string(), kind, around: None })
    }

    /// The way to a device that runs in this process already; it lives as long as the way.
    pub fn embedded(device: Embedded, place: impl Into<String>) -> Self {
        Self { place: place.into(), kind: Kind::Embedded(EmbeddedDevice::of(device)), around: None }
    }

    /// Whatever way an opener knows; `place` names it in messages.
    pub fn through(opener: impl Opener + 'static, place: impl Into<String>) -> Self {
        Self { place: place.into(), kind: Kind::Other(Box::new(opener)), around: None }
    }

    /// Puts faults on every line that is opened from now on, and records what the host sees of them.
    #[must_use]
    pub fn with(mut self, faults: &Faults, recorder: Option<LineRecorder>) -> Self {
        self.around = Some(Around::new(faults, recorder));
        self
    }

    /// The faults that were put on the line so far, to the device and to the host; `None` if none were asked for.
    pub fn faults(&self) -> Option<[FaultCounts; 2]> {
        self.around.as_ref().map(Around::counts)
    }

    /// What the user called it.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Opens a line.
    ///
    /// # Errors
    /// If the port is not there, in use, not permitted, no port, or nobody listens.
    pub async fn open(&self) -> Result<Transport, DeviceError> {
        let place = self.place.clone();
        let transport = match &self.kind {
            Kind::Embedded(device) => Transport::new(Stream::Embedded(InProcess::open(device)), place, None),
            Kind::Tcp(address) => {
                let no_listener = |reason| DeviceError::NoListener { place: place.clone(), reason };
                let stream = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(address))
                    .await
                    .map_err(|_| no_listener(format!("no answer within {CONNECT_TIMEOUT:?}")))?
                    .map_err(|error| no_listener(error.to_string()))?;
                let _ = stream.set_nodelay(true);
                notice_a_dead_peer(&stream);
                Transport::new(Stream::Tcp(stream), place, None)
            }
            Kind::Serial { path, baud } => {
                let (wanted, baud) = (path.clone(), *baud);
                // Opening may block (a modem line, a slow adapter): not on the runtime's threads.
                let opened = tokio::task::spawn_blocking(move || open_serial(&wanted, baud)).await;
                let stream =
                    opened.map_err(|error| DeviceError::Open { place: place.clone(), reason: error.to_string() })??;
                Transport::new(Stream::Serial(stream), place, (baud > 0).then_some(baud))
            }
            Kind::Other(opener) => opener.open().await?,
        };
        Ok(match &self.around {
            Some(around) => around.put_around(transport),
            None => transport,
        })
    }
}

/// A machine that is gone without a word (no power, no cable) says nothing ever again: the connection ends when it has not
/// acknowledged what we send for this long. A process that is only stopped is not meant: its machine acknowledges.
#[cfg(target_os = "linux")]
fn notice_a_dead_peer(stream: &TcpStream) {
    let milliseconds = u32::try_from(CONNECT_TIMEOUT.as_millis()).unwrap_or(u32::MAX);
    let _ = rustix::net::sockopt::set_tcp_user_timeout(stream, milliseconds);
}

#[cfg(not(target_os = "linux"))]
fn notice_a_dead_peer(_: &TcpStream) {}

fn open_serial(path: &Path, baud: u32) -> Result<SerialStream, DeviceError> {
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
