//! Where the path of a saved file says whose it is: `{user_id}/*.json`.

use promptlake_model::UserId;

use super::Setting;
use crate::settings::error::Fault;

const CAPTURE: &str = "{user_id}";

/// A pattern over the path of a file, relative to the folder that is read and with `/` between its parts.
///
/// `{user_id}` stands once for one or more characters of one part, `*` for any characters of one part, and
/// `**`, as a part of its own, for any number of parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UserIdPattern {
    before: Glob,
    after: Glob,
}

impl UserIdPattern {
    /// What stands in `path` where the pattern has `{user_id}`; `None` where the whole path does not match.
    ///
    /// Where several readings match, one that gives a GUID is taken before any other, else the longest: with
    /// `*{user_id}*.json` the answer is the id and not a piece of it. The time grows with the pattern times
    /// the path, and with the square of the longest part; no pattern makes it worse.
    pub(crate) fn capture<'a>(&self, path: &'a str) -> Option<&'a str> {
        let starts = self.before.prefixes(path);
        let ends = self.after.suffixes(path);
        let mut longest: Option<&str> = None;
        for start in (0..path.len()).filter(|at| starts[*at]) {
            let part_end = path[start..].find('/').map_or(path.len(), |length| start + length);
            for end in (start + 1..=part_end).filter(|at| ends[*at]) {
                let captured = &path[start..end];
                if captured.len() >= GUID_CHARS_MIN && UserId::parse(captured).is_ok() {
                    return Some(captured);
                }
                if longest.is_none_or(|longest| captured.len() > longest.len()) {
                    longest = Some(captured);
                }
            }
        }
        longest
    }
}

/// A GUID without its hyphens.
const GUID_CHARS_MIN: usize = 32;

impl Setting for UserIdPattern {
    const NOUN: &'static str = "a pattern";

