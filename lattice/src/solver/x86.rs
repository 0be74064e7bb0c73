//! [`Vector`] for AVX2 (two registers) and AVX-512F (one), and the entry points compiled for them. The one module of
//! the crate with `unsafe`.
//!
//! Why: left to itself LLVM spreads the lanes over scalar and 128-bit registers, also where wider ones are enabled.
//! Measured on a Xeon (Sapphire Rapids), 15 × 15 `4nsq`, eight cold samples to rest: portable 32 ms, AVX2 15 ms, AVX-512
//! 10 ms; `sq`: 14, 7.0 and 4.5 ms (`examples/settle_cost.rs`).
//!
//! Why it is sound: the intrinsics need nothing but the instruction set (loads and stores go through references to
//! aligned values), and the types are used only below the three `run_…` functions, which only [`super::isa::Isa`] calls,
//! after detection.
#![allow(unsafe_code, clippy::inline_always, clippy::wildcard_imports)]

use super::isa::Kernel;
use super::lanes::{Lanes, Mask};
use super::vector::Vector;
use std::arch::x86_64::*;
use std::ops::{Add, Div, Mul, Sub};

/// Eight lanes in two AVX registers.
#[derive(Clone, Copy)]
pub(crate) struct Avx2(__m256d, __m256d);

/// The lower four lanes in one AVX register: half the work where the upper four are empty. Loads and stores leave those
/// alone.
#[derive(Clone, Copy)]
pub(crate) struct Avx2Low(__m256d);

/// Eight lanes in one AVX-512 register.
#[derive(Clone, Copy)]
pub(crate) struct Avx512(__m512d);

/// Runs a kernel with AVX2.
///
/// # Safety
/// The machine must have AVX2 and FMA.
#[target_feature(enable = "avx2,fma")]
pub(crate) unsafe fn run_avx2<K: Kernel>(kernel: K) -> K::Output {
    kernel.run::<Avx2>()
}

/// Runs a kernel on the lower four lanes with AVX2.
///
/// # Safety
/// The machine must have AVX2 and FMA.
#[target_feature(enable = "avx2,fma")]
pub(crate) unsafe fn run_avx2_low<K: Kernel>(kernel: K) -> K::Output {
    kernel.run::<Avx2Low>()
}

/// Runs a kernel with AVX-512F.
///
/// # Safety
/// The machine must have AVX-512F.
#[target_feature(enable = "avx512f")]
pub(crate) unsafe fn run_avx512<K: Kernel>(kernel: K) -> K::Output {
    kernel.run::<Avx512>()
}

macro_rules! operator {
    ($trait:ident, $method:ident, $half:ident, $full:ident) => {
        impl $trait for Avx2 {
            type Output = Self;
            #[inline(always)]
            fn $method(self, other: Self) -> Self {
                // SAFETY: see the module's documentation, here and below.
                unsafe { Self($half(self.0, other.0), $half(self.1, other.1)) }
            }
        }
        impl $trait for Avx2Low {
            type Output = Self;
            #[inline(always)]
            fn $method(self, other: Self) -> Self {
                // SAFETY: see the module's documentation.
                unsafe { Self($half(self.0, other.0)) }
            }
        }
        impl $trait for Avx512 {
            type Output = Self;
            #[inline(always)]
            fn $method(self, other: Self) -> Self {
                // SAFETY: see the module's documentation.
                unsafe { Self($full(self.0, other.0)) }
            }
        }
    };
}
operator!(Add, add, _mm256_add_pd, _mm512_add_pd);
operator!(Sub, sub, _mm256_sub_pd, _mm512_sub_pd);
operator!(Mul, mul, _mm256_mul_pd, _mm512_mul_pd);
operator!(Div, div, _mm256_div_pd, _mm512_div_pd);

