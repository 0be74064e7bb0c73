//! The commands of this program, where the library's advice names a next step that a program can offer.

use xyloop::error::{Action, Advice};

/// Says in the words of this command line how a step is taken.
pub fn in_words(action: &Action) -> String {
    match action {
        Action::ShowDevice { place } => format!("`xyloop device info --device {place}` shows what it says of itself"),
        Action::ClearFault { place } => format!("`xyloop device clear --device {place}` clears it"),
        Action::ServeSimulated => "`xyloop sim serve --tcp --config RIG` serves a simulated one".to_owned(),
        Action::NameRig => "give `--config RIG`".to_owned(),
        Action::TryRate => "`--config RIG --set rig.device.serial.baud=…` tries another one".to_owned(),
        Action::RecordLine => "`--trace FILE` and `xyloop device trace FILE` show what was said".to_owned(),
    }
}

/// Returns the next step of an advice, with the command that helps.
pub fn next(advice: &Advice) -> String {
    joined(&advice.next, advice.action.as_ref())
}

/// Appends a command to a clause; either may be missing.
pub fn joined(clause: &str, action: Option<&Action>) -> String {
    match action.map(in_words) {
        Some(command) if clause.is_empty() => command,
        Some(command) => format!("{clause}; {command}"),
        None => clause.to_owned(),
    }
}
