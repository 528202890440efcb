//! Settings with a closed set of names, and the names that this version does not take.

use promptlake_extract::{ApiVersion, PaymentModel};
use promptlake_model::Table;
use promptlake_transform::Content;

use super::Setting;
use crate::settings::error::{Fault, nearest};

/// What becomes of a name.
enum Choice<T> {
    Taken(T),
    /// Described, but not by this version.
    NotYet,
    /// Never, and why.
    Refused(&'static str),
}

use Choice::{NotYet, Refused, Taken};

fn choose<T: Copy>(text: &str, noun: &str, choices: &[(&'static str, Choice<T>)]) -> Result<T, Fault> {
    let taken = choices.iter().filter(|(_, choice)| matches!(choice, Taken(_)));
    let taken: Vec<&'static str> = taken.map(|(name, _)| *name).collect();
    let one_of = format!("this version takes {}", quoted(&taken));
    match choices.iter().find(|(name, _)| *name == text) {
        Some((_, Taken(value))) => Ok(*value),
        Some((_, NotYet)) => Err(Fault::not_yet(text).hint(one_of)),
        Some((_, Refused(why))) => Err(Fault::is(text, why).hint(one_of)),
        None => {
            let begun = taken.iter().filter(|name| !text.is_empty() && name.starts_with(text)).count();
            // Where it could be several, none is guessed at.
            let meant =
                nearest(text, &taken).filter(|_| begun < 2).map(|name| format!("did you mean {name:?}?"));
            Err(Fault::is(text, &format!("not {noun}")).hint(meant.unwrap_or(one_of)))
        }
    }
}

fn quoted(names: &[&str]) -> String {
    let quoted: Vec<_> = names.iter().map(|name| format!("{name:?}")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
        None => String::new(),
    }
}

/// `source.kind`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SourceKind {
    Graph,
    Files,
    Lake,
}

impl Setting for SourceKind {
    const NOUN: &'static str = "a kind of source";

    fn parse(text: &str) -> Result<Self, Fault> {
        let choices =
            [("graph", Taken(Self::Graph)), ("files", Taken(Self::Files)), ("lake", Taken(Self::Lake))];
        choose(text, Self::NOUN, &choices)
    }
}

/// `source.cloud`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CloudName {
    Global,
    UsGovL4,
    UsGovDod,
    Custom,
    Emulator,
}

impl Setting for CloudName {
    const NOUN: &'static str = "a cloud";

    fn parse(text: &str) -> Result<Self, Fault> {
        choose(
            text,
            Self::NOUN,
            &[
                ("global", Taken(Self::Global)),
                ("us-gov-l4", Taken(Self::UsGovL4)),
                ("us-gov-dod", Taken(Self::UsGovDod)),
                ("custom", Taken(Self::Custom)),
                ("emulator", Taken(Self::Emulator)),
                ("china", Refused("where Graph does not offer the interactions of Copilot")),
            ],
        )
    }
}

impl Setting for ApiVersion {
    const NOUN: &'static str = "a version of Graph";

    fn parse(text: &str) -> Result<Self, Fault> {
        choose(text, Self::NOUN, &[Self::V1, Self::Beta].map(|version| (version.as_str(), Taken(version))))
    }
}

impl Setting for PaymentModel {
    const NOUN: &'static str = "a payment model";

    fn parse(text: &str) -> Result<Self, Fault> {
        choose(text, Self::NOUN, &[Self::A, Self::B].map(|model| (model.as_str(), Taken(model))))
    }
}

/// `source.credential.kind`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CredentialKind {
    ClientSecret,
    Certificate,
    WorkloadIdentity,
    ManagedIdentity,
    Token,
}

impl CredentialKind {
    /// As it is typed.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::ClientSecret => "client_secret",
            Self::Certificate => "certificate",
            Self::WorkloadIdentity => "workload_identity",
            Self::ManagedIdentity => "managed_identity",
            Self::Token => "token",
        }
    }
}

impl Setting for CredentialKind {
    const NOUN: &'static str = "a kind of credential";

    fn parse(text: &str) -> Result<Self, Fault> {
        let all = [
            Self::ClientSecret,
            Self::Certificate,
            Self::WorkloadIdentity,
            Self::ManagedIdentity,
            Self::Token,
        ];
        choose(text, Self::NOUN, &all.map(|kind| (kind.name(), Taken(kind))))
    }
}

impl Setting for Content {
    const NOUN: &'static str = "a kind of content";

    fn parse(text: &str) -> Result<Self, Fault> {
        choose(text, Self::NOUN, &[("full", Taken(Self::Full)), ("none", Taken(Self::None))])
    }
}

/// An item of `destination.partition_by`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PartitionColumn {
    Date,
}

impl Setting for PartitionColumn {
    const NOUN: &'static str = "a column to partition by";

    fn parse(text: &str) -> Result<Self, Fault> {
        choose(text, Self::NOUN, &[("date", Taken(Self::Date)), ("app", NotYet)])
    }
}

impl Setting for Table {
    const NOUN: &'static str = "a table of the lake";

    fn parse(text: &str) -> Result<Self, Fault> {
        choose(text, Self::NOUN, &Self::ALL.map(|table| (table.name(), Taken(table))))
    }
}

#[cfg(test)]
mod tests {
    use super::super::check;
    use super::*;

    #[test]
    fn names_of_closed_sets() {
        check::<SourceKind>(&[
            ("graph", "Graph"),
            ("files", "Files"),
            ("lake", "Lake"),
            ("Graph", r#"is "Graph", not a kind of source"#),
        ]);
        check::<CloudName>(&[
            ("global", "Global"),
            ("us-gov-l4", "UsGovL4"),
            ("us-gov-dod", "UsGovDod"),
            ("custom", "Custom"),
            ("emulator", "Emulator"),
            ("china", r#"is "china", where Graph does not offer the interactions of Copilot"#),
            ("", r#"is "", not a cloud"#),
        ]);
        check::<CredentialKind>(&[
            ("client_secret", "ClientSecret"),
            ("certificate", "Certificate"),
            ("workload_identity", "WorkloadIdentity"),
            ("managed_identity", "ManagedIdentity"),
            ("token", "Token"),
            ("password", r#"is "password", not a kind of credential"#),
        ]);
        check::<ApiVersion>(&[
            ("v1.0", "V1"),
            ("beta", "Beta"),
            ("v2.0", r#"is "v2.0", not a version of Graph"#),
        ]);
        check::<PaymentModel>(&[("A", "A"), ("B", "B"), ("C", r#"is "C", not a payment model"#)]);
        check::<Content>(&[
            ("full", "Full"),
            ("none", "None"),
            ("some", r#"is "some", not a kind of content"#),
        ]);
        check::<PartitionColumn>(&[
            ("date", "Date"),
            ("app", r#"is "app", which this version does not support"#),
        ]);
    }

    #[test]
    fn every_table_is_taken() {
        for table in Table::ALL {
            assert_eq!(<Table as Setting>::parse(table.name()), Ok(table), "{table}");
        }
    }
}
