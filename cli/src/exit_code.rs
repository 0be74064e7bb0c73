//! What a command's end is to the shell: 0 done, 1 failed, 2 usage or configuration, 3 device or link. An error is said on
//! stderr on the way.

use std::process::ExitCode;

use xyloop::{
    config::{ConfigError, rig_image::PlanError},
    device::DeviceError,
    error::{Advice, ErrorKind},
    folder::FolderError,
    run::RunError,
    train::TrainError,
};
use xyloop_sim::{emulator::EmulatorError, rack::RackError, serve::ServeError};

use crate::{
    device::{doctor, trace},
    offer,
    sim::bound,
};

/// Returns the exit code of a command that ended so; says an error on stderr.
pub fn of(done: anyhow::Result<bool>) -> ExitCode {
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
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
    let of_device = |error: &DeviceError| (error.kind(), error.advice());
    match error.downcast_ref() {
        Some(TrainError::Device(error)) => Some(of_device(error)),
        _ => error.downcast_ref().map(of_device),
    }
}

/// Returns the exit code of a kind of error.
fn of_kind(kind: ErrorKind) -> u8 {
    match kind {
        ErrorKind::Usage | ErrorKind::Config => 2,
        ErrorKind::Device | ErrorKind::Link => 3,
        ErrorKind::Storage | ErrorKind::Measurement | ErrorKind::Interrupted | ErrorKind::Internal => 1,
    }
}

fn code(error: &anyhow::Error) -> u8 {
    if let Some((kind, _)) = explained(error) {
        return of_kind(kind);
    }
    // A run folder that cannot be made or is none is a wrong argument; one that fails later is not (that is a TrainError).
    if error.is::<ConfigError>()
        || error.is::<FolderError>()
        || error.downcast_ref().is_some_and(trace::Unreadable::is_other_file)
        || error.downcast_ref().is_some_and(ServeError::is_wrong_argument)
        || error.is::<PlanError>()
        || error.downcast_ref().is_some_and(bound::is_wrong_argument)
        || error.downcast_ref().is_some_and(|error| of_run(error) == 2)
    {
        2
    } else if error.is::<doctor::Unwell>()
        || error.is::<ServeError>()
        || error.is::<EmulatorError>()
        || error.is::<RackError>()
        || error.downcast_ref().is_some_and(|error| of_run(error) == 3)
    {
        3
    } else {
        1
    }
}

fn of_run(error: &RunError) -> u8 {
    match error {
        RunError::Config(_) | RunError::Graph(_) | RunError::Task(_) | RunError::Folder(_) => 2,
        RunError::Train(TrainError::OtherTerminals { .. } | TrainError::NoInitialSpread { .. }) => 2,
        RunError::Device(_) | RunError::Train(TrainError::Device(_)) => 3,
        RunError::CutShort { source, .. } => match of_run(source) {
            3 => 3,
            _ => 1,
        },
        _ => 1,
    }
}
