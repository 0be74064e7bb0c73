//! What a device and the line to it can do, in figures, through the same client that a training uses.
//!
//! Without shots no output is touched: codes are staged, never committed.

use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;
use xyloop_protocol::{
    message::{Generation, Limits, State, Status},
    units::DacCode,
    wiring::Converters,
};

use super::{
    Quantiles,
    shot_rate::{ShotFigures, run_shots},
    trips::Trips,
};
use crate::{
    calibration::Codes,
    device::{Client, DeviceError},
};

/// Bits on a serial line for every byte.
const BITS_A_BYTE: f64 = 10.0;
/// Most codes that are staged at once: whatever a device says it has, no more memory than this is taken for it.
const CODES_MAX: usize = 1 << 24;
/// What is measured, and for how long.
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

/// What is measured next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measured {
    /// Small round trips.
    RoundTrips,
    /// Codes to the device.
    Staging,
    /// Shots.
    Shots,
}

/// Everything that was measured.
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

/// How fast codes went to the device.
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

/// Measures. `says` is told what comes next. After shots the outputs are safe, whatever happened; without any, nothing
/// on the device has changed.
///
/// # Errors
/// If the device refuses something, holds shots of another host, or is lost.
pub async fn measure(
    client: &mut Client,
    options: &ThroughputOptions,
    mut says: impl FnMut(Measured),
) -> Result<ThroughputReport, DeviceError> {
    let before = client.status().await?;
    refuse(client, options, &before)?;
    let figures = client.figures();
    says(Measured::RoundTrips);
    let trips = Trips::take(client, Instant::now(), options.round_trips, options.longest / 5).await?;
    says(Measured::Staging);
    let staging = stage_often(client, options, before.generation).await?;
    let shots = match options.converters {
        Some(converters) if options.shots > 0 => {
            says(Measured::Shots);
            let ran = run_shots(client, options, converters, trips.quantiles().p50_us).await;
            if ran.is_err() {
                // What is left of them would stand in the next host's way.
                let _ = client.abort().await;
            }
            let safe = client.make_safe().await;
            let ran = ran?;
            safe?;
            Some(ran)
        }
        _ => None,
    };
    let (after, now) = (client.status().await?, client.figures());
    Ok(ThroughputReport {
        round_trips: trips.quantiles(),
        staging,
        shots,
        resent: [now.resends - figures.resends, after.link.resends.saturating_sub(before.link.resends)],
        bad_frames: [now.bad_frames - figures.bad_frames, after.link.bad_frames.saturating_sub(before.link.bad_frames)],
    })
}

/// A device that is not free, or says what cannot be, is left alone.
fn refuse(client: &Client, options: &ThroughputOptions, status: &Status) -> Result<(), DeviceError> {
    if matches!(status.state, State::Faulted(_)) {
        return Err(DeviceError::Fault { place: client.place().to_owned(), state: status.state });
    }
    let Limits { couplings, sites, .. } = client.identity().limits;
    if couplings as usize > CODES_MAX - 2 * usize::from(sites) {
        let what = format!("it says it has {couplings} couplings, this measures at most {CODES_MAX} codes");
        return Err(DeviceError::Protocol { what });
    }
    let held = usize::from(status.shots_pending) + usize::from(status.shots_unretired);
    if options.shots > 0 && held > 0 {
        return Err(DeviceError::Held { place: client.place().to_owned(), shots: held });
    }
    Ok(())
}

async fn stage_often(
    client: &mut Client,
    options: &ThroughputOptions,
    in_force: Generation,
) -> Result<StagingFigures, DeviceError> {
    let limits = client.identity().limits;
    let codes = neutral_codes(&limits, options.converters);
    let count = codes.couplings.len() + codes.fields.len();
    let (started, bytes) = (Instant::now(), client.figures().bytes.1);
    let mut generations = 0;
    while generations < options.generations.max(1) && (generations == 0 || started.elapsed() < options.longest / 3) {
        client.stage(in_force.number, &codes).await?;
        generations += 1;
    }
    let seconds = started.elapsed().as_secs_f64();
    let sent = client.figures().bytes.1.saturating_sub(bytes);
    Ok(StagingFigures {
        generations,
        codes: count,
        seconds,
        codes_per_s: (generations * count) as f64 / seconds,
        kb_per_s: (2 * generations * count) as f64 / 1e3 / seconds,
        line_share: share(sent, seconds, options.baud),
    })
}

/// Zero output on every converter. Where the converters are not known, codes that every converter has.
pub(super) fn neutral_codes(limits: &Limits, converters: Option<Converters>) -> Codes {
    let zero = |bits: fn(&Converters) -> u8| converters.as_ref().map_or(DacCode(0), |it| DacCode::mid(bits(it)));
    Codes {
        couplings: vec![zero(|it| it.coupling_bits); limits.couplings as usize],
        fields: vec![zero(|it| it.field_bits); 2 * usize::from(limits.sites)],
        clipped: 0,
    }
}

/// The share of a line's rate that so many bytes take.
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
