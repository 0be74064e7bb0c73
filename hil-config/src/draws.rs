//! Keyed random numbers: uniform and normal draws from the words of a counter-based generator, so that a draw depends only
//! on its name and never on what was drawn before. The same bits on every machine: `libm`, never the system's mathematics.

pub use xyloop_firmware::keyed::{Stream, draw, philox};

/// Returns 53 of 64 random bits as a number in [0, 1).
#[inline]
pub fn unit(high: u32, low: u32) -> f64 {
    let bits = (u64::from(high) << 32 | u64::from(low)) >> 11;
    bits as f64 / (1u64 << 53) as f64
}

/// Returns two independent standard normal numbers (Box–Muller) from four random words.
#[inline]
pub fn normal_pair(words: [u32; 4]) -> [f64; 2] {
    let [a, b, c, d] = words;
    // (0, 1]: the logarithm is finite.
    let radius = libm::sqrt(-2.0 * libm::log(1.0 - unit(a, b)));
    let (sin, cos) = libm::sincos(core::f64::consts::TAU * unit(c, d));
    [radius * cos, radius * sin]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uniform_draws_lie_in_the_half_open_interval() {
        assert_eq!(unit(0, 0).to_bits(), 0.0_f64.to_bits());
        assert!(unit(u32::MAX, u32::MAX) < 1.0);
        assert_eq!(unit(1 << 31, 0).to_bits(), 0.5_f64.to_bits());
    }

    #[test]
    fn normal_draws_are_finite_at_both_ends() {
        for words in [[0; 4], [u32::MAX; 4]] {
            assert!(normal_pair(words).iter().all(|x| x.is_finite()));
        }
    }

    #[test]
    fn normal_draws_have_the_moments_of_a_standard_normal() {
        let n = 40_000u32;
        let (mut sum, mut square, mut fourth, mut cross) = (0.0, 0.0, 0.0, 0.0);
        for i in 0..n {
            let [a, b] = normal_pair(draw(3, Stream::Read, 1, i, 0));
            sum += a + b;
            square += a * a + b * b;
            fourth += a.powi(4) + b.powi(4);
            cross += a * b;
        }
        let n = f64::from(n);
        assert!((sum / (2.0 * n)).abs() < 0.015, "mean");
        assert!((square / (2.0 * n) - 1.0).abs() < 0.02, "variance");
        assert!((fourth / (2.0 * n) - 3.0).abs() < 0.15, "kurtosis");
        assert!((cross / n).abs() < 0.02, "independence");
    }
}
