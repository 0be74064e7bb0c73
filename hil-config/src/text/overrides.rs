//! Overrides as they come from a command line: `table.key=value`, taken apart.

use super::error::ConfigError;
use super::report::ConfigIssue;

/// Holds one `--set a.b=value`, taken apart but not yet parsed as TOML.
#[derive(Clone, Debug)]
pub(super) struct Override {
    pub text: String,
    pub keys: Vec<String>,
    /// Addresses the rig file (its path began with `rig.`).
    pub for_rig: bool,
}

impl Override {
    /// Takes `path=value` apart; the path is one or more bare keys with dots between them.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let refused = |why: &str| -> ConfigError {
            ConfigIssue::bare(
                format!("`--set {text}`: {why}"),
                "write `--set table.key=value`, for example `--set train.seed=7` or `--set rig.plant.replicas=8`",
            )
            .into()
        };
        let (path, value) = text.split_once('=').ok_or_else(|| refused("there is no `=`"))?;
        if value.trim().is_empty() {
            return Err(refused("there is no value after `=`"));
        }
        if text.chars().any(char::is_control) {
            return Err(refused("line breaks and control characters are not allowed"));
        }
        let bare =
            |key: &str| !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
        let mut keys: Vec<String> = path.trim().split('.').map(|key| key.trim().to_owned()).collect();
        if !keys.iter().all(|key| bare(key)) {
            return Err(refused("the part before `=` must be keys with dots between them"));
        }
        let for_rig = keys.len() > 1 && keys[0] == "rig";
        if for_rig {
            keys.remove(0);
        }
        Ok(Self { text: text.to_owned(), keys, for_rig })
    }
}
