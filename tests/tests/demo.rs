//! The first thing a person runs: the demo, read back by DuckDB.
#![expect(clippy::unwrap_used, reason = "what a test does not get, fails it")]

use std::collections::BTreeMap;

use graph_emulator::{Tenant, TenantSpec};
use promptlake_model::Table;
use promptlake_tests::duckdb::{files_of, query};
use promptlake_tests::lake::Lake;
use promptlake_tests::program::{Ended, finish, program};
use promptlake_tests::root;

/// 2025-01-01 and 2025-04-01, as pipelines/demo.toml has them.
const WINDOW_MS: (i64, i64) = (1_735_689_600_000, 1_743_465_600_000);

fn run_demo(lake: &Lake, more: &[&str]) -> Ended {
    let mut command = std::process::Command::new(program());
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
