//! How large Data frames should be: from the losses measured, the size that carries most bytes through per byte sent.
//!
//! Sizes are the agreed payload, its half, its quarter, … down to [`SMALLEST`]. For each, the frames that arrived and
//! that were lost are counted; old counts fade. A neighbouring size that has hardly been tried is hoped to do well and
//! tried: a smaller one as if every byte were at risk alike (half the frame survives with the square root of the
//! chance), a larger one, unless the line is really bad, as if frames were lost whatever their size. A few frames then
//! tell which it is. So a clean line has the largest frames, a line with many bit errors the smallest that pay, and one
//! that loses whole frames keeps them large.

use crate::frame::{CRC_LEN, HEADER_LEN};

/// No smaller frames are tried, in bytes of payload.
const SMALLEST: usize = 32;
/// The first frames of a session are no larger: on a bad line, large ones would all be lost before anything is known.
const FIRST: usize = 512;
/// Sizes: 65 535 halved until it is below [`SMALLEST`].
const SIZES: usize = 12;
/// Bytes of a frame beside its payload: header, CRC, delimiters, COBS.
const OVERHEAD: usize = HEADER_LEN + CRC_LEN + 3;
/// Counts are halved when a size has more than these frames.
const MEMORY: u16 = 96;
/// Fewer frames than these tell nothing.
const ENOUGH: u16 = 12;
/// Frames after which what is known of the other sizes counts only half: lines change.
const FADE: u16 = 192;
/// One, as a probability.
const ONE: u32 = 1 << 16;

/// Frames of about one size.
#[derive(Debug, Clone, Copy, Default)]
struct Outcomes {
    arrived: u16,
    lost: u16,
}

impl Outcomes {
    fn seen(self) -> u16 {
        self.arrived + self.lost
    }

    fn halve(&mut self) {
        (self.arrived, self.lost) = (self.arrived / 2, self.lost / 2);
    }

    /// Chance of arriving, of [`ONE`].
    fn chance(self) -> u32 {
        // A little doubt keeps the chance above zero when all were lost.
        (u32::from(self.arrived) * 8 + 1) * ONE / (u32::from(self.seen()) * 8 + 2)
    }
}

#[derive(Debug, Clone)]
pub(super) struct FrameSizer {
    largest: usize,
    /// The size in force: `largest >> index`.
    index: usize,
    outcomes: [Outcomes; SIZES],
    since_fade: u16,
}

impl FrameSizer {
    pub fn new(largest: usize) -> Self {
        let mut new = Self { largest: largest.max(1), index: 0, outcomes: [Outcomes::default(); SIZES], since_fade: 0 };
        while new.payload() > FIRST && new.exists(new.index + 1) {
            new.index += 1;
        }
        new
    }

    /// Payload of a Data frame, in bytes.
    pub fn payload(&self) -> usize {
        self.size(self.index)
    }

    fn size(&self, index: usize) -> usize {
        (self.largest >> index).max(1)
    }

    fn exists(&self, index: usize) -> bool {
        index == 0 || (index < SIZES && self.largest >> index >= SMALLEST)
    }

    /// A Data frame with that much payload arrived or was lost.
    pub fn note(&mut self, payload: usize, arrived: bool) {
        // The size it is nearest to, from above: a frame of 300 bytes counts for 512, not for 256.
        let index = (0..SIZES).rev().find(|&index| self.exists(index) && self.size(index) >= payload).unwrap_or(0);
        let outcomes = &mut self.outcomes[index];
        if arrived {
            outcomes.arrived += 1;
        } else {
            outcomes.lost += 1;
        }
        if outcomes.seen() > MEMORY {
            outcomes.halve();
        }
        self.since_fade += 1;
        if self.since_fade >= FADE {
            self.since_fade = 0;
            let current = self.index;
            for (_, other) in self.outcomes.iter_mut().enumerate().filter(|(index, _)| *index != current) {
                other.halve();
            }
        }
        if index == self.index {
            self.choose();
        }
    }

    /// Nothing is heard any more: where no large frame survives, no acknowledgement would ever tell.
    pub fn shrink(&mut self) {
        if self.exists(self.index + 1) {
            self.index += 1;
        }
    }

