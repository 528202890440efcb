//! The lake before its readers: Spark and DuckDB find the types that `schemas/` promises, every row once, and a day of
//! a table in the files of that day alone; also while a run publishes, and where one was killed. `schemas/spark.sql` and
//! `schemas/duckdb.sql` say the same of it.
//!
//! Spark takes a minute to start and to read, so that it is asked in full mode only.
#![expect(clippy::unwrap_used, reason = "what a test does not get, fails it")]

use std::path::Path;
use std::process::Child;
use std::time::Duration;

use graph_emulator::{Emulator, TenantSpec};
use promptlake_model::Table;
use promptlake_tests::duckdb::{files_of, number, query, views_prelude};
use promptlake_tests::lake::{Lake, objects_below};
use promptlake_tests::program::{finish, run_command, start};
use promptlake_tests::tenant::{pipeline, unlimited};
use promptlake_tests::{is_full, root, spark};

/// A day in the middle of the tenant's history, which is 2025-01-01 to 2025-03-01.
const DAY: &str = "2025-01-20";
const WINDOW_MS: (i64, i64) = (1_735_689_600_000, 1_740_787_200_000);

fn spec() -> TenantSpec {
    let spec = TenantSpec::default().with_seed(41).with_users(30).with_interactions(8_000);
    spec.with_window(WINDOW_MS.0, WINDOW_MS.1)
}

async fn run_to_the_end(emulator: &Emulator, lake: &Lake) {
    let command = run_command(&pipeline(emulator, lake, ""), emulator.client_secret());
    tokio::task::spawn_blocking(move || finish(command)).await.unwrap().assert_code(0);
}

/// The published files of a table, or those of one day.
fn published(lake: &Lake, table: Table, day: Option<&str>) -> Vec<String> {
    let day = day.map_or(String::new(), |day| format!("date={day}/"));
    let prefix = format!("{table}/{day}");
    let files = objects_below(&lake.path()).into_iter();
    files.filter(|path| path.starts_with(&prefix) && path.ends_with(".parquet")).collect()
}

/// What a run that died might have left: whole files, by the names of what is not published.
fn leave_staged_files(lake: &Lake) {
    for table in Table::ALL {
        let Some(file) = published(lake, table, None).pop() else { continue };
        let staging = lake.path().join("_promptlake/staging/20250301T000000Z-0000000000000000");
        std::fs::create_dir_all(&staging).unwrap();
        for ending in ["staged", "segment"] {
            std::fs::copy(lake.path().join(&file), staging.join(format!("{table}.{ending}"))).unwrap();
        }
    }
}

