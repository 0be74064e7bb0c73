//! A shot as it is ordered and what comes of it: [`ShotOrder`], [`Equilibrium`], [`ShotResult`].

use xyloop_protocol::units::{Flags, ShotId, Turn};

/// Orders one shot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShotOrder {
    /// Its name; ascending over all batches of a [`Client`](super::Client).
    pub id: ShotId,
    /// Every β with the other sign.
    pub flip: bool,
    /// One phase per input site.
    pub inputs: Vec<Turn>,
    /// One phase per output site.
    pub targets: Vec<Turn>,
}

/// Holds one settled and read state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Equilibrium {
    /// Index of its segment in the plan.
    pub segment: u8,
    /// Number of the generation in force.
    pub generation: u32,
    /// Flags what the device noticed.
    pub flags: Flags,
    /// Time from the segment's start until the read, microseconds.
    pub settle_us: u32,
    /// Largest change between the last two windows, 2^-16 turns.
    pub residual_turn: u16,
    /// Largest distance of a site from the shot's free state, 2^-16 turns.
    pub moved_turn: u16,
    /// Phases of all sites or of the output sites, as the plan asks.
    pub phases: Vec<Turn>,
}

/// Holds everything that was measured in one shot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShotResult {
    /// The shot.
    pub id: ShotId,
    /// Its equilibria, in the order of the plan.
    pub equilibria: Vec<Equilibrium>,
}

impl ShotResult {
    /// Unites the flags of all its equilibria.
    pub fn flags(&self) -> Flags {
        self.equilibria.iter().fold(Flags::default(), |flags, equilibrium| flags.with(equilibrium.flags))
    }
}
