//! A limit on how deep quotes and lists nest in markdown.
//!
//! The parser is linear in everything but one thing: each line of text walks the open quotes and lists. Thousands of
//! `- - - …` followed by thousands of lines would take the square of their length.

use std::borrow::Cow;

/// How far into a line marks still open quotes and lists. A level takes at least one byte, so this is the deepest
/// nesting too; people use a dozen bytes, and the walk over 256 levels costs less than what else a line costs.
const PREFIX_BYTES_MAX: usize = 256;

/// The markdown, with an escape before the mark that would nest too deep: it and what follows are text.
pub(crate) fn limited(markdown: &str) -> Cow<'_, str> {
    let mut limited = String::new();
    let mut copied = 0;
    let mut line_start = 0;
    for line in markdown.split_inclusive(['\n', '\r']) {
        if let Some(mark) = mark_too_deep(line.as_bytes()) {
            limited.push_str(&markdown[copied..line_start + mark]);
            limited.push('\\');
            copied = line_start + mark;
        }
        line_start += line.len();
    }
    if copied == 0 {
        return Cow::Borrowed(markdown);
    }
    limited.push_str(&markdown[copied..]);
    Cow::Owned(limited)
}

/// The place of the first mark of a quote or an item beyond the limit, if only marks and white space precede it.
fn mark_too_deep(line: &[u8]) -> Option<usize> {
    let is_prefix = |byte: &u8| byte.is_ascii_digit() || b" \t>-+*.)".contains(byte);
    let length = line.iter().position(|byte| !is_prefix(byte)).unwrap_or(line.len());
    let is_mark = |at: &usize| {
        let stands_alone = line.get(at + 1).is_none_or(u8::is_ascii_whitespace);
        match (line[at - 1], line[*at]) {
            (_, b'>') => true,
            (b' ' | b'\t', b'-' | b'+' | b'*') | (b'0'..=b'9', b'.' | b')') => stands_alone,
            _ => false,
        }
    };
    (PREFIX_BYTES_MAX..length).find(is_mark)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_nests_too_deep_is_text() {
        for (line, is_limited) in [
            (format!("{}a", "- ".repeat(128)), false),
            (format!("{}a", "- ".repeat(129)), true),
            (format!("a\n{}a\nb", "1. ".repeat(100)), true),
            (">".repeat(257), true),
            ("-".repeat(1_000), false),
            ("1".repeat(1_000), false),
            (format!("{}a - b", " ".repeat(1_000)), false),
        ] {
            let limited = limited(&line);
            assert_eq!(limited.len() - line.len(), usize::from(is_limited), "{line}");
            assert_eq!(limited.replace('\\', ""), line);
        }
    }
}
