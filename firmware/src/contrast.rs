//! Contrast sums: EP's gradient is local, so the device can add it up itself. Per shot, with s = sign(β) of each nudged
//! segment (0 after a basin change), Σ s·x(nudged) − (Σ s)·x(free), where x is `cos(φ_i − φ_j)` per coupling, then cos φ
//! and sin φ per site. Fixed point, integer sums: the result does not depend on the order of the shots.

use xyloop_protocol::{codec::Codec, message::CONTRAST_FRACTION_BITS, units::Turn};

use crate::phase::cossin;

/// The sums and how many shots are in them.
pub struct ContrastSums<'a> {
    sums: &'a mut [i32],
    trigonometry: &'a mut [(i32, i32)],
    /// Shots added.
    pub shots: u32,
    /// Shots left out because of their flags.
    pub left_out: u32,
    /// A sum did not fit its 32 bits.
    pub saturated: bool,
    /// How they are sent.
    pub codec: Codec,
}

impl<'a> ContrastSums<'a> {
    /// All sums zero. `sums`: couplings, then two per site; both slices empty if contrast is not offered.
    pub fn new(sums: &'a mut [i32], trigonometry: &'a mut [(i32, i32)]) -> Self {
        let mut this = Self { sums, trigonometry, shots: 0, left_out: 0, saturated: false, codec: Codec::Words };
        this.reset(Codec::Words);
        this
    }

    /// Whether there is memory for sums.
    pub fn is_offered(&self) -> bool {
        !self.sums.is_empty()
    }

    /// Starts again at zero, for a plan with this codec.
    pub fn reset(&mut self, codec: Codec) {
        self.codec = codec;
        self.sums.fill(0);
        (self.shots, self.left_out, self.saturated) = (0, 0, false);
    }

    /// The sums, in 2^-20.
    pub fn sums(&self) -> &[i32] {
        self.sums
    }

    /// Adds `weight` × x of one equilibrium. `couplings`: both ends of each.
    pub fn add(&mut self, weight: i32, phases: impl Iterator<Item = Turn>, couplings: &[(u16, u16)]) {
        if weight == 0 {
            return;
        }
        for (place, turn) in self.trigonometry.iter_mut().zip(phases) {
            // 2^30 = 1, so that a product of two fits 62 bits and their sum 63.
            let (cos, sin) = cossin(turn);
            *place = (cos >> 1, sin >> 1);
        }
        let weight = i64::from(weight);
        let (of_couplings, of_sites) = self.sums.split_at_mut(couplings.len().min(self.sums.len()));
        let mut saturated = false;
        let mut accumulate = |sum: &mut i32, x: i64, shift: u32| {
            let rounded = (x + (1 << (shift - 1))) >> shift;
            let total = i64::from(*sum) + weight * rounded;
            *sum = i32::try_from(total).unwrap_or_else(|_| {
                saturated = true;
                if total > 0 { i32::MAX } else { i32::MIN }
            });
        };
        for (sum, &(a, b)) in of_couplings.iter_mut().zip(couplings) {
            let at = |site: u16| self.trigonometry.get(usize::from(site)).copied().unwrap_or_default();
            let ((ca, sa), (cb, sb)) = (at(a), at(b));
            let cos = i64::from(ca) * i64::from(cb) + i64::from(sa) * i64::from(sb);
            accumulate(sum, cos, 60 - CONTRAST_FRACTION_BITS);
        }
        let (pairs, _) = of_sites.as_chunks_mut::<2>();
        for ([x, y], (cos, sin)) in pairs.iter_mut().zip(self.trigonometry.iter()) {
            accumulate(x, i64::from(*cos), 30 - CONTRAST_FRACTION_BITS);
            accumulate(y, i64::from(*sin), 30 - CONTRAST_FRACTION_BITS);
        }
        self.saturated |= saturated;
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use core::f64::consts::TAU;

    #[test]
    fn sums_are_the_contrast_of_the_formula() {
        let couplings = [(0, 1), (1, 2)];
        let (mut sums, mut scratch) = ([0; 8], [(0, 0); 3]);
        let mut contrast = ContrastSums::new(&mut sums, &mut scratch);
        let nudged = [1000u16, 20_000, 60_000];
        let free = [900u16, 20_100, 61_000];
        contrast.add(1, nudged.iter().map(|&t| Turn(t)), &couplings);
        contrast.add(-1, free.iter().map(|&t| Turn(t)), &couplings);
        let angle = |t: u16| f64::from(t) / 65536.0 * TAU;
        let mut want = std::vec::Vec::new();
        for (a, b) in couplings.map(|(a, b)| (usize::from(a), usize::from(b))) {
            let cos = |p: &[u16; 3]| (angle(p[a]) - angle(p[b])).cos();
            want.push(cos(&nudged) - cos(&free));
        }
        for site in 0..3 {
            want.push(angle(nudged[site]).cos() - angle(free[site]).cos());
            want.push(angle(nudged[site]).sin() - angle(free[site]).sin());
        }
        for (sum, want) in contrast.sums().iter().zip(&want) {
            let have = f64::from(*sum) / f64::from(1 << CONTRAST_FRACTION_BITS);
            assert!((have - want).abs() < 2e-5, "{have} {want}");
        }
        assert!(!contrast.saturated);
    }

    #[test]
    fn a_sum_that_does_not_fit_says_so() {
        let (mut sums, mut scratch) = ([0; 2], [(0, 0); 1]);
        let mut contrast = ContrastSums::new(&mut sums, &mut scratch);
        for _ in 0..2047 {
            contrast.add(1, [Turn(0)].into_iter(), &[]);
        }
        assert!(!contrast.saturated);
        contrast.add(2, [Turn(0)].into_iter(), &[]);
        assert!(contrast.saturated);
    }
}
