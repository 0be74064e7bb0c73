//! What a host says: [`Request`]s with [`Command`]s, generations of codes, plans and shots.

use postcard_schema::Schema;
use serde::{Deserialize, Serialize};

use super::{Bytes, MAX_SEGMENTS};
use crate::{
    codec::Codec,
    units::{Flags, ShotId},
};

/// Host to device.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, Schema)]
pub struct Request<'a> {
    /// Repeated in the answer. Not 0.
    pub tag: u16,
    /// What is asked.
    #[serde(borrow)]
    pub command: Command<'a>,
}

/// What a host can ask of a device.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, Schema)]
pub enum Command<'a> {
    /// Who are you? Answer: [`Report::Identity`](super::Report::Identity).
    Identify,
    /// How are you? Answer: [`Report::Status`](super::Report::Status).
    Status,
    /// Codes `first ..` of a block of the generation to come. Answer: [`Report::Done`](super::Report::Done).
    #[serde(borrow)]
    Stage(Stage<'a>),
    /// Latch what was staged, if its CRC is right. Answer: [`Report::Done`](super::Report::Done).
    Commit(Generation),
    /// Latch the committed generation again after a safe state. Answer: [`Report::Done`](super::Report::Done).
    Arm(Generation),
    /// How the shots that follow are to be run. Answer: [`Report::Done`](super::Report::Done).
    Plan(Plan),
    /// One shot to queue. No answer but its equilibria (or a refusal).
    #[serde(borrow)]
    Shot(Shot<'a>),
    /// All shots up to and including this id are safe with the host: forget them. No answer.
    Retire(ShotId),
    /// Contrast sums from coupling `first` on. Answer: [`Report::Contrast`](super::Report::Contrast).
    Collect(u32),
    /// Drop queued shots; the ones in progress are discarded. Answer: [`Report::Done`](super::Report::Done).
    Abort,
    /// Outputs to the safe table. Answer: [`Report::Done`](super::Report::Done).
    Safe,
    /// Clear a latched fault (the device stays safe). Answer: [`Report::Done`](super::Report::Done).
    Clear,
}

/// Which converters a block of codes is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub enum Block {
    /// One code per coupling, in the order of the wiring.
    Couplings,
    /// Two codes per site: the x and y quadrature of its bias field.
    Fields,
}

/// Part of a generation's codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct Stage<'a> {
    /// Number of the generation to come. Another number than before starts again from the committed codes.
    pub generation: u32,
    /// Which converters.
    pub block: Block,
    /// Index of the first code.
    pub first: u32,
    /// The codes.
    #[serde(borrow)]
    pub codes: CodeArray<'a>,
}

/// Codes as they travel; either way they say what the codes are to be, not what is to be added to what was staged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub enum CodeArray<'a> {
    /// 16-bit codes, little endian.
    #[serde(borrow)]
    Words(Bytes<'a>),
    /// As differences to the committed codes.
    #[serde(borrow)]
    Differences(Differences<'a>),
}

/// Codes as differences to those of a generation in force, modulo 2^16.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct Differences<'a> {
    /// The generation they are differences to; refused if the device holds another.
    pub base: Generation,
    /// How many codes.
    pub count: u32,
    /// Their differences to the codes of the same index, Rice-coded ([`crate::codec::rice`], 16 bits).
    #[serde(borrow)]
    pub coded: Bytes<'a>,
}

/// A committed set of parameters: its number and the CRC-32C of all its codes (couplings, then fields, little endian).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct Generation {
    /// Number, ascending.
    pub number: u32,
    /// CRC-32C of all codes.
    pub crc: u32,
}

/// How shots are run: the same for every shot until the next plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct Plan {
    /// A number the host draws for its run. Nothing measured depends on it: it tells results of runs apart.
    pub run: u32,
    /// The couplings the shots are for; refused if the device holds others.
    pub generation: Generation,
    /// What each shot does, in order; unused places are [`Segment::End`].
    pub segments: [Segment; MAX_SEGMENTS],
    /// The label-independent start.
    pub kick: Kick,
    /// When a state counts as equilibrium.
    pub settle: Settle,
    /// Reads averaged into each read-out, 1 to 64.
    pub reads: u8,
    /// What travels of each equilibrium.
    pub read_out: ReadOut,
    /// A release further than this from the free state (any site, 2^-16 turns) is a basin change.
    pub basin_tolerance_turn: u16,
    /// Shots with any of these flags are left out of contrast sums.
    pub leave_out: Flags,
    /// How read-outs and sums travel.
    pub codec: Codec,
}

/// One stretch of a shot. Each but the kick ends settled and read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub enum Segment {
    /// No further segment.
    #[default]
    End,
    /// Random bias codes, then the trained fields.
    Kick,
    /// The trained fields alone: the free phase.
    Free,
    /// The outputs pulled towards their targets.
    Nudge(Nudge),
    /// The nudge taken off: back to the free state, if the basin was kept.
    Release,
}

/// An extra bias vector at the outputs, towards (or, β < 0, away from) their targets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct Nudge {
    /// β in 1/256 steps of the field DAC, signed.
    pub beta_q8: i32,
    /// How the amplitude follows from β.
    pub cost: Cost,
}

/// The cost whose gradient the nudge is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub enum Cost {
    /// Amplitude β / max(1 + cos Δ, bound), Δ frozen at the shot's free state.
    Log {
        /// Lower bound of 1 + cos Δ, in 2^-14 (16384 = 1).
        bound_q14: u16,
    },
    /// Amplitude β.
    Cosine,
}

/// The start: bias codes of full `range` in a direction drawn from (seed, shot, site), for `duration_us`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct Kick {
    /// Names the stream of random directions.
    pub seed: u64,
    /// Length of the bias vector in steps of the field DAC.
    pub range_steps: u16,
    /// How long it is applied, microseconds.
    pub duration_us: u32,
}

/// When a state counts as equilibrium: after `min_us`, two windows whose means differ by less than the tolerance at
/// every site; at the latest at `timeout_us` (then the equilibrium is flagged).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct Settle {
    /// No look before this time, microseconds.
    pub min_us: u32,
    /// From one window to the next, microseconds.
    pub window_us: u32,
    /// Reads averaged in a window, 1 to 64.
    pub reads_per_window: u8,
    /// Largest change between windows, 2^-16 turns.
    pub tolerance_turn: u16,
    /// Give up after this time, microseconds.
    pub timeout_us: u32,
}

/// What travels of each equilibrium.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub enum ReadOut {
    /// Every site's phase, 16-bit turns.
    #[default]
    Phases,
    /// The output sites' phases, 16-bit turns.
    Outputs,
    /// Every site's averaged I and Q codes, 16 bits each.
    Iq,
    /// The output sites' phases, and sums over the shots on the device ([`Command::Collect`]).
    Contrast,
}

/// One sample's shot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct Shot<'a> {
    /// Its name.
    pub id: ShotId,
    /// Every β with the other sign: the other order of a symmetric pair, or the sign of a random-sign shot.
    pub flip: bool,
    /// One 16-bit turn per input site, little endian.
    #[serde(borrow)]
    pub inputs: Bytes<'a>,
    /// One 16-bit turn per output site, little endian.
    #[serde(borrow)]
    pub targets: Bytes<'a>,
}
