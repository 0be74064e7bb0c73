//! What the tests speak of: the wiring, generations of codes, the usual plan, and rows and answers as they arrive.

use xyloop_firmware::generations::crc_of;
use xyloop_protocol::{
    codec::Codec,
    message::{
        Cost, Generation, Kick, Limits, MAX_SEGMENTS, Nudge, Plan, ReadOut, Reason, Refusal, Segment, Settle, Status,
    },
    origin::Origin,
    units::{DacCode, Flags, ShotId},
    wiring::{Converters, Wiring},
};

use super::board::{COUPLING_BITS, COUPLINGS, FIELD_BITS, INPUTS, OUTPUTS, SITES};

pub const DEADMAN_US: u64 = 250_000;
pub const SLOTS: usize = 12;
/// Read-out bytes of a slot: five equilibria of raw I/Q.
pub const RESULT_BYTES: usize = 5 * 4 * SITES;
pub const CONVERTERS: Converters = Converters {
    coupling_bits: COUPLING_BITS,
    coupling_range_micro: 2_000_000,
    field_bits: FIELD_BITS,
    field_range_micro: 4_000_000,
    input_bits: 16,
    iq_bits: 16,
};
pub const WIRING: Wiring<'static> =
    Wiring { sites: SITES as u16, couplings: &COUPLINGS, inputs: &INPUTS, outputs: &OUTPUTS, converters: CONVERTERS };

/// An equilibrium as it arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub shot: ShotId,
    pub segment: u8,
    pub generation: u32,
    pub origin: Origin,
    pub flags: Flags,
    pub settle_us: u32,
    pub residual_turn: u16,
    pub moved_turn: u16,
    pub data: Vec<u16>,
}

/// An answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Heard {
    Done,
    Refused(Refusal),
    Identity(Limits),
    Status(Status),
    Contrast { shots: u32, left_out: u32, saturated: bool, first: u32, sums: Vec<i32> },
}

pub fn refused(reason: Reason, detail: u64) -> Heard {
    Heard::Refused(Refusal { reason, detail })
}

/// What is trained, as codes.
#[derive(Clone, Debug, PartialEq)]
pub struct Codes {
    pub couplings: Vec<u16>,
    pub fields: Vec<u16>,
}

impl Codes {
    /// Codes that differ from site to site and from `variant` to `variant`, far from the safe table.
    pub fn new(variant: u16) -> Self {
        let couplings = (0..COUPLINGS.len() as u16).map(|i| 2048 + 40 * i + 7 * variant).collect();
        let angle = |site: usize| 0.7 * site as f64 + 0.3 * f64::from(variant);
        let steps = |x: f64| DacCode::from_steps((x * 8000.0).round() as i32, FIELD_BITS).0.0;
        let fields = (0..SITES).flat_map(|site| [steps(angle(site).cos()), steps(angle(site).sin())]).collect();
        Self { couplings, fields }
    }

    pub fn generation(&self, number: u32) -> Generation {
        let all: Vec<DacCode> = self.couplings.iter().chain(&self.fields).map(|code| DacCode(*code)).collect();
        Generation { number, crc: crc_of(&all) }
    }
}

pub fn bytes_of(words: &[u16]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

pub const SETTLE: Settle =
    Settle { min_us: 1000, window_us: 200, reads_per_window: 1, tolerance_turn: 4, timeout_us: 8000 };
pub const BETA_Q8: i32 = 500 * 256;

/// Kick, free, +β, release, −β.
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

/// Inputs and targets of a shot, different from id to id.
pub fn inputs_of(id: ShotId) -> [u16; 2] {
    [977, 31_013].map(|factor| id.wrapping_mul(factor) as u16)
}

pub fn targets_of(id: ShotId) -> [u16; 2] {
    [5003, 7919].map(|factor| id.wrapping_mul(factor) as u16 ^ 0x0b)
}
