//! The analogue front end: a [`Board`](crate::Board) of real converters, by the channels that the
//! [`RigImage`](crate::rig_image::RigImage) names.
//!
//! Codes are written into the DACs' input registers and latched together; reads convert all ADCs at once and shift them out.
//! Phases, settle verdicts, nudges and contrast are the Controller's.
//!
//! # Design
//! Of the bias fields only what changed is written: between the read of a free state and its nudge lie microseconds, not
//! the time of all fields. With every generation all of them are written again, so that no upset of a register lasts.
//! Waits run from conversion to conversion and from latch to conversion: shifting a reading out belongs to the window.
//! # Limitations
//! One replica. Converters of more than 16 bits are read to 16.

mod board;
mod hardware;

pub use self::{
    board::{CHANNELS_PER_ADC, FrontEnd, Memory},
    hardware::Hardware,
};
