//! The files under `schemas/`, and the page about tables in the book: made from the tables of the code, checked in,
//! compared.

mod book;
mod sql;

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use promptlake_model::{ColumnType, SCHEMA_VERSION, Table};
use serde::Serialize;

/// Every generated file and what it must hold.
fn files() -> Vec<(PathBuf, String)> {
    let schemas = crate::root().join("schemas");
    let folder = schemas.join("tables");
    let file = |table: Table| {
        let text =
            serde_json::to_string_pretty(&describe(table)).expect("a description holds strings alone") + "\n";
        (folder.join(format!("{table}.json")), text)
    };
    let scripts = [(schemas.join("duckdb.sql"), sql::duckdb()), (schemas.join("spark.sql"), sql::spark())];
    let page = (crate::root().join("docs/src/tables.md"), book::tables());
    Table::ALL.into_iter().map(file).chain(scripts).chain([page]).collect()
}

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

fn describe(table: Table) -> Described {
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

const fn type_name(kind: ColumnType) -> &'static str {
    match kind {
        ColumnType::Text => "string",
        ColumnType::Int32 => "int32",
        ColumnType::Int64 => "int64",
        ColumnType::Timestamp => "timestamp (µs, UTC)",
        ColumnType::Boolean => "boolean",
        ColumnType::Binary => "binary",
    }
}

pub(crate) fn write() -> Result<()> {
    for (path, text) in files() {
        let folder = path.parent().context("a generated file lies in a folder")?;
        std::fs::create_dir_all(folder)?;
        std::fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
    }
    Ok(())
}

pub(crate) fn check() -> Result<()> {
    let differs =
        |(path, text): &(PathBuf, String)| std::fs::read_to_string(path).ok().as_ref() != Some(text);
    let stale: Vec<String> =
        files().into_iter().filter(differs).map(|(path, _)| path.display().to_string()).collect();
    if !stale.is_empty() {
        bail!("out of date: {}; run `cargo xtask schemas`", stale.join(", "));
    }
    Ok(())
}
