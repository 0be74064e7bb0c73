//! The text layer: from TOML to checked settings.
//!
//! How a file becomes settings: `files` reads text and `source` keeps it, `parse` makes a tree of it (`document`) with
//! `overrides` laid over it, `typed` turns the tree into structs, the `*_rules` modules judge values (`retired` those of earlier versions), `refuse` makes a
//! [`ConfigError`] of what they found (`issue`), `report` prints it. The tree remembers every value's place, so the structs
//! ([`Rig`], [`Experiment`], …) hold plain numbers that anyone can build and save. `load` is the way through all of it.

mod device;
mod document;
mod error;
mod experiment;
mod experiment_rules;
mod files;
mod issue;
mod lattice;
mod lattice_rules;
mod load;
mod overrides;
mod parse;
mod refuse;
mod report;
mod retired;
mod rig;
mod rig_array;
mod rig_rules;
mod rules;
mod source;
mod spelling;
mod training;
mod typed;

pub use device::{Device, Port, PortError, Serial};
pub use error::ConfigError;
pub use experiment::{
    Codec, Eval, Experiment, IrisSettings, Keep, Kick, Link, Log, Purpose, Read, ReadWhat, Settle, TaskKind,
    TaskSettings,
};
pub use lattice::{Geometry, Lattice, Padding, PlaneTable, Shape};
pub use load::{Config, from_resolved, load, load_for, load_resolved, load_rig};
pub use report::ConfigIssue;
pub use rig::{Board, Chip, Converters, Plant, Rig, Solver, Timing};
pub use training::{
    BasinRule, Cost, FieldForm, Guard, Init, Nudge, NudgeMode, Optimiser, OptimiserKind, Stop, Train, UnsettledRule,
};
