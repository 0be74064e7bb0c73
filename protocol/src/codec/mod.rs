//! How arrays of integers travel: as plain words, or as differences to something both ends hold, in a Rice code.
//!
//! Which one is named in the experiment file and, with it, in the plan and in every message of codes; the transport has
//! no say in it. Both are lossless, and results do not depend on the choice.
//!
//! * [`Codec::Words`]: little-endian words of 16 bits (sums: 32), no work per element.
//! * [`Codec::Delta`]: codes as differences to the committed generation, read-outs as differences to the shot's free
//!   state ([`read_out`]), contrast sums as they are; all of them in [`rice`].
//!
//! *Why this code.* Bytes of the XOR step of a 15 × 15 lattice (1 930 couplings, 450 field codes, 16 shots of 225 sites),
//! measured over the first 25 Adam steps of 0.001 with 16 bits for W within ± 2:
//!
//! | array | words | a byte each, escape 255 | Rice, blocks of 8 | of 32 | of 64 |
//! |---|---|---|---|---|---|
//! | codes − the generation before, steps 1, 4, 24 | 4 760 | 2 380 | 1 943, 1 524, 1 282 | 1 833, 1 430, 1 191 | 1 814, 1 414, 1 176 |
//! | phases under +β − free, one equilibrium | 450 | 240 to 244 | 160 to 181 | 160 to 182 | 167 to 186 |
//! | phases under −β − free | 450 | 240 to 244 | 160 to 181 | 160 to 182 | 167 to 186 |
//! | the same − the mirror of +β | 450 | 225 | 93 to 101 | 90 to 99 | 91 to 100 |
//! | phases released − free | 450 | 225 | 16 to 17 | 8 to 9 | 7 to 9 |
//! | contrast sums | 9 520 | 10 050 to 11 600 | 4 060 to 5 030 | 4 070 to 4 990 | 4 180 to 5 010 |
//!
//! So the byte code has no place, and the mirror ([`read_out`]) has. Differences to the sums of the step before were no
//! shorter than the sums.

mod bits;
pub mod read_out;
pub mod rice;

use postcard_schema::Schema;
use serde::{Deserialize, Serialize};

/// How the arrays of a message travel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub enum Codec {
    /// Little-endian words: least work.
    #[default]
    Words,
    /// Rice-coded differences: fewest bytes.
    Delta,
}

/// A set of codecs: bit n stands for the codec of number n.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Schema)]
#[repr(transparent)]
pub struct Codecs(pub u16);

impl Codecs {
    /// Words alone: what every device can do.
    pub const WORDS: Self = Self(1);
    /// All there are.
    pub const ALL: Self = Self(0b11);

    /// Whether a codec is in the set.
    pub const fn offers(self, codec: Codec) -> bool {
        self.0 >> codec as u16 & 1 == 1
    }
}

/// Coded bytes that do not stand for what they should: cut short, too long, or no shortest form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damaged;

impl core::fmt::Display for Damaged {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("the coded bytes are damaged")
    }
}

impl core::error::Error for Damaged {}
