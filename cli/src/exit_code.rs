//! What a command's end is to the shell: 0 done, 1 failed, 2 usage or configuration, 3 device or link. An error is said on
//! stderr on the way.

use std::process::ExitCode;

use xyloop::{
    config::{ConfigError, rig_image::PlanError},
    device::DeviceError,
    error::{Advice, ErrorKind},
    folder::FolderError,
    run::RunError,
};
use xyloop_sim::{emulator::EmulatorError, rack::RackError, serve::ServeError};

use crate::{
    device::{doctor, trace},
    offer,
    sim::bound,
};

/// A command did not do what was asked.
pub const FAILED: u8 = 1;
/// The command line or a configuration file is wrong.
pub const USAGE: u8 = 2;
/// The device or the line to it.
const DEVICE: u8 = 3;

/// Returns the exit code of a command that ended so; says an error on stderr.
pub fn of(done: anyhow::Result<bool>) -> ExitCode {
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(FAILED),
        Err(error) => {
            report(&error);
            ExitCode::from(code(&error))
        }
    }
}

fn report(error: &anyhow::Error) {
    if let Some(config) = error.downcast_ref::<ConfigError>() {
        // Rendered with its source already.
        eprintln!("{config}");
        return;
    }
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        // Some messages say their cause themselves.
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    eprintln!("error: {text}");
    let Some((_, advice)) = explained(error) else { return };
    for (name, clause) in [("why", advice.why.clone().into_owned()), ("next", offer::next(&advice))] {
        if !clause.is_empty() {
            eprintln!("  {name}: {clause}");
        }
    }
}

/// Returns of which kind an error of the library is, and what it advises.
fn explained(error: &anyhow::Error) -> Option<(ErrorKind, Advice)> {
    let of_run = error.downcast_ref().map(|error: &RunError| (error.kind(), error.advice()));
    let of_device = || error.downcast_ref().map(|error: &DeviceError| (error.kind(), error.advice()));
    let of_folder = || error.downcast_ref().map(|error: &FolderError| (error.kind(), error.advice()));
    of_run.or_else(of_device).or_else(of_folder)
}

/// Returns the exit code of a kind of error.
fn of_kind(kind: ErrorKind) -> u8 {
    match kind {
        ErrorKind::Usage | ErrorKind::Config => USAGE,
        ErrorKind::Device | ErrorKind::Link => DEVICE,
        ErrorKind::Storage | ErrorKind::Measurement | ErrorKind::Interrupted | ErrorKind::Internal => FAILED,
    }
}

fn code(error: &anyhow::Error) -> u8 {
    if let Some((kind, _)) = explained(error) {
        return of_kind(kind);
    }
    if error.is::<ConfigError>()
        || error.downcast_ref().is_some_and(trace::Unreadable::is_other_file)
        || error.downcast_ref().is_some_and(ServeError::is_wrong_argument)
        || error.is::<PlanError>()
        || error.downcast_ref().is_some_and(bound::is_wrong_argument)
    {
        USAGE
    } else if error.is::<doctor::Unwell>()
        || error.is::<ServeError>()
        || error.is::<EmulatorError>()
        || error.is::<RackError>()
    {
        DEVICE
    } else {
        FAILED
    }
}
