//! Talks to a device: over a [`Route`], which can be opened again and again, a [`Client`] holds generations of codes on it
//! and runs a [`Batch`] of shots after the other, whatever happens to the line.
//!
//! | Module | What lives there |
//! |---|---|
//! | `route`, `transport`, `embedded`, `line_tap` | how a line is opened, the bytes on it, faults and a recording on it |
//! | `pump`, `connection`, `outcome`, `figures` | the task that keeps a connection alive, its owner's end, how it ends, what it counts |
//! | `session`, `liveness`, `notice` | questions and answers over one connection after the other; a device that is silent or slow; what is told of it |
//! | `holding` | what the device is known to hold, as a state machine |
//! | `client`, `generations` | what is known of a device; codes staged, committed, armed |
//! | `recovery` | a lost connection is made again, and the device brought back to where the run needs it |
//! | `connect`, `requests` | the first contact; what a host asks, until it is done |
//! | `shot`, `pending_batch`, `batch`, `contrast`, `decode` | shots and their results, which are due, handed out once; sums |
//! | `identity`, `words`, `error`, `advice` | who a device is; what it said, in words; what can be wrong, and what to do |
//!
//! Every device, the embedded simulated one included, is reached only through the protocol.
//!
//! # What a caller can rely on
//! Once [`Client::reconnect_until`] was called, [`Client::commit`], [`Client::batch`], [`Batch::next`], [`Batch::retire`]
//! and [`Client::collect`] return when what they promise is done, however often the line was cut, the device restarted
//! or the host suspended on the way. Each shot's result is handed out once, and only if it was measured under the plan,
//! couplings and sample that were asked for.
//!
//! # Round trips
//! A step (codes, plan, as many shots as the device has slots, sums) is sent without waiting for an answer: `commit` and
//! `batch` return when their orders are on their way, and answers are taken as they come, before the first result. If one
//! of them is a refusal, what was sent behind it is dropped, here and on the device, and the call that waited fails.

mod advice;
mod batch;
mod client;
mod connect;
mod connection;
mod contrast;
mod decode;
#[cfg(feature = "embedded")]
mod embedded;
mod error;
mod figures;
mod fresh_number;
mod generations;
mod holding;
mod identity;
mod line_tap;
mod liveness;
mod notice;
mod outcome;
mod pending_batch;
mod pump;
mod recovery;
mod requests;
mod route;
mod session;
mod shot;
mod stop;
mod transport;
mod words;

pub(crate) use advice::{WHY_OTHER_DEVICE, WHY_SILENCE, WHY_WIRING};
pub use batch::Batch;
pub use client::Client;
pub use contrast::Sums;
pub use error::DeviceError;
pub use figures::LinkFigures;
pub use fresh_number::fresh_number;
pub use identity::{Identity, Wanted};
pub use notice::{Listener, Notice};
pub use route::{Opener, Route};
pub use shot::{Equilibrium, ShotOrder, ShotResult};
pub use stop::StopFlag;
pub use transport::Transport;
pub use words::{boot_in_words, state_in_words};
