//! Elementary functions with the same bits on every platform: sine and cosine, logarithm, arc tangent, cube root.
//!
//! The polynomials and break points are those of FreeBSD's msun (fdlibm, Sun Microsystems 1993). They use only
//! additions, multiplications, divisions and square roots, which IEEE 754 rounds the same everywhere; the standard
//! library's functions come from the system and differ in the last bit.
// The constants are quoted with the digits of their source.
#![allow(clippy::excessive_precision)]

/// 2/π.
pub(crate) const TWO_OVER_PI: f64 = std::f64::consts::FRAC_2_PI;
/// Adding and subtracting 1.5 · 2^52 rounds to an integer and leaves it in the low bits of the sum.
pub(crate) const ROUNDER: f64 = 6_755_399_441_055_744.0;
/// π/2 in three pieces of 33 bits, 33 bits and the rest: products with integers below 2^20 are exact.
pub(crate) const HALF_PI: [f64; 3] =
    [1.570_796_326_734_125_614_17e0, 6.077_100_506_303_965_976_60e-11, 2.022_266_248_795_950_631_54e-21];
/// Sine on [−π/4, π/4]: x + x³ Σ S_k x^{2k}.
pub(crate) const SINE: [f64; 6] = [
    -1.666_666_666_666_663_243_48e-1,
    8.333_333_333_322_489_461_24e-3,
    -1.984_126_982_985_794_931_34e-4,
    2.755_731_370_707_006_767_89e-6,
    -2.505_076_025_340_686_341_95e-8,
    1.589_690_995_211_550_102_21e-10,
];
/// Cosine on [−π/4, π/4]: 1 − x²/2 + x⁴ Σ C_k x^{2k}.
pub(crate) const COSINE: [f64; 6] = [
    4.166_666_666_666_660_190_37e-2,
    -1.388_888_888_887_410_957_49e-3,
    2.480_158_728_947_672_941_78e-5,
    -2.755_731_435_139_066_330_35e-7,
    2.087_572_321_298_174_827_90e-9,
    -1.135_964_755_778_819_482_65e-11,
];

/// (sin x, cos x) for |x| ≤ 10⁶ rad, within 2 · 10⁻¹⁶ of the exact values; the error grows with x² beyond that. NaN and
/// infinities give NaN. The solvers' eight-lane version agrees to rounding.
pub fn sin_cos(x: f64) -> (f64, f64) {
    let shifted = x * TWO_OVER_PI + ROUNDER;
    let quadrant = shifted.to_bits();
    let turns = shifted - ROUNDER;
    let r = ((x - turns * HALF_PI[0]) - turns * HALF_PI[1]) - turns * HALF_PI[2];
    let z = r * r;
    let mut s = SINE[5];
    let mut c = COSINE[5];
    for k in (0..5).rev() {
        s = s * z + SINE[k];
        c = c * z + COSINE[k];
    }
    let sine = r + r * z * s;
    let half = z * 0.5;
    let head = 1.0 - half;
    let cosine = head + (((1.0 - head) - half) + z * z * c);
    let (sine, cosine) = if quadrant & 1 == 0 { (sine, cosine) } else { (cosine, sine) };
    (
        f64::from_bits(sine.to_bits() ^ ((quadrant & 2) << 62)),
        f64::from_bits(cosine.to_bits() ^ ((quadrant.wrapping_add(1) & 2) << 62)),
    )
}

/// cos x, as [`sin_cos`].
pub fn cos(x: f64) -> f64 {
    sin_cos(x).1
}

/// sin x, as [`sin_cos`].
pub fn sin(x: f64) -> f64 {
    sin_cos(x).0
}

/// The angle in (−π, π] that differs from x by whole turns, for |x| ≤ 10⁶ rad.
pub fn wrap(x: f64) -> f64 {
    let turns = (x * (0.25 * TWO_OVER_PI) + ROUNDER) - ROUNDER;
    let quarters = 4.0 * turns;
    ((x - quarters * HALF_PI[0]) - quarters * HALF_PI[1]) - quarters * HALF_PI[2]
}

