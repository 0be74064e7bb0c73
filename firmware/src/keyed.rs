//! Keyed random numbers: a counter-based generator, so that a draw depends only on its name, never on what was drawn
//! before. Philox 4×32 with 10 rounds (Salmon et al., SC'11, "Parallel random numbers: as easy as 1, 2, 3").

/// Four random words for a 64-bit key and a 128-bit counter.
pub const fn philox(key: [u32; 2], counter: [u32; 4]) -> [u32; 4] {
    let mut key = key;
    let mut x = counter;
    let mut round = 0;
    while round < 10 {
        let a = 0xD251_1F53_u64 * x[0] as u64;
        let b = 0xCD9E_8D57_u64 * x[2] as u64;
        x = [(b >> 32) as u32 ^ x[1] ^ key[0], b as u32, (a >> 32) as u32 ^ x[3] ^ key[1], a as u32];
        key = [key[0].wrapping_add(0x9E37_79B9), key[1].wrapping_add(0xBB67_AE85)];
        round += 1;
    }
    x
}

/// What a stream of draws is for: streams of different kinds never share numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Stream {
    /// Directions of a kick's bias codes, by the Controller.
    Kick = 1,
    /// The arbitrary state a simulated plant is in before a shot.
    Prior = 2,
    /// Read noise of a simulated ADC.
    Read = 3,
    /// Phase diffusion of a simulated plant.
    Diffusion = 4,
}

/// Four random words for (seed, stream, shot, index, sub-index). `index` and `sub` are free for the stream to use;
/// their 32 bits are kept whole, as are the shot's 48 lowest.
pub const fn draw(seed: u64, stream: Stream, shot: u64, index: u32, sub: u32) -> [u32; 4] {
    let kind = stream as u32;
    philox([seed as u32, (seed >> 32) as u32], [sub, index, shot as u32, (kind << 16) ^ ((shot >> 32) as u32 & 0xffff)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn philox_agrees_with_the_published_known_answers() {
        // Known-answer vectors of the authors' Random123 distribution, philox 4x32 10 rounds.
        assert_eq!(philox([0; 2], [0; 4]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(philox([u32::MAX; 2], [u32::MAX; 4]), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
        assert_eq!(
            philox([0xa409_3822, 0x299f_31d0], [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344]),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }

    #[test]
    fn every_part_of_a_draws_name_counts() {
        let base = draw(1, Stream::Kick, 2, 3, 4);
        for other in [
            draw(2, Stream::Kick, 2, 3, 4),
            draw(1, Stream::Prior, 2, 3, 4),
            draw(1, Stream::Kick, 3, 3, 4),
            draw(1, Stream::Kick, 2 + (1 << 32), 3, 4),
            draw(1, Stream::Kick, 2, 4, 4),
            draw(1, Stream::Kick, 2, 3, 5),
        ] {
            assert_ne!(base, other);
        }
    }
}
