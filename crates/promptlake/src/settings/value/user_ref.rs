//! A user named in the file: by object id or by principal name.

use std::fmt;

use promptlake_model::UserId;

use super::Setting;
use crate::settings::error::Fault;

/// A user, as somebody knows him; the directory says who a principal name is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum UserRef {
    /// His object id.
    Id(UserId),
    /// His `userPrincipalName`, in lower case: the directory compares it without case.
    PrincipalName(String),
}

/// As it is written.
impl fmt::Display for UserRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::PrincipalName(name) => f.write_str(name),
        }
    }
}

impl Setting for UserRef {
    const NOUN: &'static str = "a user";

    fn parse(text: &str) -> Result<Self, Fault> {
        if let Ok(id) = UserId::parse(text) {
            return Ok(Self::Id(id));
        }
        let part = |part: &str| {
            !part.is_empty() && !part.contains(|c: char| c.is_whitespace() || "@/\\".contains(c))
        };
        match text.split_once('@') {
            Some((name, domain)) if part(name) && part(domain) => {
                Ok(Self::PrincipalName(text.to_lowercase()))
            }
            _ => Err(Fault::is(text, "neither a GUID nor a user principal name")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users() {
        super::super::check::<UserRef>(&[
            ("4db02e4b-d144-400e-b194-53253a34c5be", "Id(4db02e4b-d144-400e-b194-53253a34c5be)"),
            ("Jo@Contoso.com", r#"PrincipalName("jo@contoso.com")"#),
            (
                "jo_fabrikam.com#EXT#@contoso.onmicrosoft.com",
                r#"PrincipalName("jo_fabrikam.com#ext#@contoso.onmicrosoft.com")"#,
            ),
            ("jo", r#"is "jo", neither a GUID nor a user principal name"#),
            ("jo@", r#"is "jo@", neither a GUID nor a user principal name"#),
            ("a@b@c", r#"is "a@b@c", neither a GUID nor a user principal name"#),
            ("a b@c.com", r#"is "a b@c.com", neither a GUID nor a user principal name"#),
            ("a/b@c.com", r#"is "a/b@c.com", neither a GUID nor a user principal name"#),
            ("", r#"is "", neither a GUID nor a user principal name"#),
        ]);
    }
}
