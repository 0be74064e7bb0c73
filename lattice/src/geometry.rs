//! Which sites may be coupled: neighbour presets, arbitrary offset lists, all-to-all, dense and locally connected layers,
//! and the authors' scale of the initial couplings for each. The sites and couplings themselves are built in
//! [`crate::graph`].

use std::fmt;
use std::str::FromStr;

pub use crate::planes::{Below, Padding, Plane};

use crate::planes;

/// Most sites a geometry may have (a square of side 1024).
pub const MAX_SITES: usize = 1 << 20;
/// Most couplings a geometry may have.
pub const MAX_COUPLINGS: usize = 1 << 26;

/// A named list of neighbour offsets on an open-edged grid. The text names are those of arXiv:2601.21945; which shells
/// `3nsq`, `p3nsq` and `4nsq` mean is our reading. Shells are counted by distance: 1, √2, 2, √5.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Preset {
    /// `sq`: the four nearest neighbours.
    Square,
    /// `triangular`: `sq` and one diagonal, bulk degree 6.
    Triangular,
    /// `3nsq`: all neighbours up to the third shell (distance 2), bulk degree 12.
    UpToThirdShell,
    /// `p3nsq`: the first and the third shell, no diagonals, bulk degree 8.
    FirstAndThirdShell,
    /// `4nsq`: all neighbours up to the fourth shell (distance √5), bulk degree 20.
    UpToFourthShell,
}

impl Preset {
    /// Every preset, in order of its documentation.
    pub const ALL: [Self; 5] =
        [Self::Square, Self::Triangular, Self::UpToThirdShell, Self::FirstAndThirdShell, Self::UpToFourthShell];

    /// The positive half of the neighbourhood as (rows, columns): the other half follows by symmetry.
    pub fn offsets(self) -> Vec<(i32, i32)> {
        let more: &[(i32, i32)] = match self {
            Self::Square => &[],
            Self::Triangular => &[(1, 1)],
            Self::UpToThirdShell => &[(1, 1), (1, -1), (0, 2), (2, 0)],
            Self::FirstAndThirdShell => &[(0, 2), (2, 0)],
            Self::UpToFourthShell => &[(1, 1), (1, -1), (0, 2), (2, 0), (1, 2), (-1, 2), (2, 1), (-2, 1)],
        };
        [&[(0, 1), (1, 0)], more].concat()
    }

    /// The name used in configuration files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Square => "sq",
            Self::Triangular => "triangular",
            Self::UpToThirdShell => "3nsq",
            Self::FirstAndThirdShell => "p3nsq",
            Self::UpToFourthShell => "4nsq",
        }
    }
}

impl fmt::Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Preset {
    type Err = GeometryError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|preset| preset.name() == name)
            .ok_or_else(|| GeometryError::UnknownPreset { name: name.to_owned() })
    }
}

/// The shape of an array: which sites exist and which of them are coupled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Geometry {
    /// An open-edged grid with the same neighbour offsets at every site.
    Lattice {
        /// Rows of the grid, at least 1.
        rows: usize,
        /// Columns of the grid, at least 1.
        columns: usize,
        /// Neighbour offsets (rows, columns), one of each ± pair. One that reaches over every edge adds no coupling.
        offsets: Vec<(i32, i32)>,
    },
    /// Every pair of sites coupled; the grid only gives the sites a place.
    AllToAll {
        /// Rows of the grid, at least 1.
        rows: usize,
        /// Columns of the grid, at least 1.
        columns: usize,
    },
    /// Dense couplings between consecutive layers, none inside a layer.
    Layered {
        /// Sites per layer, at least two layers of at least one site.
        widths: Vec<usize>,
    },
    /// Locally connected layers (`lcl`): planes stacked on the input plane, the last one the outputs.
    LocallyConnected {
        /// Rows and columns of the input plane, at least 1 each.
        input: [usize; 2],
        /// The planes above it, from below; at least one.
        planes: Vec<Plane>,
    },
}

impl Geometry {
    /// A grid with the offsets of a preset.
    pub fn preset(preset: Preset, rows: usize, columns: usize) -> Self {
        Self::Lattice { rows, columns, offsets: preset.offsets() }
    }

