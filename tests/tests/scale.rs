//! A year of a tenant with many commits: memory within the law, no more files than the rows ask for, and every
//! partition in order from its first file to its last.
#![expect(clippy::unwrap_used, reason = "what a test does not get, fails it")]

use std::collections::BTreeMap;
use std::path::Path;

use graph_emulator::TenantSpec;
use promptlake_flow::Clock;
use promptlake_model::Table;
use promptlake_tests::duckdb::{files_of, query};
use promptlake_tests::is_full;
use promptlake_tests::lake::Lake;
use promptlake_tests::memory::assert_stays_within;
use promptlake_tests::program::run_command;
use promptlake_tests::tenant::{pipeline, unlimited};

const LIMIT_MIB: u64 = 256;

/// So small that days of the larger tables take more than one file.
const TARGET_BYTES: u64 = 1 << 20;

/// Interactions, and how often they are committed.
fn size() -> (u64, &'static str) {
    if is_full() { (2_000_000, "10s") } else { (60_000, "500ms") }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_year_with_many_commits_is_few_sorted_files_in_little_memory() {
    let (interactions, commit_every) = size();
    // 2025-01-01 to 2026-01-01.
    let spec = TenantSpec::default().with_seed(71).with_users(500).with_interactions(interactions);
    let emulator = unlimited(spec.with_window(1_735_689_600_000, 1_767_225_600_000)).await;
    let lake = Lake::new();
    let more = format!(
        "target_file_size = \"1MiB\"\n[run]\nmemory_limit = \"{LIMIT_MIB}MiB\"\ncommit_every = \"{commit_every}\""
    );
    let command = run_command(&pipeline(&emulator, &lake, &more), emulator.client_secret());
    let what = format!("{interactions} interactions over a year");
    let clock = Clock::system();
    tokio::task::spawn_blocking(move || assert_stays_within(LIMIT_MIB, &what, command)).await.unwrap();
    println!("took {:?}", clock.elapsed());
    assert_eq!(lake.rows(Table::Interactions), interactions);
    assert_eq!(lake.rows(Table::Links), emulator.tenant().totals().links);
    let commits = assert_few_files(&lake.path());
    assert!(commits > 3, "{commits} commits are not many");
    for table in ["interactions", "raw", "links"] {
        assert_sorted(&lake.path(), table);
    }
    emulator.shutdown().await;
}

/// Per publish, table and day at most ⌈bytes / target⌉ + 1 files. Gives the commits of the lake.
fn assert_few_files(lake: &Path) -> usize {
    let mut commits = 0;
    let mut files_made = 0;
    for entry in std::fs::read_dir(lake.join("_promptlake/ledger")).unwrap() {
        let record = std::fs::read(entry.unwrap().path()).unwrap();
        let record: serde_json::Value = serde_json::from_slice(&record).unwrap();
        commits += usize::from(record["deed"].get("commit").is_some());
        let mut days: BTreeMap<(String, String), (u64, u64)> = BTreeMap::new();
        for file in record["deed"]["publish"]["files"].as_array().into_iter().flatten() {
            let text = |key: &str| file[key].as_str().unwrap().to_owned();
            let (files, bytes) = days.entry((text("table"), text("day"))).or_default();
            *files += 1;
            *bytes += file["bytes"].as_u64().unwrap();
        }
        for (day, (files, bytes)) in &days {
            assert!(*files <= bytes.div_ceil(TARGET_BYTES) + 1, "{day:?}: {files} files for {bytes} bytes");
        }
        files_made += days.values().map(|(files, _)| files).sum::<u64>();
    }
    println!("{commits} commits, {files_made} files");
    commits
}

/// Rows in the order of files and within each are in the table's order.
fn assert_sorted(lake: &Path, table: &str) {
    let unsorted = format!(
        "WITH placed AS (
             SELECT date, CAST(regexp_extract(filename, '-(\\d+)\\.parquet$', 1) AS INTEGER) AS file, file_row_number AS row,
                    (tenant_id, user_id, coalesce(session_id, ''), coalesce(created_at, '0001-01-01'), coalesce(interaction_id, ''), record_id) AS key
             FROM read_parquet({}, hive_partitioning = true, filename = true, file_row_number = true)),
         followed AS (SELECT key, lag(key) OVER (PARTITION BY date ORDER BY file, row) AS before FROM placed)
         SELECT count(*), count(*) FILTER (before > key) FROM followed",
        files_of(lake, table)
    );
    let rows = query(&unsorted);
    assert!(rows[0][0].as_u64() > Some(0), "{table} has rows");
    assert_eq!(rows[0][1].as_u64(), Some(0), "{table} is not sorted");
}
