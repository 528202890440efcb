//! A setting given on the command line: `--set destination.url=./lake`.

use std::fmt;
use std::str::FromStr;

use super::error::SettingsError;
use super::key_path::is_bare;

/// One `--set key.path=value`: the keys, and the value as typed.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Override {
    keys: Vec<String>,
    text: String,
}

impl Override {
    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(String::as_str)
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }
}

impl FromStr for Override {
    type Err = SettingsError;

    /// Reads `key.path=value`. The value may hold anything, `=` too; what it means is found out in its place.
    fn from_str(argument: &str) -> Result<Self, SettingsError> {
        let (path, text) = argument
            .split_once('=')
            .ok_or_else(|| SettingsError::bad_override("the argument has no \"=\" between key and value"))?;
        if !path.split('.').all(is_bare) {
            return Err(SettingsError::bad_override(&format!("{path:?} is not the path of a setting")));
        }
        Ok(Self { keys: path.split('.').map(str::to_owned).collect(), text: text.to_owned() })
    }
}

/// Without the value: someone may have typed a secret, though no setting takes one.
impl fmt::Debug for Override {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "--set {}=…", self.keys.join("."))
    }
}