/// Natural logarithm, error below one unit in the last place; −∞ at 0, NaN below.
pub fn ln(x: f64) -> f64 {
    const LN2: [f64; 2] = [6.931_471_803_691_238_164_90e-1, 1.908_214_929_270_587_700_02e-10];
    const COEFFICIENTS: [f64; 7] = [
        6.666_666_666_666_735_130e-1,
        3.999_999_999_940_941_908e-1,
        2.857_142_874_366_239_149e-1,
        2.222_219_843_214_978_396e-1,
        1.818_357_216_161_805_012e-1,
        1.531_383_769_920_937_332e-1,
        1.479_819_860_511_658_591e-1,
    ];
    if x.is_nan() || x < 0.0 {
        return f64::NAN;
    }
    if x == 0.0 {
        return f64::NEG_INFINITY;
    }
    if x.is_infinite() {
        return x;
    }
    // Subnormals first, then x = 2^k · m with m in [√½, √2).
    let (scaled, shift) = if x < f64::MIN_POSITIVE { (x * 18_014_398_509_481_984.0, -54) } else { (x, 0) };
    let bits = scaled.to_bits();
    let mut k = shift + ((bits >> 52) as i64 - 1023);
    let mut m = f64::from_bits((bits & 0x000f_ffff_ffff_ffff) | 0x3ff0_0000_0000_0000);
    if m > std::f64::consts::SQRT_2 {
        m *= 0.5;
        k += 1;
    }
    let f = m - 1.0;
    let s = f / (2.0 + f);
    let z = s * s;
    let mut series = 0.0;
    for coefficient in COEFFICIENTS.iter().rev() {
        series = (series + coefficient) * z;
    }
    let half_square = 0.5 * f * f;
    let k = k as f64;
    k * LN2[0] - ((half_square - (s * (half_square + series) + k * LN2[1])) - f)
}

/// Arc tangent of y/x in the quadrant of (x, y), in [−π, π]; 0 at the origin with x ≥ +0.
pub fn atan2(y: f64, x: f64) -> f64 {
    use std::f64::consts::{FRAC_PI_2, PI};
    if x.is_nan() || y.is_nan() {
        return f64::NAN;
    }
    if y == 0.0 {
        return if x.is_sign_negative() { PI.copysign(y) } else { y };
    }
    if x == 0.0 {
        return FRAC_PI_2.copysign(y);
    }
    let angle = match (x.is_infinite(), y.is_infinite()) {
        (true, true) => 0.25 * PI,
        (true, false) => 0.0,
        (false, true) => FRAC_PI_2,
        (false, false) => atan_positive((y / x).abs()),
    };
    let angle = if x < 0.0 { PI - (angle - 1.224_646_799_147_353_207_2e-16) } else { angle };
    if y < 0.0 { -angle } else { angle }
}

fn atan_positive(x: f64) -> f64 {
    const COEFFICIENTS: [f64; 11] = [
        3.333_333_333_333_293_180_27e-1,
        -1.999_999_999_987_648_324_76e-1,
        1.428_571_427_250_346_637_11e-1,
        -1.111_111_040_546_235_578_80e-1,
        9.090_887_133_436_506_561_96e-2,
        -7.691_876_205_044_829_994_95e-2,
        6.661_073_137_387_531_206_69e-2,
        -5.833_570_133_790_573_486_45e-2,
        4.976_877_994_615_932_360_17e-2,
        -3.653_157_274_421_691_552_70e-2,
        1.628_582_011_536_578_236_23e-2,
    ];
    let (high, low, t) = if x < 0.4375 {
        (0.0, 0.0, x)
    } else if x < 0.6875 {
        (4.636_476_090_008_060_935_15e-1, 2.269_877_745_296_168_709_24e-17, (2.0 * x - 1.0) / (2.0 + x))
    } else if x < 1.1875 {
        (std::f64::consts::FRAC_PI_4, 3.061_616_997_868_383_017_93e-17, (x - 1.0) / (x + 1.0))
    } else if x < 2.4375 {
        (9.827_937_232_473_290_540_82e-1, 1.390_331_103_123_099_845_16e-17, (x - 1.5) / (1.0 + 1.5 * x))
    } else {
        (std::f64::consts::FRAC_PI_2, 6.123_233_995_736_766_035_87e-17, -1.0 / x)
    };
    let z = t * t;
    let mut series = 0.0;
    for coefficient in COEFFICIENTS.iter().rev() {
        series = (series + coefficient) * z;
    }
    high - ((t * series - low) - t)
}

/// Cube root for 10⁻⁶ ≤ x ≤ 10⁶ by Halley's iteration (cubic convergence), for the step controller.
pub(crate) fn cube_root(x: f64) -> f64 {
    let mut y = 1.0_f64;
    for _ in 0..12 {
        let cube = y * y * y;
        y = y * (cube + 2.0 * x) / (2.0 * cube + x);
    }
    y
}
