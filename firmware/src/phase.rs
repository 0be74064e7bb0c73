//! Phases from I/Q codes and trigonometry of turns, in integers (idsp's `atan2` and `cossin`).

use xyloop_protocol::units::{AdcCode, Flags, IqCode, Turn};

/// Sums of one site's I and Q codes over several reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IqSum {
    /// Sum of I codes.
    pub i: i32,
    /// Sum of Q codes.
    pub q: i32,
}

impl IqSum {
    /// Adds one read. At most 64 reads of 16 bits: no overflow.
    pub fn add(&mut self, code: IqCode) {
        self.i = self.i.saturating_add(i32::from(code.i.0));
        self.q = self.q.saturating_add(i32::from(code.q.0));
    }

    /// The phase of the mean vector.
    pub fn turn(self) -> Turn {
        // Scaled up so that atan2's own rounding stays far below a turn's step: 64 reads × 2^15 = 2^21.
        let angle = idsp::atan2(self.q << 9, self.i << 9) as u32;
        Turn((angle.wrapping_add(1 << 15) >> 16) as u16)
    }

    /// The mean codes of `reads` reads, rounded to nearest.
    pub fn mean(self, reads: u8) -> IqCode {
        let divide = |sum: i32| {
            let reads = i32::from(reads.max(1));
            AdcCode(((sum + (reads / 2) * sum.signum()) / reads) as i16)
        };
        IqCode { i: divide(self.i), q: divide(self.q) }
    }
}

/// What a single read's code says about its quality, for an ADC of `bits`.
pub fn flags_of(code: IqCode, bits: u8) -> Flags {
    let top = (1i32 << (bits - 1)) - 1;
    let (i, q) = (i32::from(code.i.0), i32::from(code.q.0));
    let mut flags = Flags::default();
    if i.max(q) >= top || i.min(q) < -top {
        flags.set(Flags::CLIPPED);
    }
    if i.abs().max(q.abs()) < (top + 1) / 8 {
        flags.set(Flags::WEAK);
    }
    flags
}

/// cos and sin of a phase, 2^31 = 1.
pub fn cossin(turn: Turn) -> (i32, i32) {
    idsp::cossin((i32::from(turn.0 as i16)) << 16)
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use core::f64::consts::TAU;

    #[test]
    fn a_phase_read_from_full_scale_codes_is_right_to_a_step() {
        for step in 0..4096u32 {
            let phase = f64::from(step) / 4096.0 * TAU + 1e-4;
            let code = |x: f64| AdcCode((x * 32000.0).round() as i16);
            let mut sum = IqSum::default();
            sum.add(IqCode { i: code(phase.cos()), q: code(phase.sin()) });
            let want = Turn((phase / TAU * 65536.0).round() as u32 as u16);
            assert!(sum.turn().distance(want) <= 1, "{step}: {:?} {want:?}", sum.turn());
        }
    }

    #[test]
    fn the_mean_of_reads_is_a_vector_mean() {
        let mut sum = IqSum::default();
        // Half a step either side of the wrap-around at half a turn.
        sum.add(IqCode { i: AdcCode(-30000), q: AdcCode(300) });
        sum.add(IqCode { i: AdcCode(-30000), q: AdcCode(-300) });
        assert_eq!(sum.turn(), Turn(0x8000));
        assert_eq!(sum.mean(2), IqCode { i: AdcCode(-30000), q: AdcCode(0) });
    }

    #[test]
    fn codes_at_the_rail_and_dead_channels_are_flagged() {
        let code = |i, q| IqCode { i: AdcCode(i), q: AdcCode(q) };
        assert_eq!(flags_of(code(2047, 0), 12), Flags::CLIPPED);
        assert_eq!(flags_of(code(-2048, 0), 12), Flags::CLIPPED);
        assert_eq!(flags_of(code(2046, 0), 12), Flags::default());
        assert_eq!(flags_of(code(100, -100), 12), Flags::WEAK);
    }

    #[test]
    fn cossin_agrees_with_the_real_thing() {
        for step in (0..65536u32).step_by(7) {
            let (c, s) = cossin(Turn(step as u16));
            let phase = f64::from(step) / 65536.0 * TAU;
            let scale = f64::from(1u32 << 31);
            assert!((f64::from(c) / scale - phase.cos()).abs() < 2e-5);
            assert!((f64::from(s) / scale - phase.sin()).abs() < 2e-5);
        }
    }
}
