//! JSON one level at a time: members and entries as slices of the source, without a tree.
//!
//! `serde_json` skips over a value without recursion and without decoding its strings. So depth, lone surrogates and
//! numbers out of range cost nothing where nobody looks, and a fault inside one value stays there.

use std::borrow::Cow;
use std::fmt;

use promptlake_cards::repair_json;
use serde::de::{Deserialize, Deserializer as _, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Deserializer, Error};

/// Visits the members of an object, in order; of a name that stands twice, the last one comes last.
pub(crate) fn each_member<'a>(
    object: &'a str,
    visit: impl FnMut(&str, &'a RawValue) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut json = Deserializer::from_str(object);
    json.deserialize_map(Members(visit))?;
    json.end()
}

/// Visits the entries of a list, in order.
pub(crate) fn each_entry<'a>(
    list: &'a str,
    visit: impl FnMut(&'a RawValue) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut json = Deserializer::from_str(list);
    json.deserialize_seq(Entries(visit))?;
    json.end()
}

/// Whether a text is one JSON value; the parser's message where it is not.
pub(crate) fn check(text: &str) -> Result<(), Error> {
    serde_json::from_str::<&RawValue>(text).map(drop)
}

/// What a value is, by its first character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Object,
    List,
    Text,
    Null,
    Other,
}

impl Kind {
    /// The kind of a value without white space before it.
    pub(crate) fn of(json: &str) -> Self {
        match json.as_bytes().first() {
            Some(b'{') => Self::Object,
            Some(b'[') => Self::List,
            Some(b'"') => Self::Text,
            Some(b'n') => Self::Null,
            _ => Self::Other,
        }
    }

    /// For messages: they never quote the source.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Object => "an object",
            Self::List => "a list",
            Self::Text => "a string",
            Self::Null => "null",
            Self::Other => "a number or boolean",
        }
    }
}

/// The text of a value: a string decoded, a number or boolean as it stands; of anything else none.
pub(crate) fn text(value: &RawValue) -> Option<Cow<'_, str>> {
    let json = value.get();
    match Kind::of(json) {
        Kind::Text => decode(json),
        Kind::Other => Some(Cow::Borrowed(json)),
        Kind::Object | Kind::List | Kind::Null => None,
    }
}

fn decode(string: &str) -> Option<Cow<'_, str>> {
    let inner = string.strip_prefix('"')?.strip_suffix('"')?;
    if !inner.contains('\\') {
        return Some(Cow::Borrowed(inner));
    }
    let decoded = serde_json::from_str(string).or_else(|_| match repair_json(string) {
        Some(repaired) => serde_json::from_str(&repaired),
        None => Ok(inner.to_owned()),
    });
    decoded.ok().map(Cow::Owned)
}

struct Members<F>(F);

impl<'de, F: FnMut(&str, &'de RawValue) -> Result<(), Error>> Visitor<'de> for Members<F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut members: A) -> Result<(), A::Error> {
        while let Some(Name(name)) = members.next_key()? {
            (self.0)(&name, members.next_value()?).map_err(A::Error::custom)?;
        }
        Ok(())
    }
}

struct Entries<F>(F);

impl<'de, F: FnMut(&'de RawValue) -> Result<(), Error>> Visitor<'de> for Entries<F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut entries: A) -> Result<(), A::Error> {
        while let Some(entry) = entries.next_element()? {
            (self.0)(entry).map_err(A::Error::custom)?;
        }
        Ok(())
    }
}

/// The name of a member. `Cow` itself would copy every one.
struct Name<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(NameVisitor)
    }
}

struct NameVisitor;

impl<'de> Visitor<'de> for NameVisitor {
    type Value = Name<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Self::Value, E> {
        Ok(Name(Cow::Borrowed(name)))
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(Name(Cow::Owned(name.to_owned())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_what_a_scalar_says() {
        for (json, said) in [
            (r#""a""#, Some("a")),
            (r#""a\n\u00e9\ud83d\ude00""#, Some("a\né😀")),
            (r#""a\ud83d""#, Some("a\u{fffd}")),
            (r#""\ude00\n""#, Some("\u{fffd}\n")),
            ("1731701801008", Some("1731701801008")),
            ("1.50", Some("1.50")),
            ("1e999", Some("1e999")),
            ("true", Some("true")),
            ("null", None),
            ("[1]", None),
            (r#"{"a":1}"#, None),
        ] {
            let value = serde_json::from_str(json).unwrap();
            assert_eq!(text(value).as_deref(), said, "{json}");
        }
    }

    #[test]
    fn depth_costs_nothing() {
        let deep = format!(r#"{{"a":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
        let mut names = Vec::new();
        each_member(&deep, |name, _| {
            names.push(name.to_owned());
            Ok(())
        })
        .unwrap();
        assert_eq!(names, ["a"]);
    }
}