fn tables_with_rows(lake: &Lake) -> Vec<Table> {
    Table::ALL.into_iter().filter(|table| !published(lake, *table, None).is_empty()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn spark_reads_what_was_promised() {
    if !is_full() {
        println!("skipped: Spark is asked in full mode only (PROMPTLAKE_TESTS=full)");
        return;
    }
    let emulator = unlimited(spec()).await;
    let lake = Lake::new();
    run_to_the_end(&emulator, &lake).await;
    leave_staged_files(&lake);
    let tables = tables_with_rows(&lake);
    let totals = emulator.tenant().totals();
    for (table, read) in spark::read(&lake.path(), &tables, DAY) {
        assert_eq!(read.columns, promised_columns(table), "{table}");
        let rows = match table {
            Table::Interactions => totals.interactions,
            Table::Attachments => totals.attachments,
            Table::CardElements => totals.card_elements,
            Table::Links => totals.links,
            Table::Contexts => totals.contexts,
            Table::Mentions => totals.mentions,
            Table::Raw => totals.raw,
            Table::Users => totals.users,
            Table::Coverage => totals.coverage,
            Table::Rejects => panic!("{table} has no rows"),
        };
        assert_eq!(read.rows, rows, "{table}");
        assert_reads_only_published(&lake, table, &read.files);
        if !matches!(table, Table::Users | Table::Coverage) {
            assert_prunes(&lake, table, &read);
        }
    }
    emulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn spark_and_duckdb_make_the_same_views() {
    if !is_full() {
        println!("skipped: Spark is asked in full mode only (PROMPTLAKE_TESTS=full)");
        return;
    }
    let spec = TenantSpec::default().with_seed(43).with_users(10).with_interactions(1_500);
    let spec = spec.with_window(WINDOW_MS.0, WINDOW_MS.1);
    let spec = spec.with_edited_share(0.1).with_changes_within_ms(20 * 86_400_000);
    let emulator = unlimited(spec).await;
    let lake = Lake::new();
    // Twice, so that some records are there in two versions.
    for at_ms in [i64::midpoint(WINDOW_MS.0, WINDOW_MS.1), WINDOW_MS.1] {
        emulator.show_as_of(at_ms);
        let mut command = run_command(&pipeline(&emulator, &lake, ""), emulator.client_secret());
        command.args(["--set", "source.lookback=3660d"]);
        tokio::task::spawn_blocking(move || finish(command)).await.unwrap().assert_code(0);
    }
    emulator.shutdown().await;

    let prelude = views_prelude(&lake.path());
    let tables = Table::ALL.map(Table::name);
    let views = tables.into_iter().chain(["latest_interactions", "turns", "citations"]);
    let views: Vec<(&str, Vec<[String; 2]>)> = views.map(|view| (view, columns_of(&prelude, view))).collect();
    let of_spark: Vec<String> =
        views.iter().map(|(view, columns)| all_rows(view, columns, "unix_micros")).collect();
    let found = spark::query_views(&lake.path(), &lake.path().with_file_name("warehouse"), &of_spark);
    for ((view, columns), mut found) in views.into_iter().zip(found) {
        let mut expected = query(&(prelude.clone() + &all_rows(view, &columns, "epoch_us")));
        assert_eq!(expected.is_empty(), view == "rejects", "{view}");
        let text = |row: &Vec<serde_json::Value>| serde_json::Value::from(row.clone()).to_string();
        found.sort_by_cached_key(text);
        expected.sort_by_cached_key(text);
        assert_eq!(found.len(), expected.len(), "{view}");
        for (found, expected) in found.iter().zip(&expected) {
            assert_eq!(found, expected, "{view}");
        }
    }
    assert!(number(&format!("{prelude}SELECT count(*) FROM interactions")) > 1_500, "some in two versions");
}

/// The columns of a view of DuckDB, and their types.
fn columns_of(prelude: &str, view: &str) -> Vec<[String; 2]> {
    let described = query(&format!("{prelude}DESCRIBE {view}"));
    described.iter().map(|row| [0, 1].map(|cell| row[cell].as_str().unwrap().to_owned())).collect()
}

/// All rows of a view, each value as what both engines print alike.
fn all_rows(view: &str, columns: &[[String; 2]], micros: &str) -> String {
    let alike = |[name, kind]: &[String; 2]| match kind.as_str() {
        "TIMESTAMP WITH TIME ZONE" => format!("{micros}({name})"),
        "BLOB" => format!("hex({name})"),
        "DATE" => format!("CAST({name} AS STRING)"),
        _ => name.clone(),
    };
    let columns: Vec<String> = columns.iter().map(alike).collect();
    format!("SELECT {} FROM {view}", columns.join(", "))
}

fn assert_prunes(lake: &Lake, table: Table, read: &spark::SparkTable) {
    let (of_day, all) = (published(lake, table, Some(DAY)).len(), published(lake, table, None).len());
    assert!(of_day > 0 && of_day < all, "{table}: {of_day} of {all} files are of {DAY}");
    assert_eq!(read.files_of_day, of_day as u64, "{table}");
    let filters = read.plan_of_day.split("PartitionFilters: [").nth(1);
    let filters =
        filters.unwrap_or_else(|| panic!("{table} has no filter in its plan:\n{}", read.plan_of_day));
    let filters = filters.split(']').next().unwrap();
    assert!(filters.contains("date") && filters.contains(DAY), "{table}: {filters}");
    let files = files_of(&lake.path(), table.name());
    let rows = format!(
        "SELECT count(*) FROM read_parquet({files}, hive_partitioning = true) WHERE date = DATE '{DAY}'"
    );
    assert_eq!(read.rows_of_day, number(&rows), "{table}");
}

fn assert_reads_only_published(lake: &Lake, table: Table, urls: &[String]) {
    let root = lake.path().display().to_string();
    let relative = |url: &String| url.split_once(&root).map(|(_, path)| path[1..].to_owned());
    let mut read: Vec<String> =
        urls.iter().map(|url| relative(url).unwrap_or_else(|| panic!("{url} is elsewhere"))).collect();
    let mut expected = published(lake, table, None);
    read.sort();
    expected.sort();
    assert_eq!(read, expected, "{table}");
}

/// The columns of the schema file, and the day.
fn promised_columns(table: Table) -> Vec<[String; 2]> {
    let schema = std::fs::read_to_string(root().join(format!("schemas/tables/{table}.json"))).unwrap();
    let schema: serde_json::Value = serde_json::from_str(&schema).unwrap();
    let text = |column: &serde_json::Value, key: &str| column[key].as_str().unwrap().to_owned();
    let columns = schema["columns"].as_array().unwrap().iter();
    let columns = columns.map(|column| [text(column, "name"), spark_type(&text(column, "type")).to_owned()]);
    columns.chain([["date".to_owned(), "date".to_owned()]]).collect()
}

fn spark_type(kind: &str) -> &'static str {
    match kind {
        "string" => "string",
        "int32" => "int",
        "int64" => "bigint",
        "timestamp (µs, UTC)" => "timestamp",
        "boolean" => "boolean",
        "binary" => "binary",
        other => panic!("Spark has no type for {other}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn duckdb_reads_a_day_from_the_files_of_that_day() {
    let emulator = unlimited(spec()).await;
    let lake = Lake::new();
    run_to_the_end(&emulator, &lake).await;
    leave_staged_files(&lake);
    for table in [Table::Interactions, Table::Links, Table::Raw] {
        let (of_day, all) = (published(&lake, table, Some(DAY)).len(), published(&lake, table, None).len());
        assert!(of_day > 0 && of_day < all, "{table}: {of_day} of {all} files are of {DAY}");
        let files = files_of(&lake.path(), table.name());
        let read = format!("FROM read_parquet({files}, hive_partitioning = true) WHERE date = DATE '{DAY}'");
        let plan = explained(&format!("EXPLAIN SELECT record_id {read}"));
        assert!(plan.contains(&format!("Scanning Files: {of_day}/{all}")), "{table}:\n{plan}");
        let of_view = format!("EXPLAIN SELECT record_id FROM {table} WHERE date = DATE '{DAY}'");
        let plan = explained(&(views_prelude(&lake.path()) + &of_view));
        assert!(plan.contains(&format!("Scanning Files: {of_day}/{all}")), "the view of {table}:\n{plan}");
        let read = explained(&format!("EXPLAIN ANALYZE SELECT record_id {read}"));
        assert!(read.contains(&format!("Total Files Read: {of_day}")), "{table}:\n{read}");
    }
    lake.assert_holds(emulator.tenant());
    emulator.shutdown().await;
}

fn explained(sql: &str) -> String {
    query(sql).into_iter().map(|row| row[1].as_str().unwrap().to_owned()).collect()
}

/// Far beyond what a publish takes to begin, and how often the lake is looked at.
const PUBLISH_WITHIN: Duration = Duration::from_mins(2);
const LOOK_EVERY: Duration = Duration::from_millis(1);

async fn kill_when_published(child: &mut Child, lake: &Path, table: Table, files: usize) {
    let publishing = async {
        let folder = lake.join(table.name());
        while objects_below(&folder).iter().filter(|path| path.ends_with(".parquet")).count() < files {
            assert!(child.try_wait().unwrap().is_none(), "the run ended before its moment came");
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    tokio::time::timeout(PUBLISH_WITHIN, publishing).await.expect("nothing was published");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_during_publish_leaves_readers_nothing_but_published_files() {
    for (table, files) in [(Table::Attachments, 1), (Table::Links, 20), (Table::Raw, 50)] {
        let emulator = unlimited(spec()).await;
        let lake = Lake::new();
        let eager = "[run]\ncommit_every = \"100ms\"\n";
        let mut child = start(run_command(&pipeline(&emulator, &lake, eager), emulator.client_secret()));
        kill_when_published(&mut child, &lake.path(), table, files).await;

        let objects = objects_below(&lake.path());
        let staged = objects.iter().filter(|path| path.ends_with(".staged")).count();
        assert!(staged > 0, "it was killed before the last file was in its place");
        let odd: Vec<&String> = objects
            .iter()
            .filter(|path| !path.starts_with("_promptlake/"))
            .filter(|path| !path.ends_with(".parquet") || path.contains('#'))
            .collect();
        assert!(odd.is_empty(), "in the tables' folders: {odd:?}");
        lake.assert_no_row_twice();
        if is_full() {
            let tables = tables_with_rows(&lake);
            for (table, read) in spark::read(&lake.path(), &tables, DAY) {
                assert_eq!(read.rows, lake.rows(table), "{table}");
                assert_reads_only_published(&lake, table, &read.files);
            }
        }
        run_to_the_end(&emulator, &lake).await;
        lake.assert_holds(emulator.tenant());
        emulator.shutdown().await;
    }
}
