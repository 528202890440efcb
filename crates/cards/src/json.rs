//! JSON that is nearly JSON: what the parser refuses although anyone can see what it means.

use crate::tape::utf16_unit;

/// Where a number stops.
fn is_number_byte(byte: u8) -> bool {
    byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.' | b'e' | b'E')
}

/// A copy of JSON text without what `serde_json` refuses in otherwise sound documents; `None` where there is no such
/// thing.
///
/// Escapes of lone surrogates become `\ufffd`, control characters in strings become escapes, numbers beyond what a
/// double holds become `null`.
#[must_use]
pub fn repair_json(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let mut copy = Copy { text, repaired: String::new(), copied: 0 };
    let mut in_string = false;
    let mut at = 0;
    while at < bytes.len() {
        at += match bytes[at] {
            b'"' => {
                in_string = !in_string;
                1
            }
            b'\\' if in_string => copy.escape(at),
            byte @ ..b' ' if in_string => copy.replace(at, 1, &format!("\\u{byte:04x}")),
            b'-' | b'0'..=b'9' if !in_string => copy.number(at),
            _ => 1,
        };
    }
    copy.finish()
}

/// The repaired copy as far as it goes.
struct Copy<'a> {
    text: &'a str,
    repaired: String,
    /// The bytes of the text that were copied or replaced.
    copied: usize,
}

impl Copy<'_> {
    /// Replaces `length` bytes; gives the length, which is how far the reader goes on.
    fn replace(&mut self, at: usize, length: usize, by: &str) -> usize {
        self.repaired.push_str(&self.text[self.copied..at]);
        self.repaired.push_str(by);
        self.copied = at + length;
        length
    }

    /// Reads an escape sequence; gives its length.
    fn escape(&mut self, at: usize) -> usize {
        let unit = |at| self.text.get(at..).and_then(utf16_unit);
        match unit(at) {
            Some(0xd800..=0xdbff) => match unit(at + 6) {
                Some(0xdc00..=0xdfff) => 12,
                _ => self.replace(at, 6, "\\ufffd"),
            },
            Some(0xdc00..=0xdfff) => self.replace(at, 6, "\\ufffd"),
            Some(_) => 6,
            None => 2,
        }
    }

    /// Reads a number; gives its length.
    fn number(&mut self, at: usize) -> usize {
        let rest = &self.text.as_bytes()[at..];
        let length = rest.iter().position(|byte| !is_number_byte(*byte)).unwrap_or(rest.len());
        let is_too_large = self.text[at..at + length].parse().is_ok_and(f64::is_infinite);
        if is_too_large { self.replace(at, length, "null") } else { length }
    }

    fn finish(mut self) -> Option<String> {
        if self.copied == 0 {
            return None;
        }
        self.repaired.push_str(self.text.get(self.copied..).unwrap_or_default());
        Some(self.repaired)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repairs_what_the_parser_refuses_and_nothing_else() {
        for (text, repaired) in [
            (r#"{"a":"\ud83d"}"#, Some(r#"{"a":"\ufffd"}"#)),
            (r#""\ud83d\ude00""#, None),
            (r#""\ude00\ud83d""#, Some(r#""\ufffd\ufffd""#)),
            (r#""\ud83dx\ud83d\n""#, Some(r#""\ufffdx\ufffd\n""#)),
            (r#""\\ud83d""#, None),
            ("[1e999,-1e999,1e9]", Some("[null,null,1e9]")),
            (r#""1e999""#, None),
            ("\"a\nb\"", Some("\"a\\u000ab\"")),
            ("{\n}", None),
            (r#""\u12"#, None),
            (r#""\ué999""#, None),
            ("\"\\", None),
            ("", None),
        ] {
            assert_eq!(repair_json(text).as_deref(), repaired, "{text:?}");
        }
    }
}
