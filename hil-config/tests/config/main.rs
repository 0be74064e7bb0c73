//! Configuration as people meet it: what is accepted, what is refused, and what the refusals look like.
#![allow(clippy::unwrap_used)]

mod accepted;
mod files;
mod issues;
mod never_panics;
mod retired;
mod texts;
mod words;
