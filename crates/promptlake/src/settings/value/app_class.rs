//! One class of records, as Graph names the apps of Copilot.

use super::Setting;
use crate::settings::error::Fault;

/// Longer than any class that is known, with the name of a resource in it.
const CHARS_MAX: usize = 256;

/// What each of them begins with, as far as is known, in this spelling: a filter for anything else is answered with nothing,
/// which would look like everything.
const PREFIX: &str = "IPM.";

/// `appClass` of a record. Which there are is Graph's to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AppClass(pub(crate) String);

impl Setting for AppClass {
    const NOUN: &'static str = "an app class";

    fn parse(text: &str) -> Result<Self, Fault> {
        // The lake lists the classes that were asked for with commas between them.
        let is_of_none = |c: char| c.is_whitespace() || c.is_control() || matches!(c, ',' | '*');
        if text.is_empty() || text.chars().count() > CHARS_MAX || text.contains(is_of_none) {
            return Err(Fault::is(text, "not an app class"));
        }
        if !text.starts_with(PREFIX) {
            return Err(Fault::is(text, "not an app class: these begin with IPM."));
        }
        Ok(Self(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::check;
    use super::*;

    #[test]
    fn classes() {
        check::<AppClass>(&[
            ("IPM.SkypeTeams.Message.Copilot.Word", "AppClass(\"IPM.SkypeTeams.Message.Copilot.Word\")"),
            ("", r#"is "", not an app class"#),
            ("Word", r#"is "Word", not an app class: these begin with IPM."#),
            ("ipm.a", r#"is "ipm.a", not an app class: these begin with IPM."#),
            ("a b", r#"is "a b", not an app class"#),
            ("IPM.A,IPM.B", r#"is "IPM.A,IPM.B", not an app class"#),
            ("IPM.*", r#"is "IPM.*", not an app class"#),
        ]);
    }
}
