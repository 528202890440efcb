//! Where a secret is found. The secret itself is never a setting, and what may be one is never quoted.

use std::fmt;

use super::Setting;
use crate::settings::error::Fault;

/// The name of an environment variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EnvName(pub(crate) String);

impl Setting for EnvName {
    const NOUN: &'static str = "the name of an environment variable";

    /// Letters, digits and `_`. Whoever typed something else probably typed the secret.
    fn parse(text: &str) -> Result<Self, Fault> {
        let head = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        if head && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            return Ok(Self(text.to_owned()));
        }
        let fault = Fault::new("is not the name of an environment variable");
        Err(fault.hint("name a variable, such as PROMPTLAKE_CLIENT_SECRET, and put the secret into it"))
    }
}

/// A command line for the shell, which prints a secret. Its text is in no message: someone may have typed the secret
/// itself.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct CommandLine(pub(crate) String);

impl Setting for CommandLine {
    const NOUN: &'static str = "a command";

    fn parse(text: &str) -> Result<Self, Fault> {
        if text.trim().is_empty() {
            return Err(Fault::new("is empty, not a command"));
        }
        if text.contains('\0') {
            return Err(Fault::new("holds a NUL, which no command can"));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for CommandLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CommandLine(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_variables() {
        super::super::check::<EnvName>(&[
            ("PROMPTLAKE_CLIENT_SECRET", r#"EnvName("PROMPTLAKE_CLIENT_SECRET")"#),
            ("_x1", r#"EnvName("_x1")"#),
            ("", "is not the name of an environment variable"),
            ("1X", "is not the name of an environment variable"),
            ("$SECRET", "is not the name of an environment variable"),
            ("kX8Q~a.secret", "is not the name of an environment variable"),
        ]);
    }

    #[test]
    fn commands_are_not_shown() {
        super::super::check::<CommandLine>(&[
            ("pass show graph", "CommandLine(…)"),
            ("", "is empty, not a command"),
            (" \n", "is empty, not a command"),
            ("a\0b", "holds a NUL, which no command can"),
        ]);
    }
}
