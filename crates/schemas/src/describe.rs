//! A table in JSON: what its columns are called, what type they have, and what they mean.

use promptlake_model::{ColumnType, SCHEMA_VERSION, Table};
use serde::Serialize;

/// A table as its file says it, in this order.
#[derive(Serialize)]
struct Described {
    table: &'static str,
    schema_version: u32,
    meaning: &'static str,
    partitioned_by: [&'static str; 1],
    sorted_by: &'static [&'static str],
    columns: Vec<DescribedColumn>,
}

#[derive(Serialize)]
struct DescribedColumn {
    name: &'static str,
    r#type: &'static str,
    nullable: bool,
    meaning: &'static str,
}

/// The description of a table, as a file under `schemas/tables` holds it.
#[must_use]
pub fn describe(table: Table) -> String {
    serde_json::to_string_pretty(&described(table)).expect("a description holds strings alone") + "\n"
}

fn described(table: Table) -> Described {
    let column = |column: &promptlake_model::Column| DescribedColumn {
        name: column.name,
        r#type: type_name(column.kind),
        nullable: column.nullable,
        meaning: column.meaning,
    };
    Described {
        table: table.name(),
        schema_version: SCHEMA_VERSION,
        meaning: table.meaning(),
        partitioned_by: ["date"],
        sorted_by: table.sort_columns(),
        columns: table.columns().iter().map(column).collect(),
    }
}

pub(crate) const fn type_name(kind: ColumnType) -> &'static str {
    match kind {
        ColumnType::Text => "string",
        ColumnType::Int32 => "int32",
        ColumnType::Int64 => "int64",
        ColumnType::Timestamp => "timestamp (µs, UTC)",
        ColumnType::Boolean => "boolean",
        ColumnType::Binary => "binary",
    }
}
