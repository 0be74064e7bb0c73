//! What a device says, owned: equilibria with their read-outs decoded, and answers.

use xyloop_protocol::{
    message::{Limits, Reason, Refusal, Status},
    origin::Origin,
    units::{Flags, ShotId},
};

/// An equilibrium as it arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The shot it belongs to.
    pub shot: ShotId,
    /// Index of its segment in the plan.
    pub segment: u8,
    /// Number of the generation it was measured under.
    pub generation: u32,
    /// What it was measured under, as the device says.
    pub origin: Origin,
    /// What the device noticed.
    pub flags: Flags,
    /// From the segment's start until the read, microseconds.
    pub settle_us: u32,
    /// Largest change between the last two windows, 2^-16 turns.
    pub residual_turn: u16,
    /// Largest distance of a site from the shot's free state, 2^-16 turns.
    pub moved_turn: u16,
    /// The read-out: phases in 2^-16 turns, or I/Q codes, as the plan asks.
    pub data: Vec<u16>,
}

impl Row {
    /// Returns the read-out as phases in radians, 0 to 2π.
    pub fn phases(&self) -> Vec<f64> {
        self.data.iter().map(|word| f64::from(*word) / 65536.0 * std::f64::consts::TAU).collect()
    }

    /// Returns the row as if it had been measured under no plan in particular: the origin is that of plan and shot, so
    /// rows of shots with other targets, or of plans with another codec, are compared without it.
    #[must_use]
    pub fn without_origin(mut self) -> Self {
        self.origin = Origin::default();
        self
    }
}

/// An answer to a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// Done as asked.
    Done,
    /// Not done.
    Refused(Refusal),
    /// What the device can take.
    Identity(Limits),
    /// How the device is.
    Status(Status),
    /// A part of the contrast sums.
    Contrast {
        /// Shots in the sums.
        shots: u32,
        /// Shots that the device left out.
        left_out: u32,
        /// A sum has reached its bound.
        saturated: bool,
        /// Index of the first sum.
        first: u32,
        /// Fixed point, one unit is 2^-20.
        sums: Vec<i32>,
    },
}

/// Returns the refusal with this reason and detail.
pub fn refused(reason: Reason, detail: u64) -> Answer {
    Answer::Refused(Refusal { reason, detail })
}
