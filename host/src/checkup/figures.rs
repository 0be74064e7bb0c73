//! What is measured of a device and the line to it, and the figures it comes to.

use std::time::Duration;

use serde::Serialize;
use xyloop_protocol::{message::Limits, units::DacCode, wiring::Converters};

use super::trips::Quantiles;
use crate::calibration::Codes;

/// Bits on a serial line for every byte.
const BITS_A_BYTE: f64 = 10.0;

/// Says what is measured, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct ThroughputOptions {
    /// Round trips.
    pub round_trips: usize,
    /// How often all codes are staged.
    pub generations: usize,
    /// Shots, 0 for none: they drive the array.
    pub shots: usize,
    /// The array's converters, if they are known; without them there can be no shots.
    pub converters: Option<Converters>,
    /// The array's unit of time, microseconds.
    pub tau_us: f64,
    /// About how long all of it may take.
    pub longest: Duration,
    /// Rate of the line, bits per second, if it is one that has a rate.
    pub baud: Option<u32>,
}

/// Names what is measured next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measured {
    /// Small round trips.
    RoundTrips,
    /// Codes to the device.
    Staging,
    /// Shots.
    Shots,
}

/// Holds everything that was measured.
#[derive(Clone, Debug, Serialize)]
pub struct ThroughputReport {
    /// Small round trips.
    pub round_trips: Quantiles,
    /// Codes to the device.
    pub staging: StagingFigures,
    /// Shots, if they were asked for.
    pub shots: Option<ShotFigures>,
    /// Frames resent from here and from the device, damaged here and there, meanwhile.
    pub resent: [u64; 2],
    /// The damaged ones.
    pub bad_frames: [u64; 2],
}

/// Says how fast codes went to the device.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct StagingFigures {
    /// How often all codes were staged.
    pub generations: usize,
    /// Codes of one generation.
    pub codes: usize,
    /// How long it took, seconds.
    pub seconds: f64,
    /// Codes a second.
    pub codes_per_s: f64,
    /// Two bytes a code.
    pub kb_per_s: f64,
    /// Of the line's rate, the share that was used, everything counted; `None` without a rate.
    pub line_share: Option<f64>,
}

/// Says how fast shots ran.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct ShotFigures {
    /// How many were finished.
    pub shots: usize,
    /// States settled and read in them.
    pub equilibria: usize,
    /// How many of these had not settled.
    pub unsettled: usize,
    /// How long it took, seconds.
    pub seconds: f64,
    /// Shots a second.
    pub shots_per_s: f64,
    /// Equilibria a second.
    pub equilibria_per_s: f64,
    /// Bytes from the device, everything counted.
    pub kb_per_s: f64,
    /// Time for which the array was kicked or settled, all shots together, as the device counts it, seconds.
    pub plant_seconds: f64,
    /// Shots that ran at the same time.
    pub replicas: u16,
    /// Of the line's rate, the share that was used from the device; `None` without a rate.
    pub line_share: Option<f64>,
}

/// Returns zero output on every converter. Where the converters are not known, codes that every converter has.
pub(super) fn neutral_codes(limits: &Limits, converters: Option<Converters>) -> Codes {
    let zero = |bits: fn(&Converters) -> u8| converters.as_ref().map_or(DacCode(0), |it| DacCode::mid(bits(it)));
    Codes {
        couplings: vec![zero(|it| it.coupling_bits); limits.couplings as usize],
        fields: vec![zero(|it| it.field_bits); 2 * usize::from(limits.sites)],
        clipped: 0,
    }
}

/// Returns the share of a line's rate that so many bytes take.
pub(super) fn share(bytes: u64, seconds: f64, baud: Option<u32>) -> Option<f64> {
    baud.map(|baud| bytes as f64 * BITS_A_BYTE / seconds / f64::from(baud))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_that_no_converter_refuses_where_none_is_known_and_zero_output_where_they_are() {
        let limits = Limits { sites: 2, couplings: 3, ..Limits::default() };
        let unknown = neutral_codes(&limits, None);
        assert_eq!(
            (unknown.couplings.as_slice(), unknown.fields.as_slice()),
            (&[DacCode(0); 3][..], &[DacCode(0); 4][..])
        );
        let converters = Converters {
            coupling_bits: 12,
            coupling_range_micro: 1_000_000,
            field_bits: 8,
            field_range_micro: 1_000_000,
            input_bits: 8,
            iq_bits: 8,
        };
        let known = neutral_codes(&limits, Some(converters));
        assert!(known.couplings.iter().all(|code| code.steps(12) == 0), "{known:?}");
        assert!(known.fields.iter().all(|code| code.steps(8) == 0), "{known:?}");
    }

    #[test]
    fn a_line_that_carries_its_rate_is_used_whole() {
        // 10 bits a byte: 92 160 bytes in a second are 921 600 bits.
        assert_eq!(share(92_160, 1.0, Some(921_600)), Some(1.0));
        assert_eq!(share(92_160, 4.0, Some(921_600)), Some(0.25));
        assert_eq!(share(92_160, 1.0, None), None);
    }
}
