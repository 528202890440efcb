//! The file as a tree of values that know where they were typed.
//!
//! Overrides are put into the tree before anybody reads it: what came by `--set` is checked like the rest,
//! and a message about it says `--set` and no line.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{Fault, Problem};
use super::key_path::{KeyPath, Step};
use super::overrides::Override;

/// Where something was typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// In the file, at no line of its own.
    File,
    /// At a line and column of the file, both from 1, columns in characters.
    At { line: usize, column: usize },
    /// On the command line.
    Override,
}

/// A value and where it was typed; of a table, where its name was.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) value: Value,
    place: Place,
}

#[derive(Debug)]
pub(super) enum Value {
    /// A string, or a date without quotes: its text is what was meant.
    Text(String),
    Integer(i64),
    /// An integer beyond 64 bits, as typed.
    TooLarge(String),
    Float(f64),
    Boolean(bool),
    List(Vec<Node>),
    Table(Vec<Entry>),
}

/// A key of a table, with its value. Entries keep the order of the file, so that its first mistake is named
/// first.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    key_place: Place,
    pub(super) node: Node,
}

/// A whole file.
#[derive(Debug)]
pub(super) struct Tree(Node);

/// Text that is no TOML.
pub(super) struct SyntaxError {
    pub(super) message: String,
    pub(super) place: Place,
}

impl Tree {
    /// Reads a file. Nesting is bounded by the parser.
    pub(super) fn parse(text: &str) -> Result<Self, SyntaxError> {
        let lines = Lines::of(text);
        let document = DeTable::parse(text).map_err(|error| SyntaxError {
            message: error.message().to_owned(),
            place: error.span().map_or(Place::File, |span| lines.place(&span)),
        })?;
        let value = table(document.into_inner(), &|span| lines.place(span));
        // What is missing altogether belongs behind all that is there.
        let end = lines.place(&(text.len()..text.len()));
        Ok(Self(Node { value, place: end }))
    }

    pub(super) fn root(&self) -> &Node {
        &self.0
    }

    /// The keys typed in a section, in the order of the file; nothing where there is no such section.
    pub(super) fn keys_of<'a>(&'a self, section: &KeyPath) -> impl Iterator<Item = &'a str> {
        let entries = self.walk(section, |_, _| {}).map_or(&[][..], Node::entries);
        entries.iter().map(|entry| entry.key.as_str())
    }

    /// Where the value of a setting stands; of one that is missing, where the table stands that lacks it.
    pub(super) fn value_place(&self, path: &KeyPath) -> Place {
        self.deepest(path).0
    }

    /// Where the key of a setting stands.
    pub(super) fn key_place(&self, path: &KeyPath) -> Place {
        self.deepest(path).1
    }

    fn deepest(&self, path: &KeyPath) -> (Place, Place) {
        let mut deepest = (self.0.place, self.0.place);
        // Where the path ends before its last step, the deepest node on it is the one meant.
        let _ = self.walk(path, |node, key_place| deepest = (node.place, key_place));
        deepest
    }

    /// Goes down a path, and shows every node on it with the place of its key. `None` where it ends too early.
    fn walk(&self, path: &KeyPath, mut on_the_way: impl FnMut(&Node, Place)) -> Option<&Node> {
        let mut node = &self.0;
        for step in path.steps() {
            let (child, key_place) = match (step, &node.value) {
                (Step::Key(key), Value::Table(_)) => {
                    node.entry(key).map(|entry| (&entry.node, entry.key_place))
                }
                (Step::Index(index), Value::List(items)) => items.get(*index).map(|item| (item, item.place)),
                _ => None,
            }?;
            on_the_way(child, key_place);
            node = child;
        }
        Some(node)
    }

    /// Puts a value of the command line where it belongs, over what the file says.
    pub(super) fn set(&mut self, item: &Override) -> Result<(), Problem> {
        let mut node = &mut self.0;
        let mut path = KeyPath::default();
        for key in item.keys() {
            let is_list = matches!(node.value, Value::List(_));
            let Value::Table(entries) = &mut node.value else {
                let fault = Fault::new("is no table, so nothing can be set inside it");
                let hint = if is_list {
                    format!("{path} stands several times: set it in the file")
                } else {
                    format!("set it as a whole: --set '{path}={{ … }}'")
                };
                return Err(fault.hint(hint).at(path));
            };
            let index = entries.iter().position(|entry| entry.key == key).unwrap_or_else(|| {
                entries.push(Entry::overriding(key));
                entries.len() - 1
            });
            node = &mut entries[index].node;
            path = path.key(key);
        }
        *node = typed_on_the_command_line(item.text());
        Ok(())
    }
}

impl Node {
    fn entries(&self) -> &[Entry] {
        if let Value::Table(entries) = &self.value { entries } else { &[] }
    }

    fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| entry.key == key)
    }
}

impl Entry {
    fn overriding(key: &str) -> Self {
        let node = Node { value: Value::Table(Vec::new()), place: Place::Override };
        Self { key: key.to_owned(), key_place: Place::Override, node }
    }
}

