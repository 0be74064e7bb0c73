//! What is connected to what, as a device announces it: couplings and terminals by 16-bit site numbers, and their hash.

use xyloop_lattice::Graph;
use xyloop_protocol::wiring::{Converters, Wiring};

/// Owns the lists of a wiring, in the form in which a device announces them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WiringLists {
    /// Both ends of each coupling, in the order of the coupling codes.
    pub couplings: Vec<(u16, u16)>,
    /// Input sites, in the order of the input codes.
    pub inputs: Vec<u16>,
    /// Output sites, in the order of the targets.
    pub outputs: Vec<u16>,
}

impl WiringLists {
    /// Makes the lists of a graph. One of more than 2^16 − 1 sites has no true ones: no device starts with it.
    pub fn new(graph: &Graph) -> Self {
        let narrow = |sites: &[u32]| sites.iter().map(|&site| site as u16).collect();
        Self {
            couplings: graph.couplings().iter().map(|&(a, b)| (a as u16, b as u16)).collect(),
            inputs: narrow(graph.inputs()),
            outputs: narrow(graph.outputs()),
        }
    }

    /// Returns the wiring that these lists describe on `sites` sites behind such converters.
    pub fn wiring(&self, sites: usize, converters: Converters) -> Wiring<'_> {
        Wiring {
            sites: sites as u16,
            couplings: &self.couplings,
            inputs: &self.inputs,
            outputs: &self.outputs,
            converters,
        }
    }
}
