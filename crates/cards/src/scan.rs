//! JSON text to a [`Tape`]: forgiving, because what stands in a card is somebody's answer.
//!
//! What a strict parser refuses although anyone can see what it means is read and remembered as a [`Fault`]. Where
//! nobody can, what stood before it is kept, and [`Stop`] says why it goes no further.

use std::fmt;

use crate::tape::{Kind, Node, Span, Tape, utf16_unit};

/// Values of a card that are read. The largest that were seen hold some thousands; of these the tape takes 8 MiB.
pub(crate) const VALUES_MAX: usize = 262_144;

/// Where places on the tape end.
const SOURCE_BYTES_MAX: usize = u32::MAX as usize - 1;

/// What was wrong with JSON that could be read nevertheless.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    ByteOrderMark,
    TrailingNul,
    TrailingText,
    WithinString,
    LoneSurrogate,
    ControlCharacter,
    UnknownEscape,
    NumberTooLarge,
    Comment,
    TrailingComma,
    /// A list where a text should be, a text where a list should be, and the like.
    OddValue,
}

impl Fault {
    const ALL: [(Self, &'static str); 11] = [
        (Self::ByteOrderMark, "a byte order mark"),
        (Self::TrailingNul, "NUL after the card"),
        (Self::TrailingText, "characters after the card"),
        (Self::WithinString, "JSON within a string"),
        (Self::LoneSurrogate, "lone surrogates"),
        (Self::ControlCharacter, "control characters in a string"),
        (Self::UnknownEscape, "escapes that say nothing"),
        (Self::NumberTooLarge, "numbers out of range"),
        (Self::Comment, "comments"),
        (Self::TrailingComma, "commas before a bracket"),
        (Self::OddValue, "values of a kind that is not theirs"),
    ];
}

/// The faults of a document.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Faults(u16);

impl Faults {
    pub(crate) fn add(&mut self, fault: Fault) {
        self.0 |= 1 << fault as u16;
    }

    pub(crate) fn add_all(&mut self, others: Self) {
        self.0 |= others.0;
    }

    pub(crate) const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = Fault::ALL.iter().filter(|(fault, _)| self.0 & (1 << *fault as u16) != 0);
        for (index, (_, said)) in found.enumerate() {
            write!(f, "{}{said}", if index > 0 { "; " } else { "" })?;
        }
        Ok(())
    }
}

/// Why a document was not read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// It ends while a bracket or a string is open.
    Ends,
    /// It holds more than [`VALUES_MAX`] values.
    TooManyValues,
    /// At this byte stands something else than what has to come.
    Unexpected { at: usize, wanted: &'static str },
}

/// What was read of a document.
#[derive(Debug)]
pub(crate) struct Scanned<'a> {
    pub(crate) tape: Tape<'a>,
    pub(crate) faults: Faults,
    pub(crate) stop: Option<Stop>,
}

/// Reads a document as far as it goes.
pub(crate) fn scan(document: &str) -> Scanned<'_> {
    let without_mark = document.strip_prefix('\u{feff}').unwrap_or(document);
    let source = without_mark.trim_end_matches('\0');
    let limited = &source[..source.floor_char_boundary(SOURCE_BYTES_MAX)];
    let mut scanner = Scanner {
        source: limited,
        at: 0,
        nodes: Vec::with_capacity(limited.len().min(VALUES_MAX) / 16),
        open: Vec::new(),
        faults: Faults::default(),
    };
    if without_mark.len() < document.len() {
        scanner.faults.add(Fault::ByteOrderMark);
    }
    if source.len() < without_mark.len() {
        scanner.faults.add(Fault::TrailingNul);
    }
    let stop = scanner.document().err();
    scanner.finish(stop)
}

struct Scanner<'a> {
    source: &'a str,
    at: usize,
    nodes: Vec<Node>,
    /// The places of the lists and objects that are open.
    open: Vec<u32>,
    faults: Faults,
}

impl<'a> Scanner<'a> {
    fn document(&mut self) -> Result<(), Stop> {
        self.pass_space()?;
        if self.at == self.source.len() {
            return Ok(());
        }
        self.value(None)?;
        while let Some(container) = self.open.last() {
            let kind = self.nodes[*container as usize].kind;
            let is_first = self.nodes.len() == *container as usize + 1;
            self.next_entry(kind, is_first)?;
        }
        self.pass_space()?;
        if self.at < self.source.len() {
            self.faults.add(Fault::TrailingText);
        }
        Ok(())
    }

    /// Passes what comes next in an open list or object: an entry with the comma before it, or the bracket.
    fn next_entry(&mut self, kind: Kind, is_first: bool) -> Result<(), Stop> {
        let bracket = if kind == Kind::Object { b'}' } else { b']' };
        self.pass_space()?;
        if self.take(bracket) {
            self.close();
            return Ok(());
        }
        if !is_first {
            self.want(b',', if kind == Kind::Object { "a comma or }" } else { "a comma or ]" })?;
            self.pass_space()?;
            if self.take(bracket) {
                self.faults.add(Fault::TrailingComma);
                self.close();
                return Ok(());
            }
        }
        let name = if kind == Kind::Object { Some(self.member_name()?) } else { None };
        self.pass_space()?;
        self.value(name)
    }

    fn member_name(&mut self) -> Result<Span, Stop> {
        self.want(b'"', "a name in quotes")?;
        let (name, is_whole) = self.string();
        if !is_whole {
            return Err(Stop::Ends);
        }
        self.pass_space()?;
        self.want(b':', "a colon")?;
        Ok(name)
    }

    fn close(&mut self) {
        if let Some(container) = self.open.pop() {
            self.nodes[container as usize].end = place(self.nodes.len());
        }
    }

