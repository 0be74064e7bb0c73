//! Configuration as people meet it: what is accepted, what is refused, and what the refusals look like.
#![allow(clippy::unwrap_used)]

mod accepted;
mod files;
mod never_panics;
mod texts;
mod words;
