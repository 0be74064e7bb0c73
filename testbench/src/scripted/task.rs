//! What the scripted device is asked for: codes, the usual plan, and shots whose inputs follow from their ids.

use xyloop_protocol::{
    codec::Codec,
    message::{Cost, Generation, Kick, MAX_SEGMENTS, Nudge, Plan, ReadOut, Segment, Settle},
    units::{DacCode, Flags, ShotId},
};

use super::wiring::{COUPLINGS, FIELD_BITS, SITES};
use crate::orders::{Codes, Order};

/// After so long a silence its outputs go safe, microseconds.
pub const DEADMAN_US: u64 = 250_000;
/// Shots it holds, unless a test asks for others.
pub const SLOTS: usize = 12;
/// Read-out bytes of a slot: five equilibria of raw I/Q.
pub const RESULT_BYTES: usize = 5 * 4 * SITES;

impl Codes {
    /// Returns codes for the scripted device that differ from site to site and from `variant` to `variant`, far from the safe table.
    pub fn scripted(variant: u16) -> Self {
        let couplings = (0..COUPLINGS.len() as u16).map(|i| 2048 + 40 * i + 7 * variant).collect();
        let angle = |site: usize| 0.7 * site as f64 + 0.3 * f64::from(variant);
        let steps = |x: f64| DacCode::from_steps((x * 8000.0).round() as i32, FIELD_BITS).0.0;
        let fields = (0..SITES).flat_map(|site| [steps(angle(site).cos()), steps(angle(site).sin())]).collect();
        Self { couplings, fields }
    }
}

/// How states settle under the usual plan.
pub const SETTLE: Settle =
    Settle { min_us: 1000, window_us: 200, reads_per_window: 1, tolerance_turn: 4, timeout_us: 8000 };
/// Its β, in 1/256 steps of a field DAC.
pub const BETA_Q8: i32 = 500 * 256;

/// Returns the usual plan: kick, free, +β, release, −β.
pub fn plan(generation: Generation, cost: Cost) -> Plan {
    let mut segments = [Segment::End; MAX_SEGMENTS];
    let nudge = |beta_q8| Segment::Nudge(Nudge { beta_q8, cost });
    segments[..5].copy_from_slice(&[Segment::Kick, Segment::Free, nudge(BETA_Q8), Segment::Release, nudge(-BETA_Q8)]);
    Plan {
        run: 1,
        generation,
        segments,
        kick: Kick { seed: 77, range_steps: 20_000, duration_us: 2000 },
        settle: SETTLE,
        reads: 1,
        read_out: ReadOut::Phases,
        basin_tolerance_turn: 100,
        leave_out: Flags::default(),
        codec: Codec::Words,
    }
}

/// Clock time of a shot of that plan on a replica of slowness 1.
pub const SHOT_US: u64 = 2000 + 4 * (1000 + 200);

/// Returns the inputs of a shot, different from id to id.
pub fn inputs_of(id: ShotId) -> [u16; 2] {
    [977, 31_013].map(|factor| id.wrapping_mul(factor) as u16)
}

/// Returns the targets of a shot, different from id to id.
pub fn targets_of(id: ShotId) -> [u16; 2] {
    [5003, 7919].map(|factor| id.wrapping_mul(factor) as u16 ^ 0x0b)
}

/// Returns the shot of that id, with its inputs and targets.
pub fn order(id: ShotId, flip: bool) -> Order {
    Order { id, flip, inputs: inputs_of(id).into(), targets: targets_of(id).into() }
}
