//! GUIDs: of tenants, users, groups and the app.

use std::fmt;

use promptlake_model::{TenantId, UserId};
use uuid::Uuid;

use super::Setting;
use crate::settings::error::Fault;

fn not_a_guid(text: &str) -> Fault {
    Fault::is(text, "not a GUID")
}

impl Setting for TenantId {
    const NOUN: &'static str = "a GUID";

    fn parse(text: &str) -> Result<Self, Fault> {
        Self::parse(text).map_err(|_| not_a_guid(text))
    }
}

impl Setting for UserId {
    const NOUN: &'static str = "a GUID";

    fn parse(text: &str) -> Result<Self, Fault> {
        Self::parse(text).map_err(|_| not_a_guid(text))
    }
}

macro_rules! guid {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash)]
        pub(crate) struct $name(Uuid);

        impl Setting for $name {
            const NOUN: &'static str = "a GUID";

            fn parse(text: &str) -> Result<Self, Fault> {
                Uuid::try_parse(text.trim()).map(Self).map_err(|_| not_a_guid(text))
            }
        }

        /// In lower case, with hyphens.
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.as_hyphenated().fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    };
}

guid!(
    /// The id of the app registration that asks.
    ClientId
);
guid!(
    /// The object id of a group in the directory.
    GroupId
);

#[cfg(test)]
mod tests {
    use super::*;

    const CASES: &[(&str, &str)] = &[
        ("4DB02E4B-D144-400E-B194-53253A34C5BE", "4db02e4b-d144-400e-b194-53253a34c5be"),
        ("4db02e4bd144400eb19453253a34c5be", "4db02e4b-d144-400e-b194-53253a34c5be"),
        ("", r#"is "", not a GUID"#),
        ("contoso.onmicrosoft.com", r#"is "contoso.onmicrosoft.com", not a GUID"#),
        ("4db02e4b-d144-400e-b194-53253a34c5b", r#"is "4db02e4b-d144-400e-b194-53253a34c5b", not a GUID"#),
    ];

    #[test]
    fn guids() {
        super::super::check::<TenantId>(CASES);
        super::super::check::<UserId>(CASES);
        super::super::check::<ClientId>(CASES);
        super::super::check::<GroupId>(CASES);
    }
}
