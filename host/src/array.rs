//! From a rig file to the things it describes: the graph, the wiring both ends must agree on, the simulated device.

use xyloop_lattice::geometry::{Below, Padding, Plane};
use xyloop_lattice::{Geometry, Graph, GraphError, Preset};
use xyloop_protocol::wiring::Converters;
use xyloop_sim::{Description, plant::WiringLists};

use crate::{
    config::{self, Rig, Shape},
    device::Wanted,
};

/// What an array is: sites, couplings, terminals and converters.
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
    /// The array a rig file describes.
    ///
    /// # Errors
    /// If the geometry makes no graph (a checked rig's always does).
    pub fn new(rig: &Rig) -> Result<Self, GraphError> {
        let geometry = geometry(&rig.lattice);
        let narrow = |sites: Vec<usize>| -> Vec<u32> { sites.into_iter().map(|site| site as u32).collect() };
        let graph = Graph::new(&geometry)?.with_terminals(&narrow(rig.input_sites()), &narrow(rig.output_sites()))?;
        Ok(Self { geometry, graph, converters: converters(&rig.converters) })
    }

    /// The fingerprint of the wiring, to be compared with the device's.
    pub fn wiring_hash(&self) -> u64 {
        WiringLists::new(&self.graph).wiring(self.graph.len(), self.converters).hash()
    }

    /// The device of this rig, for a host to look for.
    pub fn wanted(&self, rig: &Rig) -> Wanted {
        let graph = &self.graph;
        Wanted {
            rig: rig.name.clone(),
            array: format!(
                "{} sites, {} couplings, {} inputs, {} outputs",
                graph.len(),
                graph.couplings().len(),
                graph.inputs().len(),
                graph.outputs().len()
            ),
            wiring_hash: self.wiring_hash(),
            serial_number: rig.device.serial_number.clone(),
        }
    }

    /// The simulated device of this rig.
    pub fn description(&self, rig: &Rig) -> Description {
        let plant = &rig.plant;
        Description {
            graph: self.graph.clone(),
            converters: self.converters,
            tau_us: rig.timing.tau_us,
            deadman_ms: rig.timing.deadman_ms as u16,
            seed: plant.seed,
            threads: plant.threads,
            replicas: plant.replicas,
            phase_diffusion_rad2_per_s: plant.phase_diffusion_rad2_per_s,
            iq_noise: plant.iq_noise,
            realtime: plant.realtime,
            solver: match plant.solver {
                config::Solver::Twin => xyloop_sim::Solver::Twin,
                config::Solver::Flow => xyloop_sim::Solver::Flow,
            },
            serial: format!("sim-{}", rig.name.chars().take(40).collect::<String>()),
        }
    }
}

/// The geometry that `[lattice]` describes, not validated.
pub(crate) fn geometry(lattice: &config::Lattice) -> Geometry {
    match lattice.shape() {
        Shape::Grid { rows, columns } if lattice.geometry == config::Geometry::AllToAll => {
            Geometry::AllToAll { rows, columns }
        }
        Shape::Grid { rows, columns } => {
            Geometry::Lattice { rows, columns, offsets: offsets(lattice.geometry, &lattice.offsets) }
        }
        Shape::Layers(widths) => Geometry::Layered { widths: widths.to_vec() },
        Shape::Planes(tables) => Geometry::LocallyConnected {
            input: tables.first().map_or([0, 0], |table| [table.rows, table.columns]),
            planes: tables.iter().skip(1).map(plane).collect(),
        },
    }
}

fn plane(table: &config::PlaneTable) -> Plane {
    let below = match table.window {
        None => Below::Dense,
        Some(size) => Below::Window {
            size,
            stride: table.stride.unwrap_or(1),
            padding: match table.padding.unwrap_or_default() {
                config::Padding::Valid => Padding::Valid,
                config::Padding::Same => Padding::Same,
            },
        },
    };
    let inside = table.inside.map_or(Vec::new(), |name| offsets(name, &table.offsets));
    Plane { rows: table.rows, columns: table.columns, below, inside }
}

/// The offsets of a named neighbourhood; those given, if it names none.
fn offsets(name: config::Geometry, given: &[(i32, i32)]) -> Vec<(i32, i32)> {
    match name {
        config::Geometry::Square => Preset::Sq.offsets(),
        config::Geometry::Triangular => Preset::Triangular.offsets(),
        config::Geometry::ThreeShells => Preset::ThirdSq.offsets(),
        config::Geometry::PlusThreeShells => Preset::PlusThirdSq.offsets(),
        config::Geometry::FourShells => Preset::FourthSq.offsets(),
        config::Geometry::Offsets
        | config::Geometry::AllToAll
        | config::Geometry::Layered
        | config::Geometry::LocallyConnected => given.to_vec(),
    }
}

fn converters(settings: &config::Converters) -> Converters {
    let micro = |range: f64| (range * 1e6).round() as u32;
    Converters {
        coupling_bits: settings.coupling_bits as u8,
        coupling_range_micro: micro(settings.coupling_range),
        field_bits: settings.field_bits as u8,
        field_range_micro: micro(settings.field_range),
        input_bits: settings.input_bits as u8,
        iq_bits: settings.iq_bits as u8,
    }
}
