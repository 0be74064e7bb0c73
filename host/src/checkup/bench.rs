//! What a device and the line to it can do, in figures, through the same client that a training uses.
//!
//! Without shots no output is touched: codes are staged, never committed.

use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;
use xyloop_protocol::{
    codec::Codec,
    message::{Cost, Generation, Kick, Limits, MAX_SEGMENTS, Nudge, Plan, ReadOut, Segment, Settle, State, Status},
    units::{DacCode, Flags, ShotId, Turn},
    wiring::Converters,
};

use super::{Quantiles, trips::Trips};
use crate::{
    calibration::{Calibration, Codes},
    device::{Client, DeviceError, ShotOrder, ShotResult},
};

/// Bits on a serial line for every byte.
const BITS_A_BYTE: f64 = 10.0;
/// Most codes that are staged at once: whatever a device says it has, no more memory than this is taken for it.
const CODES_MAX: usize = 1 << 24;
/// Nudge strength of the shots, model units.
const BETA: f64 = 0.03;

/// What is measured, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct BenchOptions {
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
pub enum Stage {
    /// Small round trips.
    RoundTrips,
    /// Codes to the device.
    Staging,
    /// Shots.
    Shots,
}

/// Everything that was measured.
#[derive(Clone, Debug, Serialize)]
pub struct BenchReport {
    /// Small round trips.
    pub round_trips: Quantiles,
    /// Codes to the device.
    pub staging: StageFigures,
    /// Shots, if they were asked for.
    pub shots: Option<ShotFigures>,
    /// Frames resent from here and from the device, damaged here and there, meanwhile.
    pub resent: [u64; 2],
    /// The damaged ones.
    pub bad_frames: [u64; 2],
}

/// How fast codes went to the device.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct StageFigures {
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

/// How fast shots ran.
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

