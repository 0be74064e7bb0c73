//! What a device and the line to it can do, in figures, through the same client that a training uses.
//!
//! Without shots no output is touched: codes are staged, never committed.

use tokio::time::Instant;
use xyloop_protocol::message::{Generation, Limits, State, Status};

use super::{
    figures::{Measured, StagingFigures, ThroughputOptions, ThroughputReport, neutral_codes, share},
    shot_rate::run_shots,
    trips::Trips,
};
use crate::device::{Client, DeviceError};

/// Most codes that are staged at once: whatever a device says it has, no more memory than this is taken for it.
const CODES_MAX: usize = 1 << 24;

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

/// Leaves a device alone that is not free, or says what cannot be.
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
