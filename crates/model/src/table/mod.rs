//! The tables of the lake: names, columns, order. What the code writes and what `schemas/` says come from here.

mod columns;

use std::fmt;
use std::sync::{Arc, LazyLock};

use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The version of the data contract. A change of any column is a new one, with a line in the changelog.
pub const SCHEMA_VERSION: u32 = 1;

/// A table of the lake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// Prompts and responses.
    Interactions,
    /// Their attachments.
    Attachments,
    /// Elements of cards that carry text.
    CardElements,
    /// Occurrences of URLs.
    Links,
    /// What the prompt was about.
    Contexts,
    /// Who was mentioned.
    Mentions,
    /// The records as received.
    Raw,
    /// Users and how their extraction went.
    Users,
    /// What is complete.
    Coverage,
    /// What could not be read.
    Rejects,
}

/// A column: its name, type, whether it may be null, and what it means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// Lower snake case, ASCII.
    pub name: &'static str,
    /// One of the types that every reader takes.
    pub kind: ColumnType,
    /// Whether it may be null.
    pub nullable: bool,
    /// What it means, in a sentence.
    pub meaning: &'static str,
}

/// The types that DuckDB and Spark both take without loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnType {
    /// UTF-8.
    Text,
    /// Signed 32-bit.
    Int32,
    /// Signed 64-bit.
    Int64,
    /// Microseconds, UTC.
    Timestamp,
    /// True or false.
    Boolean,
    /// Bytes.
    Binary,
}

impl Column {
    const fn nullable(name: &'static str, kind: ColumnType, meaning: &'static str) -> Self {
        Self { name, kind, nullable: true, meaning }
    }

    const fn required(name: &'static str, kind: ColumnType, meaning: &'static str) -> Self {
        Self { name, kind, nullable: false, meaning }
    }
}

impl ColumnType {
    /// The Arrow type.
    #[must_use]
    pub fn arrow(self) -> DataType {
        match self {
            Self::Text => DataType::Utf8,
            Self::Int32 => DataType::Int32,
            Self::Int64 => DataType::Int64,
            Self::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Self::Boolean => DataType::Boolean,
            Self::Binary => DataType::Binary,
        }
    }
}

impl Table {
    /// Every table, in the order of the documentation.
    pub const ALL: [Self; 10] = [
        Self::Interactions,
        Self::Attachments,
        Self::CardElements,
        Self::Links,
        Self::Contexts,
        Self::Mentions,
        Self::Raw,
        Self::Users,
        Self::Coverage,
        Self::Rejects,
    ];

