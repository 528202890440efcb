//! What is wrong with a setting, said so that it can be put right without a manual.
//!
//! It grows in three steps. A [`Fault`] is about a value and knows no key; a [`Problem`] adds the key path; a
//! [`SettingsError`] adds the file and the place in it, and is what the user sees.

use std::fmt;

use super::examples;
use super::key_path::{KeyPath, Step};
use super::refused_keys;
use super::syntax;
use super::tree::{Place, SyntaxError, Tree};

/// A pipeline file that can't be used. Displays as a fragment that fits "failed to …"; the next thing to do
/// is its [`Self::hint`]. It holds no secret: values of credentials are never quoted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("read {whereabouts}: {wrong}")]
pub(crate) struct SettingsError {
    whereabouts: String,
    wrong: String,
    hint: String,
}

impl SettingsError {
    /// What to do about it, with a right example.
    pub(crate) fn hint(&self) -> &str {
        &self.hint
    }

    pub(super) fn not_toml(origin: &str, text: &str, syntax: &SyntaxError) -> Self {
        Self {
            whereabouts: whereabouts(origin, syntax.place),
            wrong: syntax::wrong(text, syntax),
            hint: syntax::hint(text, syntax),
        }
    }

    pub(super) fn bad_override(wrong: &str) -> Self {
        Self {
            whereabouts: "--set".to_owned(),
            wrong: wrong.to_owned(),
            hint: "write --set key.path=value, such as --set destination.url=./lake".to_owned(),
        }
    }
}

fn whereabouts(origin: &str, place: Place) -> String {
    match place {
        Place::File => origin.to_owned(),
        Place::At { line, column } => format!("{origin}, line {line}, column {column}"),
        Place::Override => "--set".to_owned(),
    }
}

/// A fault and the path of the setting that has it.
#[derive(Debug, thiserror::Error)]
#[error("{path} {}", fault.predicate(path))]
pub(super) struct Problem {
    path: KeyPath,
    fault: Fault,
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        fault.at(KeyPath::default())
    }
}

impl Problem {
    /// The same problem, seen from one level higher up.
    pub(super) fn under(self, step: Step) -> Self {
        Self { path: self.path.under(step), fault: self.fault }
    }

    /// The same problem of an item of a list, found as though it stood alone.
    pub(super) fn of_item(self, index: usize) -> Self {
        Self { path: self.path.of_item(index), fault: self.fault }
    }

    /// The problem in its file, at the place that the tree knows.
    pub(super) fn found_in(self, origin: &str, tree: &Tree) -> SettingsError {
        let place = match self.fault.wrong {
            Wrong::UnknownKey { .. } | Wrong::Misplaced(_) => tree.key_place(&self.path),
            _ => tree.value_place(&self.path),
        };
        self.found_at(origin, place)
    }

    /// The problem at a place.
    pub(super) fn found_at(self, origin: &str, place: Place) -> SettingsError {
        SettingsError {
            whereabouts: whereabouts(origin, place),
            wrong: self.to_string(),
            hint: self.hint(place),
        }
    }

    fn hint(self, place: Place) -> String {
        if let Some(hint) = self.fault.hint {
            return hint;
        }
        if let Wrong::UnknownKey { known } = self.fault.wrong {
            return refused_keys::hint(&self.path)
                .map_or_else(|| unknown_key_hint(&self.path, known, place), str::to_owned);
        }
        examples::hint(&self.path, place)
    }
}

fn unknown_key_hint(path: &KeyPath, known: &'static [&'static str], place: Place) -> String {
    let typed = match path.steps().last() {
        Some(Step::Key(key)) => key.as_str(),
        _ => "",
    };
    match nearest(typed, known) {
        Some(section) if path.steps().len() == 1 => format!("did you mean [{section}]?"),
        Some(key) => {
            let meant = path.with_last(key);
            format!("did you mean {key}? {}", sentence(&examples::hint(&meant, place)))
        }
        None if path.steps().len() == 1 => examples::SECTIONS.to_owned(),
        None => format!("known here: {}", known.join(", ")),
    }
}

fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

