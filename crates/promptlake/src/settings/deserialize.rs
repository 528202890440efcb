//! From the tree to what was typed, by serde; a mistake is a [`Problem`] with its path.
//!
//! The path grows from the inside out while the error travels up. Where it stands in the file is looked up at
//! the end: the tree knows.

use std::fmt::Display;

use serde::de::{
    DeserializeSeed, Deserializer, Error, Expected, IntoDeserializer, MapAccess, SeqAccess, Unexpected,
    Visitor,
};

use super::error::{Fault, Found, Problem};
use super::key_path::{KeyPath, Step};
use super::tree::{Entry, Node, Value};

impl<'de> Deserializer<'de> for &'de Node {
    type Error = Problem;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        match &self.value {
            Value::Text(text) => visitor.visit_borrowed_str(text),
            Value::Integer(number) => visitor.visit_i64(*number),
            Value::TooLarge(number) => Err(Fault::new(format!("is {number}, beyond every limit")).into()),
            Value::Float(number) => visitor.visit_f64(*number),
            Value::Boolean(boolean) => visitor.visit_bool(*boolean),
            Value::List(items) => visitor.visit_seq(Items { items: items.iter(), next: 0 }),
            Value::Table(entries) => visitor.visit_map(Entries { entries: entries.iter(), current: None }),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        visitor.visit_some(self)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

struct Entries<'de> {
    entries: std::slice::Iter<'de, Entry>,
    current: Option<&'de Entry>,
}

impl<'de> MapAccess<'de> for Entries<'de> {
    type Error = Problem;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Problem> {
        self.current = self.entries.next();
        let key = |entry: &'de Entry| seed.deserialize(entry.key.as_str().into_deserializer());
        self.current.map(key).transpose()
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Problem> {
        let entry = self.current.expect("serde asks for a value after its key");
        seed.deserialize(&entry.node).map_err(|problem| problem.under(Step::Key(entry.key.clone())))
    }
}

struct Items<'de> {
    items: std::slice::Iter<'de, Node>,
    next: usize,
}

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = Problem;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Problem> {
        let Some(item) = self.items.next() else { return Ok(None) };
        let index = self.next;
        self.next += 1;
        seed.deserialize(item).map(Some).map_err(|problem| problem.under(Step::Index(index)))
    }
}

impl Error for Problem {
    fn custom<T: Display>(message: T) -> Self {
        Fault::new(format!("is wrong: {message}")).into()
    }

    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Fault::wrong_type(found(&unexpected), expected.to_string()).into()
    }

    fn unknown_field(field: &str, known: &'static [&'static str]) -> Self {
        Fault::unknown_key(known).at(KeyPath::default().key(field))
    }

    fn missing_field(field: &'static str) -> Self {
        Fault::missing().at(KeyPath::default().key(field))
    }
}

fn found(unexpected: &Unexpected<'_>) -> Found {
    match unexpected {
        Unexpected::Str(text) => Found::Text((*text).to_owned()),
        Unexpected::Seq => Found::Other("a list".to_owned()),
        Unexpected::Map => Found::Other("a table".to_owned()),
        Unexpected::Bool(value) => Found::Other(value.to_string()),
        Unexpected::Signed(number) => Found::Other(number.to_string()),
        Unexpected::Float(number) => Found::Other(number.to_string()),
        other => Found::Other(other.to_string()),
    }
}
