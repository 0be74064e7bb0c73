//! `[device]` of the rig file: where the device is, and which one is meant.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Says how to reach the device: `[device]`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Device {
    /// `"sim"` (embedded, the default), `"tcp://host:port"`, or a serial port's path. `/dev/ttyUSB0` may be another
    /// adapter after a reboot: prefer `/dev/serial/by-id/…`.
    pub port: Port,
    /// Serial number of the one device that is meant, 1 to 64 bytes; another one behind the same port is refused. Default:
    /// any device with the rig's wiring.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serial_number: Option<String>,
    /// Settings of a serial port.
    pub serial: Serial,
}

/// Sets up a serial port: `[device.serial]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Serial {
    /// Bits per second, 1200 to 12 000 000; 0 leaves the rate alone (a pty has none). Default 921 600.
    pub baud: u32,
}

impl Default for Serial {
    fn default() -> Self {
        Self { baud: 921_600 }
    }
}

/// Says where the device is. Written as one string in config files and after `--device`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Port {
    /// The simulated device inside this process: `sim`.
    #[default]
    Sim,
    /// `tcp://host:port`; holds `host:port`.
    Tcp(String),
    /// A serial port or pty: a path such as `/dev/serial/by-id/…`, or `COM3`.
    Serial(PathBuf),
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sim => f.write_str("sim"),
            Self::Tcp(address) => write!(f, "tcp://{address}"),
            Self::Serial(path) => write!(f, "{}", path.display()),
        }
    }
}

/// Reports a string that names no device.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` names no device: allowed are `sim`, `tcp://HOST:PORT`, or a path such as `/dev/serial/by-id/…`")]
pub struct PortError(String);

impl FromStr for Port {
    type Err = PortError;

    fn from_str(text: &str) -> Result<Self, PortError> {
        let refused = || PortError(text.to_owned());
        if text == "sim" {
            return Ok(Self::Sim);
        }
        if let Some(address) = text.strip_prefix("tcp://") {
            let (host, port) = address.rsplit_once(':').ok_or_else(refused)?;
            let port_ok = port.parse::<u16>().is_ok_and(|p| p != 0);
            return if host.is_empty() || !port_ok { Err(refused()) } else { Ok(Self::Tcp(address.to_owned())) };
        }
        let windows = text.strip_prefix("COM").is_some_and(|n| n.parse::<u8>().is_ok()) || text.starts_with(r"\\.\");
        if windows || (text.contains('/') && !text.contains("://") && !text.contains('\0')) {
            return Ok(Self::Serial(PathBuf::from(text)));
        }
        Err(refused())
    }
}

impl TryFrom<String> for Port {
    type Error = PortError;

    fn try_from(text: String) -> Result<Self, PortError> {
        text.parse()
    }
}

impl From<Port> for String {
    fn from(port: Port) -> Self {
        port.to_string()
    }
}
