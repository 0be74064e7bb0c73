//! Looking at a device and the way to it: what is wrong ([`examine`]), and how much both can carry ([`measure`]).
//!
//! | Module | What lives there |
//! |---|---|
//! | `finding` | what a check came to, and all of them together |
//! | `subject` | what is examined, and what it is held against |
//! | `port` | what the system knows of a port: owner, holders, adapter; without opening it |
//! | `contact` | what a port and a first exchange come to |
//! | `judge` | identity, limits, state, link and clock, judged from what the device said |
//! | `trips` | small round trips: their percentiles, and what they say of the device's clock |
//! | `doctor` | all of it in order |
//! | `figures` | what is measured, and the figures it comes to |
//! | `shot_rate` | how fast shots run |
//! | `throughput` | all figures in order: round trips, codes to the device, shots |

mod contact;
mod doctor;
mod figures;
mod finding;
mod judge;
mod port;
mod shot_rate;
mod subject;
mod throughput;
mod trips;

pub use contact::port_findings;
pub use doctor::examine;
pub use figures::{Measured, ShotFigures, StagingFigures, ThroughputOptions, ThroughputReport};
pub use finding::{Examination, Finding, Verdict};
pub use port::System;
pub use subject::{RigFile, Subject};
pub use throughput::measure;
pub use trips::{Quantiles, percentile};
