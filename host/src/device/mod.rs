//! Talking to a device: the way there ([`Route`], [`Transport`]), the connection kept alive by a task of its own (`pump`,
//! `connection`), questions and answers (`session`), what is asked of it ([`Client`], [`Batch`]), and what happens when
//! the line is lost (`recovery`).
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

pub use batch::Batch;
pub use client::Client;
pub use contrast::Sums;
pub use error::DeviceError;
pub use figures::LinkFigures;
pub use fresh_number::fresh_number;
pub use identity::{Identity, Wanted};
pub use route::{Opener, Route};
pub use shot::{Equilibrium, ShotOrder, ShotResult};
pub use stop::StopFlag;
pub use transport::Transport;
pub use words::{boot_in_words, state_in_words};
