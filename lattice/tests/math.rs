//! Elementary functions against the standard library's.
// Exact results are compared exactly.
#![allow(clippy::float_cmp)]

mod common;

use common::rng;
use rand::RngExt;
use xyloop_lattice::math;

#[test]
fn sine_and_cosine_over_a_wide_range() {
    let mut rng = rng(1);
    for range in [1e-6, 0.8, 4.0, 100.0, 1e4, 1e6] {
        let mut worst = 0.0_f64;
        for _ in 0..100_000 {
            let x: f64 = rng.random_range(-range..range);
            let (sin, cos) = math::sin_cos(x);
            worst = worst.max((sin - x.sin()).abs()).max((cos - x.cos()).abs());
            assert!((sin * sin + cos * cos - 1.0).abs() < 1e-15);
        }
        assert!(worst < 4e-16, "range {range}: {worst:e}");
    }
    for k in -1000..1000 {
        // Around multiples of π/4 and π/2, where quadrants change.
        for nudge in [-1e-9, 0.0, 1e-9] {
            let x = f64::from(k) * std::f64::consts::FRAC_PI_4 + nudge;
            let (sin, cos) = math::sin_cos(x);
            assert!((sin - x.sin()).abs() < 4e-16 && (cos - x.cos()).abs() < 4e-16, "{x}");
        }
    }
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert!(math::sin(bad).is_nan() && math::cos(bad).is_nan());
    }
}

#[test]
fn logarithm_and_arc_tangent() {
    let mut rng = rng(2);
    for _ in 0..200_000 {
        let x = f64::from_bits(rng.random_range(1..0x7fef_ffff_ffff_ffff));
        assert!((math::ln(x) - x.ln()).abs() <= 2.3e-16 * x.ln().abs(), "ln {x:e}");
        let (y, x): (f64, f64) = (rng.random_range(-5.0..5.0), rng.random_range(-5.0..5.0));
        assert!((math::atan2(y, x) - y.atan2(x)).abs() < 9e-16, "atan2 {y} {x}");
    }
    for y in [-f64::INFINITY, -1.0, -0.0, 0.0, 1.0, f64::INFINITY] {
        for x in [-f64::INFINITY, -1.0, -0.0, 0.0, 1.0, f64::INFINITY] {
            assert!((math::atan2(y, x) - y.atan2(x)).abs() < 5e-16, "atan2 {y} {x}");
        }
    }
    assert_eq!(math::ln(0.0), f64::NEG_INFINITY);
    assert!(math::ln(-1.0).is_nan() && math::ln(f64::NAN).is_nan());
}

#[test]
fn wrapping_keeps_the_angle() {
    let mut rng = rng(3);
    for _ in 0..100_000 {
        let x: f64 = rng.random_range(-1e5..1e5);
        let wrapped = math::wrap(x);
        assert!(wrapped.abs() <= std::f64::consts::PI + 1e-10);
        assert!((wrapped.sin() - x.sin()).abs() < 1e-15 && (wrapped.cos() - x.cos()).abs() < 1e-15);
    }
}
