//! `xyloop sim bound`: a program that ends with the process which started it; how `sim board` starts its children.

use std::{
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, bail};
use xyloop_sim::emulator::EmulatorError;

/// Says which program.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The program and its arguments.
    #[arg(value_name = "PROGRAM", required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<OsString>,
}

/// Returns a program as its caller means it: the emulator runs in a folder of its own.
pub fn program(name: &OsStr) -> OsString {
    let is_path = Path::new(name).components().count() > 1;
    let absolute = if is_path { std::path::absolute(name).ok() } else { None };
    absolute.map_or_else(|| name.to_owned(), PathBuf::into_os_string)
}

/// Returns the path of this program.
pub fn this_program() -> anyhow::Result<OsString> {
    Ok(std::env::current_exe().context("this program cannot find itself")?.into_os_string())
}

/// Returns how to run a program so that it ends with this one, whatever becomes of this one.
pub fn bound(program: &OsStr) -> anyhow::Result<Vec<OsString>> {
    Ok(if cfg!(target_os = "linux") {
        vec![this_program()?, "sim".into(), "bound".into(), program.to_owned()]
    } else {
        vec![program.to_owned()]
    })
}

/// Becomes another program that ends with the process that started this one.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let Some((program, arguments)) = arguments.command.split_first() else { bail!("nothing to run") };
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    let error = std::os::unix::process::CommandExt::exec(Command::new(program).args(arguments));
    Err(EmulatorError::Start { program: program.to_string_lossy().into_owned(), source: error }.into())
}

/// Says if the user named the wrong file.
pub fn is_wrong_argument(error: &EmulatorError) -> bool {
    matches!(error, EmulatorError::Firmware { .. } | EmulatorError::Image { .. })
}
