//! Python scripts of `tests/python`: `XYLOOP_PYTHON` names the interpreter (otherwise `python3`), and with
//! `XYLOOP_REQUIRE_PYTHON=1` a missing one is a failure.

use std::{ffi::OsStr, process::Command};

use crate::repository;

/// What a script said.
#[derive(Debug)]
pub struct Said {
    /// Exit code.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// Runs a script of `tests/python`. `None`, and a note, if there is no interpreter and none is required.
pub fn run<A: AsRef<OsStr>>(script: &str, arguments: &[A]) -> Option<Said> {
    let python = std::env::var_os("XYLOOP_PYTHON").unwrap_or_else(|| "python3".into());
    let required = std::env::var_os("XYLOOP_REQUIRE_PYTHON").is_some_and(|value| value == "1");
    let script = repository().join("tests/python").join(script);
    match Command::new(&python).arg(script).args(arguments).output() {
        Ok(output) => Some(Said {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }),
        Err(error) if required => panic!("{}: {error}", python.display()),
        Err(error) => {
            crate::note(format_args!("SKIPPED: {}: {error}", python.display()));
            None
        }
    }
}
