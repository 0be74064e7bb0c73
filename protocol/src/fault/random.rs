//! Keyed draws: what happens to a frame follows from (seed, sender, number of the frame, kind of fault) and nothing else.
//!
//! So a fault that is switched on does not move the others, and a frame's length does not change its successors' fate.

use crate::link::Role;

/// `SplitMix64` (Steele, Lea and Flood 2014): small, seeded, the same everywhere.
#[derive(Debug, Clone)]
pub(super) struct Random(u64);

const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

fn mix(word: u64) -> u64 {
    let mut z = word.wrapping_add(GOLDEN);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

impl Random {
    /// The stream of draws for one kind of fault at one frame.
    pub fn keyed(seed: u64, sender: Role, frame: u64, kind: u8) -> Self {
        let direction = match sender {
            Role::Host => 0,
            Role::Device => 1 << 8,
        };
        Self(mix(mix(mix(seed) ^ frame) ^ direction ^ u64::from(kind)))
    }

    fn next(&mut self) -> u64 {
        let word = mix(self.0);
        self.0 = self.0.wrapping_add(GOLDEN);
        word
    }

    /// `true` with probability `p`; at 0 and less (and not a number) never, at 1 and more always.
    pub fn chance(&mut self, p: f64) -> bool {
        (self.next() >> 11) < (p * (1_u64 << 53) as f64) as u64
    }

    /// Uniform below `n`; 0 if `n` is 0.
    pub fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.next()) * n as u128) >> 64) as usize
    }

    /// Uniform in 0 to 255.
    pub fn byte(&mut self) -> u8 {
        (self.next() >> 56) as u8
    }

    /// Draws how many bits pass between two errors, if each bit is hit with probability `p` > 0 by itself. Saturates.
    pub fn gap(&mut self, p: f64) -> usize {
        // In (0, 1]. `libm`, because the logarithm of the platform may differ in the last place.
        let u = ((self.next() >> 11) as f64 + 1.0) / (1_u64 << 53) as f64;
        (libm::log(u) / libm::log1p(-p.min(1.0))) as usize
    }
}
