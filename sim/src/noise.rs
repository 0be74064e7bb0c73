//! Keyed noise: every draw is named by (seed, stream, shot, segment, site, ordinal), so that a resumed, re-ordered or
//! parallel run draws the same numbers. The same bits on every machine: `libm`, never the system's mathematics.

use xyloop_firmware::keyed::{Stream, draw};

/// Two independent standard normal numbers (Box–Muller) for one named draw.
pub fn normal_pair(seed: u64, stream: Stream, shot: u64, index: u32, sub: u32) -> [f64; 2] {
    let [a, b, c, d] = draw(seed, stream, shot, index, sub);
    // (0, 1]: the logarithm is finite.
    let radius = libm::sqrt(-2.0 * libm::log(1.0 - unit(a, b)));
    let (sin, cos) = libm::sincos(core::f64::consts::TAU * unit(c, d));
    [radius * cos, radius * sin]
}

/// A number in [0, 1) for one named draw.
pub fn uniform(seed: u64, stream: Stream, shot: u64, index: u32, sub: u32) -> f64 {
    let [a, b, ..] = draw(seed, stream, shot, index, sub);
    unit(a, b)
}

/// 53 random bits as a number in [0, 1).
fn unit(high: u32, low: u32) -> f64 {
    let bits = (u64::from(high) << 32 | u64::from(low)) >> 11;
    bits as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normal_draws_have_the_moments_of_a_standard_normal() {
        let n = 40_000u32;
        let (mut sum, mut square, mut fourth, mut cross) = (0.0, 0.0, 0.0, 0.0);
        for i in 0..n {
            let [a, b] = normal_pair(3, Stream::Read, 1, i, 0);
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
