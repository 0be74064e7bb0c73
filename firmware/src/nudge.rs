//! Bias codes that are not trained: the kick's random directions and the nudge at an output, as codes added to the
//! trained field. A nudge is an extra bias vector β·e^{iτ}; for the log cost its amplitude is frozen at the free
//! state, β / max(1 + cos Δ, bound).

use xyloop_protocol::{
    message::{Cost, Kick, Nudge},
    units::{DacCode, Flags, ShotId, Turn},
};

use crate::{
    keyed::{self, Stream},
    phase::cossin,
};

/// The kick's bias code pair for one site.
pub fn kick_codes(kick: &Kick, shot: ShotId, site: u16, field_bits: u8) -> [DacCode; 2] {
    let word = keyed::draw(kick.seed, Stream::Kick, shot, u32::from(site), 0)[0];
    let (cos, sin) = cossin(Turn((word >> 16) as u16));
    [cos, sin].map(|x| {
        let steps = round_shift(i64::from(x) * i64::from(kick.range_steps), 31);
        DacCode::from_steps(steps as i32, field_bits).0
    })
}

/// A nudge at one output: steps to add to its field codes, and what had to be bounded.
///
/// `flip` takes the other sign of β; `free` is the output's phase in this shot's free state.
pub fn nudge_steps(nudge: &Nudge, flip: bool, free: Turn, target: Turn) -> ([i32; 2], Flags) {
    let mut flags = Flags::default();
    let beta_q8 = i64::from(nudge.beta_q8) * if flip { -1 } else { 1 };
    // Amplitude in 2^-8 steps of the field DAC.
    let amplitude_q8 = match nudge.cost {
        Cost::Cosine => beta_q8,
        Cost::Log { bound_q14 } => {
            let (cos, _) = cossin(Turn(free.0.wrapping_sub(target.0)));
            let torque_q14 = (1i64 << 14) + i64::from(cos >> 17);
            let bound = i64::from(bound_q14.max(1));
            if torque_q14 < bound {
                flags.set(Flags::NUDGE_BOUNDED);
            }
            div_round(beta_q8 << 14, torque_q14.max(bound))
        }
    };
    let (cos, sin) = cossin(target);
    let steps = [cos, sin].map(|x| {
        let steps = round_shift(i64::from(x).saturating_mul(amplitude_q8.clamp(-(1 << 31), 1 << 31)), 31 + 8);
        steps.clamp(-(1 << 17), 1 << 17) as i32
    });
    (steps, flags)
}

/// Rounded to nearest, ties away from zero: the same size for either sign.
fn div_round(numerator: i64, denominator: i64) -> i64 {
    (numerator + numerator.signum() * (denominator / 2)) / denominator
}

/// `x / 2^shift`, rounded to nearest, ties away from zero: the same size for either sign.
fn round_shift(x: i64, shift: u32) -> i64 {
    let half = 1i64 << (shift - 1);
    x.signum() * ((x.abs() + half) >> shift)
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use core::f64::consts::TAU;

    const BITS: u8 = 16;

    #[test]
    fn kicks_point_everywhere_with_the_asked_length() {
        let kick = Kick { seed: 5, range_steps: 20_000, duration_us: 1 };
        let mut octants = [0; 8];
        let (mut x, mut y) = (0.0, 0.0);
        for shot in 0..40 {
            for site in 0..225 {
                let [a, b] = kick_codes(&kick, shot, site, BITS).map(|code| f64::from(code.steps(BITS)));
                assert!((a.hypot(b) - 20_000.0).abs() < 1.5);
                let angle = b.atan2(a).rem_euclid(TAU);
                octants[((angle / TAU * 8.0) as usize).min(7)] += 1;
                x += a / 20_000.0;
                y += b / 20_000.0;
            }
        }
        // 9 000 directions: 1 125 ± 31 an octant, the mean vector's components 0 ± 67 (1 σ).
        assert!(octants.iter().all(|&n| (1000..1250).contains(&n)), "{octants:?}");
        assert!(x.abs() < 270.0 && y.abs() < 270.0, "{x} {y}");
    }

    #[test]
    fn the_frozen_log_amplitude_follows_the_formula() {
        let nudge = Nudge { beta_q8: 300 * 256, cost: Cost::Log { bound_q14: 1638 } };
        for delta in (-31000i32..31000).step_by(997) {
            let target = Turn(9000);
            let free = Turn(9000u16.wrapping_add(delta as i16 as u16));
            let ([x, y], flags) = nudge_steps(&nudge, false, free, target);
            let cos = (f64::from(delta) / 65536.0 * TAU).cos();
            let amplitude = 300.0 / (1.0 + cos).max(1638.0 / 16384.0);
            let angle = 9000.0 / 65536.0 * TAU;
            assert!((f64::from(x) - amplitude * angle.cos()).abs() < 0.6 + amplitude * 2e-3);
            assert!((f64::from(y) - amplitude * angle.sin()).abs() < 0.6 + amplitude * 2e-3);
            assert_eq!(flags.any(Flags::NUDGE_BOUNDED), 1.0 + cos < 0.0999, "{delta}");
        }
    }

    #[test]
    fn the_opposite_nudge_is_exactly_the_opposite_vector() {
        let nudge = Nudge { beta_q8: 12_345, cost: Cost::Log { bound_q14: 1638 } };
        for free in (0..65536u32).step_by(777) {
            let free = Turn(free as u16);
            let (plus, _) = nudge_steps(&nudge, false, free, Turn(100));
            let (minus, _) = nudge_steps(&nudge, true, free, Turn(100));
            assert_eq!(plus, minus.map(|x| -x));
        }
    }

    #[test]
    fn extreme_plans_cannot_overflow() {
        for beta_q8 in [i32::MIN, i32::MAX, 0] {
            for cost in [Cost::Cosine, Cost::Log { bound_q14: 0 }] {
                for free in [0, 0x7fff, 0x8000] {
                    let _ = nudge_steps(&Nudge { beta_q8, cost }, true, Turn(free), Turn(0));
                }
            }
        }
    }
}
