//! The integers that travel: converter codes, turns, shot ids, flags. No model unit (W, h, radians) appears here;
//! what a code means in the model is the host's business (its calibration).

use postcard_schema::Schema;
use serde::{Deserialize, Serialize};

/// What a DAC takes: offset binary, `0 ..= 2^bits − 1`, zero output at [`DacCode::mid`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, Schema)]
#[repr(transparent)]
pub struct DacCode(pub u16);

impl DacCode {
    /// The code of zero output for a converter of `bits` (2 to 16).
    pub const fn mid(bits: u8) -> Self {
        Self(1u16 << clamp_bits(bits).saturating_sub(1))
    }

    /// The largest code of a converter of `bits` (2 to 16).
    pub const fn max(bits: u8) -> Self {
        Self(((1u32 << clamp_bits(bits)) - 1) as u16)
    }

    /// Steps above (positive) or below zero output.
    pub const fn steps(self, bits: u8) -> i32 {
        self.0 as i32 - Self::mid(bits).0 as i32
    }

    /// The code `steps` above zero output, and whether it had to be clipped to the converter's range.
    pub const fn from_steps(steps: i32, bits: u8) -> (Self, bool) {
        let code = steps.saturating_add(Self::mid(bits).0 as i32);
        let top = Self::max(bits).0 as i32;
        if code < 0 {
            (Self(0), true)
        } else if code > top {
            (Self(top as u16), true)
        } else {
            (Self(code as u16), false)
        }
    }
}

const fn clamp_bits(bits: u8) -> u8 {
    if bits < 2 {
        2
    } else if bits > 16 {
        16
    } else {
        bits
    }
}

/// What an ADC gives: two's complement, `−2^(bits−1) ..= 2^(bits−1) − 1`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[repr(transparent)]
pub struct AdcCode(pub i16);

/// One site's read-out: in-phase and quadrature codes, proportional to cos φ and sin φ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IqCode {
    /// Proportional to cos φ.
    pub i: AdcCode,
    /// Proportional to sin φ.
    pub q: AdcCode,
}

/// A phase as a 16-bit fraction of a turn: 2^16 = one turn = 2π rad; arithmetic wraps around by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Schema)]
#[repr(transparent)]
pub struct Turn(pub u16);

impl Turn {
    /// The shortest way from `other` to `self`, in 2^-16 turns: −32768 ..= 32767.
    pub const fn minus(self, other: Self) -> i16 {
        self.0.wrapping_sub(other.0) as i16
    }

    /// The distance between two phases in 2^-16 turns: 0 ..= 32768.
    pub const fn distance(self, other: Self) -> u16 {
        self.minus(other).unsigned_abs()
    }
}

/// Name of one shot: assigned by the host, ascending, never reused within a run, kept when a shot has to be run again.
pub type ShotId = u64;

/// What a device noticed about one equilibrium. A set of bits, so that new ones can be appended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Schema)]
#[repr(transparent)]
pub struct Flags(pub u16);

impl Flags {
    /// An ADC code stood at the end of its range.
    pub const CLIPPED: Self = Self(1);
    /// The time-out came before the settle policy was met.
    pub const UNSETTLED: Self = Self(1 << 1);
    /// A release that did not come back to the free state.
    pub const BASIN_CHANGED: Self = Self(1 << 2);
    /// A field plus nudge lay outside the DAC's range and was clipped to it.
    pub const ACTUATOR_CLIPPED: Self = Self(1 << 3);
    /// A frozen log nudge whose 1 + cos Δ was below the plan's lower bound: its gradient is changed.
    pub const NUDGE_BOUNDED: Self = Self(1 << 4);
    /// A site whose I/Q amplitude was below an eighth of full scale: its phase is not to be trusted.
    pub const WEAK: Self = Self(1 << 5);
    /// The board asked for a read faster than it could convert.
    pub const OVERRUN: Self = Self(1 << 6);

    /// All bits with their names, in the order of the bits.
    pub const NAMES: [(Self, &'static str); 7] = [
        (Self::CLIPPED, "clipped"),
        (Self::UNSETTLED, "unsettled"),
        (Self::BASIN_CHANGED, "basin changed"),
        (Self::ACTUATOR_CLIPPED, "actuator clipped"),
        (Self::NUDGE_BOUNDED, "nudge bounded"),
        (Self::WEAK, "weak"),
        (Self::OVERRUN, "overrun"),
    ];

    /// Whether any bit of `other` is set here.
    pub const fn any(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Sets the bits of `other`.
    pub const fn set(&mut self, other: Self) {
        self.0 |= other.0;
    }

    /// Both sets of bits.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_steps_are_inverse_and_clip_at_the_rails() {
        for bits in 2..=16 {
            for code in [0, 1, DacCode::mid(bits).0, DacCode::max(bits).0] {
                let code = DacCode(code);
                assert_eq!(DacCode::from_steps(code.steps(bits), bits), (code, false));
            }
            assert_eq!(DacCode::from_steps(i32::MAX, bits), (DacCode::max(bits), true));
            assert_eq!(DacCode::from_steps(i32::MIN, bits), (DacCode(0), true));
        }
    }

    #[test]
    fn turns_take_the_short_way_round() {
        assert_eq!(Turn(10).minus(Turn(65530)), 16);
        assert_eq!(Turn(65530).minus(Turn(10)), -16);
        assert_eq!(Turn(0x8000).distance(Turn(0)), 0x8000);
    }
}