    /// Its name: the directory in the lake.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Interactions => "interactions",
            Self::Attachments => "attachments",
            Self::CardElements => "card_elements",
            Self::Links => "links",
            Self::Contexts => "contexts",
            Self::Mentions => "mentions",
            Self::Raw => "raw",
            Self::Users => "users",
            Self::Coverage => "coverage",
            Self::Rejects => "rejects",
        }
    }

    /// The table of a name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|table| table.name() == name)
    }

    /// What one row stands for.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Interactions => "One row per record: a prompt or a response.",
            Self::Attachments => "One row per attachment of a record.",
            Self::CardElements => "One row per element of a card that carries text.",
            Self::Links => "One row per occurrence of a URL.",
            Self::Contexts => "One row per context of a record.",
            Self::Mentions => "One row per mention of a record.",
            Self::Raw => "One row per record, as received: every other table can be made again from it.",
            Self::Users => "One row per user and run: how his extraction went.",
            Self::Coverage => "One row per interval newly covered: what is complete, for whom, until when.",
            Self::Rejects => "One row per thing that could not be read.",
        }
    }

    /// Whether it is written whatever the settings say: without these three nobody knows what is complete.
    #[must_use]
    pub const fn always_written(self) -> bool {
        matches!(self, Self::Interactions | Self::Coverage | Self::Rejects)
    }

    /// Whether its rows are somebody's words and little else: a lake without these has no such table.
    #[must_use]
    pub const fn is_of_words(self) -> bool {
        matches!(self, Self::CardElements | Self::Raw)
    }

    /// Its columns, in order. The partition column `date` is not among them: it is in the path alone.
    #[must_use]
    pub const fn columns(self) -> &'static [Column] {
        match self {
            Self::Interactions => columns::INTERACTIONS,
            Self::Attachments => columns::ATTACHMENTS,
            Self::CardElements => columns::CARD_ELEMENTS,
            Self::Links => columns::LINKS,
            Self::Contexts => columns::CONTEXTS,
            Self::Mentions => columns::MENTIONS,
            Self::Raw => columns::RAW,
            Self::Users => columns::USERS,
            Self::Coverage => columns::COVERAGE,
            Self::Rejects => columns::REJECTS,
        }
    }

    /// The columns that its rows are sorted by within a partition, ascending, nulls first.
    #[must_use]
    pub const fn sort_columns(self) -> &'static [&'static str] {
        match self {
            Self::Interactions | Self::Raw => {
                &["tenant_id", "user_id", "session_id", "created_at", "interaction_id", "record_id"]
            }
            Self::Attachments => RECORD_THEN_ATTACHMENT,
            Self::CardElements => RECORD_THEN_ELEMENT,
            Self::Links => RECORD_THEN_LINK,
            Self::Contexts => RECORD_THEN_CONTEXT,
            Self::Mentions => RECORD_THEN_MENTION,
            Self::Users => &["tenant_id", "user_id", "run_id"],
            Self::Coverage => &["tenant_id", "user_id", "covered_from", "covered_to", "run_id"],
            Self::Rejects => &["tenant_id", "user_id", "reject_id"],
        }
    }

    /// Its Arrow schema. Shared: a batch of this table holds this very pointer.
    #[must_use]
    pub fn schema(self) -> SchemaRef {
        static SCHEMAS: LazyLock<[SchemaRef; Table::ALL.len()]> =
            LazyLock::new(|| Table::ALL.map(|table| Arc::new(arrow_schema(table.columns()))));
        Arc::clone(&SCHEMAS[self as usize])
    }
}

macro_rules! record_then {
    ($name:ident, $($ordinal:literal),+) => {
        const $name: &[&str] =
            &["tenant_id", "user_id", "session_id", "created_at", "interaction_id", "record_id", $($ordinal),+];
    };
}

record_then!(RECORD_THEN_ATTACHMENT, "attachment_ordinal");
record_then!(RECORD_THEN_ELEMENT, "attachment_ordinal", "element_ordinal");
record_then!(RECORD_THEN_LINK, "link_ordinal");
record_then!(RECORD_THEN_CONTEXT, "context_ordinal");
record_then!(RECORD_THEN_MENTION, "mention_ordinal");

fn arrow_schema(columns: &[Column]) -> Schema {
    let field = |column: &Column| Field::new(column.name, column.kind.arrow(), column.nullable);
    Schema::new(columns.iter().map(field).collect::<Vec<_>>())
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for Table {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Table {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::from_name(&name).ok_or_else(|| de::Error::custom(format_args!("there is no table {name:?}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_is_found_by_its_name_and_sorted_by_its_own_columns() {
        for (index, table) in Table::ALL.into_iter().enumerate() {
            assert_eq!(table as usize, index);
            assert_eq!(Table::from_name(table.name()), Some(table));
            let schema = table.schema();
            for column in table.sort_columns() {
                assert!(schema.index_of(column).is_ok(), "{table} has no {column}");
            }
        }
        assert_eq!(Table::from_name("date"), None);
    }

    #[test]
    fn columns_are_what_every_reader_takes() {
        for table in Table::ALL {
            let mut names: Vec<_> = table.columns().iter().map(|column| column.name).collect();
            for name in &names {
                assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'));
                assert_ne!(*name, "date", "{table} would hide its partition column");
            }
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), table.columns().len(), "{table} has a column twice");
        }
    }

    #[test]
    fn only_what_the_contract_says_is_never_null() {
        let required = ["tenant_id", "user_id", "record_id", "run_id", "extracted_at", "reject_id"];
        for table in Table::ALL {
            for column in table.columns() {
                assert_eq!(!column.nullable, required.contains(&column.name), "{table}.{}", column.name);
            }
        }
    }
}
