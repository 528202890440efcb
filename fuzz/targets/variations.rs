//! Variations of an input: what a hand would do to break a parser, at places that chance decides.

use std::ops::Range;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

/// What parsers have stumbled over.
const HOSTILE: [&str; 24] = [
    "\"",
    "\\",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\0",
    "\u{feff}",
    "\\ud83d",
    "\\u0000",
    "1e999",
    "-",
    "null",
    "\r\n",
    "<",
    "&#10;",
    "](",
    "```",
    "| a |\n|-|",
    "<pre>",
    "<attachment id=\"a\">",
    "9999999999999999999",
];

/// Openings that may repeat, each with what closes it.
const NESTS: [(&str, &str); 5] =
    [("[", "]"), ("{\"items\":[", "]}"), ("> ", ""), ("- ", ""), ("<ul><li>", "")];

const LEVELS_MAX: usize = 300;
const STRETCH_BYTES_MAX: usize = 40;
const CHANGES_MAX: usize = 4;

/// Chance that is the same in every run.
pub(crate) struct Variations(StdRng);

impl Variations {
    pub(crate) fn seeded(seed: u64) -> Self {
        Self(StdRng::seed_from_u64(seed))
    }

    /// A variation of an input; what it takes from elsewhere is from `other`.
    pub(crate) fn of(&mut self, input: &[u8], other: &[u8]) -> Vec<u8> {
        let mut varied = input.to_vec();
        for _ in 0..self.0.random_range(1..=CHANGES_MAX) {
            self.change(&mut varied, other);
        }
        varied
    }

    fn change(&mut self, bytes: &mut Vec<u8>, other: &[u8]) {
        let stretch = self.stretch(bytes);
        match self.0.random_range(0..8) {
            0 => drop(bytes.drain(stretch)),
            1 => {
                let copy = bytes[stretch].to_vec();
                self.put(bytes, &copy);
            }
            2 => {
                let taken = other[self.stretch(other)].to_vec();
                drop(bytes.splice(stretch, taken));
            }
            3 => self.nest(bytes, stretch),
            4 => {
                let word = HOSTILE[self.0.random_range(0..HOSTILE.len())];
                drop(bytes.splice(stretch, word.bytes()));
            }
            5 => {
                let word = HOSTILE[self.0.random_range(0..HOSTILE.len())];
                self.put(bytes, word.as_bytes());
            }
            6 => {
                let at = self.0.random_range(0..=bytes.len());
                bytes.truncate(at);
            }
            _ => {
                if let Some(byte) = bytes.get_mut(stretch.start) {
                    *byte ^= 1 << self.0.random_range(0..8);
                }
            }
        }
    }

    fn put(&mut self, bytes: &mut Vec<u8>, inserted: &[u8]) {
        let at = self.0.random_range(0..=bytes.len());
        drop(bytes.splice(at..at, inserted.iter().copied()));
    }

    fn nest(&mut self, bytes: &mut Vec<u8>, stretch: Range<usize>) {
        let (open, close) = NESTS[self.0.random_range(0..NESTS.len())];
        let levels = self.0.random_range(1..=LEVELS_MAX);
        let inner = String::from_utf8_lossy(&bytes[stretch.clone()]).into_owned();
        let nested = format!("{}{inner}{}", open.repeat(levels), close.repeat(levels));
        drop(bytes.splice(stretch, nested.into_bytes()));
    }

    /// Some bytes, or, as often, everything from a bracket or quote to the one that closes it.
    fn stretch(&mut self, bytes: &[u8]) -> Range<usize> {
        let start = self.0.random_range(0..=bytes.len());
        let opening = |byte: &u8| matches!(byte, b'{' | b'[' | b'"' | b'<');
        let found = bytes[start..].iter().position(opening).map(|at| start + at);
        match found.filter(|_| self.0.random()) {
            Some(start) => start..start + bracketed_bytes(&bytes[start..]),
            None => start..bytes.len().min(start + self.0.random_range(0..=STRETCH_BYTES_MAX)),
        }
    }
}

/// The length of what begins with an opening bracket or quote, without regard to what strings hold.
fn bracketed_bytes(bytes: &[u8]) -> usize {
    let mut depth = 0_usize;
    let quotes = bytes.first() == Some(&b'"');
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'"' if quotes && at > 0 => return at + 1,
            b'{' | b'[' | b'<' => depth += 1,
            b'}' | b']' | b'>' if depth == 1 => return at + 1,
            b'}' | b']' | b'>' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    bytes.len()
}
