//! Locally connected layers (`lcl`): planes of sites stacked on one another, each site coupled to a window of the plane
//! below, with weights of its own (nothing is shared as in a convolution), and optionally to neighbours in its plane.

use crate::geometry::{GeometryError, grid_couplings, grid_direction, validate_offsets};

/// One plane above the input plane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plane {
    /// Rows of the plane, at least 1.
    pub rows: usize,
    /// Columns of the plane, at least 1.
    pub columns: usize,
    /// What couples it to the plane below.
    pub below: Below,
    /// Neighbour offsets (rows, columns) inside the plane, one of each ± pair; none for a plane without such couplings.
    pub inside: Vec<(i32, i32)>,
}

/// How a plane is coupled to the one below.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Below {
    /// Every site to every site.
    Dense,
    /// Every site to the `size` × `size` sites of the plane below that its window covers.
    Window {
        /// Side of the window in sites, at least 1.
        size: usize,
        /// Sites from one window to the next, at least 1.
        stride: usize,
        /// What happens at the edge.
        padding: Padding,
    },
}

/// What a window does at the edge of the plane below.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Padding {
    /// Windows lie inside the plane below: ⌊(n − size) / stride⌋ + 1 of them on n sites.
    Valid,
    /// ⌈n / stride⌉ windows on n sites, centred (an odd missing site is missing at the far end); what a window has over
    /// the edge is not coupled.
    Same,
}

/// First site that the `nth` window along one side covers, and the one after its last, on `count` sites.
fn covered(nth: usize, count: usize, size: usize, stride: usize, padding: Padding) -> (usize, usize) {
    let before = match padding {
        Padding::Valid => 0,
        Padding::Same => (((count.div_ceil(stride) - 1) * stride).saturating_add(size).saturating_sub(count)) / 2,
    };
    let start = nth * stride;
    (start.saturating_sub(before).min(count), (start.saturating_add(size).saturating_sub(before)).min(count))
}

/// Windows that fit along one side, or none.
fn windows(count: usize, size: usize, stride: usize, padding: Padding) -> Option<usize> {
    match padding {
        Padding::Valid => Some(count.checked_sub(size)? / stride + 1),
        Padding::Same => Some(count.div_ceil(stride)),
    }
}

/// Checks planes from the first (the inputs, `[rows, columns]`) upwards.
pub(crate) fn validate(input: [usize; 2], planes: &[Plane]) -> Result<(), GeometryError> {
    if planes.is_empty() {
        return Err(GeometryError::TooFewLayers { layers: 1 });
    }
    let mut under = input;
    for (number, [rows, columns]) in
        std::iter::once(input).chain(planes.iter().map(|p| [p.rows, p.columns])).enumerate()
    {
        if rows == 0 || columns == 0 {
            return Err(GeometryError::EmptyLayer { layer: number });
        }
    }
    for (plane, number) in planes.iter().zip(1..) {
        if let Below::Window { size, stride, padding } = plane.below {
            if size == 0 || stride == 0 {
                return Err(GeometryError::EmptyWindow { plane: number, size, stride });
            }
            for (side, count, has) in [("rows", under[0], plane.rows), ("columns", under[1], plane.columns)] {
                let fits = windows(count, size, stride, padding).unwrap_or(0);
                if fits != has {
                    return Err(GeometryError::WindowMismatch { plane: number, side, has, fits, count, size, stride });
                }
            }
        }
        validate_offsets(&plane.inside)?;
        under = [plane.rows, plane.columns];
    }
    Ok(())
}

/// Number of couplings, saturating. Planes must be valid.
pub(crate) fn count(input: [usize; 2], planes: &[Plane]) -> usize {
    let mut under = input;
    let mut sum = 0_usize;
    for plane in planes {
        let sites = plane.rows.saturating_mul(plane.columns);
        sum = sum.saturating_add(match plane.below {
            Below::Dense => sites.saturating_mul(under[0].saturating_mul(under[1])),
            Below::Window { size, stride, padding } => {
                let along = |has: usize, count| {
                    (0..has).fold(0_usize, |sum, nth| {
                        let (start, end) = covered(nth, count, size, stride, padding);
                        sum.saturating_add(end - start)
                    })
                };
                along(plane.rows, under[0]).saturating_mul(along(plane.columns, under[1]))
            }
        });
        for &offset in &plane.inside {
            sum = sum.saturating_add(grid_direction(plane.rows, plane.columns, offset));
        }
        under = [plane.rows, plane.columns];
    }
    sum
}

/// What a coupling of planes is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Between a plane and the one below.
    Below,
    /// Inside a plane, in a direction with this many couplings.
    Inside { count: usize },
}

/// All couplings as (lower site, higher site), unsorted. Sites are numbered plane by plane, row by row.
pub(crate) fn couplings(input: [usize; 2], planes: &[Plane]) -> Vec<((u32, u32), Kind)> {
    let mut list = Vec::with_capacity(count(input, planes));
    let (mut under, mut first_under) = (input, 0);
    for plane in planes {
        let first = first_under + under[0] * under[1];
        for row in 0..plane.rows {
            for column in 0..plane.columns {
                let site = (first + row * plane.columns + column) as u32;
                let (rows, columns) = match plane.below {
                    Below::Dense => ((0, under[0]), (0, under[1])),
                    Below::Window { size, stride, padding } => (
                        covered(row, under[0], size, stride, padding),
                        covered(column, under[1], size, stride, padding),
                    ),
                };
                for r in rows.0..rows.1 {
                    let start = first_under + r * under[1];
                    list.extend((columns.0..columns.1).map(|c| (((start + c) as u32, site), Kind::Below)));
                }
            }
        }
        for &offset in &plane.inside {
            let count = grid_direction(plane.rows, plane.columns, offset);
            list.extend(
                grid_couplings(plane.rows, plane.columns, offset)
                    .map(|(i, j)| ((i + first as u32, j + first as u32), Kind::Inside { count })),
            );
        }
        (under, first_under) = ([plane.rows, plane.columns], first);
    }
    list
}

/// Initial standard deviations, in the order of the sorted `couplings` given: see [`crate::geometry::coupling_std`].
pub(crate) fn std(sites: usize, couplings: &[((u32, u32), Kind)]) -> Vec<f64> {
    let (mut up, mut down) = (vec![0_usize; sites], vec![0_usize; sites]);
    for &((i, j), _) in couplings.iter().filter(|(_, kind)| *kind == Kind::Below) {
        up[i as usize] += 1;
        down[j as usize] += 1;
    }
    let variance = |&((i, j), kind): &((u32, u32), Kind)| match kind {
        Kind::Below => up[i as usize] + down[j as usize],
        Kind::Inside { count } => count,
    };
    couplings.iter().map(|coupling| 1.0 / (variance(coupling) as f64).sqrt()).collect()
}
