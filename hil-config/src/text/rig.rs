//! The rig file's tables: lattice and terminals, converters, timing, device, board, simulated plant.
//!
//! Only shapes, defaults and small accessors live here. Which values are allowed is in [`super::rig_rules`]; the
//! interaction graph is built elsewhere, from [`Lattice`].

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::rig_image::{BoardPlan, ChipKind};

/// A rig: board + plant + wiring, described by one file in `hil-config/rigs/`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rig {
    /// Short name, used in run folders and messages: letters, digits, `.`, `_`, `-`.
    pub name: String,
    /// One line for people. Default: empty.
    #[serde(default)]
    pub description: String,
    /// Sites, couplings and which sites are terminals.
    pub lattice: Lattice,
    /// Bits and ranges of the DACs and ADCs.
    #[serde(default)]
    pub converters: Converters,
    /// The model's time unit and the deadman.
    #[serde(default)]
    pub timing: Timing,
    /// How to reach the device.
    #[serde(default)]
    pub device: Device,
    /// The converter chips of a board, and how they are reached.
    #[serde(default)]
    pub board: Board,
    /// The simulated plant; a real rig ignores it.
    #[serde(default)]
    pub plant: Plant,
}

impl Rig {
    /// Number of sites N.
    pub fn sites(&self) -> usize {
        match self.lattice.shape() {
            Shape::Grid { rows, columns } => rows * columns,
            Shape::Layers(layers) => layers.iter().sum(),
            Shape::Planes(planes) => planes.iter().map(PlaneTable::sites).sum(),
        }
    }

    /// Indices of the clamped sites, in the order of the task's inputs.
    ///
    /// Sites are numbered row by row (`row * columns + column`); in a layered rig layer after layer, in an `lcl` rig plane
    /// after plane.
    pub fn input_sites(&self) -> Vec<usize> {
        match self.lattice.shape() {
            Shape::Grid { columns, .. } => self.lattice.inputs.iter().map(|(r, c)| r * columns + c).collect(),
            Shape::Layers(layers) => (0..layers.first().copied().unwrap_or(0)).collect(),
            Shape::Planes(planes) => (0..planes.first().map_or(0, PlaneTable::sites)).collect(),
        }
    }

    /// Indices of the read and nudged sites, in the order of the task's targets; numbering as in [`Rig::input_sites`].
    pub fn output_sites(&self) -> Vec<usize> {
        match self.lattice.shape() {
            Shape::Grid { columns, .. } => self.lattice.outputs.iter().map(|(r, c)| r * columns + c).collect(),
            Shape::Layers(layers) => {
                let sites = layers.iter().sum::<usize>();
                (sites - layers.last().copied().unwrap_or(0)..sites).collect()
            }
            Shape::Planes(planes) => {
                let sites = self.sites();
                (sites - planes.last().map_or(0, PlaneTable::sites)..sites).collect()
            }
        }
    }
}

/// Which sites are coupled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Geometry {
    /// The four nearest neighbours of an open square lattice.
    #[serde(rename = "sq")]
    Square,
    /// `sq` and one diagonal, (1, 1).
    #[serde(rename = "triangular")]
    Triangular,
    /// Neighbour shells 1 to 3: bulk degree 12.
    #[serde(rename = "3nsq")]
    ThreeShells,
    /// Shells 1 and 3, no diagonals: bulk degree 8.
    #[serde(rename = "p3nsq")]
    PlusThreeShells,
    /// Neighbour shells 1 to 4: bulk degree 20.
    #[serde(rename = "4nsq")]
    FourShells,
    /// Every pair of sites.
    #[serde(rename = "all-to-all")]
    AllToAll,
    /// Dense between neighbouring layers; first layer = inputs, last layer = outputs.
    #[serde(rename = "layered")]
    Layered,
    /// Locally connected layers: stacked planes, each site coupled to a window of the plane below, without sharing of
    /// weights; first plane = inputs, last plane = outputs.
    #[serde(rename = "lcl")]
    LocallyConnected,
    /// The neighbour offsets given in `offsets`.
    #[serde(rename = "offsets")]
    Offsets,
}

impl Geometry {
    /// The name as written in a rig file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Square => "sq",
            Self::Triangular => "triangular",
            Self::ThreeShells => "3nsq",
            Self::PlusThreeShells => "p3nsq",
            Self::FourShells => "4nsq",
            Self::AllToAll => "all-to-all",
            Self::Layered => "layered",
            Self::LocallyConnected => "lcl",
            Self::Offsets => "offsets",
        }
    }
}