impl Avx2 {
    #[inline(always)]
    fn turn_half(shifted: __m256d, sine: __m256d, cosine: __m256d) -> (__m256d, __m256d) {
        // SAFETY: see the module's documentation.
        unsafe {
            let quadrant = _mm256_castpd_si256(shifted);
            let two = _mm256_set1_epi64x(2);
            let next = _mm256_add_epi64(quadrant, _mm256_set1_epi64x(1));
            // Blending looks at the top bit of each lane only.
            let swap = _mm256_castsi256_pd(_mm256_slli_epi64::<63>(quadrant));
            let sin_sign = _mm256_castsi256_pd(_mm256_slli_epi64::<62>(_mm256_and_si256(quadrant, two)));
            let cos_sign = _mm256_castsi256_pd(_mm256_slli_epi64::<62>(_mm256_and_si256(next, two)));
            (
                _mm256_xor_pd(_mm256_blendv_pd(sine, cosine, swap), sin_sign),
                _mm256_xor_pd(_mm256_blendv_pd(cosine, sine, swap), cos_sign),
            )
        }
    }
}

impl Vector for Avx2 {
    #[inline(always)]
    fn mul_add(self, factor: Self, addend: Self) -> Self {
        // SAFETY: see the module's documentation.
        unsafe { Self(_mm256_fmadd_pd(self.0, factor.0, addend.0), _mm256_fmadd_pd(self.1, factor.1, addend.1)) }
    }
    #[inline(always)]
    fn mul_sub_from(self, factor: Self, minuend: Self) -> Self {
        // SAFETY: see the module's documentation.
        unsafe { Self(_mm256_fnmadd_pd(self.0, factor.0, minuend.0), _mm256_fnmadd_pd(self.1, factor.1, minuend.1)) }
    }
    #[inline(always)]
    fn load(from: &Lanes) -> Self {
        // SAFETY: eight aligned numbers behind the reference.
        unsafe { Self(_mm256_load_pd(from.0.as_ptr()), _mm256_load_pd(from.0[4..].as_ptr())) }
    }
    #[inline(always)]
    fn store(self, to: &mut Lanes) {
        // SAFETY: eight aligned numbers behind the reference.
        unsafe {
            _mm256_store_pd(to.0.as_mut_ptr(), self.0);
            _mm256_store_pd(to.0[4..].as_mut_ptr(), self.1);
        }
    }
    #[inline(always)]
    fn splat(value: f64) -> Self {
        // SAFETY: see the module's documentation.
        unsafe { Self(_mm256_set1_pd(value), _mm256_set1_pd(value)) }
    }
    #[inline(always)]
    fn abs(self) -> Self {
        // SAFETY: see the module's documentation.
        unsafe {
            let sign = _mm256_set1_pd(-0.0);
            Self(_mm256_andnot_pd(sign, self.0), _mm256_andnot_pd(sign, self.1))
        }
    }
    #[inline(always)]
    fn sqrt(self) -> Self {
        // SAFETY: see the module's documentation.
        unsafe { Self(_mm256_sqrt_pd(self.0), _mm256_sqrt_pd(self.1)) }
    }
    #[inline(always)]
    fn max(self, other: Self) -> Self {
        // SAFETY: see the module's documentation. The instruction keeps its second operand unless the first is larger.
        unsafe { Self(_mm256_max_pd(other.0, self.0), _mm256_max_pd(other.1, self.1)) }
    }
    #[inline(always)]
    fn min(self, other: Self) -> Self {
        // SAFETY: see the module's documentation. The instruction keeps its second operand unless the first is smaller.
        unsafe { Self(_mm256_min_pd(other.0, self.0), _mm256_min_pd(other.1, self.1)) }
    }
    #[inline(always)]
    fn select(mask: &Mask, yes: Self, no: Self) -> Self {
        let bits = Self::load(&mask.as_lanes());
        // SAFETY: see the module's documentation.
        unsafe { Self(_mm256_blendv_pd(no.0, yes.0, bits.0), _mm256_blendv_pd(no.1, yes.1, bits.1)) }
    }
    #[inline(always)]
    fn where_greater(self, bound: Self, yes: Self, no: Self) -> Self {
        // SAFETY: see the module's documentation.
        unsafe {
            Self(
                _mm256_blendv_pd(no.0, yes.0, _mm256_cmp_pd::<_CMP_GT_OQ>(self.0, bound.0)),
                _mm256_blendv_pd(no.1, yes.1, _mm256_cmp_pd::<_CMP_GT_OQ>(self.1, bound.1)),
            )
        }
    }
    #[inline(always)]
    fn turn(shifted: Self, sine: Self, cosine: Self) -> (Self, Self) {
        let (sin_0, cos_0) = Self::turn_half(shifted.0, sine.0, cosine.0);
        let (sin_1, cos_1) = Self::turn_half(shifted.1, sine.1, cosine.1);
        (Self(sin_0, sin_1), Self(cos_0, cos_1))
    }
}