    /// Number of sites, saturating.
    pub fn sites(&self) -> usize {
        match self {
            Self::Lattice { rows, columns, .. } | Self::AllToAll { rows, columns } => rows.saturating_mul(*columns),
            Self::Layered { widths } => widths.iter().fold(0, |sum, &width| sum.saturating_add(width)),
            Self::LocallyConnected { input, planes } => planes
                .iter()
                .map(|plane| plane.rows.saturating_mul(plane.columns))
                .fold(input[0].saturating_mul(input[1]), usize::saturating_add),
        }
    }

    /// Number of couplings of a geometry with valid sizes and offsets, saturating.
    pub fn couplings(&self) -> usize {
        match self {
            Self::Lattice { rows, columns, offsets } => offsets
                .iter()
                .fold(0, |sum: usize, &offset| sum.saturating_add(grid_direction(*rows, *columns, offset))),
            Self::AllToAll { .. } => self.sites().saturating_mul(self.sites().saturating_sub(1)) / 2,
            Self::Layered { widths } => {
                widths.windows(2).fold(0, |sum: usize, pair| sum.saturating_add(pair[0].saturating_mul(pair[1])))
            }
            Self::LocallyConnected { input, planes } => planes::count(*input, planes),
        }
    }

    /// Checks sizes and offsets.
    ///
    /// # Errors
    /// An empty side or layer, fewer than two layers, more than [`MAX_SITES`] sites or [`MAX_COUPLINGS`] couplings, an
    /// offset (0, 0) or one that is listed twice, also as its own negative; a plane that does not have one site per
    /// window on the plane below.
    pub fn validate(&self) -> Result<(), GeometryError> {
        match self {
            Self::Lattice { rows, columns, .. } | Self::AllToAll { rows, columns } if *rows == 0 || *columns == 0 => {
                return Err(GeometryError::EmptyGrid { rows: *rows, columns: *columns });
            }
            Self::Layered { widths } if widths.len() < 2 => {
                return Err(GeometryError::TooFewLayers { layers: widths.len() });
            }
            Self::Layered { widths } => {
                if let Some(layer) = widths.iter().position(|&width| width == 0) {
                    return Err(GeometryError::EmptyLayer { layer });
                }
            }
            _ => {}
        }
        if self.sites() > MAX_SITES {
            return Err(GeometryError::TooManySites { sites: self.sites() });
        }
        match self {
            Self::Lattice { offsets, .. } => validate_offsets(offsets)?,
            Self::LocallyConnected { input, planes } => planes::validate(*input, planes)?,
            Self::AllToAll { .. } | Self::Layered { .. } => {}
        }
        match self.couplings() {
            couplings if couplings > MAX_COUPLINGS => Err(GeometryError::TooManyCouplings { couplings }),
            _ => Ok(()),
        }
    }
}

/// An offset is written as one of the pair ±(rows, columns): the one whose first non-zero entry is positive.
pub(crate) fn positive_half((row, column): (i32, i32)) -> (i64, i64) {
    let (row, column) = (i64::from(row), i64::from(column));
    if row < 0 || (row == 0 && column < 0) { (-row, -column) } else { (row, column) }
}

/// Number of couplings of one offset on an open-edged grid.
pub(crate) fn grid_direction(rows: usize, columns: usize, offset: (i32, i32)) -> usize {
    let (row, column) = positive_half(offset);
    rows.saturating_sub(row.unsigned_abs() as usize)
        .saturating_mul(columns.saturating_sub(column.unsigned_abs() as usize))
}

/// The couplings of one offset on an open-edged grid whose sites are numbered row by row, lower site first.
pub(crate) fn grid_couplings(rows: usize, columns: usize, offset: (i32, i32)) -> impl Iterator<Item = (u32, u32)> {
    let (down, right) = positive_half(offset);
    let (rows, columns) = (rows as i64, columns as i64);
    (0..rows - down).flat_map(move |row| {
        (0.max(-right)..columns.min(columns - right)).map(move |column| {
            let site = row * columns + column;
            (site as u32, (site + down * columns + right) as u32)
        })
    })
}

pub(crate) fn validate_offsets(offsets: &[(i32, i32)]) -> Result<(), GeometryError> {
    let mut seen = std::collections::HashMap::new();
    for (position, &offset) in offsets.iter().enumerate() {
        if offset == (0, 0) {
            return Err(GeometryError::ZeroOffset { position });
        }
        if let Some(first) = seen.insert(positive_half(offset), offset) {
            return Err(GeometryError::RepeatedOffset { offset, first, position });
        }
    }
    Ok(())
}

