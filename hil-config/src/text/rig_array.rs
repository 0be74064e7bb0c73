//! From a rig file to what it describes: the geometry of its lattice, its array, the image of its board.

use xyloop_lattice::geometry::{Below, Plane};
use xyloop_lattice::{GraphError, Preset};
use xyloop_protocol::wiring;

use super::lattice::{Geometry, Lattice, Padding, PlaneTable, Shape};
use super::rig::{Converters, Rig};
use crate::array::Array;
use crate::rig_image::{self, PlanError, Subject};

impl Rig {
    /// Makes the array that this rig file describes.
    ///
    /// # Errors
    /// If the geometry makes no graph (a checked rig's always does).
    pub fn array(&self) -> Result<Array, GraphError> {
        let narrow = |sites: Vec<usize>| -> Vec<u32> { sites.into_iter().map(|site| site as u32).collect() };
        let (inputs, outputs) = (narrow(self.input_sites()), narrow(self.output_sites()));
        Array::new(geometry(&self.lattice), &inputs, &outputs, converters(&self.converters))
    }

    /// Returns the serial number that a device made from this file announces, simulated or flashed.
    pub fn serial(&self) -> String {
        format!("sim-{}", self.name.chars().take(40).collect::<String>())
    }

    /// Makes the image of a board for this rig and its array: it is flashed beside the firmware.
    ///
    /// # Errors
    /// As [`rig_image::image`].
    pub fn image(&self, array: &Array) -> Result<Vec<u8>, PlanError> {
        let subject = Subject {
            graph: &array.graph,
            converters: array.converters,
            deadman_ms: self.timing.deadman_ms as u16,
            serial: &self.serial(),
        };
        rig_image::image(subject, &self.board.plan())
    }
}

/// Returns the geometry that `[lattice]` describes, not validated.
pub(super) fn geometry(lattice: &Lattice) -> xyloop_lattice::Geometry {
    match lattice.shape() {
        Shape::Grid { rows, columns } if lattice.geometry == Geometry::AllToAll => {
            xyloop_lattice::Geometry::AllToAll { rows, columns }
        }
        Shape::Grid { rows, columns } => {
            let offsets = offsets(lattice.geometry, &lattice.offsets);
            xyloop_lattice::Geometry::Lattice { rows, columns, offsets }
        }
        Shape::Layers(widths) => xyloop_lattice::Geometry::Layered { widths: widths.to_vec() },
        Shape::Planes(tables) => xyloop_lattice::Geometry::LocallyConnected {
            input: tables.first().map_or([0, 0], |table| [table.rows, table.columns]),
            planes: tables.iter().skip(1).map(plane).collect(),
        },
    }
}

fn plane(table: &PlaneTable) -> Plane {
    let below = match table.window {
        None => Below::Dense,
        Some(size) => Below::Window {
            size,
            stride: table.stride.unwrap_or(1),
            padding: match table.padding.unwrap_or_default() {
                Padding::Valid => xyloop_lattice::geometry::Padding::Valid,
                Padding::Same => xyloop_lattice::geometry::Padding::Same,
            },
        },
    };
    let inside = table.inside.map_or(Vec::new(), |name| offsets(name, &table.offsets));
    Plane { rows: table.rows, columns: table.columns, below, inside }
}

/// Returns the offsets of a named neighbourhood; those given, if it names none.
fn offsets(name: Geometry, given: &[(i32, i32)]) -> Vec<(i32, i32)> {
    name.preset().map_or_else(|| given.to_vec(), Preset::offsets)
}

/// Returns bits and ranges in the units in which they are announced.
pub(super) fn converters(settings: &Converters) -> wiring::Converters {
    let micro = |range: f64| (range * 1e6).round() as u32;
    wiring::Converters {
        coupling_bits: settings.coupling_bits as u8,
        coupling_range_micro: micro(settings.coupling_range),
        field_bits: settings.field_bits as u8,
        field_range_micro: micro(settings.field_range),
        input_bits: settings.input_bits as u8,
        iq_bits: settings.iq_bits as u8,
    }
}
