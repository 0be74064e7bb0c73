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

/// How much of a board's work fits between two looks at the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Coupling codes that are staged in one go, at least 1.
    pub codes: usize,
    /// Reads of all sites in one go, at least 1.
    pub reads: u8,
}

impl Pace {
    /// Everything in one go, as on a board that takes no time for it.
    pub const UNBOUNDED: Self = Self { codes: usize::MAX, reads: u8::MAX };
}

/// Converters and the plant behind them.
///
/// Calls come in this order: once a generation [`stage_couplings`](Board::stage_couplings) for all couplings, in pieces,
/// then [`latch_fields`](Board::latch_fields) on every replica; per shot [`begin_shot`](Board::begin_shot), then for each
/// segment [`latch_fields`](Board::latch_fields) and one or more [`start`](Board::start) … [`ready`](Board::ready) …
/// [`read`](Board::read). The Controller looks at the link and the deadman when it has staged or read as much as the
/// board's [`pace`](Board::pace) allows: that must not take longer than a few milliseconds.
pub trait Board {
    /// Copies of the plant that can run shots at the same time, at least 1.
    fn replicas(&self) -> usize;

    /// How much fits between two looks at the link.
    fn pace(&self) -> Pace {
        Pace::UNBOUNDED
    }

    /// Hands the converters codes for the couplings from `first` on; no output changes yet.
    fn stage_couplings(&mut self, first: usize, codes: &[DacCode]) -> Result<(), BoardError>;

    /// Puts the bias fields on one replica's sites (x and y of site 0, x and y of site 1, …) and, with them, at once,
    /// whatever couplings were staged (those on all replicas).
    fn latch_fields(&mut self, replica: usize, codes: &[DacCode]) -> Result<(), BoardError>;

    /// The next fields on this replica will be these, if nothing comes between: a board whose converters have registers in
    /// front of their outputs may fill them while it waits, so that the latch finds nothing left to write.
    fn prepare_fields(&mut self, _replica: usize, _codes: &[DacCode]) -> Result<(), BoardError> {
        Ok(())
    }

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

    /// Puts the safe table on all outputs of all replicas at once, stops whatever was started and drops couplings that
    /// are staged and not latched. Cannot fail: a board that cannot reach its converters must cut their outputs some
    /// other way.
    fn make_safe(&mut self, safe: &SafeTable<'_>);

    /// Sets the converters up anew when a fault is cleared (a chip may have lost its supply meanwhile), outputs at the
    /// safe table. The fault stays if this fails.
    fn recover(&mut self, safe: &SafeTable<'_>) -> Result<(), BoardError> {
        self.make_safe(safe);
        Ok(())
    }
}
