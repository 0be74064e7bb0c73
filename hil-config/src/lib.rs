//! What host and device both know of a rig, and the files that say so.
//!
//! Two layers. The lower one is always built, needs no text, and is all that a simulated device takes:
//!
//! | Module | What lives there |
//! |---|---|
//! | [`mod@array`] | sites, couplings, terminals and converters of an [`Array`] |
//! | [`wiring`] | its lists in the form in which a device announces them, and their hash |
//! | [`rig_image`] | which converter chips a board carries, and the image that tells its firmware |
//! | [`scaling`] | between converter codes and model units, in one place |
//! | [`draws`] | keyed random numbers, uniform and normal, with the same bits on every machine |
//!
//! The upper one, behind the default feature `text`, reads TOML: a rig file ([`Rig`]), an experiment file that names its rig
//! ([`Experiment`]), and `--set` overrides. Unknown keys are refused, units are in the keys' names, `nan` and `inf` are
//! refused everywhere. A refusal is a [`ConfigError`]: it holds each issue as data, and prints as a report with file, line,
//! source, what is allowed and the next step. Nothing is printed here.
//!
//! The files that are ready to run lie beside this crate: experiments in `hil-config/`, rigs in `hil-config/rigs/`.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod array;
pub mod draws;
pub mod rig_image;
pub mod scaling;
#[cfg(feature = "text")]
mod text;
pub mod wiring;

pub use array::Array;
#[cfg(feature = "text")]
pub use text::{
    BasinRule, Board, Chip, Codec, Config, ConfigError, ConfigIssue, Converters, Cost, Device, Eval, Experiment,
    FieldForm, Geometry, Guard, Init, IrisSettings, Keep, Kick, Lattice, Link, Log, Nudge, NudgeMode, Optimiser,
    OptimiserKind, Padding, PlaneTable, Plant, Port, PortError, Purpose, Read, ReadWhat, Rig, Serial, Settle, Shape,
    Solver, Stop, TaskKind, TaskSettings, Timing, Train, UnsettledRule, from_resolved, load, load_for, load_resolved,
    load_rig,
};
pub use wiring::WiringLists;
