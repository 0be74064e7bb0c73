//! The rows of a run's log as plain data: one per equilibrium, one per epoch. How they are stored is said elsewhere.

use std::fmt::Write as _;

use crate::counts::ShotCounts;

/// Says which of the run's purposes a shot served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Training.
    Train,
    /// Evaluation.
    Eval,
}

impl Stream {
    /// Returns it as it is written: `train`, `eval`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Eval => "eval",
        }
    }
}

/// Says what a segment that ended in an equilibrium was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SegmentKind {
    /// The trained fields alone: the free phase.
    Free,
    /// The outputs pulled towards (β > 0) or away from (β < 0) their targets.
    Nudge,
    /// The nudge taken off.
    Release,
}

impl SegmentKind {
    /// Returns it as it is written: `free`, `nudge`, `release`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Nudge => "nudge",
            Self::Release => "release",
        }
    }
}

/// Holds one settled and read state: what was asked, under which parameters, and what came back.
#[derive(Clone, Debug, PartialEq)]
pub struct EquilibriumRow {
    /// Epoch, from 1; 0 in the evaluation.
    pub epoch: u32,
    /// Optimiser steps done before it.
    pub step: u32,
    /// Shot id: assigned by the host, never reused.
    pub shot: u64,
    /// The sample's row in the data set, from 0.
    pub sample: u32,
    /// Which of the sample's random starts, from 0.
    pub start: u32,
    /// Training or evaluation.
    pub stream: Stream,
    /// Index of the segment in the shot plan, from 0 (the kick has one, too).
    pub segment: u8,
    /// What the segment was.
    pub kind: SegmentKind,
    /// β as applied, signed, model units of h; 0 if the segment was not nudged.
    pub beta: f64,
    /// Number of the generation in force.
    pub generation: u32,
    /// CRC-32C of that generation's codes.
    pub crc: u32,
    /// Bits of [`xyloop_protocol::units::Flags`].
    pub flags: u16,
    /// Time from the segment's start until the read, µs.
    pub settle_us: u32,
    /// Largest change between the last two windows, 2^-16 turns.
    pub residual_turn: u16,
    /// Largest distance of a site from the shot's free state, 2^-16 turns; 0 for the free state.
    pub moved_turn: u16,
    /// Phases of the log's sites, in its order, 2^-16 turns (2^16 = 2π rad).
    pub phases: Vec<u16>,
}

/// Says what one epoch came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MetricsRow {
    /// Epoch, from 1.
    pub epoch: u32,
    /// Optimiser steps so far.
    pub steps: u32,
    /// Mean over the epoch's free states of D = ½ Σ (1 − cos Δ) over the outputs: 0 … number of outputs.
    pub mean_distance: f64,
    /// Share of the epoch's free states that were right, 0 … 1.
    pub accuracy: f64,
    /// Mean cost at the free states, summed over the outputs, in the cost's own unit.
    pub mean_cost: f64,
    /// What was noticed in the epoch's shots.
    pub counts: ShotCounts,
    /// Codes clipped to their converter's range.
    pub codes_clipped: u64,
    /// Euclidean norm of the epoch's last gradient, model units.
    pub gradient_norm: f64,
    /// Mean settling time of a segment, µs.
    pub mean_settle_us: f64,
    /// Longest settling time of a segment, µs.
    pub max_settle_us: u32,
    /// Largest distance of a site from its shot's free state, radians.
    pub max_moved_rad: f64,
    /// Wall-clock time since the run's start, seconds.
    pub seconds: f64,
}

impl MetricsRow {
    /// First line of `metrics.csv`, with its end of line: names as above; a name without a unit is a count or a ratio.
    pub const HEADER: &'static str = "epoch,steps,mean_distance,accuracy,mean_cost,basin_changed,unsettled,left_out,\
        adc_clipped,weak,nudge_bounded,actuator_clipped,codes_clipped,gradient_norm,mean_settle_us,max_settle_us,max_moved_rad,shots,\
        seconds\n";

    /// Returns one line of `metrics.csv`, with its end of line. Floats are written so that they read back exactly and
    /// are told from integers (`0.0`, `1e-7`, `NaN`, `inf`); what was not computed is `NaN`, so that the column stays one
    /// of numbers.
    pub fn line(&self) -> String {
        let Self { epoch, steps, mean_distance, accuracy, mean_cost, .. } = self;
        let mut line = format!("{epoch},{steps},{mean_distance:?},{accuracy:?},{mean_cost:?}");
        let counts = &self.counts;
        for count in [
            counts.basin_changed,
            counts.unsettled,
            counts.left_out,
            counts.adc_clipped,
            counts.weak,
            counts.nudge_bounded,
            counts.actuator_clipped,
            self.codes_clipped,
        ] {
            let _ = write!(line, ",{count}"); // writing to a string cannot fail
        }
        let _ = writeln!(
            line,
            ",{:?},{:?},{},{:?},{},{:?}",
            self.gradient_norm, self.mean_settle_us, self.max_settle_us, self.max_moved_rad, counts.shots, self.seconds
        );
        line
    }
}

#[cfg(test)]
mod tests {
    use super::{MetricsRow, ShotCounts};

    #[test]
    fn a_line_has_a_cell_for_each_name() {
        let row = MetricsRow { epoch: 3, mean_distance: 0.1, seconds: 1e-7, ..MetricsRow::default() };
        let row = MetricsRow { counts: ShotCounts { shots: 48, ..ShotCounts::default() }, ..row };
        assert_eq!(row.line(), "3,0,0.1,0.0,0.0,0,0,0,0,0,0,0,0,0.0,0.0,0,0.0,48,1e-7\n");
        assert_eq!(row.line().split(',').count(), MetricsRow::HEADER.split(',').count());
    }
}
