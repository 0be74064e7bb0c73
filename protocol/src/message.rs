//! What host and device say to each other once they are connected: [`Request`]s down, [`Event`]s up.
//!
//! Encoded by postcard; bulk arrays are [`Bytes`], little endian. Commands are absolute and idempotent. Enum variants
//! are numbered by position: new ones are appended, old ones never move. [`SCHEMA_HASH`] changes with any type here.
//!
//! A request that expects an answer carries a `tag` which the answer repeats; equilibria and changes of state come
//! unasked, with tag 0.

use postcard_schema::{
    Schema,
    key::Key,
    schema::{DataModelType, NamedType},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{
    origin::Origin,
    units::{Flags, ShotId},
};

/// Hash of both directions' message types.
pub const SCHEMA_HASH: [u8; 8] = Key::for_path::<(Request<'static>, Event<'static>)>("xyloop/1").to_bytes();

/// Most segments a shot plan can have.
pub const MAX_SEGMENTS: usize = 8;

/// Fixed-point position of a contrast sum: one unit is 2^-20.
pub const CONTRAST_FRACTION_BITS: u32 = 20;

/// A byte array that is borrowed from the message it arrived in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bytes<'a>(pub &'a [u8]);

impl Serialize for Bytes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Bytes<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <&'a [u8]>::deserialize(deserializer).map(Self)
    }
}

impl Schema for Bytes<'_> {
    const SCHEMA: &'static NamedType = &NamedType { name: "Bytes", ty: &DataModelType::ByteArray };
}

impl<'a> Bytes<'a> {
    /// The array as 16-bit little-endian integers; `None` where the length is odd.
    pub fn as_u16s(&self) -> Option<impl ExactSizeIterator<Item = u16> + use<'a>> {
        let (pairs, rest) = self.0.as_chunks::<2>();
        rest.is_empty().then(|| pairs.iter().map(|pair| u16::from_le_bytes(*pair)))
    }
}

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
    /// Who are you? Answer: [`Report::Identity`].
    Identify,
    /// How are you? Answer: [`Report::Status`].
    Status,
    /// Codes `first ..` of a block of the generation to come. Answer: [`Report::Done`].
    #[serde(borrow)]
    Stage(Stage<'a>),
    /// Latch what was staged, if its CRC is right. Answer: [`Report::Done`].
    Commit(Generation),
    /// Latch the committed generation again after a safe state. Answer: [`Report::Done`].
    Arm(Generation),
    /// How the shots that follow are to be run. Answer: [`Report::Done`].
    Plan(Plan),
    /// One shot to queue. No answer but its equilibria (or a refusal).
    #[serde(borrow)]
    Shot(Shot<'a>),
    /// All shots up to and including this id are safe with the host: forget them. No answer.
    Retire(ShotId),
    /// Contrast sums from coupling `first` on. Answer: [`Report::Contrast`].
    Collect(u32),
    /// Drop queued shots; the ones in progress are discarded. Answer: [`Report::Done`].
    Abort,
    /// Outputs to the safe table. Answer: [`Report::Done`].
    Safe,
    /// Clear a latched fault (the device stays safe). Answer: [`Report::Done`].
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
    /// 16-bit codes, little endian.
    #[serde(borrow)]
    pub codes: Bytes<'a>,
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

/// Device to host.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, Schema)]
pub struct Event<'a> {
    /// The request's tag, or 0 for what comes unasked.
    pub tag: u16,
    /// What is reported.
    #[serde(borrow)]
    pub report: Report<'a>,
}

/// What a device can say.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, Schema)]
pub enum Report<'a> {
    /// Done as asked.
    Done,
    /// Not done.
    Refused(Refusal),
    /// Answer to [`Command::Identify`].
    #[serde(borrow)]
    Identity(Identity<'a>),
    /// Answer to [`Command::Status`].
    Status(Status),
    /// One settled and read state.
    #[serde(borrow)]
    Equilibrium(Equilibrium<'a>),
    /// Part of the contrast sums.
    #[serde(borrow)]
    Contrast(Contrast<'a>),
    /// The device changed its state by itself.
    State(State),
}

/// Why a command was not done, and a number that says where (an index, a limit, what the device holds).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct Refusal {
    /// Why.
    pub reason: Reason,
    /// Where: see each reason.
    pub detail: u64,
}

/// The closed list of reasons.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub enum Reason {
    /// The message could not be decoded. Detail: its length in bytes.
    Malformed,
    /// An index or count beyond the device's limits. Detail: the limit.
    OutOfRange,
    /// Not while shots are queued or running. Detail: their number.
    Busy,
    /// No codes are staged under that number. Detail: the number that is staged.
    NotStaged,
    /// The CRC of the codes is another one. Detail: the device's CRC.
    CrcMismatch,
    /// The device holds another generation. Detail: its number.
    WrongGeneration,
    /// Outputs are safe: commit or arm first. Detail: 0.
    NotReady,
    /// A shot without a plan. Detail: 0.
    NoPlan,
    /// The plan makes no sense. Detail: the index of the segment, or 255 for the policy.
    BadPlan,
    /// No free slot: the host sent more shots than the device announced. Detail: the number of slots.
    Full,
    /// A shot id that does not ascend. Detail: the last id.
    OldShot,
    /// A fault is latched: clear it first. Detail: the [`Fault`] as a number.
    Faulted,
}

/// The closed list of faults. A fault latches, with outputs safe, until it is cleared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub enum Fault {
    /// A converter did not take or give a code.
    Converter,
    /// The board's self-test or supply monitor failed.
    Board,
    /// The plant gave a state that is not a number (simulated devices).
    Plant,
    /// The link broke its own rules.
    Link,
}

