//! Fuzz targets: what any bytes at all must not be able to do to xyloop.
//!
//! Each target is a module with a plain `pub fn run(data: &[u8])` that panics if a promise is broken. `fuzz_targets/`
//! hands them to libFuzzer, `tests/corpus.rs` replays `corpus/` through them without it.
//!
//! | Target | Bytes are | Promise |
//! |---|---|---|
//! | [`deframer`] | a line: raw pieces and pieces that get a right CRC | cut anywhere, the same frames and counts; frames survive |
//! | [`payload`] | a header, a message, a greeting, an opening | decodes or not; what decodes encodes to itself |
//! | [`mod@link`] | what happens to two links and the line between them | messages arrive once, in order, unchanged; no busy loop |
//! | [`controller`] | what host, line and board do to a device | outputs safe when nobody answers for them; results of queued shots only |
//! | [`config`] | an experiment file, a rig file, `--set`s | settings or a refusal with a text; settings survive the record |
//! | [`run_folder`] | one of the files in a run folder | read or refused with a text |
//!
//! The last two also bound the memory that reading takes, see [`memory`].
#![allow(clippy::missing_panics_doc, reason = "panicking is what a fuzz target is for")]

pub mod config;
pub mod controller;
pub mod deframer;
pub mod link;
pub mod memory;
pub mod payload;
pub mod run_folder;
mod scratch;
pub mod script;
pub mod wire;

/// A target's name and body.
pub type Target = (&'static str, fn(&[u8]));

/// All targets, by the names of their binaries and corpora.
pub const TARGETS: [Target; 6] = [
    ("deframer", deframer::run),
    ("payload", payload::run),
    ("link", link::run),
    ("controller", controller::run),
    ("config", config::run),
    ("run_folder", run_folder::run),
];
