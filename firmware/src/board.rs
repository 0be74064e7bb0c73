//! The seam below the shot: what a board of converters, real or simulated, must be able to do.
//!
//! A shot is never the board's business: it latches codes, lets time pass and reads codes. Replicas are copies of the
//! plant that share couplings and have their own fields and inputs; a board of real converters has one.

use xyloop_protocol::units::{DacCode, IqCode, ShotId, Turn};

/// Why a board could not do as asked. Latched by the Controller as a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BoardError {
    /// A converter did not take or give a code.
    Converter,
    /// Supply monitor, self-test or anything else that makes the board unusable.
    Board,
    /// The plant's state is not a number (simulated plants).
    Plant,
}

/// Names one reading of all sites. A real board ignores it; a simulated one keys its noise with it, so that a result
/// does not depend on what ran before or beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadKey {
    /// The shot.
    pub shot: ShotId,
    /// Index of the segment in the plan.
    pub segment: u8,
    /// Ordinal of the read in this segment.
    pub read: u16,
}

/// The safe table: what every output carries when nobody answers for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SafeTable<'a> {
    /// One code per coupling.
    pub couplings: &'a [DacCode],
    /// Two codes per site.
    pub fields: &'a [DacCode],
    /// One phase per input site.
    pub inputs: &'a [Turn],
}

/// Converters and the plant behind them.
///
/// Calls come in this order: [`latch_couplings`](Board::latch_couplings) once a generation; per shot
/// [`begin_shot`](Board::begin_shot), then for each segment [`latch_fields`](Board::latch_fields) and one or more
/// [`start`](Board::start) … [`ready`](Board::ready) … [`read`](Board::read). Between two calls the Controller looks at the
/// link and the deadman: none may take longer than a few milliseconds, and a board whose latch or read of all channels does
/// must spread it over [`poll`](Board::poll)s.
pub trait Board {
    /// Copies of the plant that can run shots at the same time, at least 1.
    fn replicas(&self) -> usize;

    /// Puts one code on every coupling of all replicas, at once. Length: the wiring's couplings.
    fn latch_couplings(&mut self, codes: &[DacCode]) -> Result<(), BoardError>;

    /// Puts the bias fields on one replica's sites, at once: x and y of site 0, x and y of site 1, …
    fn latch_fields(&mut self, replica: usize, codes: &[DacCode]) -> Result<(), BoardError>;

    /// A new shot begins on this replica with its inputs clamped to these phases (one per input site). Whatever state
    /// the plant was left in by earlier shots is arbitrary: the kick makes the start.
    fn begin_shot(&mut self, replica: usize, shot: ShotId, inputs: &[Turn]) -> Result<(), BoardError>;

    /// Lets the plant evolve for `duration_us` under the codes that are latched. `segment` is the index in the plan.
    fn start(&mut self, replica: usize, segment: u8, duration_us: u32) -> Result<(), BoardError>;

    /// Gives the board time to work. Must return soon (a simulated board hands its work to other threads).
    fn poll(&mut self, now_us: u64) -> Result<(), BoardError>;

    /// Whether the time given by [`start`](Board::start) is over, and how long it was in microseconds of plant time.
    fn ready(&mut self, replica: usize) -> Option<u32>;

    /// Reads every site's I and Q codes now. Length of `codes`: the wiring's sites.
    fn read(&mut self, replica: usize, key: ReadKey, codes: &mut [IqCode]) -> Result<(), BoardError>;

    /// Puts the safe table on all outputs of all replicas at once and stops whatever was started. Cannot fail: a board that
    /// cannot reach its converters must cut their outputs some other way.
    fn make_safe(&mut self, safe: &SafeTable<'_>);
}
