//! What a device says: [`Event`]s with [`Report`]s, who and how it is, why it refuses, what it measured.

use postcard_schema::Schema;
use serde::{Deserialize, Serialize};

use super::{Bytes, Equilibria, Generation};
use crate::{
    codec::{Codec, Codecs},
    units::ShotId,
};

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
    /// Answer to [`Command::Identify`](super::Command::Identify).
    #[serde(borrow)]
    Identity(Identity<'a>),
    /// Answer to [`Command::Status`](super::Command::Status).
    Status(Status),
    /// Settled and read states of a shot.
    #[serde(borrow)]
    Equilibria(Equilibria<'a>),
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
    /// Outputs are safe: commit or arm first; or they have become safe before a commit, an arm or an abort was latched.
    /// Detail: 0.
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
    /// The codec is not offered. Detail: the [`Codecs`] that are, as a number.
    NoCodec,
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

/// Why the device started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub enum BootCause {
    /// It cannot tell.
    #[default]
    Unknown,
    /// Its supply came.
    PowerOn,
    /// Its reset pin was pulled.
    Pin,
    /// Its firmware asked for it.
    Asked,
    /// Its firmware did not answer for itself.
    Watchdog,
    /// Its firmware found a mistake of its own.
    Panic,
    /// Its processor could not go on.
    HardFault,
    /// Its supply was too low.
    BrownOut,
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
    /// Why it started.
    pub boot_cause: BootCause,
    /// What its firmware left behind before it ended, say where it panicked; empty if nothing.
    pub boot_note: &'a str,
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
    /// Codecs it can do.
    pub codecs: Codecs,
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

/// Part of the contrast sums. With s = sign(β) of each nudged segment (0 after a basin change), a shot adds
/// Σ s·x(nudged) − (Σ s)·x(free), where x is `cos(φ_i − φ_j)` per coupling, then cos φ and sin φ per site.
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
    /// How many sums there are here.
    pub count: u32,
    /// How they travel: the plan's codec.
    pub codec: Codec,
    /// 32-bit sums in 2^-20, little endian, or Rice-coded ([`crate::codec::rice`], 32 bits).
    #[serde(borrow)]
    pub sums: Bytes<'a>,
}