/// Why outputs are safe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub enum SafeCause {
    /// Nothing was committed since reset.
    Reset,
    /// The host asked for it.
    Asked,
    /// No valid frame for the deadman time.
    Deadman,
    /// A fault that has been cleared since.
    Cleared,
}

/// The device's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub enum State {
    /// Starting; outputs not driven yet or safe.
    Boot,
    /// Outputs at the safe table.
    Safe(SafeCause),
    /// A generation is latched, nothing runs.
    Ready,
    /// Shots are queued or in progress.
    Running,
    /// A fault is latched, outputs at the safe table.
    Faulted(Fault),
}

/// Who the device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct Identity<'a> {
    /// Who made it.
    pub vendor: &'a str,
    /// What it is.
    pub model: &'a str,
    /// Which one it is.
    pub serial: &'a str,
    /// Version of its firmware.
    pub firmware: &'a str,
    /// Drawn anew at every start.
    pub boot_id: u32,
    /// What is connected to what.
    pub wiring_hash: u64,
    /// Calibration in force, 0 for none.
    pub calibration_id: u64,
    /// What it can take.
    pub limits: Limits,
}

/// What a device can take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct Limits {
    /// Sites.
    pub sites: u16,
    /// Couplings.
    pub couplings: u32,
    /// Input sites.
    pub inputs: u16,
    /// Output sites.
    pub outputs: u16,
    /// Shots queued, running or not yet retired, together.
    pub shot_slots: u16,
    /// Read-out bytes a shot may produce in all its segments.
    pub result_bytes: u32,
    /// Shots run at the same time.
    pub replicas: u16,
    /// Longest message in bytes.
    pub max_message: u16,
    /// Outputs go safe after this silence, milliseconds.
    pub deadman_ms: u16,
}

/// How the device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct Status {
    /// State.
    pub state: State,
    /// Generation latched (or last committed, when safe).
    pub generation: Generation,
    /// Microseconds since start, device clock.
    pub uptime_us: u64,
    /// Shots queued or in progress.
    pub shots_pending: u16,
    /// Shots finished and not retired.
    pub shots_unretired: u16,
    /// The last shot still held, whatever its state; 0 if there is none.
    pub last_shot: ShotId,
    /// What was done since start.
    pub counts: Counts,
    /// The device's end of the link.
    pub link: LinkCounts,
}

