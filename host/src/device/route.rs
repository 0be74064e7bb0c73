//! The route to a device, to be opened again and again: in this process, over a serial port or pty, over TCP, or whatever an
//! [`Opener`] opens.

use std::{
    future::Future,
    io,
    path::{Path, PathBuf},
    pin::Pin,
    time::Duration,
};

use tokio::net::TcpStream;
use tokio_serial::{SerialPortBuilderExt, SerialStream};
use xyloop_protocol::{
    fault::{FaultCounts, Faults},
    trace::LineRecorder,
};
#[cfg(feature = "embedded")]
use {
    super::embedded::{EmbeddedDevice, InProcess},
    std::sync::Arc,
    xyloop_sim::{Description, Embedded},
};

use super::{
    error::DeviceError,
    line_tap::LineTap,
    transport::{Stream, Transport},
};
use crate::config::Port;

/// Longest wait for an address to take a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Opens a line to a device as often as it is asked to.
pub trait Opener: Send + Sync {
    /// Opens it once more; what was opened before is gone by then.
    ///
    /// # Errors
    /// Says why it could not be opened now.
    fn open(&self) -> Pin<Box<dyn Future<Output = Result<Transport, DeviceError>> + Send + '_>>;
}

/// Leads to a device, and can be gone again and again.
pub struct Route {
    place: String,
    kind: Kind,
    tap: Option<LineTap>,
}

enum Kind {
    #[cfg(feature = "embedded")]
    Embedded(Arc<EmbeddedDevice>),
    Serial {
        path: PathBuf,
        baud: u32,
    },
    Tcp(String),
    Other(Box<dyn Opener>),
}

impl Route {
    /// Names the route to a port: a serial one or a TCP address. `baud` is the rate of a serial line, bits per second (0
    /// leaves it alone).
    ///
    /// # Errors
    /// For the port `sim`: nothing says what is to be simulated ([`Self::or_simulated`] does), or this build has no
    /// simulated device in it.
    pub fn new(port: &Port, baud: u32) -> Result<Self, DeviceError> {
        let kind = match port {
            Port::Sim if cfg!(feature = "embedded") => return Err(DeviceError::NothingToSimulate),
            Port::Sim => return Err(DeviceError::NoSimulator),
            Port::Tcp(address) => Kind::Tcp(address.clone()),
            Port::Serial(path) => Kind::Serial { path: path.clone(), baud },
        };
        Ok(Self { place: port.to_string(), kind, tap: None })
    }

    /// Names the route to a port as [`Self::new`] does; the port `sim` is a device simulated after this description. That
    /// device starts here and lives as long as the route, not as a line on it.
    ///
    /// # Errors
    /// If the embedded device does not start.
    #[cfg(feature = "embedded")]
    pub fn or_simulated(port: &Port, baud: u32, description: Description) -> Result<Self, DeviceError> {
        match port {
            Port::Sim => {
                let kind = Kind::Embedded(EmbeddedDevice::start(description)?);
                Ok(Self { place: port.to_string(), kind, tap: None })
            }
            Port::Tcp(_) | Port::Serial(_) => Self::new(port, baud),
        }
    }

    /// Names the route to a device that runs in this process already; the device lives as long as the route.
    #[cfg(feature = "embedded")]
    pub fn embedded(device: Embedded, place: impl Into<String>) -> Self {
        Self { place: place.into(), kind: Kind::Embedded(EmbeddedDevice::of(device)), tap: None }
    }

    /// Takes whatever route an opener knows; `place` names it in messages.
    pub fn through(opener: impl Opener + 'static, place: impl Into<String>) -> Self {
        Self { place: place.into(), kind: Kind::Other(Box::new(opener)), tap: None }
    }

    /// Puts faults on every line that is opened from now on, and records what the host sees of them.
    #[must_use]
    pub fn with(mut self, faults: &Faults, recorder: Option<LineRecorder>) -> Self {
        self.tap = Some(LineTap::new(faults, recorder));
        self
    }

    /// Counts the faults that were put on the line so far, to the device and to the host; `None` if none were asked for.
    pub fn faults(&self) -> Option<[FaultCounts; 2]> {
        self.tap.as_ref().map(LineTap::counts)
    }

    /// Returns what the user called it.
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
            #[cfg(feature = "embedded")]
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
        Ok(match &self.tap {
            Some(tap) => tap.put_on(transport),
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