/// A value as TOML where it is TOML, else as its text: nobody quotes a path for the shell and again for TOML.
fn typed_on_the_command_line(text: &str) -> Node {
    let Ok(value) = DeValue::parse(text) else {
        return Node { value: Value::Text(text.to_owned()), place: Place::Override };
    };
    node(value, &|_| Place::Override)
}

fn node(spanned: Spanned<DeValue<'_>>, place_of: &dyn Fn(&Range<usize>) -> Place) -> Node {
    let place = place_of(&spanned.span());
    let value = match spanned.into_inner() {
        DeValue::String(text) => Value::Text(text.into_owned()),
        DeValue::Integer(integer) => match i64::from_str_radix(integer.as_str(), integer.radix()) {
            Ok(number) => Value::Integer(number),
            Err(_) => Value::TooLarge(integer.to_string()),
        },
        // TOML's floats are Rust's, the underscores already taken out; what is no number is refused by its
        // limits.
        DeValue::Float(float) => Value::Float(float.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(boolean) => Value::Boolean(boolean),
        DeValue::Datetime(datetime) => Value::Text(datetime.to_string()),
        DeValue::Array(items) => Value::List(items.into_iter().map(|item| node(item, place_of)).collect()),
        DeValue::Table(entries) => table(entries, place_of),
    };
    Node { value, place }
}

fn table(entries: DeTable<'_>, place_of: &dyn Fn(&Range<usize>) -> Place) -> Value {
    let mut entries: Vec<_> = entries.into_iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    let entry = |(key, value): (Spanned<_>, _)| {
        let key_place = place_of(&key.span());
        let mut node = node(value, place_of);
        if matches!(node.value, Value::Table(_)) {
            node.place = key_place;
        }
        Entry { key: std::borrow::Cow::into_owned(key.into_inner()), key_place, node }
    };
    Value::Table(entries.into_iter().map(entry).collect())
}

/// The beginnings of the lines of a text.
struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    fn of(text: &'a str) -> Self {
        let ends = text.match_indices('\n').map(|(at, _)| at + 1);
        Self { text, starts: std::iter::once(0).chain(ends).collect() }
    }

    fn place(&self, span: &Range<usize>) -> Place {
        let line = self.starts.partition_point(|start| *start <= span.start).max(1);
        let before = self.text.get(self.starts[line - 1]..span.start).unwrap_or_default();
        // A byte order mark is no character of the first line.
        let column = before.trim_start_matches('\u{feff}').chars().count() + 1;
        Place::At { line, column }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_lines_and_columns_in_characters() {
        for (text, path, expected) in [
            ("a = 1", "a", (1, 5)),
            ("\r\n\r\n  b = \"x\"\r\n", "b", (3, 7)),
            ("c = { é = 1, d = 2 }".replace('é', "\"é\"").as_str(), "c.d", (1, 20)),
            ("[e]\nf = [1,\n 2]", "e.f", (2, 5)),
            ("[e]\nf = [1,\n 2]", "e.missing", (1, 2)),
            ("[e.f]\n[e]\n", "e.f", (1, 4)),
            ("[e]\nf = 1\n", "missing", (3, 1)),
            ("", "missing", (1, 1)),
        ] {
            let Ok(tree) = Tree::parse(text) else { panic!("{text:?} is TOML") };
            let (line, column) = expected;
            let place = tree.value_place(&KeyPath::of(path));
            assert_eq!(place, Place::At { line, column }, "{path} in {text:?}");
        }
    }

    #[test]
    fn a_byte_order_mark_is_no_column() {
        let Ok(tree) = Tree::parse("\u{feff}a = 1") else { panic!("TOML behind a byte order mark") };
        assert_eq!(tree.keys_of(&KeyPath::of("a")).count(), 0);
        assert_eq!(tree.value_place(&KeyPath::of("a")), Place::At { line: 1, column: 5 });
    }

    #[test]
    fn what_the_command_line_says_is_toml_or_text() {
        for (text, expected) in [
            ("5", "Integer(5)"),
            ("0x10", "Integer(16)"),
            ("1_000", "Integer(1000)"),
            ("2.5", "Float(2.5)"),
            ("true", "Boolean(true)"),
            ("\"5\"", "Text(\"5\")"),
            ("5m", "Text(\"5m\")"),
            ("./lake", "Text(\"./lake\")"),
            ("2025-01-01", "Text(\"2025-01-01\")"),
            ("", "Text(\"\")"),
            ("{user_id}/*.json", "Text(\"{user_id}/*.json\")"),
            ("[links", "Text(\"[links\")"),
            ("a = 1\nb", "Text(\"a = 1\\nb\")"),
            ("1 # one", "Text(\"1 # one\")"),
            ("99999999999999999999", "TooLarge(\"99999999999999999999\")"),
        ] {
            assert_eq!(format!("{:?}", typed_on_the_command_line(text).value), expected, "{text:?}");
        }
    }
}
