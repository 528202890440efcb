//! The files under `schemas/`, and the page about tables in the book: made from the tables of the code, checked in,
//! compared.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use promptlake_model::Table;
use promptlake_schemas::{describe, duckdb, spark, tables_page};

/// Every generated file and what it must hold.
fn files() -> Vec<(PathBuf, String)> {
    let schemas = crate::root().join("schemas");
    let folder = schemas.join("tables");
    let file = |table: Table| (folder.join(format!("{table}.json")), describe(table));
    let scripts = [(schemas.join("duckdb.sql"), duckdb()), (schemas.join("spark.sql"), spark())];
    let page = (crate::root().join("docs/src/tables.md"), tables_page());
    Table::ALL.into_iter().map(file).chain(scripts).chain([page]).collect()
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
