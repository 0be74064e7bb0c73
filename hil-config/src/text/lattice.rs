//! `[lattice]` of the rig file: which sites there are, what couples them, which of them are terminals.
//!
//! Only shapes live here. Which values are allowed is in `lattice_rules`.

use serde::{Deserialize, Serialize};
use xyloop_lattice::Preset;

/// Says which sites are coupled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Geometry {
    /// The four nearest neighbours of an open square lattice.
    #[serde(rename = "sq")]
    Square,
    /// `sq` and one diagonal, (1, 1).
    #[serde(rename = "triangular")]
    Triangular,
    /// All neighbours up to the third shell: bulk degree 12.
    #[serde(rename = "3nsq")]
    UpToThirdShell,
    /// The first and the third shell, no diagonals: bulk degree 8.
    #[serde(rename = "p3nsq")]
    FirstAndThirdShell,
    /// All neighbours up to the fourth shell: bulk degree 20.
    #[serde(rename = "4nsq")]
    UpToFourthShell,
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
    /// Returns the neighbourhood that it names, if it names one.
    pub fn preset(self) -> Option<Preset> {
        match self {
            Self::Square => Some(Preset::Square),
            Self::Triangular => Some(Preset::Triangular),
            Self::UpToThirdShell => Some(Preset::UpToThirdShell),
            Self::FirstAndThirdShell => Some(Preset::FirstAndThirdShell),
            Self::UpToFourthShell => Some(Preset::UpToFourthShell),
            Self::AllToAll | Self::Layered | Self::LocallyConnected | Self::Offsets => None,
        }
    }

    /// Returns the name as written in a rig file.
    pub fn name(self) -> &'static str {
        match self {
            Self::AllToAll => "all-to-all",
            Self::Layered => "layered",
            Self::LocallyConnected => "lcl",
            Self::Offsets => "offsets",
            preset => preset.preset().map_or("", Preset::name),
        }
    }
}

/// Describes the sites, what couples them, and which of them are terminals: `[lattice]`.
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

/// Describes one plane of an `lcl` rig: `[[lattice.planes]]`.
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
    /// Counts the sites.
    pub fn sites(&self) -> usize {
        self.rows.saturating_mul(self.columns)
    }
}

/// Says what a window does at the edge of the plane below.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Padding {
    /// Windows lie inside the plane: (n − window) / stride + 1 of them on n sites, rounded down.
    #[default]
    Valid,
    /// n / stride windows, rounded up, centred on their sites; nothing is coupled over the edge.
    Same,
}

/// Says what the sites are arranged as; see [`Lattice::shape`].
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
    /// Returns grid, layers or planes. In a checked rig a grid always has its rows and columns.
    pub fn shape(&self) -> Shape<'_> {
        match self.geometry {
            Geometry::Layered => Shape::Layers(&self.layers),
            Geometry::LocallyConnected => Shape::Planes(&self.planes),
            _ => Shape::Grid { rows: self.rows.unwrap_or(0), columns: self.columns.unwrap_or(0) },
        }
    }
}
