//! Keyed noise: every draw is named by (seed, stream, shot, segment, site, ordinal), so that a resumed, re-ordered or
//! parallel run draws the same numbers. How words become numbers stands in [`xyloop_hil_config::draws`].

use xyloop_hil_config::draws::{self, Stream, draw};

/// Returns two independent standard normal numbers for one named draw.
pub fn normal_pair(seed: u64, stream: Stream, shot: u64, index: u32, sub: u32) -> [f64; 2] {
    draws::normal_pair(draw(seed, stream, shot, index, sub))
}

/// Returns a number in [0, 1) for one named draw.
pub fn uniform(seed: u64, stream: Stream, shot: u64, index: u32, sub: u32) -> f64 {
    let [a, b, ..] = draw(seed, stream, shot, index, sub);
    draws::unit(a, b)
}