/// Measures. `says` is told what comes next. After shots the outputs are safe, whatever happened; without any, nothing
/// on the device has changed.
///
/// # Errors
/// If the device refuses something, holds shots of another host, or is lost.
pub async fn measure(
    client: &mut Client,
    options: &BenchOptions,
    mut says: impl FnMut(Stage),
) -> Result<BenchReport, DeviceError> {
    let before = client.status().await?;
    refuse(client, options, &before)?;
    let figures = client.figures();
    says(Stage::RoundTrips);
    let trips = Trips::take(client, Instant::now(), options.round_trips, options.longest / 5).await?;
    says(Stage::Staging);
    let staging = stage_often(client, options, before.generation).await?;
    let shots = match options.converters {
        Some(converters) if options.shots > 0 => {
            says(Stage::Shots);
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
    Ok(BenchReport {
        round_trips: trips.quantiles(),
        staging,
        shots,
        resent: [now.resends - figures.resends, after.link.resends.saturating_sub(before.link.resends)],
        bad_frames: [now.bad_frames - figures.bad_frames, after.link.bad_frames.saturating_sub(before.link.bad_frames)],
    })
}

/// A device that is not free, or says what cannot be, is left alone.
fn refuse(client: &Client, options: &BenchOptions, status: &Status) -> Result<(), DeviceError> {
    if matches!(status.state, State::Faulted(_)) {
        return Err(DeviceError::Fault(status.state));
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
    options: &BenchOptions,
    in_force: Generation,
) -> Result<StageFigures, DeviceError> {
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
    Ok(StageFigures {
        generations,
        codes: count,
        seconds,
        codes_per_s: (generations * count) as f64 / seconds,
        kb_per_s: (2 * generations * count) as f64 / 1e3 / seconds,
        line_share: share(sent, seconds, options.baud),
    })
}

async fn run_shots(
    client: &mut Client,
    options: &BenchOptions,
    converters: Converters,
    round_trip_us: u64,
) -> Result<ShotFigures, DeviceError> {
    let limits = client.identity().limits;
    client.take_over().await?;
    let generation = client.commit(&neutral_codes(&limits, Some(converters))).await?;
    let plan = plan(&Calibration::ideal(converters), generation, options.tau_us);
    let at_once = usize::from(limits.shot_slots).max(1);
    // What the line still carries belongs to what was done before.
    client.status().await?;
    let (began, before_first) = (Instant::now(), client.figures().bytes.0);
    let deadline = began + options.longest / 3;
    let first = run_batch(client, plan, orders(1, 1, &limits), None).await?;
    let alone = Alone {
        took: began.elapsed(),
        round_trip: Duration::from_micros(round_trip_us),
        plant: Duration::from_micros(first.plant_us),
        replicas: limits.replicas,
    };
    // Results on a slow line cannot be called back: no more is begun than there will be time for.
    let count = options.shots.min(alone.fitting_into(deadline.saturating_duration_since(Instant::now())));
    let (started, bytes) = if count > 0 { (Instant::now(), client.figures().bytes.0) } else { (began, before_first) };
    let mut tally = if count > 0 { Tally::default() } else { first };
    let mut next: ShotId = 2;
    while tally.shots < count && (tally.shots == 0 || Instant::now() < deadline) {
        let orders = orders(next, at_once.min(count - tally.shots), &limits);
        next += orders.len() as ShotId;
        tally.add(run_batch(client, plan, orders, Some(deadline)).await?);
    }
    let seconds = started.elapsed().as_secs_f64();
    let received = client.figures().bytes.0.saturating_sub(bytes);
    Ok(ShotFigures {
        shots: tally.shots,
        equilibria: tally.equilibria,
        unsettled: tally.unsettled,
        seconds,
        shots_per_s: tally.shots as f64 / seconds,
        equilibria_per_s: tally.equilibria as f64 / seconds,
        kb_per_s: received as f64 / 1e3 / seconds,
        plant_seconds: tally.plant_us as f64 / 1e6,
        replicas: limits.replicas,
        line_share: share(received, seconds, options.baud),
    })
}

/// What a first shot took that ran alone.
#[derive(Clone, Copy)]
struct Alone {
    took: Duration,
    round_trip: Duration,
    plant: Duration,
    replicas: u16,
}

impl Alone {
    /// How many more shots will be finished in this time, run one behind the other on a line and side by side on an array.
    fn fitting_into(self, left: Duration) -> usize {
        let on_line = self.took.saturating_sub(self.round_trip).saturating_sub(self.plant);
        let on_array = self.plant / u32::from(self.replicas.max(1));
        let each = on_line.max(on_array).max(Duration::from_micros(1));
        (left.as_micros() / each.as_micros()) as usize
    }
}

/// What came of shots.
#[derive(Clone, Copy, Default)]
struct Tally {
    shots: usize,
    equilibria: usize,
    unsettled: usize,
    /// Kicks and settling.
    plant_us: u64,
}

impl Tally {
    fn add(&mut self, more: Self) {
        self.shots += more.shots;
        self.equilibria += more.equilibria;
        self.unsettled += more.unsettled;
        self.plant_us = self.plant_us.saturating_add(more.plant_us);
    }

    fn of(result: &ShotResult, kick_us: u32) -> Self {
        let states = &result.equilibria;
        let settle_us: u64 = states.iter().map(|state| u64::from(state.settle_us)).sum();
        Self {
            shots: 1,
            equilibria: states.len(),
            unsettled: states.iter().filter(|state| state.flags.any(Flags::UNSETTLED)).count(),
            plant_us: u64::from(kick_us) + settle_us,
        }
    }
}

/// Runs these shots until the deadline, if there is one; those that are not finished by then are dropped.
async fn run_batch(
    client: &mut Client,
    plan: Plan,
    orders: Vec<ShotOrder>,
    deadline: Option<Instant>,
) -> Result<Tally, DeviceError> {
    let count = orders.len();
    let mut tally = Tally::default();
    let mut batch = client.batch(plan, orders).await?;
    let most = batch.most_unretired();
    while let Some(result) = batch.next().await? {
        tally.add(Tally::of(&result, plan.kick.duration_us));
        let stops = deadline.is_some_and(|deadline| Instant::now() >= deadline);
        if tally.shots % most == 0 || tally.shots == count || stops {
            batch.retire(result.id).await?;
        }
        if stops {
            break;
        }
    }
    if tally.shots < count {
        client.abort().await?;
    }
    Ok(tally)
}

/// Zero output on every converter. Where the converters are not known, codes that every converter has.
fn neutral_codes(limits: &Limits, converters: Option<Converters>) -> Codes {
    let zero = |bits: fn(&Converters) -> u8| converters.as_ref().map_or(DacCode(0), |it| DacCode::mid(bits(it)));
    Codes {
        couplings: vec![zero(|it| it.coupling_bits); limits.couplings as usize],
        fields: vec![zero(|it| it.field_bits); 2 * usize::from(limits.sites)],
        clipped: 0,
    }
}

/// Kick, free, nudge, release, nudge: a training shot that counts as settled after two looks, one unit of time apart.
fn plan(calibration: &Calibration, generation: Generation, tau_us: f64) -> Plan {
    let beta_q8 = calibration.beta_q8(BETA);
    let nudge = |beta_q8| Segment::Nudge(Nudge { beta_q8, cost: Cost::Cosine });
    let mut segments = [Segment::End; MAX_SEGMENTS];
    segments[..5].copy_from_slice(&[Segment::Kick, Segment::Free, nudge(beta_q8), Segment::Release, nudge(-beta_q8)]);
    let unit_us = (tau_us.round() as u32).max(1);
    Plan {
        run: 0,
        codec: Codec::Words,
        generation,
        segments,
        kick: Kick {
            seed: 1,
            range_steps: calibration.field_steps(calibration.field_limit() / 4.0).max(1),
            duration_us: unit_us,
        },
        settle: Settle {
            min_us: unit_us,
            window_us: unit_us,
            reads_per_window: 1,
            // Half a turn: whatever it does, it counts as settled.
            tolerance_turn: 0x8001,
            timeout_us: unit_us.saturating_mul(4),
        },
        reads: 1,
        read_out: ReadOut::Phases,
        basin_tolerance_turn: 0x8001,
        leave_out: Flags::default(),
    }
}

fn orders(first: ShotId, count: usize, limits: &Limits) -> Vec<ShotOrder> {
    let shot = |id| ShotOrder {
        id,
        flip: false,
        inputs: vec![Turn(0); usize::from(limits.inputs)],
        targets: vec![Turn(0x4000); usize::from(limits.outputs)],
    };
    (first..first + count as ShotId).map(shot).collect()
}

fn share(bytes: u64, seconds: f64, baud: Option<u32>) -> Option<f64> {
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
    fn no_more_shots_are_begun_than_there_is_time_for() {
        let ms = Duration::from_millis;
        let alone = Alone { took: ms(12), round_trip: ms(2), plant: ms(0), replicas: 16 };
        assert_eq!(alone.fitting_into(ms(1000)), 100, "10 ms of line each");
        let slow_array = Alone { took: ms(162), plant: ms(160), ..alone };
        assert_eq!(slow_array.fitting_into(ms(1000)), 100, "16 at once, 160 ms each");
        assert_eq!(alone.fitting_into(ms(9)), 0);
        let none = Alone { took: ms(0), replicas: 0, ..alone };
        assert_eq!(none.fitting_into(ms(1)), 1000, "nothing is divided by");
    }

    #[test]
    fn a_line_that_carries_its_rate_is_used_whole() {
        // 10 bits a byte: 92 160 bytes in a second are 921 600 bits.
        assert_eq!(share(92_160, 1.0, Some(921_600)), Some(1.0));
        assert_eq!(share(92_160, 4.0, Some(921_600)), Some(0.25));
        assert_eq!(share(92_160, 1.0, None), None);
    }
}
