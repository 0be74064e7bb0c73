//! What the scripted device is wired to: a ring of six sites, two inputs, two outputs; and its safe table.

use xyloop_protocol::wiring::{Converters, Wiring};

use crate::converters;

/// Sites of the ring.
pub const SITES: usize = 6;
/// Both ends of each coupling.
pub const COUPLINGS: [(u16, u16); 6] = [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (0, 5)];
/// Clamped sites.
pub const INPUTS: [u16; 2] = [0, 5];
/// Read and nudged sites.
pub const OUTPUTS: [u16; 2] = [2, 4];
/// Bits of a coupling DAC.
pub const COUPLING_BITS: u8 = 12;
/// Bits of a field DAC.
pub const FIELD_BITS: u8 = 16;
/// Its converters; couplings are coarser than fields.
pub const CONVERTERS: Converters =
    Converters { coupling_bits: COUPLING_BITS, field_bits: FIELD_BITS, ..converters::CONVERTERS };
/// All of it.
pub const WIRING: Wiring<'static> =
    Wiring { sites: SITES as u16, couplings: &COUPLINGS, inputs: &INPUTS, outputs: &OUTPUTS, converters: CONVERTERS };

/// Returns the couplings of the safe table: every code another one, none at zero output.
pub fn safe_couplings() -> Vec<u16> {
    (0..COUPLINGS.len() as u16).map(|i| 11 + i).collect()
}

/// Returns its fields.
pub fn safe_fields() -> Vec<u16> {
    (0..2 * SITES as u16).map(|i| 501 + i).collect()
}

/// Returns its inputs.
pub fn safe_inputs() -> Vec<u16> {
    (0..INPUTS.len() as u16).map(|i| 901 + i).collect()
}
