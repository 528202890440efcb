//! The first thing a person runs: the demo, read back by DuckDB.
#![expect(clippy::unwrap_used, reason = "what a test does not get, fails it")]

use std::collections::BTreeMap;

use graph_emulator::{Tenant, TenantSpec};
use promptlake_model::Table;
use promptlake_tests::duckdb::{files_of, query};
use promptlake_tests::lake::Lake;
use promptlake_tests::program::{Ended, bare_command, finish};
use promptlake_tests::root;

/// 2025-01-01 and 2025-04-01, as pipelines/demo.toml has them.
const WINDOW_MS: (i64, i64) = (1_735_689_600_000, 1_743_465_600_000);

fn run_demo(lake: &Lake, more: &[&str]) -> Ended {
    let mut command = bare_command();
    command.current_dir(root()).args(["run", "pipelines/demo.toml", "--set"]);
    command.arg(format!("destination.url={}", lake.path().display()));
    for setting in more {
        command.args(["--set", setting]);
    }
    finish(command)
}

fn demo_tenant() -> Tenant {
    let spec = TenantSpec::default().with_seed(1).with_users(40).with_interactions(10_000);
    Tenant::new(spec.with_window(WINDOW_MS.0, WINDOW_MS.1)).unwrap()
}

#[test]
fn the_demo_fills_a_lake_that_equals_the_tenant_and_a_second_run_adds_only_to_the_books() {
    let lake = Lake::new();
    run_demo(&lake, &[]).assert_code(0).assert_said("Try it in DuckDB");
    let tenant = demo_tenant();
    let totals = tenant.totals();
    lake.assert_holds(&tenant);
    assert_eq!(lake.rows(Table::Users), totals.users);
    assert_eq!(lake.rows(Table::Coverage), totals.coverage);
    assert_texts_and_links(&lake);
    assert_columns(&lake);
    let first = lake.all_rows();

    run_demo(&lake, &[]).assert_code(0);
    let expected = with_books_of_another_run(&first, &tenant);
    assert_eq!(lake.all_rows(), expected);

    // All over again: every record is looked at, and known.
    run_demo(&lake, &["source.lookback=3660d"])
        .assert_code(0)
        .assert_said("10,000 records were in the lake already");
    assert_eq!(lake.all_rows(), with_books_of_another_run(&expected, &tenant));
    lake.assert_no_row_twice();
}

fn with_books_of_another_run(
    before: &BTreeMap<&'static str, u64>,
    tenant: &Tenant,
) -> BTreeMap<&'static str, u64> {
    let totals = tenant.totals();
    let mut after = before.clone();
    *after.entry("users").or_default() += totals.users;
    *after.entry("coverage").or_default() += totals.coverage;
    after
}

/// The files written have the columns that `schemas/` says, in order, with their types.
fn assert_columns(lake: &Lake) {
    for table in Table::ALL.into_iter().filter(|table| lake.rows(*table) > 0) {
        let schema = std::fs::read_to_string(root().join(format!("schemas/tables/{table}.json"))).unwrap();
        let schema: serde_json::Value = serde_json::from_str(&schema).unwrap();
        let text = |column: &serde_json::Value, key: &str| column[key].as_str().unwrap().to_owned();
        let columns = schema["columns"].as_array().unwrap().iter();
        let expected: Vec<[String; 2]> = columns
            .map(|column| [text(column, "name"), duckdb_type(&text(column, "type")).to_owned()])
            .collect();
        let files = files_of(&lake.path(), table.name());
        let described =
            query(&format!("DESCRIBE SELECT * FROM read_parquet({files}, hive_partitioning = false)"));
        let written: Vec<[String; 2]> =
            described.iter().map(|row| [0, 1].map(|cell| row[cell].as_str().unwrap().to_owned())).collect();
        assert_eq!(written, expected, "{table}");
    }
}

fn duckdb_type(kind: &str) -> &'static str {
    match kind {
        "string" => "VARCHAR",
        "int32" => "INTEGER",
        "int64" => "BIGINT",
        "timestamp (µs, UTC)" => "TIMESTAMP WITH TIME ZONE",
        "boolean" => "BOOLEAN",
        "binary" => "BLOB",
        other => panic!("DuckDB has no type for {other}"),
    }
}

/// An answer that is only in a card is in `text`, and its citations are links.
fn assert_texts_and_links(lake: &Lake) {
    let interactions = files_of(&lake.path(), "interactions");
    let answers = query(&format!(
        "SELECT count(*), count(text), count(*) FILTER (text LIKE '%<attachment%')
         FROM {interactions} WHERE app = 'bizchat' AND interaction_type = 'aiResponse'"
    ));
    let numbers: Vec<u64> = answers[0].iter().map(|value| value.as_u64().unwrap()).collect();
    assert!(numbers[0] > 100, "the demo has BizChat answers");
    assert_eq!(numbers[1], numbers[0], "an answer has a text");
    assert_eq!(numbers[2], 0, "no marker is left in a text");
    let origins = query(&format!(
        "SELECT origin, role, count(*) > 0 FROM {} GROUP BY ALL ORDER BY ALL",
        files_of(&lake.path(), "links")
    ));
    let origins: Vec<&str> = origins.iter().map(|row| row[0].as_str().unwrap()).collect();
    for origin in ["links", "card", "attachment", "context", "body"] {
        assert!(origins.contains(&origin), "{origin} is missing from {origins:?}");
    }
}
