//! JSON as a list of its values in the order in which they stand: a tree without pointers.
//!
//! A value knows where the values within it end, so that no depth of the input is a depth of the stack, neither while
//! it is read nor when it is dropped. Strings stay where they are and are decoded when somebody asks.

use std::borrow::Cow;
use std::fmt::Write as _;

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Null,
    /// A number or a boolean: its text is as it stands.
    Scalar,
    Text,
    List,
    Object,
}

impl Kind {
    /// For messages: they never quote the source.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Scalar => "a number or boolean",
            Self::Text => "a string",
            Self::List => "a list",
            Self::Object => "an object",
        }
    }
}

/// A stretch of the source.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Span {
    pub(crate) start: u32,
    pub(crate) length: u32,
    /// Whether it is text in which something is escaped.
    pub(crate) is_escaped: bool,
}

/// A value: 32 bytes, whatever it holds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    /// The name of the member that it is the value of.
    pub(crate) name: Option<Span>,
    /// What it says, where it holds no other values.
    pub(crate) span: Span,
    /// The place after the last value within it.
    pub(crate) end: u32,
}

/// The values of a document.
#[derive(Debug)]
pub(crate) struct Tape<'a> {
    pub(crate) source: &'a str,
    pub(crate) nodes: Vec<Node>,
}

/// A value on a tape.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Value<'t> {
    tape: &'t Tape<'t>,
    place: u32,
}

impl<'a> Tape<'a> {
    /// The outermost value; none where there is nothing.
    pub(crate) fn root<'t>(&'t self) -> Option<Value<'t>>
    where
        'a: 't,
    {
        (!self.nodes.is_empty()).then_some(Value { tape: self, place: 0 })
    }

    fn text(&self, span: Span) -> Cow<'_, str> {
        let start = span.start as usize;
        let text = &self.source[start..start + span.length as usize];
        if span.is_escaped { Cow::Owned(unescaped(text)) } else { Cow::Borrowed(text) }
    }

    fn is(&self, span: Span, word: &str) -> bool {
        self.text(span) == word
    }
}

impl<'t> Value<'t> {
    fn node(self) -> &'t Node {
        &self.tape.nodes[self.place as usize]
    }

    /// The length of the document that it is in.
    pub(crate) fn source_bytes(self) -> usize {
        self.tape.source.len()
    }

    pub(crate) fn kind(self) -> Kind {
        self.node().kind
    }

    /// What a string, number or boolean says.
    pub(crate) fn scalar(self) -> Option<Cow<'t, str>> {
        let node = self.node();
        matches!(node.kind, Kind::Text | Kind::Scalar).then(|| self.tape.text(node.span))
    }

    /// What a string says.
    pub(crate) fn string(self) -> Option<Cow<'t, str>> {
        if self.kind() == Kind::Text { self.scalar() } else { None }
    }

    pub(crate) fn is_false(self) -> bool {
        self.kind() == Kind::Scalar && self.tape.is(self.node().span, "false")
    }

    /// The values of a list or of an object's members, in order.
    pub(crate) fn children(self) -> impl Iterator<Item = Self> {
        let end = self.node().end;
        let mut place = self.place + 1;
        std::iter::from_fn(move || {
            let child = (place < end).then_some(Self { place, ..self })?;
            place = child.node().end;
            Some(child)
        })
    }

    /// The value of a member; of a name that stands twice, the last one counts, as everywhere.
    pub(crate) fn member(self, name: &str) -> Option<Self> {
        self.members().filter(|child| child.is_named(name)).last()
    }

    /// The values of an object's members, in order.
    pub(crate) fn members(self) -> impl Iterator<Item = Self> {
        self.children().filter(|child| child.node().name.is_some())
    }

    fn is_named(self, name: &str) -> bool {
        self.node().name.is_some_and(|span| self.tape.is(span, name))
    }

    /// The name of the member that it is the value of.
    pub(crate) fn name(self) -> Option<Cow<'t, str>> {
        self.node().name.map(|span| self.tape.text(span))
    }
}

/// The text of a string: a lone surrogate becomes U+FFFD, a backslash that escapes nothing stays.
fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        plain.push_str(&rest[..at]);
        let (said, length) = escape(&rest[at..]);
        plain.push(said);
        rest = &rest[at + length..];
    }
    plain.push_str(rest);
    plain
}

/// The character of the escape that a text begins with, and its length.
fn escape(text: &str) -> (char, usize) {
    let said = match text.as_bytes().get(1) {
        Some(b'n') => '\n',
        Some(b'r') => '\r',
        Some(b't') => '\t',
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(said @ (b'"' | b'\\' | b'/')) => char::from(*said),
        Some(b'u') => return unicode_escape(text),
        _ => return ('\\', 1),
    };
    (said, 2)
}

fn unicode_escape(text: &str) -> (char, usize) {
    let Some(high) = utf16_unit(text) else { return ('\\', 1) };
    let low = || utf16_unit(&text[6..]);
    match char::from_u32(high) {
        Some(said) => (said, 6),
        None => match low() {
            Some(low @ 0xdc00..=0xdfff) if high < 0xdc00 => {
                let said = 0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00);
                (char::from_u32(said).unwrap_or(char::REPLACEMENT_CHARACTER), 12)
            }
            _ => (char::REPLACEMENT_CHARACTER, 6),
        },
    }
}

/// The UTF-16 unit of an escape `\uXXXX` that a text begins with.
pub(crate) fn utf16_unit(text: &str) -> Option<u32> {
    let digits = text.get(..6)?.strip_prefix("\\u")?;
    if digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        u32::from_str_radix(digits, 16).ok()
    } else {
        None
    }
}

/// Adds the token of a member's name to a pointer, RFC 6901.
pub(crate) fn push_token(pointer: &mut String, name: &str) {
    pointer.push('/');
    for said in name.chars() {
        match said {
            '~' => pointer.push_str("~0"),
            '/' => pointer.push_str("~1"),
            _ => pointer.push(said),
        }
    }
}

/// Adds the token of a list's entry to a pointer.
pub(crate) fn push_index(pointer: &mut String, index: usize) {
    write!(pointer, "/{index}").expect("a String takes what is written");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_say_a_character_each() {
        for (text, said) in [
            (r#"a\"\\\/\b\f\n\r\tb"#, "a\"\\/\u{8}\u{c}\n\r\tb"),
            (r"\u00e9\ud83d\ude00", "é😀"),
            (r"\ud83d\ud83d\ude00\ude00", "\u{fffd}😀\u{fffd}"),
            (r"\ud83dé", "\u{fffd}é"),
            (r"\x\u12\u12é4", r"\x\u12\u12é4"),
            ("\\", "\\"),
        ] {
            assert_eq!(unescaped(text), said, "{text}");
        }
    }

    #[test]
    fn pointers_escape_their_marks() {
        let mut pointer = String::new();
        push_token(&mut pointer, "a/b~c");
        push_index(&mut pointer, 12);
        assert_eq!(pointer, "/a~1b~0c/12");
    }
}
