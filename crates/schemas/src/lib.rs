//! The tables of the lake in the words of others: JSON for whoever generates code, SQL for DuckDB and Spark.
//!
//! All of it is made from [`promptlake_model::Table`]. The same text is checked in under `schemas/`, and printed by the
//! program for a lake of one's own.

mod book;
mod describe;
mod sql;

pub use book::tables_page;
pub use describe::describe;
pub use sql::{duckdb, duckdb_of, spark, spark_of};
