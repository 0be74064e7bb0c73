//! Coefficients of RKC2, the second-order Runge–Kutta–Chebyshev method with stabilised real axis.
//!
//! Source: Sommeijer, Shampine, Verwer, "RKC: an explicit solver for parabolic PDEs", J. Comput. Appl. Math. 88 (1998)
//! 315–326, eqs. 2.2–2.11 and 3.1. With s stages the step is stable for rates up to β(s)/τ, β(s) ≈ 0.653 (s² − 1),
//! so the work of a step grows with the square root of its length.

use std::sync::OnceLock;

/// Most stages of a step; longer steps are not taken. β(96) ≈ 6000 relaxation times of the fastest mode.
pub(crate) const MAX_STAGES: usize = 96;
const DAMPING: f64 = 2.0 / 13.0;
/// 2/3 (1 − 2/15 ε), minus 0.2 % so that rounding of the approximation cannot leave the stable range.
const REACH: f64 = 0.651_7;

/// Factors of Y_j = base·Y_0 + last·Y_{j−1} + before·Y_{j−2} + τ (force·F_{j−1} + first·F_0).
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Stage {
    pub(crate) base: f64,
    pub(crate) last: f64,
    pub(crate) before: f64,
    pub(crate) force: f64,
    pub(crate) first: f64,
}

/// Stages needed for a step of length `tau` at rates up to `rate`; at least 2, may exceed [`MAX_STAGES`].
pub(crate) fn stages_for(tau: f64, rate: f64) -> usize {
    // The cast saturates and takes NaN to 0.
    ((1.0 + tau * rate / REACH).sqrt().ceil() as usize).max(2)
}

/// The longest stable step at rates up to `rate`.
pub(crate) fn longest_step(rate: f64) -> f64 {
    let s = MAX_STAGES as f64;
    // A hair less, so that `stages_for` of it does not round up beyond the maximum.
    REACH * (s * s - 1.0) / rate * (1.0 - 1e-9)
}

/// The stages 1 … s of the method with s stages, 2 ≤ s ≤ [`MAX_STAGES`].
pub(crate) fn stages(s: usize) -> &'static [Stage] {
    static TABLE: OnceLock<Vec<Vec<Stage>>> = OnceLock::new();
    &TABLE.get_or_init(|| (0..=MAX_STAGES).map(|s| if s < 2 { Vec::new() } else { compute(s) }).collect())[s]
}

fn compute(s: usize) -> Vec<Stage> {
    let w0 = 1.0 + DAMPING / (s * s) as f64;
    // T_j(w0) and its first two derivatives, by the three-term recurrence.
    let (mut t, mut d, mut dd) = (vec![1.0, w0], vec![0.0, 1.0], vec![0.0, 0.0]);
    for j in 2..=s {
        t.push(2.0 * w0 * t[j - 1] - t[j - 2]);
        d.push(2.0 * t[j - 1] + 2.0 * w0 * d[j - 1] - d[j - 2]);
        dd.push(4.0 * d[j - 1] + 2.0 * w0 * dd[j - 1] - dd[j - 2]);
    }
    let w1 = d[s] / dd[s];
    let mut b: Vec<f64> = (0..=s).map(|j| if j < 2 { 0.0 } else { dd[j] / (d[j] * d[j]) }).collect();
    (b[0], b[1]) = (b[2], b[2]);
    let mut list = vec![Stage { base: 1.0, last: 0.0, before: 0.0, force: 0.0, first: b[1] * w1 }];
    for j in 2..=s {
        let last = 2.0 * b[j] * w0 / b[j - 1];
        let before = -b[j] / b[j - 2];
        let force = 2.0 * b[j] * w1 / b[j - 1];
        let first = -(1.0 - b[j - 1] * t[j - 1]) * force;
        // Y_0 itself is Y_{j−2} of the second stage: taken from the base, so that a rejected step leaves no trace.
        let (base, before) = if j == 2 { (1.0 - last, 0.0) } else { (1.0 - last - before, before) };
        list.push(Stage { base, last, before, force, first });
    }
    list
}

#[cfg(test)]
mod tests {
    use super::{MAX_STAGES, longest_step, stages, stages_for};

    /// One step of φ' = −λ φ from 1.
    fn amplification(s: usize, z: f64) -> f64 {
        let (mut last, mut before) = (1.0, 1.0);
        for stage in stages(s) {
            let next = stage.base + stage.last * last + stage.before * before - z * (stage.force * last + stage.first);
            before = last;
            last = next;
        }
        last
    }

    #[test]
    fn every_method_is_second_order_and_stable_up_to_its_reach() {
        for s in 2..=MAX_STAGES {
            let error = |z: f64| (amplification(s, z) - (-z).exp()).abs();
            let order = (error(0.02) / error(0.01)).log2();
            assert!((order - 3.0).abs() < 0.1, "s = {s}: local order {order}");
            for step in 1..=2000 {
                let z = 0.651_7 * ((s * s - 1) as f64) * f64::from(step) / 2000.0;
                assert!(amplification(s, z).abs() < 1.0, "s = {s} unstable at {z}");
            }
        }
    }

    #[test]
    fn stage_number_covers_the_step() {
        assert_eq!(stages_for(0.0, 1.0), 2);
        assert_eq!(stages_for(longest_step(2.5), 2.5), MAX_STAGES);
        for tau in [0.1, 1.0, 10.0, 100.0] {
            let s = stages_for(tau, 3.0);
            assert!(0.651_7 * ((s * s - 1) as f64) >= tau * 3.0 * (1.0 - 1e-12));
        }
    }
}