/// `[lattice]`: the sites, what couples them, and which of them are terminals.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lattice {
    /// Which sites are coupled.
    pub geometry: Geometry,
    /// Rows of the grid, 1 to 1024. Required unless `layered` or `lcl`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<usize>,
    /// Columns of the grid, 1 to 1024. Required unless `layered` or `lcl`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub columns: Option<usize>,
    /// Neighbour offsets (rows, columns), one of each ± pair. Only with `geometry = "offsets"`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub offsets: Vec<(i32, i32)>,
    /// Sites per layer, first = inputs, last = outputs. Only with `geometry = "layered"`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub layers: Vec<usize>,
    /// Planes of sites from the inputs up, 2 to 256. Only with `geometry = "lcl"`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub planes: Vec<PlaneTable>,
    /// Clamped sites as (row, column), from 0. Not with `layered` or `lcl`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<(usize, usize)>,
    /// Read and nudged sites as (row, column), from 0. Not with `layered` or `lcl`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outputs: Vec<(usize, usize)>,
}

/// `[[lattice.planes]]`: one plane of an `lcl` rig.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlaneTable {
    /// Rows, 1 to 1024.
    pub rows: usize,
    /// Columns, 1 to 1024.
    pub columns: usize,
    /// Side of the square window that a site has on the plane below, 1 to 1024. Default: none, every site is coupled to
    /// every site of the plane below. Not in the first plane.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<usize>,
    /// Sites from one window to the next, 1 to 1024. Default 1. Only with a window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stride: Option<usize>,
    /// What windows do at the edge. Default `valid`. Only with a window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub padding: Option<Padding>,
    /// Neighbour preset of the couplings inside the plane: `sq`, `triangular`, `3nsq`, `p3nsq`, `4nsq`, or `offsets` with
    /// a list. Default: none. Not in the first plane, whose sites are all clamped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inside: Option<Geometry>,
    /// Neighbour offsets (rows, columns), one of each ± pair. Only with `inside = "offsets"`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub offsets: Vec<(i32, i32)>,
}

impl PlaneTable {
    /// Number of sites.
    pub fn sites(&self) -> usize {
        self.rows.saturating_mul(self.columns)
    }
}

/// What a window does at the edge of the plane below.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Padding {
    /// Windows lie inside the plane: (n − window) / stride + 1 of them on n sites, rounded down.
    #[default]
    Valid,
    /// n / stride windows, rounded up, centred on their sites; nothing is coupled over the edge.
    Same,
}

/// What the sites are arranged as; see [`Lattice::shape`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape<'a> {
    /// An open-edged grid (all-to-all uses it for the sites' names only).
    Grid {
        /// Rows.
        rows: usize,
        /// Columns.
        columns: usize,
    },
    /// Sites per layer.
    Layers(&'a [usize]),
    /// Planes from the inputs up.
    Planes(&'a [PlaneTable]),
}

impl Lattice {
    /// Grid, layers or planes. In a checked rig a grid always has its rows and columns.
    pub fn shape(&self) -> Shape<'_> {
        match self.geometry {
            Geometry::Layered => Shape::Layers(&self.layers),
            Geometry::LocallyConnected => Shape::Planes(&self.planes),
            _ => Shape::Grid { rows: self.rows.unwrap_or(0), columns: self.columns.unwrap_or(0) },
        }
    }
}

/// `[converters]`: bits and ranges of DACs and ADCs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Converters {
    /// Bits of a coupling DAC, 2 to 16. Default 16.
    pub coupling_bits: u32,
    /// ± W in model units at full scale. Default 2.0.
    pub coupling_range: f64,
    /// Bits of a bias-field DAC, per quadrature, 2 to 16. Default 16.
    pub field_bits: u32,
    /// ± h in model units at full scale, per quadrature. Default 4.0.
    pub field_range: f64,
    /// Bits of a clamped phase: codes per turn are 2^bits, 2 to 16. Default 16.
    pub input_bits: u32,
    /// Bits of the phase read-out's ADC, per quadrature, 2 to 16. Default 16.
    pub iq_bits: u32,
}

