//! Random draws of a training, each named by what it is for. No generator carries a position: any draw can be made again
//! by itself, so that a run which goes on after a stop draws what an uninterrupted one would have drawn.
//!
//! # Layout
//! A draw is four 32-bit words of Philox 4×32-10 (Salmon et al., SC'11) for
//!
//! ```text
//! key      (low, high)  32 bits each of seed_for(seed, purpose)
//! counter  (index low, index high, step low, step high)  32 bits each
//! ```
//!
//! | Purpose | `step` | `index` | What becomes of the words a, b, c, d |
//! |---|---|---|---|
//! | `initial couplings` | 0 | coupling | normal: the first of the pair |
//! | `initial fields` | 0 | site | normal: the pair is x and y |
//! | `sample order` | epoch, from 0 | sample in the task's list | 64 bits (a high, b low): samples are sorted by them, then by index |
//! | `nudge sign` | optimiser steps done | shot within the step | the lowest bit of a: 1 flips β |
//! | `stochastic rounding` | optimiser steps done | code as it travels: couplings, then x and y of each site | uniform |
//! | `split` (seed: `split_seed`) | class | row of the data set | 64 bits, sorted as above |
//!
//! *Uniform* is the upper 53 bits of (a high, b low) over 2^53, in [0, 1). *Normal* is Box–Muller: radius
//! √(−2 ln(1 − uniform(a, b))), angle 2π·uniform(c, d), cosine first; logarithm, root, sine and cosine are `libm`'s, so that
//! every machine draws the same bits.
//!
//! An epoch of a single step keeps the task's order. The shots of a step are its samples in their order, once for each start;
//! their ids go on from 1 by one, those of an evaluation (all samples for the first start, then for the next) from 2^40.
//! Kicks are not drawn here: the device draws them from the shot's id and the plan's seed, which is
//! `seed_for(seed, "training kicks")` or `seed_for(seed, "evaluation kicks")`.

use crate::config::draws::{normal_pair, philox, unit};

/// Returns a seed for one purpose from the seed of an experiment: streams of different purposes share nothing.
///
/// FNV-1a over the purpose's bytes, then the finaliser of `SplitMix64`: every bit of both inputs reaches every bit.
pub fn seed_for(seed: u64, purpose: &str) -> u64 {
    let hash = purpose
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    let mut mixed = seed.wrapping_add(hash).wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// Makes the draws of one purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draws {
    key: [u32; 2],
}

impl Draws {
    /// Names the draws: the experiment's seed and what they are for.
    pub fn new(seed: u64, purpose: &str) -> Self {
        let key = seed_for(seed, purpose);
        Self { key: [key as u32, (key >> 32) as u32] }
    }

    /// Returns a number in [0, 1), a multiple of 2^-53.
    pub fn uniform(self, step: u64, index: u64) -> f64 {
        let [a, b, ..] = self.words(step, index);
        unit(a, b)
    }

    /// Returns two independent standard normal numbers.
    pub fn normal_pair(self, step: u64, index: u64) -> [f64; 2] {
        normal_pair(self.words(step, index))
    }

    /// Returns one random bit.
    pub fn bit(self, step: u64, index: u64) -> bool {
        self.words(step, index)[0] & 1 == 1
    }

    /// Sorts numbers by a random key of each, so that they come in a random order which does not depend on how they came.
    pub fn shuffle(self, step: u64, numbers: &mut [usize]) {
        numbers.sort_by_cached_key(|&number| {
            let [a, b, ..] = self.words(step, number as u64);
            (u64::from(a) << 32 | u64::from(b), number)
        });
    }

    fn words(self, step: u64, index: u64) -> [u32; 4] {
        philox(self.key, [index as u32, (index >> 32) as u32, step as u32, (step >> 32) as u32])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draw_is_the_one_the_layout_names() {
        // Worked out by an independent Philox (Random123's `philox4x32`, 10 rounds) from the layout above.
        let draws = Draws::new(1, "nudge sign");
        assert_eq!(seed_for(1, "nudge sign"), NUDGE_SIGN_KEY);
        assert_eq!(draws.words(7 + (3 << 32), 5 + (2 << 32)), NUDGE_SIGN_WORDS);
    }

    const NUDGE_SIGN_KEY: u64 = 0x3568_826c_dfd2_a345;
    const NUDGE_SIGN_WORDS: [u32; 4] = [0x1486_2495, 0x7b63_7280, 0xa169_ec22, 0x6f9b_2b8b];

    #[test]
    fn every_part_of_a_draws_name_counts() {
        let base = Draws::new(1, "a").words(2, 3);
        for other in [
            Draws::new(2, "a").words(2, 3),
            Draws::new(1, "b").words(2, 3),
            Draws::new(1, "a").words(3, 3),
            Draws::new(1, "a").words(2, 4),
            Draws::new(1, "a").words(2 + (1 << 32), 3),
            Draws::new(1, "a").words(2, 3 + (1 << 32)),
        ] {
            assert_ne!(base, other);
        }
    }

    #[test]
    fn every_order_is_as_likely_as_the_others() {
        let draws = Draws::new(9, "order");
        let mut seen = std::collections::BTreeMap::<Vec<usize>, u32>::new();
        for step in 0..6000 {
            let mut numbers = [10, 20, 30];
            draws.shuffle(step, &mut numbers);
            *seen.entry(numbers.to_vec()).or_default() += 1;
        }
        assert_eq!(seen.len(), 6);
        // 1000 each; the standard deviation is 29.
        assert!(seen.values().all(|&count| (880..1120).contains(&count)), "{seen:?}");
    }

    #[test]
    fn an_order_does_not_depend_on_the_one_before() {
        let draws = Draws::new(9, "order");
        let (mut up, mut down) = ([1, 2, 3, 4, 5], [5, 4, 3, 2, 1]);
        draws.shuffle(4, &mut up);
        draws.shuffle(4, &mut down);
        assert_eq!(up, down);
    }

    #[test]
    fn draws_have_the_moments_of_their_distributions() {
        let draws = Draws::new(3, "moments");
        let n = 20_000_u32;
        let (mut mean, mut square, mut cross, mut level) = (0.0, 0.0, 0.0, 0.0);
        for index in 0..n {
            let [a, b] = draws.normal_pair(0, index.into());
            mean += a + b;
            square += a * a + b * b;
            cross += a * b;
            level += draws.uniform(1, index.into());
        }
        let n = f64::from(n);
        assert!((mean / (2.0 * n)).abs() < 0.02, "mean");
        assert!((square / (2.0 * n) - 1.0).abs() < 0.03, "variance");
        assert!((cross / n).abs() < 0.03, "independence");
        assert!((level / n - 0.5).abs() < 0.01, "uniform");
    }
}
