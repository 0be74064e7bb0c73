//! Run-time choice of the instruction set.
//!
//! A [`Kernel`] is generic over its registers and `inline(always)`; [`Isa::run`] compiles it four times, for the
//! target's baseline, AVX2 with FMA and AVX-512F. A multiplication followed by an addition is rounded once wherever the
//! instruction set can: every path on every machine with such an instruction (x86-64 since 2013, every aarch64) gives the
//! same bits (`tests/bits.rs`). Older x86-64 rounds twice, and agrees to rounding: emulating the instruction there would
//! cost a library call per lane, fusing nowhere a third of the speed everywhere else.

use super::lanes::Lanes;
use super::vector::{BASELINE_IS_FUSED, Vector};

/// An instruction set this machine has. Values exist only after detection, which is what makes running
/// a kernel compiled for it sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Isa(Level);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    Baseline,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx2Low,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Isa {
    /// Every instruction set this machine has, slowest first.
    pub fn available() -> Vec<Self> {
        #[allow(unused_mut)]
        let mut list = vec![Self(Level::Baseline)];
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                list.push(Self(Level::Avx2));
            }
            if is_x86_feature_detected!("avx512f") {
                list.push(Self(Level::Avx512));
            }
        }
        list
    }

    /// The fastest instruction set this machine has (detected once, cached by the standard library).
    pub fn best() -> Self {
        Self::available().last().copied().unwrap_or(Self(Level::Baseline))
    }

    /// Whether multiplication and addition are rounded once: all such instruction sets give the same bits.
    pub fn is_fused(self) -> bool {
        match self.0 {
            Level::Baseline => BASELINE_IS_FUSED,
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 | Level::Avx2Low | Level::Avx512 => true,
        }
    }

    /// Its name for reports: `baseline`, `avx2` or `avx512f`.
    pub fn name(self) -> &'static str {
        match self.0 {
            Level::Baseline => "baseline",
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Level::Avx2Low => "avx2, four lanes",
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => "avx512f",
        }
    }

    /// For kernels of which only the lower four lanes count: half of the work where there is a register for just those,
    /// with the same bits. What the upper lanes hold afterwards is undefined.
    pub(crate) fn of_lower_lanes(self) -> Self {
        match self.0 {
            Level::Baseline => self,
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 | Level::Avx2Low | Level::Avx512 => Self(Level::Avx2Low),
        }
    }

    /// Runs a kernel compiled for this instruction set.
    #[inline]
    // The dispatch: the other half of the crate's unsafe code, in `x86`, rests on it.
    #[allow(unsafe_code)]
    pub(crate) fn run<K: Kernel>(self, kernel: K) -> K::Output {
        match self.0 {
            Level::Baseline => kernel.run::<Lanes>(),
            // SAFETY: a level above baseline is only constructed in `available`, after the feature was detected.
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => unsafe { super::x86::run_avx2(kernel) },
            // SAFETY: as above; AVX-512F brings AVX2 and FMA.
            #[cfg(target_arch = "x86_64")]
            Level::Avx2Low => unsafe { super::x86::run_avx2_low(kernel) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => unsafe { super::x86::run_avx512(kernel) },
        }
    }
}

/// A piece of work worth compiling per instruction set: at least a pass over all sites.
pub(crate) trait Kernel {
    /// What it returns.
    type Output;
    /// Does it with one kind of registers; implementations are `inline(always)`.
    fn run<V: Vector>(self) -> Self::Output;
}
