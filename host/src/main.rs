//! The `xyloop` command: reads arguments, runs a command, prints what it came to, and exits with 0 (done), 1 (failed),
//! 2 (usage or configuration) or 3 (device or link).
#![forbid(unsafe_code)]

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