    fn parse(text: &str) -> Result<Self, Fault> {
        let Some((before, after)) = text.split_once(CAPTURE) else {
            return Err(Fault::is(text, "which lacks {user_id}"));
        };
        if after.contains(CAPTURE) {
            return Err(Fault::is(text, "which has {user_id} more than once"));
        }
        if before.contains(['{', '}']) || after.contains(['{', '}']) {
            return Err(Fault::is(text, "which has braces around something other than user_id"));
        }
        if text.starts_with('/') || text.starts_with("./") || text.contains('\\') {
            return Err(Fault::is(text, "not relative to source.path with / between the parts"));
        }
        if text.split('/').any(|part| part.contains("**") && part != "**") {
            return Err(Fault::is(text, "where ** is not a part of its own"));
        }
        Ok(Self { before: Glob::of(before), after: Glob::of(after) })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Char(char),
    /// `*`: any characters but `/`.
    InPart,
    /// `**/`: nothing, or whole parts with their `/`.
    Parts,
    /// `**` at the end: anything.
    Rest,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Glob(Vec<Token>);

impl Glob {
    fn of(mut text: &str) -> Self {
        let mut tokens = Vec::new();
        while let Some(char) = text.chars().next() {
            let (token, length) = match text {
                _ if text.starts_with("**/") => (Token::Parts, 3),
                _ if text.starts_with("**") => (Token::Rest, 2),
                _ if char == '*' => (Token::InPart, 1),
                _ => (Token::Char(char), char.len_utf8()),
            };
            tokens.push(token);
            text = &text[length..];
        }
        Self(tokens)
    }

    /// For each byte of the path, and its end: whether all of the pattern matches exactly what lies before
    /// it.
    fn prefixes(&self, path: &str) -> Vec<bool> {
        let mut reached = vec![false; path.len() + 1];
        reached[0] = true;
        self.0.iter().fold(reached, |reached, token| token.advance(&reached, path))
    }

    /// For each byte of the path, and its end: whether all of the pattern matches exactly what lies from it
    /// on.
    fn suffixes(&self, path: &str) -> Vec<bool> {
        let mut reached = vec![false; path.len() + 1];
        reached[path.len()] = true;
        self.0.iter().rev().fold(reached, |reached, token| token.retreat(&reached, path))
    }
}

impl Token {
    /// Where one can be after this token, from where one could be before it.
    fn advance(self, reached: &[bool], path: &str) -> Vec<bool> {
        let mut next = vec![false; reached.len()];
        let mut inside = false;
        for (at, char) in path.char_indices().chain([(path.len(), '\0')]) {
            inside |= reached[at];
            match self {
                Self::Char(wanted) if reached[at] && at < path.len() && char == wanted => {
                    next[at + char.len_utf8()] = true;
                }
                Self::Char(_) => {}
                Self::InPart => {
                    next[at] = inside;
                    inside &= char != '/';
                }
                Self::Parts => next[at] = reached[at] || inside && path[..at].ends_with('/'),
                Self::Rest => next[at] = inside,
            }
        }
        next
    }

    /// Where one can have been before this token, from where one is after it.
    fn retreat(self, reached: &[bool], path: &str) -> Vec<bool> {
        let mut previous = vec![false; reached.len()];
        previous[path.len()] = reached[path.len()] && !matches!(self, Self::Char(_));
        let mut inside = reached[path.len()];
        let mut inside_parts = false;
        for (at, char) in path.char_indices().rev() {
            let after = at + char.len_utf8();
            match self {
                Self::Char(wanted) => previous[at] = char == wanted && reached[after],
                Self::InPart => {
                    inside = reached[at] || inside && char != '/';
                    previous[at] = inside;
                }
                Self::Parts => {
                    inside_parts |= char == '/' && reached[after];
                    previous[at] = reached[at] || inside_parts;
                }
                Self::Rest => {
                    inside |= reached[at];
                    previous[at] = inside;
                }
            }
        }
        previous
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "4db02e4b-d144-400e-b194-53253a34c5be";

    #[test]
    fn captures() {
        for (pattern, path, expected) in [
            ("{user_id}/*.json", "ID/page-1.json", Some("ID")),
            ("{user_id}/*.json", "ID/2025/page-1.json", None),
            ("{user_id}/*.json", "ID/page-1.json.gz", None),
            ("{user_id}/*.json", "x/ID/page-1.json", None),
            ("{user_id}/*.json", "/page-1.json", None),
            ("{user_id}/**", "ID/2025/01/page-1.json", Some("ID")),
            ("{user_id}/**", "ID", None),
            ("**/{user_id}.json", "ID.json", Some("ID")),
            ("**/{user_id}.json", "2025/01/ID.json", Some("ID")),
            ("**/{user_id}/**/*.json*", "a/b/ID/page.json.gz", Some("ID")),
            ("a/**/b/{user_id}", "a/b/ID", Some("ID")),
            ("a/**/b/{user_id}", "a/x/y/b/ID", Some("ID")),
            ("a/**/b/{user_id}", "a/xb/ID", None),
            ("{user_id}/**/b", "ID/b", Some("ID")),
            ("{user_id}/**/b", "ID/x/b", Some("ID")),
            ("{user_id}/**/b", "ID/xb", None),
            ("*{user_id}*.json", "export-ID-part-1.json", Some("ID")),
            ("{user_id}-*.json", "ID-part-1.json", Some("ID")),
            ("{user_id}-*.json", "jo@contoso.com-part-1.json", Some("jo@contoso.com-part")),
            ("users/{user_id}.json", "users/jo.json", Some("jo")),
            ("users/{user_id}.json", "users/.json", None),
            ("é{user_id}ü*", "éIDüöä", Some("ID")),
            ("{user_id}", "", None),
        ] {
            let matcher = UserIdPattern::parse(pattern).unwrap();
            let path = path.replace("ID", ID);
            let expected = expected.map(|text| text.replace("ID", ID));
            assert_eq!(matcher.capture(&path), expected.as_deref(), "{pattern} in {path}");
        }
    }

    #[test]
    fn patterns_that_are_none() {
        for (pattern, wrong) in [
            ("*.json", "which lacks {user_id}"),
            ("", "which lacks {user_id}"),
            ("{user_id}/{user_id}", "which has {user_id} more than once"),
            ("{tenant_id}/{user_id}", "which has braces around something other than user_id"),
            ("/{user_id}", "not relative to source.path with / between the parts"),
            (r"users\{user_id}", "not relative to source.path with / between the parts"),
            ("**{user_id}", "where ** is not a part of its own"),
            ("a**/{user_id}", "where ** is not a part of its own"),
        ] {
            let fault = UserIdPattern::parse(pattern).expect_err(pattern);
            assert_eq!(fault.to_string(), format!("is {pattern:?}, {wrong}"));
        }
    }
}
