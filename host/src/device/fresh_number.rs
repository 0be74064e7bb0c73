//! Numbers that nobody else has: for sessions, boots and runs.

use std::hash::{BuildHasher, Hasher};

/// Draws a number that nobody else has: names a session, a boot or a run. Not for secrets.
pub fn fresh_number() -> u32 {
    // The standard library seeds every `RandomState` from the system's generator.
    let number = std::collections::hash_map::RandomState::new().build_hasher().finish() as u32;
    number.max(1)
}
