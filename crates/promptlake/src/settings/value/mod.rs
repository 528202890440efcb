//! One type for each kind of value that a setting can have, each with its table of good and bad texts.

mod app_class;
mod byte_size;
mod choice;
mod compression;
mod credential;
mod day;
mod guid;
mod lake_location;
mod local_path;
mod request_rate;
mod server_origin;
mod start;
mod time_span;
mod user_id_pattern;
mod user_ref;

pub(super) use app_class::AppClass;
pub(crate) use byte_size::ByteSize;
pub(crate) use choice::CredentialKind;
pub(super) use choice::{CloudName, PartitionColumn, SourceKind};
pub(crate) use compression::Compression;
pub(crate) use credential::CommandLine;
pub(super) use credential::EnvName;
pub(crate) use guid::{ClientId, GroupId};
pub(super) use lake_location::{LakeLocation, lake_location};
pub(super) use local_path::LocalPath;
pub(crate) use request_rate::RequestRate;
pub(crate) use server_origin::ServerOrigin;
pub(crate) use start::Start;
pub(crate) use time_span::TimeSpan;
pub(crate) use user_id_pattern::UserIdPattern;
pub(crate) use user_ref::UserRef;

use super::error::Fault;

/// A value that is typed as text.
pub(super) trait Setting: Sized {
    /// What it is, for "is 5, not a duration".
    const NOUN: &'static str;

    /// Reads it; the fault says what is wrong with the text, whatever the key.
    fn parse(text: &str) -> Result<Self, Fault>;
}

/// Splits `256MiB` into its number and its unit. A fraction is refused: every value has a smaller unit.
fn number_and_unit<'a>(text: &'a str, noun: &str) -> Result<(u64, &'a str), Fault> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    if number.is_empty() {
        return Err(Fault::is(text, &format!("not {noun}")));
    }
    if unit.is_empty() {
        return Err(Fault::is(text, "a number without a unit"));
    }
    if unit.starts_with(['.', ',']) {
        return Err(Fault::is(text, "not a whole number of one unit"));
    }
    let number = number.parse().map_err(|_| Fault::is(text, "beyond every limit"))?;
    Ok((number, unit))
}

/// Good and bad texts of a setting: what each becomes, or what is said about it.
#[cfg(test)]
fn check<T: Setting + std::fmt::Debug>(cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        let outcome = match T::parse(text) {
            Ok(value) => format!("{value:?}"),
            Err(fault) => fault.to_string(),
        };
        assert_eq!(outcome, *expected, "{text:?}");
    }
}
