//! Where a secret is found. The secret itself is never a setting, and what may be one is never quoted.

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
        Err(fault.hint("write env = \"PROMPTLAKE_CLIENT_SECRET\", and put the secret into that variable"))
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
}
