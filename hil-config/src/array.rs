//! What an array is, for host and device alike: sites, couplings, terminals and converters.

use xyloop_lattice::{Geometry, Graph, GraphError};
use xyloop_protocol::wiring::Converters;

use crate::wiring::WiringLists;

/// Holds what an array is: sites, couplings, terminals and converters.
#[derive(Clone, Debug)]
pub struct Array {
    /// The geometry the graph was made from.
    pub geometry: Geometry,
    /// Sites, couplings, input and output sites.
    pub graph: Graph,
    /// Bits and ranges.
    pub converters: Converters,
}

impl Array {
    /// Makes the array of a geometry with these input and output sites behind such converters.
    ///
    /// # Errors
    /// If the geometry makes no graph, or a terminal is none of its sites or given twice.
    pub fn new(
        geometry: Geometry,
        inputs: &[u32],
        outputs: &[u32],
        converters: Converters,
    ) -> Result<Self, GraphError> {
        let graph = Graph::new(&geometry)?.with_terminals(inputs, outputs)?;
        Ok(Self { geometry, graph, converters })
    }

    /// Returns the fingerprint of the wiring: host and device compare theirs in the first exchange.
    pub fn wiring_hash(&self) -> u64 {
        WiringLists::new(&self.graph).wiring(self.graph.len(), self.converters).hash()
    }
}