    /// Moves to a neighbour if that clearly promises more.
    fn choose(&mut self) {
        let here = self.outcomes[self.index];
        if here.seen() < ENOUGH {
            return;
        }
        let chance = here.chance();
        let yields = |index: usize, chance: u32| {
            let size = self.size(index);
            u64::from(chance) * size as u64 * 256 / (size + OVERHEAD) as u64
        };
        let now = yields(self.index, chance);
        let smaller = self.index + 1;
        if self.exists(smaller) {
            let seen = self.outcomes[smaller];
            let expected = if seen.seen() < ENOUGH { root(chance) } else { seen.chance() };
            if yields(smaller, expected) > now + now / 32 {
                self.index = smaller;
                return;
            }
        }
        if let Some(larger) = self.index.checked_sub(1) {
            let seen = self.outcomes[larger];
            let hoped = if chance > ONE / 4 * 3 { chance } else { square(chance) };
            let expected = if seen.seen() < ENOUGH { hoped } else { seen.chance() };
            if yields(larger, expected) > now {
                self.index = larger;
            }
        }
    }
}

/// Square of a chance.
fn square(chance: u32) -> u32 {
    (u64::from(chance) * u64::from(chance) / u64::from(ONE)) as u32
}

/// Square root of a chance.
fn root(chance: u32) -> u32 {
    // √(c · 2^16), with c below 2^16 + 1.
    (u64::from(chance) * u64::from(ONE)).isqrt() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds frames whose chance of arriving is `survives(payload)`, spread evenly; the sizes in force at the end.
    fn run(sizer: &mut FrameSizer, frames: usize, survives: impl Fn(usize) -> f64) -> [usize; SIZES] {
        let mut spent = [0; SIZES];
        let mut owed = [0.5; SIZES];
        for _ in 0..frames {
            let (index, payload) = (sizer.index, sizer.payload());
            owed[index] += survives(payload);
            let arrived = owed[index] >= 1.0;
            if arrived {
                owed[index] -= 1.0;
            }
            spent[index] += payload;
            sizer.note(payload, arrived);
        }
        spent
    }

    fn of_bit_errors(rate: f64) -> impl Fn(usize) -> f64 {
        move |payload| (1.0 - rate).powf(8.0 * (payload + OVERHEAD) as f64)
    }

    #[test]
    fn a_clean_line_soon_has_the_largest_frames_and_keeps_them() {
        let mut sizer = FrameSizer::new(4096);
        assert_eq!(sizer.payload(), 512);
        run(&mut sizer, 3 * usize::from(ENOUGH), |_| 1.0);
        assert_eq!(sizer.payload(), 4096);
        run(&mut sizer, 1000, |_| 1.0);
        assert_eq!(sizer.payload(), 4096);
    }

    #[test]
    fn bit_errors_make_frames_small_and_a_clean_line_large_again() {
        let mut sizer = FrameSizer::new(1024);
        run(&mut sizer, 2000, of_bit_errors(1e-3));
        assert!((32..=64).contains(&sizer.payload()), "{}", sizer.payload());
        run(&mut sizer, 2000, of_bit_errors(1e-4));
        assert!((64..=256).contains(&sizer.payload()), "{}", sizer.payload());
        run(&mut sizer, 4000, |_| 1.0);
        assert_eq!(sizer.payload(), 1024);
    }

    #[test]
    fn frames_that_are_lost_whatever_their_size_stay_large() {
        let mut sizer = FrameSizer::new(1024);
        for rate in [0.95, 0.8] {
            let spent = run(&mut sizer, 20_000, |_| rate);
            let all: usize = spent.iter().sum();
            assert!(spent[0] + spent[1] > all * 3 / 4, "{spent:?}");
        }
    }

    #[test]
    fn sizes_that_do_not_exist_are_never_chosen() {
        for largest in [1, 31, 48, 65_535] {
            let mut sizer = FrameSizer::new(largest);
            run(&mut sizer, 3000, |_| 0.1);
            assert!(sizer.payload() >= SMALLEST.min(largest), "{largest} {}", sizer.payload());
        }
    }
}
