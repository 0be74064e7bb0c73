//! Eight samples in one value: [`Lanes`] as it lies in memory, its portable arithmetic, and lane masks. What the kernels
//! compute with is [`super::vector::Vector`].
#![allow(clippy::inline_always)]

use std::ops::{Add, AddAssign, Div, Mul, Sub};

/// Samples an ensemble holds, one per SIMD lane.
pub const LANES: usize = 8;

/// One number per sample.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(C, align(64))]
pub struct Lanes(pub [f64; LANES]);

/// One choice per sample: all bits set or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C, align(64))]
pub(crate) struct Mask([u64; LANES]);

impl Mask {
    /// From one flag per lane.
    pub(crate) fn new(flags: [bool; LANES]) -> Self {
        Self(flags.map(|flag| if flag { u64::MAX } else { 0 }))
    }

    /// The same bits as numbers, for vector registers.
    #[inline(always)]
    pub(crate) fn as_lanes(self) -> Lanes {
        Lanes(self.0.map(f64::from_bits))
    }
}

impl Lanes {
    /// All lanes zero.
    pub const ZERO: Self = Self([0.0; LANES]);

    /// The same number in every lane.
    #[inline(always)]
    pub const fn splat(value: f64) -> Self {
        Self([value; LANES])
    }

    /// Lane by lane absolute value.
    #[inline(always)]
    #[must_use]
    pub fn abs(self) -> Self {
        let mut out = self.0;
        for l in 0..LANES {
            out[l] = out[l].abs();
        }
        Self(out)
    }

    /// Lane by lane square root.
    #[inline(always)]
    #[must_use]
    pub fn sqrt(self) -> Self {
        let mut out = self.0;
        for l in 0..LANES {
            out[l] = out[l].sqrt();
        }
        Self(out)
    }

    /// Lane by lane larger value; a NaN in `other` is dropped, so test for NaN separately.
    #[inline(always)]
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        let mut out = self.0;
        for l in 0..LANES {
            out[l] = if other.0[l] > out[l] { other.0[l] } else { out[l] };
        }
        Self(out)
    }

    /// `yes` where the mask is set, `other` elsewhere.
    #[inline(always)]
    pub(crate) fn select(mask: Mask, yes: Self, no: Self) -> Self {
        let mut out = [0.0; LANES];
        for l in 0..LANES {
            out[l] = f64::from_bits((yes.0[l].to_bits() & mask.0[l]) | (no.0[l].to_bits() & !mask.0[l]));
        }
        Self(out)
    }
}

macro_rules! lane_operator {
    ($trait:ident, $method:ident, $operator:tt) => {
        impl $trait for Lanes {
            type Output = Self;
            #[inline(always)]
            fn $method(self, other: Self) -> Self {
                let mut out = [0.0; LANES];
                for l in 0..LANES {
                    out[l] = self.0[l] $operator other.0[l];
                }
                Self(out)
            }
        }
    };
}
lane_operator!(Add, add, +);
lane_operator!(Sub, sub, -);
lane_operator!(Mul, mul, *);
lane_operator!(Div, div, /);

impl AddAssign for Lanes {
    #[inline(always)]
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

/// Sine and cosine of one site's phase in every lane, side by side because every force reads both.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
pub(crate) struct SinCos {
    pub(crate) sin: Lanes,
    pub(crate) cos: Lanes,
}

impl SinCos {
    /// Placeholder before the first evaluation.
    pub(crate) const ZERO: Self = Self { sin: Lanes::ZERO, cos: Lanes::ZERO };

    /// From registers.
    #[inline(always)]
    pub(crate) fn set<V: super::vector::Vector>(&mut self, (sin, cos): (V, V)) {
        sin.store(&mut self.sin);
        cos.store(&mut self.cos);
    }
}

#[cfg(test)]
mod tests {
    use super::Lanes;
    use crate::solver::vector::{BASELINE_IS_FUSED, sin_cos};

    #[test]
    fn lanes_and_scalar_sine_agree() {
        // To the bit where neither fuses, to the last place where the lanes do.
        let allowed = if BASELINE_IS_FUSED { 2.3e-16 } else { 0.0 };
        for step in -40_000..40_000 {
            let base = f64::from(step) * 0.037_1;
            let x = Lanes(std::array::from_fn(|l| base + l as f64 * 0.004_7));
            let (both_sin, both_cos) = sin_cos(x);
            for l in 0..8 {
                let (sin, cos) = crate::math::sin_cos(x.0[l]);
                assert!((both_sin.0[l] - sin).abs() <= allowed && (both_cos.0[l] - cos).abs() <= allowed);
            }
        }
    }
}
