//! The converters of most tests.

use xyloop_protocol::wiring::Converters;

/// Sixteen bits everywhere; W within ±2, fields within ±4 per quadrature.
pub const CONVERTERS: Converters = Converters {
    coupling_bits: 16,
    coupling_range_micro: 2_000_000,
    field_bits: 16,
    field_range_micro: 4_000_000,
    input_bits: 16,
    iq_bits: 16,
};
