//! The device: everything between the wire and the converters, the same code on a microcontroller and in the simulator.
//!
//! [`Controller`] speaks the protocol, holds the generations, runs shots on a [`Board`] and keeps the outputs safe.
//! A board is *below the shot*: it latches codes, lets the plant settle for a time and reads codes back, on R replicas.
//! Whatever is computed from codes (kick, frozen nudge, settle verdict, phases, flags, contrast) exists once, here, in
//! integers.
//!
//! # Design
//! No allocation and no clock: memory is handed over as [`Storage`], the time is an argument of every call.
//! # Limitations
//! One host at a time. Replicas share couplings and differ in fields and inputs.
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod board;
pub mod carrier;
pub mod contrast;
mod controller;
pub mod converters;
pub mod front_end;
pub mod generations;
pub mod keyed;
pub mod nudge;
pub mod phase;
mod plan;
pub mod rig_image;
pub mod settle;
mod shot;
pub mod slots;
mod storage;

pub use board::{Board, BoardError, Pace, ReadKey, SafeTable};
pub use controller::{Controller, Identification};
pub use shot::Replica;
pub use storage::{Sizes, Storage};
