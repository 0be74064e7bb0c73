//! Sites, couplings, positions and terminals: the topology every other module works on. No values live here.

use crate::geometry::{Geometry, GeometryError, MAX_SITES, grid_couplings};
use crate::planes;

/// An undirected graph of sites, with clamped inputs and read-out outputs.
#[derive(Debug, Clone, PartialEq)]
pub struct Graph {
    couplings: Vec<(u32, u32)>,
    positions: Vec<[f64; 2]>,
    inputs: Vec<u32>,
    outputs: Vec<u32>,
}

impl Graph {
    /// Builds the sites and couplings of a geometry. Grids number their sites row by row and start without terminals;
    /// layers and planes are numbered one after the other, the first is the input and the last the output.
    ///
    /// # Errors
    /// As [`Geometry::validate`].
    pub fn new(geometry: &Geometry) -> Result<Self, GraphError> {
        geometry.validate()?;
        let mut graph = Self {
            couplings: labelled_couplings(geometry).into_iter().map(|(pair, _)| pair).collect(),
            positions: Vec::with_capacity(geometry.sites()),
            inputs: Vec::new(),
            outputs: Vec::new(),
        };
        match geometry {
            Geometry::Lattice { rows, columns, .. } | Geometry::AllToAll { rows, columns } => {
                for row in 0..*rows {
                    graph.positions.extend((0..*columns).map(|column| [column as f64, row as f64]));
                }
            }
            Geometry::Layered { widths } => {
                for (layer, &width) in widths.iter().enumerate() {
                    graph.positions.extend((0..width).map(|row| [layer as f64, row as f64]));
                }
                let sites = graph.positions.len();
                graph.inputs = (0..widths[0] as u32).collect();
                graph.outputs = ((sites - widths[widths.len() - 1]) as u32..sites as u32).collect();
            }
            Geometry::LocallyConnected { input, planes } => {
                let (mut left, mut last) = (0, 0);
                let sizes = std::iter::once(*input).chain(planes.iter().map(|plane| [plane.rows, plane.columns]));
                for [rows, columns] in sizes {
                    for row in 0..rows {
                        graph.positions.extend((left..left + columns).map(|column| [column as f64, row as f64]));
                    }
                    left += columns;
                    last = rows * columns;
                }
                let sites = graph.positions.len();
                graph.inputs = (0..(input[0] * input[1]) as u32).collect();
                graph.outputs = ((sites - last) as u32..sites as u32).collect();
            }
        }
        Ok(graph)
    }

    /// A graph of any shape: `positions[site]` is (column, row), each coupling an unordered pair of sites.
    ///
    /// # Errors
    /// No or too many sites, a coupling that names no site, joins a site to itself or is listed twice.
    pub fn from_couplings(positions: Vec<[f64; 2]>, pairs: &[(u32, u32)]) -> Result<Self, GraphError> {
        let sites = positions.len();
        if sites > MAX_SITES {
            return Err(GeometryError::TooManySites { sites }.into());
        }
        let mut couplings = Vec::with_capacity(pairs.len());
        for &(a, b) in pairs {
            if let Some(site) = [a, b].into_iter().find(|&site| site as usize >= sites) {
                return Err(GraphError::OutOfRange { role: "coupled site", site, sites });
            }
            if a == b {
                return Err(GraphError::SelfCoupling { site: a });
            }
            couplings.push((a.min(b), a.max(b)));
        }
        couplings.sort_unstable();
        if let Some(pair) = couplings.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(GraphError::RepeatedCoupling { first: pair[0].0, second: pair[0].1 });
        }
        Ok(Self { couplings, positions, inputs: Vec::new(), outputs: Vec::new() })
    }

    /// The same graph with these input (clamped) and output (read and nudged) sites, in the order given.
    ///
    /// # Errors
    /// A site out of range, named twice in a role, or named as both input and output.
    pub fn with_terminals(mut self, inputs: &[u32], outputs: &[u32]) -> Result<Self, GraphError> {
        let sites = self.len();
        let mut role_of: Vec<Option<&'static str>> = vec![None; sites];
        for (role, list) in [("input", inputs), ("output", outputs)] {
            for &site in list {
                let slot = role_of.get_mut(site as usize).ok_or(GraphError::OutOfRange { role, site, sites })?;
                match *slot {
                    None => *slot = Some(role),
                    Some(earlier) if earlier == role => return Err(GraphError::Repeated { role, site }),
                    Some(_) => return Err(GraphError::InputAndOutput { site }),
                }
            }
        }
        self.inputs = inputs.to_vec();
        self.outputs = outputs.to_vec();
        Ok(self)
    }

    /// Number of sites.
    pub fn len(&self) -> usize {
        self.positions.len()
    }

    /// Whether the graph has no sites.
    pub fn is_empty(&self) -> bool {
        self.positions.is_empty()
    }

    /// Coupled pairs (i, j) with i < j, sorted, none twice. Per-coupling slices everywhere have this order.
    pub fn couplings(&self) -> &[(u32, u32)] {
        &self.couplings
    }

    /// Clamped sites, in the order of the data's features.
    pub fn inputs(&self) -> &[u32] {
        &self.inputs
    }

    /// Sites that are read and nudged, in the order of the targets.
    pub fn outputs(&self) -> &[u32] {
        &self.outputs
    }

    /// Place of every site as (column, row); in a layered graph the column is the layer, and planes lie side by side.
    pub fn positions(&self) -> &[[f64; 2]] {
        &self.positions
    }

    /// The site at a row and column (layered: row in the layer, layer), if there is one.
    pub fn site_at(&self, row: usize, column: usize) -> Option<u32> {
        let wanted = [column as f64, row as f64].map(f64::to_bits);
        self.positions.iter().position(|place| place.map(f64::to_bits) == wanted).map(|site| site as u32)
    }
}