impl Vector for Avx2Low {
    #[inline(always)]
    fn mul_add(self, factor: Self, addend: Self) -> Self {
        // SAFETY: see the module's documentation.
        unsafe { Self(_mm256_fmadd_pd(self.0, factor.0, addend.0)) }
    }
    #[inline(always)]
    fn mul_sub_from(self, factor: Self, minuend: Self) -> Self {
        // SAFETY: see the module's documentation.
        unsafe { Self(_mm256_fnmadd_pd(self.0, factor.0, minuend.0)) }
    }
    #[inline(always)]
    fn load(from: &Lanes) -> Self {
        // SAFETY: eight aligned numbers behind the reference.
        unsafe { Self(_mm256_load_pd(from.0.as_ptr())) }
    }
    #[inline(always)]
    fn store(self, to: &mut Lanes) {
        // SAFETY: eight aligned numbers behind the reference.
        unsafe { _mm256_store_pd(to.0.as_mut_ptr(), self.0) }
    }
    #[inline(always)]
    fn splat(value: f64) -> Self {
        // SAFETY: see the module's documentation.
        unsafe { Self(_mm256_set1_pd(value)) }
    }
    #[inline(always)]
    fn abs(self) -> Self {
        // SAFETY: see the module's documentation.
        unsafe { Self(_mm256_andnot_pd(_mm256_set1_pd(-0.0), self.0)) }
    }
    #[inline(always)]
    fn sqrt(self) -> Self {
        // SAFETY: see the module's documentation.
        unsafe { Self(_mm256_sqrt_pd(self.0)) }
    }
    #[inline(always)]
    fn max(self, other: Self) -> Self {
        // SAFETY: see the module's documentation. The instruction keeps its second operand unless the first is larger.
        unsafe { Self(_mm256_max_pd(other.0, self.0)) }
    }
    #[inline(always)]
    fn min(self, other: Self) -> Self {
        // SAFETY: see the module's documentation. The instruction keeps its second operand unless the first is smaller.
        unsafe { Self(_mm256_min_pd(other.0, self.0)) }
    }
    #[inline(always)]
    fn where_greater(self, bound: Self, yes: Self, no: Self) -> Self {
        // SAFETY: see the module's documentation.
        unsafe { Self(_mm256_blendv_pd(no.0, yes.0, _mm256_cmp_pd::<_CMP_GT_OQ>(self.0, bound.0))) }
    }
    #[inline(always)]
    fn select(mask: &Mask, yes: Self, no: Self) -> Self {
        let bits = Self::load(&mask.as_lanes());
        // SAFETY: see the module's documentation.
        unsafe { Self(_mm256_blendv_pd(no.0, yes.0, bits.0)) }
    }
    #[inline(always)]
    fn turn(shifted: Self, sine: Self, cosine: Self) -> (Self, Self) {
        let (sin, cos) = Avx2::turn_half(shifted.0, sine.0, cosine.0);
        (Self(sin), Self(cos))
    }
}

