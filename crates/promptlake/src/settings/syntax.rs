//! Text that is no TOML: which setting it is about, and what would be right in its place.
//!
//! The parser knows a place and no key. A key is named only where it is a setting: what else stands before a `=` may be
//! a piece of a secret.

use super::examples;
use super::tree::{Place, SyntaxError};

/// What the parser says of a key that stands twice.
const DUPLICATE: &str = "duplicate key";

/// What is wrong.
pub(super) fn wrong(text: &str, syntax: &SyntaxError) -> String {
    match setting(text, syntax.place) {
        Some((path, _)) => format!("{path} is not TOML: {}", syntax.message),
        None => format!("this is not TOML: {}", syntax.message),
    }
}

/// What to do about it, with a right example.
pub(super) fn hint(text: &str, syntax: &SyntaxError) -> String {
    match setting(text, syntax.place) {
        Some((_, line)) if syntax.message.contains(DUPLICATE) => {
            format!("it stands above as well: remove one of the two; right is {line}")
        }
        Some((_, line)) => format!("write {line}"),
        None => "look for a quote or bracket that is missing and for a key or section that stands twice; right is \
                 [source], and below it cloud = \"global\""
            .to_owned(),
    }
}

/// The setting whose line a place is in, and a line that is right.
fn setting(text: &str, place: Place) -> Option<(String, &'static str)> {
    let Place::At { line, .. } = place else { return None };
    let mut before: Vec<&str> = text.lines().take(line).collect();
    let (key, _) = before.pop()?.split_once('=')?;
    let section = before.iter().rev().find_map(|line| line.trim().strip_prefix('['));
    let section = section.and_then(|rest| rest.split(']').next()).unwrap_or_default();
    let section = section.trim_start_matches('[');
    let key = key.trim();
    let path = if section.is_empty() { key.to_owned() } else { format!("{section}.{key}") };
    examples::line_of(&path).map(|line| (path, line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_in_the_line_of_a_setting_or_of_nothing() {
        for (text, line, expected) in [
            ("[source]\ncloud = global", 2, Some("source.cloud")),
            ("[[source]]\n  cloud=global", 2, Some("source.cloud")),
            ("[source.users] # whose\nfile = users.csv", 2, Some("source.users.file")),
            ("[source]\n[destination]\n\nurl = ./lake", 4, Some("destination.url")),
            ("source.cloud = global", 1, Some("source.cloud")),
            ("[source]\nkX8Qsecret = x", 2, None),
            ("[source\ncloud = \"global\"", 1, None),
            ("[source]\n", 9, None),
            ("", 1, None),
        ] {
            let found = setting(text, Place::At { line, column: 1 });
            assert_eq!(found.map(|(path, _)| path).as_deref(), expected, "{text}");
        }
    }
}