/// The couplings of a geometry with the number of their offset (lattice) or of their lower layer (layered; 0 for the others),
/// sorted.
pub(crate) fn labelled_couplings(geometry: &Geometry) -> Vec<((u32, u32), usize)> {
    let mut list = Vec::new();
    match geometry {
        Geometry::Lattice { rows, columns, offsets } => {
            for (direction, &offset) in offsets.iter().enumerate() {
                list.extend(grid_couplings(*rows, *columns, offset).map(|pair| (pair, direction)));
            }
        }
        Geometry::AllToAll { rows, columns } => {
            let sites = (rows * columns) as u32;
            list.extend((0..sites).flat_map(|i| (i + 1..sites).map(move |j| ((i, j), 0))));
        }
        Geometry::Layered { widths } => {
            let mut start = 0;
            for (layer, pair) in widths.windows(2).enumerate() {
                let (next, end) = (start + pair[0], start + pair[0] + pair[1]);
                list.extend((start..next).flat_map(|i| (next..end).map(move |j| ((i as u32, j as u32), layer))));
                start = next;
            }
        }
        Geometry::LocallyConnected { input, planes } => {
            list.extend(planes::couplings(*input, planes).into_iter().map(|(pair, _)| (pair, 0)));
        }
    }
    list.sort_unstable();
    list
}

/// Why a graph was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GraphError {
    /// The geometry itself is wrong.
    #[error(transparent)]
    Geometry(#[from] GeometryError),
    /// A site number beyond the last site.
    #[error("{role} {site} does not exist: the graph has {sites} sites, numbered from 0")]
    OutOfRange {
        /// What the site was named as.
        role: &'static str,
        /// The site named.
        site: u32,
        /// Sites of the graph.
        sites: usize,
    },
    /// A terminal named twice.
    #[error("site {site} is listed twice as {role}")]
    Repeated {
        /// Input or output.
        role: &'static str,
        /// The site named.
        site: u32,
    },
    /// A clamped site cannot be nudged.
    #[error("site {site} is listed as input and as output: an input is clamped and cannot be nudged")]
    InputAndOutput {
        /// The site named.
        site: u32,
    },
    /// A coupling from a site to itself.
    #[error("site {site} is coupled to itself")]
    SelfCoupling {
        /// The site named.
        site: u32,
    },
    /// The same pair twice.
    #[error("the coupling between sites {first} and {second} is listed twice")]
    RepeatedCoupling {
        /// Lower site.
        first: u32,
        /// Higher site.
        second: u32,
    },
}