    /// Passes a value, or the bracket that it begins with.
    fn value(&mut self, name: Option<Span>) -> Result<(), Stop> {
        if self.nodes.len() == VALUES_MAX {
            return Err(Stop::TooManyValues);
        }
        let start = self.at;
        match self.source.as_bytes().get(start) {
            None => return Err(Stop::Ends),
            Some(b'{') => self.begin(name, Kind::Object),
            Some(b'[') => self.begin(name, Kind::List),
            Some(b'"') => {
                self.at += 1;
                let (span, is_whole) = self.string();
                self.push(name, Kind::Text, span);
                if !is_whole {
                    return Err(Stop::Ends);
                }
            }
            Some(_) => return self.literal(name),
        }
        Ok(())
    }

    fn begin(&mut self, name: Option<Span>, kind: Kind) {
        self.at += 1;
        self.open.push(place(self.nodes.len()));
        self.push(name, kind, Span::default());
    }

    fn push(&mut self, name: Option<Span>, kind: Kind, span: Span) {
        let end = place(self.nodes.len() + 1);
        self.nodes.push(Node { kind, name, span, end });
    }

    fn span(&self, start: usize, is_escaped: bool) -> Span {
        Span { start: place(start), length: place(self.at - start), is_escaped }
    }

    /// Passes the rest of a string; says what it holds and whether it ends.
    fn string(&mut self) -> (Span, bool) {
        let bytes = self.source.as_bytes();
        let start = self.at;
        let mut is_escaped = false;
        while let Some(byte) = bytes.get(self.at) {
            match byte {
                b'"' => {
                    let span = self.span(start, is_escaped);
                    self.at += 1;
                    return (span, true);
                }
                b'\\' => {
                    is_escaped = true;
                    let Some(length) = self.escape_bytes() else { break };
                    self.at += length;
                }
                ..b' ' => {
                    self.faults.add(Fault::ControlCharacter);
                    self.at += 1;
                }
                _ => self.at += 1,
            }
        }
        // What is left of an escape that was cut off says nothing.
        let span = self.span(start, is_escaped);
        self.at = self.source.len();
        (span, false)
    }

    /// The length of the escape that begins here; none where the document ends within it.
    fn escape_bytes(&mut self) -> Option<usize> {
        let rest = &self.source[self.at..];
        match rest.as_bytes().get(1)? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(2),
            b'u' => match utf16_unit(rest) {
                Some(0xd800..=0xdbff) if matches!(utf16_unit(&rest[6..]), Some(0xdc00..=0xdfff)) => Some(12),
                Some(0xd800..=0xdfff) => {
                    self.faults.add(Fault::LoneSurrogate);
                    Some(6)
                }
                Some(_) => Some(6),
                None if rest.len() < 6 && !rest.contains('"') => None,
                None => {
                    self.faults.add(Fault::UnknownEscape);
                    Some(1)
                }
            },
            _ => {
                self.faults.add(Fault::UnknownEscape);
                Some(1)
            }
        }
    }

    /// Passes a number, `true`, `false` or `null`.
    fn literal(&mut self, name: Option<Span>) -> Result<(), Stop> {
        let start = self.at;
        let rest = &self.source[start..];
        let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
        let length = rest.bytes().position(|byte| !is_word(&byte)).unwrap_or(rest.len());
        let word = &rest[..length];
        let kind = match word {
            "null" => Kind::Null,
            "true" | "false" => Kind::Scalar,
            _ if self.is_number(word) => Kind::Scalar,
            _ if length == rest.len()
                && ["null", "true", "false"].iter().any(|said| said.starts_with(word)) =>
            {
                return Err(Stop::Ends);
            }
            _ => return Err(Stop::Unexpected { at: start, wanted: "a value" }),
        };
        self.at += length;
        let span = self.span(start, false);
        self.push(name, kind, span);
        Ok(())
    }

    fn is_number(&mut self, word: &str) -> bool {
        if !word.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte)) {
            return false;
        }
        let Ok(number) = word.parse::<f64>() else { return false };
        if number.is_infinite() {
            self.faults.add(Fault::NumberTooLarge);
        }
        true
    }

    /// Passes white space and comments.
    fn pass_space(&mut self) -> Result<(), Stop> {
        loop {
            let rest = &self.source[self.at..];
            let space = rest.bytes().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n')).count();
            self.at += space;
            let rest = &rest[space..];
            let comment = if rest.starts_with("//") {
                Some(rest.find('\n').unwrap_or(rest.len()))
            } else if let Some(said) = rest.strip_prefix("/*") {
                Some(said.find("*/").ok_or(Stop::Ends)? + "/**/".len())
            } else {
                None
            };
            let Some(length) = comment else { return Ok(()) };
            self.faults.add(Fault::Comment);
            self.at += length;
        }
    }

    fn take(&mut self, byte: u8) -> bool {
        let is_there = self.source.as_bytes().get(self.at) == Some(&byte);
        self.at += usize::from(is_there);
        is_there
    }

    fn want(&mut self, byte: u8, wanted: &'static str) -> Result<(), Stop> {
        if self.take(byte) {
            Ok(())
        } else if self.at == self.source.len() {
            Err(Stop::Ends)
        } else {
            Err(Stop::Unexpected { at: self.at, wanted })
        }
    }

    /// The tape as far as it goes: what is still open ends here.
    fn finish(mut self, stop: Option<Stop>) -> Scanned<'a> {
        while !self.open.is_empty() {
            self.close();
        }
        Scanned { tape: Tape { source: self.source, nodes: self.nodes }, faults: self.faults, stop }
    }
}

/// A place in the source or on the tape.
fn place(at: usize) -> u32 {
    u32::try_from(at).expect("the source is shorter than u32::MAX, and no tape is longer than its source")
}