impl Vector for Avx512 {
    const WIDE: bool = true;
    #[inline(always)]
    fn mul_add(self, factor: Self, addend: Self) -> Self {
        // SAFETY: see the module's documentation.
        unsafe { Self(_mm512_fmadd_pd(self.0, factor.0, addend.0)) }
    }
    #[inline(always)]
    fn mul_sub_from(self, factor: Self, minuend: Self) -> Self {
        // SAFETY: see the module's documentation.
        unsafe { Self(_mm512_fnmadd_pd(self.0, factor.0, minuend.0)) }
    }
    #[inline(always)]
    fn load(from: &Lanes) -> Self {
        // SAFETY: eight aligned numbers behind the reference.
        unsafe { Self(_mm512_load_pd(from.0.as_ptr())) }
    }
    #[inline(always)]
    fn store(self, to: &mut Lanes) {
        // SAFETY: eight aligned numbers behind the reference.
        unsafe { _mm512_store_pd(to.0.as_mut_ptr(), self.0) }
    }
    #[inline(always)]
    fn splat(value: f64) -> Self {
        // SAFETY: see the module's documentation.
        unsafe { Self(_mm512_set1_pd(value)) }
    }
    #[inline(always)]
    fn abs(self) -> Self {
        // SAFETY: see the module's documentation.
        unsafe { Self(_mm512_abs_pd(self.0)) }
    }
    #[inline(always)]
    fn sqrt(self) -> Self {
        // SAFETY: see the module's documentation.
        unsafe { Self(_mm512_sqrt_pd(self.0)) }
    }
    #[inline(always)]
    fn max(self, other: Self) -> Self {
        // SAFETY: see the module's documentation. The instruction keeps its second operand unless the first is larger.
        unsafe { Self(_mm512_max_pd(other.0, self.0)) }
    }
    #[inline(always)]
    fn min(self, other: Self) -> Self {
        // SAFETY: see the module's documentation. The instruction keeps its second operand unless the first is smaller.
        unsafe { Self(_mm512_min_pd(other.0, self.0)) }
    }
    #[inline(always)]
    fn select(mask: &Mask, yes: Self, no: Self) -> Self {
        let bits = Self::load(&mask.as_lanes());
        // SAFETY: see the module's documentation.
        unsafe {
            let bits = _mm512_castpd_si512(bits.0);
            Self(_mm512_mask_blend_pd(_mm512_test_epi64_mask(bits, bits), no.0, yes.0))
        }
    }
    #[inline(always)]
    fn where_greater(self, bound: Self, yes: Self, no: Self) -> Self {
        // SAFETY: see the module's documentation.
        unsafe { Self(_mm512_mask_blend_pd(_mm512_cmp_pd_mask::<_CMP_GT_OQ>(self.0, bound.0), no.0, yes.0)) }
    }
    #[inline(always)]
    fn turn(shifted: Self, sine: Self, cosine: Self) -> (Self, Self) {
        // SAFETY: see the module's documentation.
        unsafe {
            let quadrant = _mm512_castpd_si512(shifted.0);
            let (one, two) = (_mm512_set1_epi64(1), _mm512_set1_epi64(2));
            let next = _mm512_add_epi64(quadrant, one);
            let swap = _mm512_test_epi64_mask(quadrant, one);
            let sin_sign = _mm512_slli_epi64::<62>(_mm512_and_si512(quadrant, two));
            let cos_sign = _mm512_slli_epi64::<62>(_mm512_and_si512(next, two));
            let sin = _mm512_castpd_si512(_mm512_mask_blend_pd(swap, sine.0, cosine.0));
            let cos = _mm512_castpd_si512(_mm512_mask_blend_pd(swap, cosine.0, sine.0));
            (
                Self(_mm512_castsi512_pd(_mm512_xor_si512(sin, sin_sign))),
                Self(_mm512_castsi512_pd(_mm512_xor_si512(cos, cos_sign))),
            )
        }
    }
}
