//! The rig file's tables but for two: converters, timing, board, simulated plant. `[lattice]` is in `lattice`,
//! `[device]` in `device`.
//!
//! Only shapes, defaults and small accessors live here. Which values are allowed is in `rig_rules`; what a rig
//! describes is made in `rig_array`.

use serde::{Deserialize, Serialize};

use super::device::Device;
use super::lattice::{Lattice, PlaneTable, Shape};
use crate::rig_image::{BoardPlan, ChipKind};

/// Describes a rig: board + plant + wiring, by one file in `hil-config/rigs/`.
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
    /// Counts the sites N.
    pub fn sites(&self) -> usize {
        match self.lattice.shape() {
            Shape::Grid { rows, columns } => rows * columns,
            Shape::Layers(layers) => layers.iter().sum(),
            Shape::Planes(planes) => planes.iter().map(PlaneTable::sites).sum(),
        }
    }

    /// Returns the indices of the clamped sites, in the order of the task's inputs.
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

    /// Returns the indices of the read and nudged sites, in the order of the task's targets; numbering as in [`Rig::input_sites`].
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

/// Gives bits and ranges of DACs and ADCs: `[converters]`.
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

/// Gives the time unit and the deadman: `[timing]`.
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

/// Names the converter chips of a board and its SPI buses: `[board]`. It is no part of the wiring that device and host compare:
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
    /// Returns the same as the rig image is made from.
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

/// Names a kind of converter chip.
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
    /// Returns the kind as the firmware knows it.
    pub fn kind(self) -> ChipKind {
        match self {
            Self::Ad5370 => ChipKind::Ad5370,
            Self::Ad5676r => ChipKind::Ad5676r,
            Self::Ad7606 => ChipKind::Ad7606,
            Self::Ads131m08 => ChipKind::Ads131m08,
        }
    }
}

/// Describes the simulated plant behind an embedded or served simulated device: `[plant]`. Every imperfection defaults to none.
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

/// Says how the simulated plant computes an equilibrium.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Solver {
    /// The fast solver of the same equilibria: for training at speed.
    #[default]
    Twin,
    /// The gradient flow itself, integrated in time: what a rig does.
    Flow,
}