/// How alike two names must be, from 0 to 1, for the one to be taken for a slip of the other: `tabels` for
/// `tables`. One letter wrong, missing or exchanged with its neighbour is a slip in a short name as well:
/// `ulr` for `url`.
const LIKENESS_MIN: f64 = 0.85;

/// The name that was probably meant, where one is near.
pub(super) fn nearest<'a>(typed: &str, known: &[&'a str]) -> Option<&'a str> {
    let typed = typed.to_lowercase();
    let likeness = |name: &str| {
        let slip = strsim::osa_distance(&typed, name) == 1;
        strsim::jaro_winkler(&typed, name).max(if slip { LIKENESS_MIN } else { 0.0 })
    };
    let best = known.iter().copied().max_by(|a, b| likeness(a).total_cmp(&likeness(b)))?;
    (likeness(best) >= LIKENESS_MIN).then_some(best)
}

/// What was found where another type belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    /// A text, quoted only where it can't be a secret.
    Text(String),
    /// Anything else, as it is to be said.
    Other(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Wrong {
    Missing,
    UnknownKey {
        known: &'static [&'static str],
    },
    AnotherType {
        found: Found,
        wanted: String,
    },
    /// A key that is known, but not together with the others.
    Misplaced(String),
    /// A predicate that follows the key: `is "x", not a duration`.
    Value(String),
}

/// What is wrong with a value, whatever its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    wrong: Wrong,
    hint: Option<String>,
}

impl Fault {
    fn of(wrong: Wrong) -> Self {
        Self { wrong, hint: None }
    }

    /// A predicate that follows the key.
    pub(super) fn new(predicate: impl Into<String>) -> Self {
        Self::of(Wrong::Value(predicate.into()))
    }

    /// A text that is not what belongs there: `not a duration`, `whose unit is unknown`.
    pub(super) fn is(text: &str, wrong: &str) -> Self {
        Self::new(format!("is {text:?}, {wrong}"))
    }

    /// A text that a later version will take.
    pub(super) fn not_yet(text: &str) -> Self {
        Self::is(text, "which this version does not support")
    }

    pub(super) fn missing() -> Self {
        Self::of(Wrong::Missing)
    }

    pub(super) fn misplaced(predicate: impl Into<String>) -> Self {
        Self::of(Wrong::Misplaced(predicate.into()))
    }

    pub(super) fn unknown_key(known: &'static [&'static str]) -> Self {
        Self::of(Wrong::UnknownKey { known })
    }

    pub(super) fn wrong_type(found: Found, wanted: String) -> Self {
        Self::of(Wrong::AnotherType { found, wanted })
    }

    /// With a hint of its own, instead of the example for the key.
    pub(super) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// Its own hint, where it has one.
    pub(super) fn own_hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// What is wrong and what would be right, of a value without a key.
    pub(super) fn in_full(self) -> String {
        let predicate = self.to_string();
        self.hint.map_or(predicate.clone(), |hint| format!("{predicate}; {hint}"))
    }

    pub(super) fn at(self, path: KeyPath) -> Problem {
        Problem { path, fault: self }
    }

    fn predicate(&self, path: &KeyPath) -> String {
        match &self.wrong {
            Wrong::Missing => "is missing".to_owned(),
            Wrong::UnknownKey { .. } => {
                refused_keys::predicate(path).unwrap_or("is not a setting").to_owned()
            }
            Wrong::AnotherType { found: Found::Text(text), wanted } if !may_be_secret(path) => {
                format!("is {text:?}, not {wanted}")
            }
            Wrong::AnotherType { found: Found::Text(_), wanted } => format!("is a text, not {wanted}"),
            Wrong::AnotherType { found: Found::Other(what), wanted } => format!("is {what}, not {wanted}"),
            Wrong::Misplaced(predicate) | Wrong::Value(predicate) => predicate.clone(),
        }
    }
}

fn may_be_secret(path: &KeyPath) -> bool {
    let section: Vec<&str> = path.keys().take(2).collect();
    matches!(section[..], ["source", "credential"] | ["destination", "options"])
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.predicate(&KeyPath::default()))
    }
}