impl Default for Converters {
    fn default() -> Self {
        Self { coupling_bits: 16, coupling_range: 2.0, field_bits: 16, field_range: 4.0, input_bits: 16, iq_bits: 16 }
    }
}

/// `[timing]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Timing {
    /// The model's time unit in microseconds (dφ/dt = −∂F/∂φ holds in this unit). Default 10.0.
    pub tau_us: f64,
    /// Outputs go to the safe table this long after the last valid frame, milliseconds, 100 to 10 000. Default 250.
    pub deadman_ms: u32,
}

impl Default for Timing {
    fn default() -> Self {
        Self { tau_us: 10.0, deadman_ms: 250 }
    }
}

/// `[device]`: how to reach the device.
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

/// `[device.serial]`.
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

/// Where the device is. Written as one string in config files and after `--device`.
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

/// A string that names no device.
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

/// `[board]`: the converter chips of a board and its SPI buses. It is no part of the wiring that device and host compare:
/// the same array behind other chips is the same array.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Board {
    /// What drives couplings and bias fields. Default `ad5370`.
    pub dac: Chip,
    /// What drives the inputs. Default `ad5676r`.
    pub input_dac: Chip,
    /// What reads I and Q. Default `ad7606`.
    pub adc: Chip,
    /// Clock of the SPI buses in MHz, 0.1 to 50. Default 20.
    pub spi_mhz: f64,
    /// What the board needs between two transactions, nanoseconds, 0 to 1 000 000. Default 500.
    pub gap_ns: u32,
}

impl Default for Board {
    fn default() -> Self {
        Self { dac: Chip::Ad5370, input_dac: Chip::Ad5676r, adc: Chip::Ad7606, spi_mhz: 20.0, gap_ns: 500 }
    }
}

impl Board {
    /// The same as the rig image is made from.
    pub fn plan(&self) -> BoardPlan {
        BoardPlan {
            dac: self.dac.kind(),
            input_dac: self.input_dac.kind(),
            adc: self.adc.kind(),
            spi_hz: (self.spi_mhz * 1e6).round() as u32,
            gap_ns: self.gap_ns,
        }
    }
}

/// A kind of converter chip.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Chip {
    /// DAC, 40 channels of 16 bits, bipolar.
    Ad5370,
    /// DAC, 8 channels of 16 bits, unipolar; it has no clear pin.
    Ad5676r,
    /// ADC, 8 channels of 16 bits.
    Ad7606,
    /// ADC, 8 channels of 24 bits, frames with a CRC.
    Ads131m08,
}

impl Chip {
    /// As the firmware knows it.
    pub fn kind(self) -> ChipKind {
        match self {
            Self::Ad5370 => ChipKind::Ad5370,
            Self::Ad5676r => ChipKind::Ad5676r,
            Self::Ad7606 => ChipKind::Ad7606,
            Self::Ads131m08 => ChipKind::Ads131m08,
        }
    }
}

/// `[plant]`: the simulated plant behind an embedded or served simulated device. Every imperfection defaults to none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Plant {
    /// Seed of the plant's noise and imperfections. Default 1.
    pub seed: u64,
    /// Worker threads, 0 = one per core. Does not change results. Default 0.
    pub threads: usize,
    /// Copies of the lattice, i.e. shots that settle at once, 1 to 4096. Default 16.
    pub replicas: usize,
    /// Phase diffusion D of every free site, rad²/s: d⟨δφ²⟩/dt = 2D. Default 0.0.
    pub phase_diffusion_rad2_per_s: f64,
    /// Read-out noise: standard deviation per quadrature, in units of full scale, 0 to 1. Default 0.0.
    pub iq_noise: f64,
    /// Let settling take the time it would take on a rig. Default false.
    pub realtime: bool,
    /// How an equilibrium is computed. Default `twin`.
    pub solver: Solver,
}

impl Default for Plant {
    fn default() -> Self {
        Self {
            seed: 1,
            threads: 0,
            replicas: 16,
            phase_diffusion_rad2_per_s: 0.0,
            iq_noise: 0.0,
            realtime: false,
            solver: Solver::default(),
        }
    }
}

/// How the simulated plant computes an equilibrium.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Solver {
    /// The fast solver of the same equilibria: for training at speed.
    #[default]
    Twin,
    /// The gradient flow itself, integrated in time: what a rig does.
    Flow,
}
