//! Shots run to see how fast they are: a plan that settles quickly from zero couplings and fields, as many shots as there
//! is time for, and what came of them.

use std::time::Duration;

use tokio::time::Instant;
use xyloop_protocol::{
    codec::Codec,
    message::{Cost, Generation, Kick, Limits, MAX_SEGMENTS, Nudge, Plan, ReadOut, Segment, Settle},
    units::{Flags, ShotId, Turn},
    wiring::Converters,
};

use super::figures::{ShotFigures, ThroughputOptions, neutral_codes, share};
use crate::{
    calibration::Calibration,
    device::{Client, DeviceError, ShotOrder, ShotResult},
};

/// Nudge strength of the shots, model units.
const BETA: f64 = 0.03;

/// Commits zeros and runs shots: one to begin with, and then as many as were asked for and there is time for. The outputs
/// are left as they are.
pub(super) async fn run_shots(
    client: &mut Client,
    options: &ThroughputOptions,
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

/// Says what a first shot took that ran alone.
#[derive(Clone, Copy)]
struct Alone {
    took: Duration,
    round_trip: Duration,
    plant: Duration,
    replicas: u16,
}

impl Alone {
    /// Says how many more shots will be finished in this time, run one behind the other on a line and side by side on an array.
    fn fitting_into(self, left: Duration) -> usize {
        let on_line = self.took.saturating_sub(self.round_trip).saturating_sub(self.plant);
        let on_array = self.plant / u32::from(self.replicas.max(1));
        let each = on_line.max(on_array).max(Duration::from_micros(1));
        (left.as_micros() / each.as_micros()) as usize
    }
}

/// Counts what came of shots.
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

/// Plans kick, free, nudge, release, nudge: a training shot that counts as settled after two looks, one unit of time apart.
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
