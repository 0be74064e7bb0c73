//! The text layer: from TOML to checked settings.
//!
//! How a file becomes settings: `source` reads text, `document` keeps it as a tree with overrides laid over it, `typed`
//! turns the tree into structs, the `*_rules` modules judge values, `report` renders what they found. The tree remembers
//! every value's place, so the structs ([`Rig`], [`Experiment`], …) hold plain numbers that anyone can build and save.
//! `load` is the way through all of it.

mod document;
mod experiment;
mod experiment_rules;
mod load;
mod report;
mod rig;
mod rig_array;
mod rig_rules;
mod rules;
mod source;
mod training;
mod typed;

pub use experiment::{
    Codec, Eval, Experiment, IrisSettings, Keep, Kick, Link, Log, Read, ReadWhat, Settle, Start, StartPolicy, TaskKind,
    TaskSettings,
};
pub use load::{Config, Purpose, from_resolved, load, load_for, load_resolved, load_rig};
pub use report::ConfigError;
pub use rig::{
    Board, Chip, Converters, Device, Geometry, Lattice, Padding, PlaneTable, Plant, Port, PortError, Rig, Serial,
    Shape, Solver, Timing,
};
pub use training::{
    BasinRule, Cost, FieldForm, Guard, Init, Nudge, NudgeMode, Optimiser, OptimiserKind, Stop, Train, UnsettledRule,
};