/// What was done since start, counted where it is done: in the Controller's shot code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct Counts {
    /// Shots begun, re-runs included.
    pub shots_begun: u64,
    /// Shots finished.
    pub shots_finished: u64,
    /// Shots discarded by deadman, abort or fault.
    pub shots_discarded: u64,
    /// Segments settled (kicks not counted), those of shots that were discarded later included.
    pub equilibria: u64,
    /// Reads of all sites.
    pub reads: u64,
    /// Times the deadman made the outputs safe.
    pub deadman: u32,
}

/// Link counters of the device's end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct LinkCounts {
    /// Bytes received.
    pub bytes_in: u64,
    /// Bytes sent.
    pub bytes_out: u64,
    /// Frames received that were damaged or foreign.
    pub bad_frames: u64,
    /// Frames sent again.
    pub resends: u64,
    /// Smoothed round trip, microseconds; 0 before the first measurement.
    pub rtt_us: u32,
    /// Bytes that may be under way to the host just now.
    pub window_bytes: u32,
    /// Payload of a full frame sent now, bytes.
    pub frame_bytes: u32,
}

/// One settled and read state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct Equilibrium<'a> {
    /// The shot.
    pub shot: ShotId,
    /// Index of its segment in the plan.
    pub segment: u8,
    /// Number of the generation in force.
    pub generation: u32,
    /// Names the plan (with it run and couplings) and the shot it was measured under.
    pub origin: Origin,
    /// What was noticed.
    pub flags: Flags,
    /// Time from the segment's start until the read, microseconds.
    pub settle_us: u32,
    /// Largest change between the last two windows, 2^-16 turns.
    pub residual_turn: u16,
    /// Largest distance of a site from the shot's free state, 2^-16 turns (0 for the free state itself).
    pub moved_turn: u16,
    /// The read-out asked for, little endian.
    #[serde(borrow)]
    pub data: Bytes<'a>,
}

/// Part of the contrast sums. With s = sign(β) of each nudged segment (0 after a basin change), a shot adds Σ s·x(nudged) − (Σ s)·x(free), where
/// x is `cos(φ_i − φ_j)` per coupling, then cos φ and sin φ per site.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct Contrast<'a> {
    /// Shots in the sums.
    pub shots: u32,
    /// Shots left out because of their flags.
    pub left_out: u32,
    /// A sum did not fit: all are to be thrown away.
    pub saturated: bool,
    /// Index of the first sum: couplings first, then two per site.
    pub first: u32,
    /// 32-bit sums, little endian, in 2^-20.
    #[serde(borrow)]
    pub sums: Bytes<'a>,
}

/// Encodes a message into `out`; `None` if it does not fit.
pub fn encode<'o, T: Serialize>(message: &T, out: &'o mut [u8]) -> Option<&'o [u8]> {
    postcard::to_slice(message, out).ok().map(|used| &*used)
}

/// Decodes a whole message; `None` if it is malformed or followed by other bytes.
pub fn decode<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Option<T> {
    match postcard::take_from_bytes(bytes) {
        Ok((message, [])) => Some(message),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_survives_the_trip_and_trailing_bytes_are_refused() {
        let codes = [1, 2, 3, 4];
        let request = Request {
            tag: 7,
            command: Command::Stage(Stage { generation: 3, block: Block::Fields, first: 10, codes: Bytes(&codes) }),
        };
        let mut buffer = [0; 64];
        let length = encode(&request, &mut buffer).map_or(0, <[u8]>::len);
        assert_eq!(decode(&buffer[..length]), Some(request));
        assert_eq!(decode::<Request<'_>>(&buffer[..=length]), None);
        assert_eq!(decode::<Request<'_>>(&buffer[..length - 1]), None);
        assert!(encode(&request, &mut [0; 4]).is_none());
    }

    #[test]
    fn bytes_read_as_little_endian_words() {
        assert_eq!(Bytes(&[1, 2, 3]).as_u16s().map(|_| ()), None);
        let words = Bytes(&[1, 2, 3, 4]);
        assert!(words.as_u16s().is_some_and(|words| words.eq([0x0201, 0x0403])));
    }
}
