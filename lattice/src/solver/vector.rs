//! [`Vector`]: eight lanes in registers, as the kernels compute with them. Portable here ([`Lanes`] itself), with
//! intrinsics in [`super::x86`]. Every implementation rounds every operation as IEEE 754 says, so all that fuse agree bit
//! for bit.
#![allow(clippy::inline_always)]

use super::lanes::{LANES, Lanes, Mask};
use crate::math::{COSINE, HALF_PI, ROUNDER, SINE, TWO_OVER_PI};
use std::ops::{Add, Div, Mul, Sub};

/// Eight lanes in registers.
pub(crate) trait Vector:
    Copy + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Div<Output = Self>
{
    /// Whether there are registers for more than about eight values at once. No result depends on it.
    const WIDE: bool = false;
    /// From memory.
    fn load(from: &Lanes) -> Self;
    /// To memory.
    fn store(self, to: &mut Lanes);
    /// The same number in every lane.
    fn splat(value: f64) -> Self;
    /// `self · factor + addend`, rounded once where [`super::isa::Isa::is_fused`].
    fn mul_add(self, factor: Self, addend: Self) -> Self;
    /// `minuend − self · factor`, rounded once where [`super::isa::Isa::is_fused`].
    fn mul_sub_from(self, factor: Self, minuend: Self) -> Self;
    /// Magnitude.
    fn abs(self) -> Self;
    /// Square root.
    fn sqrt(self) -> Self;
    /// `other > self ? other : self`: a NaN in `other` is dropped.
    fn max(self, other: Self) -> Self;
    /// `other < self ? other : self`: a NaN in `other` is dropped.
    fn min(self, other: Self) -> Self;
    /// `yes` where the mask is set.
    fn select(mask: &Mask, yes: Self, no: Self) -> Self;
    /// `yes` where `self > bound`, `no` elsewhere and where either is NaN.
    fn where_greater(self, bound: Self, yes: Self, no: Self) -> Self;
    /// Sine and cosine of an angle from those of its part within ±π/4 and from the number of quarter turns in the low
    /// bits of `shifted`.
    fn turn(shifted: Self, sine: Self, cosine: Self) -> (Self, Self);
}

/// Sine and cosine: the operations of [`crate::math::sin_cos`] in the same order, fused where the registers can.
#[inline(always)]
pub(crate) fn sin_cos<V: Vector>(x: V) -> (V, V) {
    let rounder = V::splat(ROUNDER);
    let shifted = x.mul_add(V::splat(TWO_OVER_PI), rounder);
    let turns = shifted - rounder;
    let mut r = x;
    for part in HALF_PI {
        r = turns.mul_sub_from(V::splat(part), r);
    }
    let z = r * r;
    let mut s = V::splat(SINE[5]);
    let mut c = V::splat(COSINE[5]);
    for k in (0..5).rev() {
        s = s.mul_add(z, V::splat(SINE[k]));
        c = c.mul_add(z, V::splat(COSINE[k]));
    }
    let sine = (r * z).mul_add(s, r);
    let half = z * V::splat(0.5);
    let one = V::splat(1.0);
    let head = one - half;
    let cosine = head + (z * z).mul_add(c, (one - head) - half);
    V::turn(shifted, sine, cosine)
}

/// Whether the target's baseline multiplies and adds in one instruction: every aarch64 does, an x86-64 build only if it
/// was asked to. Without one, `f64::mul_add` would be a call of a library function per lane.
pub(crate) const BASELINE_IS_FUSED: bool = cfg!(any(target_arch = "aarch64", target_feature = "fma"));

#[inline(always)]
fn scalar_mul_add(a: f64, b: f64, c: f64) -> f64 {
    if BASELINE_IS_FUSED { a.mul_add(b, c) } else { a * b + c }
}

impl Vector for Lanes {
    #[inline(always)]
    fn load(from: &Lanes) -> Self {
        *from
    }
    #[inline(always)]
    fn store(self, to: &mut Lanes) {
        *to = self;
    }
    #[inline(always)]
    fn splat(value: f64) -> Self {
        Self([value; LANES])
    }
    #[inline(always)]
    fn mul_add(self, factor: Self, addend: Self) -> Self {
        let mut out = self.0;
        for l in 0..LANES {
            out[l] = scalar_mul_add(out[l], factor.0[l], addend.0[l]);
        }
        Self(out)
    }
    #[inline(always)]
    fn mul_sub_from(self, factor: Self, minuend: Self) -> Self {
        let mut out = self.0;
        for l in 0..LANES {
            out[l] = scalar_mul_add(-out[l], factor.0[l], minuend.0[l]);
        }
        Self(out)
    }
    #[inline(always)]
    fn abs(self) -> Self {
        Lanes::abs(self)
    }
    #[inline(always)]
    fn sqrt(self) -> Self {
        Lanes::sqrt(self)
    }
    #[inline(always)]
    fn max(self, other: Self) -> Self {
        Lanes::max(self, other)
    }
    #[inline(always)]
    fn min(self, other: Self) -> Self {
        let mut out = self.0;
        for l in 0..LANES {
            out[l] = if other.0[l] < out[l] { other.0[l] } else { out[l] };
        }
        Self(out)
    }
    #[inline(always)]
    fn select(mask: &Mask, yes: Self, no: Self) -> Self {
        Lanes::select(*mask, yes, no)
    }
    #[inline(always)]
    fn where_greater(self, bound: Self, yes: Self, no: Self) -> Self {
        let mut out = no.0;
        for l in 0..LANES {
            out[l] = if self.0[l] > bound.0[l] { yes.0[l] } else { out[l] };
        }
        Self(out)
    }
    #[inline(always)]
    fn turn(shifted: Self, sine: Self, cosine: Self) -> (Self, Self) {
        let (mut sin, mut cos) = ([0.0; LANES], [0.0; LANES]);
        for l in 0..LANES {
            let quadrant = shifted.0[l].to_bits();
            let swap = 0_u64.wrapping_sub(quadrant & 1);
            let (a, b) = (sine.0[l].to_bits(), cosine.0[l].to_bits());
            sin[l] = f64::from_bits(((a & !swap) | (b & swap)) ^ ((quadrant & 2) << 62));
            cos[l] = f64::from_bits(((b & !swap) | (a & swap)) ^ ((quadrant.wrapping_add(1) & 2) << 62));
        }
        (Self(sin), Self(cos))
    }
}
