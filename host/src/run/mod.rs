//! A run: prepare → connect → train → judge → close. What the command, studies and other programs start, watch and end.
//!
//! ```no_run
//! use std::sync::Arc;
//! use xyloop::{config, device::StopFlag, run::{Event, Prepared}};
//!
//! # async fn train() -> Result<(), Box<dyn std::error::Error>> {
//! let config = config::load("hil-config/xor.toml", &[])?;
//! let observer = Arc::new(|event: &Event| println!("{event:?}"));
//! let run = Prepared::training(config)?.connect(None, observer, StopFlag::default()).await?;
//! let report = run.carry_out().await?;
//! println!("{}", report.folder.path().display());
//! # Ok(())
//! # }
//! ```
//!
//! | Module | What lives there |
//! |---|---|
//! | `prepared` | [`Prepared`]: settings that fit each other, before any device is asked |
//! | `running` | [`Run`]: a device, a folder, a log; training, judging, closing |
//! | `event` | [`Event`]: what an observer is told on the way |
//! | `report` | [`Report`]: what a run came to |
//! | `error` | [`RunError`]: why there is no run, or why it was cut short |
//!
//! Nothing here prints, and nothing reads a command line. What a run leaves on disk is written by [`crate::folder`].

mod error;
mod event;
mod prepared;
mod report;
mod running;

pub use error::{Kept, RunError};
pub use event::{Event, Observer, unobserved};
pub use prepared::Prepared;
pub use report::Report;
pub use running::Run;
