//! Attachment markers: where a body says that an attachment stands.
//!
//! `<attachment id="X"></attachment>`, also self-closing, in single quotes, without quotes, or escaped as
//! `&lt;attachment …&gt;` — in bodies that are no HTML as well.

use std::borrow::Cow;

/// The longest marker. Ids have a few dozen characters; without a limit a text of opening tags would take its square.
const MARKER_BYTES_MAX: usize = 2_048;

const TAG_NAME: &str = "attachment";

/// A stretch of a body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// Text between markers.
    Text(&'a str),
    /// A marker with the id that it names.
    Marker(Cow<'a, str>),
}

/// Cuts a body at its markers.
pub(crate) fn pieces(body: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut copied = 0;
    let mut from = 0;
    while let Some(at) = body[from..].find(['<', '&']).map(|found| from + found) {
        let Some((id, end)) = marker(body, at) else {
            from = at + 1;
            continue;
        };
        if copied < at {
            pieces.push(Piece::Text(&body[copied..at]));
        }
        pieces.push(Piece::Marker(unescaped(id)));
        copied = end;
        from = end;
    }
    if copied < body.len() {
        pieces.push(Piece::Text(&body[copied..]));
    }
    pieces
}

/// The id of the marker that begins here, and the place after it.
fn marker(body: &str, at: usize) -> Option<(&str, usize)> {
    let rest = after_any(&body[at..], &["<", "&lt;"])?;
    let rest = after(rest, TAG_NAME)?;
    let tag = &rest[..rest.floor_char_boundary(MARKER_BYTES_MAX)];
    let (id, after_id) = id_attribute(tag)?;
    let (inside, after_tag) = until_any(after_id, &[">", "&gt;"])?;
    if inside.contains('<') {
        return None;
    }
    let end = closing_tag(after_tag).unwrap_or(after_tag);
    // Both end where the limited tag does.
    let limit_end = body.len() - rest.len() + tag.len();
    Some((id, limit_end - end.len()))
}

/// The value of `id` in the attributes of a tag, and what follows it.
fn id_attribute(tag: &str) -> Option<(&str, &str)> {
    let attributes = tag.strip_prefix(|c: char| c.is_ascii_whitespace())?;
    let (before, value) = until_any(attributes, &["id=", "ID=", "Id="])?;
    if before.contains(['<', '>']) || before.ends_with(|c: char| !c.is_ascii_whitespace()) {
        return None;
    }
    for quote in ["\"", "'", "&quot;", "&#39;", "&apos;"] {
        if let Some(quoted) = value.strip_prefix(quote) {
            return until_any(quoted, &[quote]);
        }
    }
    let end = value.find(|c: char| c.is_ascii_whitespace() || "<>&/".contains(c))?;
    Some(value.split_at(end))
}

/// What follows the closing tag, if that comes next.
fn closing_tag(rest: &str) -> Option<&str> {
    let rest = after_any(rest.trim_ascii_start(), &["</", "&lt;/"])?;
    let rest = after(rest, TAG_NAME)?;
    after_any(rest.trim_ascii_start(), &[">", "&gt;"])
}

/// What follows a word in any case.
fn after<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let (start, rest) = text.split_at_checked(word.len())?;
    start.eq_ignore_ascii_case(word).then_some(rest)
}

fn after_any<'a>(text: &'a str, words: &[&str]) -> Option<&'a str> {
    words.iter().find_map(|word| after(text, word))
}

/// What stands before and after the first of some words.
fn until_any<'a>(text: &'a str, words: &[&str]) -> Option<(&'a str, &'a str)> {
    words.iter().filter_map(|word| text.split_once(word)).min_by_key(|(before, _)| before.len())
}

/// The five entities that an attribute needs.
fn unescaped(id: &str) -> Cow<'_, str> {
    if !id.contains('&') {
        return Cow::Borrowed(id);
    }
    let plain = id.replace("&quot;", "\"").replace("&#39;", "'").replace("&lt;", "<").replace("&gt;", ">");
    Cow::Owned(plain.replace("&amp;", "&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &str, expected: &str) {
        let shown = pieces(body).into_iter().map(|piece| match piece {
            Piece::Text(text) => text.to_owned(),
            Piece::Marker(id) => format!("⟦{id}⟧"),
        });
        assert_eq!(shown.collect::<String>(), expected, "{body:?}");
    }

    #[test]
    fn markers_are_found_in_every_spelling() {
        check("a<attachment id=\"x\"></attachment>b", "a⟦x⟧b");
        check("<attachment id=\"x\"/><attachment id='y' />", "⟦x⟧⟦y⟧");
        check("<Attachment\n ID=x></ATTACHMENT >", "⟦x⟧");
        check("<attachment id=\"x\">b", "⟦x⟧b");
        check("&lt;attachment id=\"x\"&gt;&lt;/attachment&gt;b", "⟦x⟧b");
        check("&lt;attachment id=&quot;x&quot;&gt;&lt;/attachment&gt;b", "⟦x⟧b");
        check("<attachment name=\"n\" id=\"19:m_a@thread.v2\" z></attachment>", "⟦19:m_a@thread.v2⟧");
        check("<attachment id=\"a&amp;b&quot;\"></attachment>", "⟦a&b\"⟧");
        check("<attachment id=\"\"></attachment>", "⟦⟧");
    }

    #[test]
    fn anything_else_is_text() {
        for body in [
            "",
            "a < b & c",
            "<attachments id=\"x\">",
            "<attachment>",
            "<attachment id=\"x\"",
            "<attachment id=\"x",
            "<attachment grid=\"x\">",
            "<attachment é",
            "&lt;attach",
        ] {
            check(body, body);
        }
    }

    #[test]
    fn many_opening_tags_take_no_square() {
        for unit in ["<attachment ", "<attachment id=\"", "<attachment id=x ", "&lt;attachment id='a' "] {
            assert!(!pieces(&unit.repeat(50_000)).is_empty());
        }
    }
}
