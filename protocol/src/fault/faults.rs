//! What may go wrong on a line and how often: the rates, their text form and its errors.

use core::fmt;
use std::{
    string::{String, ToString},
    vec::Vec,
};

/// How long a stall lasts if nothing else is said, in milliseconds.
pub const DEFAULT_STALL_MS: u32 = 500;
/// The seed if none is given.
pub const DEFAULT_SEED: u64 = 1;
/// Longest stall, in milliseconds: ten minutes.
const STALL_MS_MAX: u32 = 600_000;

/// Rates of the faults of a line, one set for both directions.
///
/// Rates are probabilities from 0 to 1; anything below acts as 0, anything above as 1. `bit_error` is per bit, the
/// others are per frame. A *frame* is what lies between the ends of two frames: the bytes up to and including the
/// `00` that follows at least one other byte (see [`crate::frame`]), so delimiters in front belong to it. Every fault
/// is drawn for every frame by itself, so several can meet in one frame. They are done in this order:
///
/// | key | what it does |
/// |---|---|
/// | `disconnect` | the line is cut at this frame: it and everything held is lost, and so is what follows, until [`super::FaultInjector::mend`] |
/// | `drop` | the whole frame vanishes, its delimiters included; the faults below do not apply to it |
/// | `stall` | from this frame on nothing passes for `stall_ms` of the caller's clock; then everything does, in order. No stall begins within another one |
/// | `truncate` | the frame is cut to a random length of at least one byte; its tail with the closing `00` is lost |
/// | `burst` | 8 to 256 consecutive bytes from a random place in the frame on are replaced by random ones; the run may reach into frames that follow within 20 ms |
/// | `insert` | 1 to 32 random bytes (`00` among them) are put in at a random place |
/// | `bit-error` | each bit, those of the delimiters included, is inverted with this probability |
/// | `duplicate` | the frame, with all its damage, passes twice |
/// | `reorder` | the frame (both copies of it) is held and leaves behind the next frame that passes, or after 20 ms if none does. Only one is held at a time |
///
/// As text: `bit-error=1e-4,drop=0.1,stall=0.01,stall-ms=300,seed=7`, any of the keys in any order, each at most
/// once; `stall-ms` is 1 to 600 000, `seed` any 64-bit number. [`Display`](fmt::Display) prints what differs from the
/// default, and the seed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Faults {
    /// Per bit: it is inverted.
    pub bit_error: f64,
    /// Per frame: it is lost.
    pub drop: f64,
    /// Per frame: random bytes are put in.
    pub insert: f64,
    /// Per frame: it arrives twice.
    pub duplicate: f64,
    /// Per frame: it is overtaken by the next one.
    pub reorder: f64,
    /// Per frame: its tail is lost.
    pub truncate: f64,
    /// Per frame: a run of bytes is overwritten.
    pub burst: f64,
    /// Per frame: nothing passes for a while.
    pub stall: f64,
    /// How long a stall lasts, in milliseconds.
    pub stall_ms: u32,
    /// Per frame: the line is cut.
    pub disconnect: f64,
    /// Names the draws: the same seed does the same to the same frames.
    pub seed: u64,
}

impl Default for Faults {
    fn default() -> Self {
        Self::NONE
    }
}

/// The names of the rates, in the order in which they are printed.
const RATES: [&str; 9] =
    ["bit-error", "drop", "insert", "duplicate", "reorder", "truncate", "burst", "stall", "disconnect"];

impl Faults {
    /// A line without faults.
    pub const NONE: Self = Self {
        bit_error: 0.0,
        drop: 0.0,
        insert: 0.0,
        duplicate: 0.0,
        reorder: 0.0,
        truncate: 0.0,
        burst: 0.0,
        stall: 0.0,
        stall_ms: DEFAULT_STALL_MS,
        disconnect: 0.0,
        seed: DEFAULT_SEED,
    };

    /// Says if nothing can go wrong.
    pub fn is_none(&self) -> bool {
        self.rates().iter().all(|&rate| rate.is_nan() || rate <= 0.0)
    }