/// The authors' initial standard deviation of every coupling, in the order of [`crate::Graph::couplings`].
///
/// All-to-all 1/√N; layered 1/√(`n_k` + `n_{k+1}`); lattice 1/√(number of couplings in that offset's direction).
/// Source: the authors' public code for arXiv:2402.08579. Locally connected layers are our reading of it: a coupling
/// between planes takes 1/√(couplings of its lower site to the plane above + couplings of its upper site to the plane
/// below), which is the layered rule where they are dense; one inside a plane takes the lattice rule of that plane.
///
/// # Errors
/// As [`Geometry::validate`].
pub fn coupling_std(geometry: &Geometry) -> Result<Vec<f64>, GeometryError> {
    geometry.validate()?;
    if let Geometry::LocallyConnected { input, planes } = geometry {
        let mut couplings = planes::couplings(*input, planes);
        couplings.sort_unstable();
        return Ok(planes::std(geometry.sites(), &couplings));
    }
    Ok(crate::graph::labelled_couplings(geometry)
        .into_iter()
        .map(|(_, direction)| {
            let count = match geometry {
                Geometry::AllToAll { .. } | Geometry::LocallyConnected { .. } => geometry.sites(),
                Geometry::Layered { widths } => widths[direction] + widths[direction + 1],
                Geometry::Lattice { rows, columns, offsets } => grid_direction(*rows, *columns, offsets[direction]),
            };
            1.0 / (count as f64).sqrt()
        })
        .collect())
}

/// Why a geometry was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GeometryError {
    /// The name is none of the presets'.
    #[error("unknown lattice preset `{name}`: use sq, triangular, 3nsq, p3nsq, 4nsq or a list of offsets")]
    UnknownPreset {
        /// The name given.
        name: String,
    },
    /// A grid side is zero.
    #[error("a grid of {rows} rows × {columns} columns has no sites")]
    EmptyGrid {
        /// Rows given.
        rows: usize,
        /// Columns given.
        columns: usize,
    },
    /// Layers need a first and a last one.
    #[error("a layered geometry needs at least two layers or planes, {layers} given")]
    TooFewLayers {
        /// Layers given.
        layers: usize,
    },
    /// A layer has no sites.
    #[error("layer or plane {layer} (counted from 0) has no sites")]
    EmptyLayer {
        /// Its index.
        layer: usize,
    },
    /// More than [`MAX_SITES`].
    #[error("{sites} sites: at most {MAX_SITES} are supported")]
    TooManySites {
        /// Sites the geometry would have.
        sites: usize,
    },
    /// More than [`MAX_COUPLINGS`].
    #[error("{couplings} couplings: at most {MAX_COUPLINGS} are supported; couple fewer sites")]
    TooManyCouplings {
        /// Couplings the geometry would have.
        couplings: usize,
    },
    /// A window of no sites, or windows that do not advance.
    #[error("plane {plane} (the inputs are plane 0): window {size} with stride {stride}; both must be at least 1")]
    EmptyWindow {
        /// The plane with the window.
        plane: usize,
        /// Side of the window.
        size: usize,
        /// Sites from one window to the next.
        stride: usize,
    },
    /// A plane needs one site per window.
    #[error(
        "plane {plane} (the inputs are plane 0) has {has} {side}, but a window of {size} with stride {stride} has {fits} \
         places on the {count} {side} below: make it {fits}, or change window, stride or padding"
    )]
    WindowMismatch {
        /// The plane with the window.
        plane: usize,
        /// `rows` or `columns`.
        side: &'static str,
        /// Sites it has along that side.
        has: usize,
        /// Places of the window.
        fits: usize,
        /// Sites the plane below has along that side.
        count: usize,
        /// Side of the window.
        size: usize,
        /// Sites from one window to the next.
        stride: usize,
    },
    /// A site cannot be its own neighbour.
    #[error("offset number {position} (counted from 0) is (0, 0): a site cannot be coupled to itself")]
    ZeroOffset {
        /// Its place in the list.
        position: usize,
    },
    /// The same pair of sites would be coupled twice.
    #[error("offset number {position} {offset:?} repeats {first:?}: list each offset once, its negative is implied")]
    RepeatedOffset {
        /// The offset that was refused.
        offset: (i32, i32),
        /// The earlier one it repeats, equal or the negative.
        first: (i32, i32),
        /// Place of the refused one in the list.
        position: usize,
    },
}