    /// In the order of [`RATES`].
    fn rates(&self) -> [f64; 9] {
        [
            self.bit_error,
            self.drop,
            self.insert,
            self.duplicate,
            self.reorder,
            self.truncate,
            self.burst,
            self.stall,
            self.disconnect,
        ]
    }

    fn rate_mut(&mut self, name: &str) -> Option<&mut f64> {
        Some(match name {
            "bit-error" => &mut self.bit_error,
            "drop" => &mut self.drop,
            "insert" => &mut self.insert,
            "duplicate" => &mut self.duplicate,
            "reorder" => &mut self.reorder,
            "truncate" => &mut self.truncate,
            "burst" => &mut self.burst,
            "stall" => &mut self.stall,
            "disconnect" => &mut self.disconnect,
            _ => return None,
        })
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), ParseFaultsError> {
        let out_of_range = |range| ParseFaultsError::Value { name: name.to_string(), value: value.to_string(), range };
        if let Some(rate) = self.rate_mut(name) {
            let range = "a probability from 0 to 1";
            let parsed: f64 = value.parse().map_err(|_| out_of_range(range))?;
            if !(0.0..=1.0).contains(&parsed) {
                return Err(out_of_range(range));
            }
            // No negative zero, which would print as one.
            *rate = parsed.abs();
            return Ok(());
        }
        match name {
            "stall-ms" => {
                let parsed = value.parse().ok().filter(|ms| (1..=STALL_MS_MAX).contains(ms));
                self.stall_ms = parsed.ok_or_else(|| out_of_range("a whole number from 1 to 600000 (milliseconds)"))?;
            }
            "seed" => {
                let range = "a whole number from 0 to 18446744073709551615";
                self.seed = value.parse().map_err(|_| out_of_range(range))?;
            }
            _ => return Err(ParseFaultsError::Name { name: name.to_string() }),
        }
        Ok(())
    }
}

/// Says why a text is no set of faults.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ParseFaultsError {
    /// A part is not of the form `name=value`.
    Form {
        /// The part.
        word: String,
    },
    /// There is no fault of that name.
    Name {
        /// The name.
        name: String,
    },
    /// A name came twice.
    Twice {
        /// The name.
        name: String,
    },
    /// The value is no number or out of range.
    Value {
        /// Of what.
        name: String,
        /// What was said.
        value: String,
        /// What is allowed.
        range: &'static str,
    },
}

impl fmt::Display for ParseFaultsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Form { word } => {
                write!(f, "`{word}` is not of the form name=value, as in `bit-error=1e-4,drop=0.1,seed=7`; ")?;
                names(f)
            }
            Self::Name { name } => {
                write!(f, "there is no fault `{name}`; ")?;
                names(f)
            }
            Self::Twice { name } => write!(f, "`{name}` is given twice"),
            Self::Value { name, value, range } => write!(f, "`{name}={value}`: {name} is {range}"),
        }
    }
}

fn names(f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str("the names are ")?;
    for name in RATES {
        write!(f, "{name}, ")?;
    }
    f.write_str("stall-ms and seed")
}

impl core::error::Error for ParseFaultsError {}

impl core::str::FromStr for Faults {
    type Err = ParseFaultsError;

    fn from_str(text: &str) -> Result<Self, ParseFaultsError> {
        let mut faults = Self::default();
        let mut seen: Vec<&str> = Vec::new();
        for word in text.split(',').map(str::trim) {
            let Some((name, value)) = word.split_once('=') else {
                return Err(ParseFaultsError::Form { word: word.to_string() });
            };
            let (name, value) = (name.trim(), value.trim());
            faults.set(name, value)?;
            if seen.contains(&name) {
                return Err(ParseFaultsError::Twice { name: name.to_string() });
            }
            seen.push(name);
        }
        Ok(faults)
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, rate) in RATES.into_iter().zip(self.rates()) {
            if rate > 0.0 && rate < 1e-3 {
                write!(f, "{name}={rate:e},")?;
            } else if rate != 0.0 {
                write!(f, "{name}={rate},")?;
            }
        }
        if self.stall_ms != DEFAULT_STALL_MS {
            write!(f, "stall-ms={},", self.stall_ms)?;
        }
        write!(f, "seed={}", self.seed)
    }
}
