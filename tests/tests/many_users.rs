//! A hundred thousand users with nothing new: a request for each and no more, in little memory, and the books of all of
//! them are read in a moment.
#![expect(clippy::unwrap_used, reason = "what a test does not get, fails it")]

use std::process::Command;

use graph_emulator::{Emulator, RequestKind, RequestReport, ServerOptions, TenantSpec};
use promptlake_model::Table;
use promptlake_tests::duckdb::{files_of, number};
use promptlake_tests::is_full;
use promptlake_tests::lake::Lake;
use promptlake_tests::memory::{BEYOND_LIMIT_MIB, finish_watched};
use promptlake_tests::program::{Ended, run_command};
use promptlake_tests::tenant::{pipeline, serve};

/// 2025-01-01 to 2025-03-01. The first run is a day later, and the next one an hour after it.
const WINDOW_MS: (i64, i64) = (1_735_689_600_000, 1_740_787_200_000);
const AFTER_MS: i64 = WINDOW_MS.1 + 24 * HOUR_MS;
const HOUR_MS: i64 = 3_600_000;

/// What a run may take of memory, and the setting by which it keeps to it.
const PEAK_MIB_MAX: u64 = 256;
const LIMIT_MIB: u64 = 128;
const _: () = assert!(LIMIT_MIB + BEYOND_LIMIT_MIB <= PEAK_MIB_MAX, "the law of memory is the stricter one");

/// Users listed by one request of the directory.
const USERS_A_PAGE: u64 = 999;

fn users() -> u32 {
    if is_full() { 100_000 } else { 10_000 }
}

/// What reading the books may take: a millisecond for a hundred users, and at least what a machine with other work to do
/// makes of a few files.
fn ledger_ms_max() -> u64 {
    (u64::from(users()) / 100).max(200)
}

async fn start() -> Emulator {
    let users = users();
    let spec = TenantSpec::default().with_seed(90).with_users(users).with_interactions(u64::from(users / 5));
    let spec = spec.with_unlicensed_share(0.0).with_forbidden_share(0.0).with_unknown_share(0.0);
    let options =
        ServerOptions { requests_per_second: None, ragged_pages: false, ..ServerOptions::default() };
    serve(spec.with_window(WINDOW_MS.0, WINDOW_MS.1), options).await
}

/// Runs within its memory, and gives what was said and the milliseconds for which the books were read.
async fn run(emulator: &Emulator, lake: &Lake, at_ms: i64) -> (Ended, u64) {
    emulator.show_as_of(at_ms);
    let more = format!("[run]\nmemory_limit = \"{LIMIT_MIB}MiB\"");
    let mut command: Command = run_command(&pipeline(emulator, lake, &more), emulator.client_secret());
    command.args(["--set", "source.lookback=0s", "--set", "source.requests_per_second=1500"]);
    command.args(["--set", "source.concurrency=64"]);
    command.env("PROMPTLAKE_LOG", "promptlake_load=debug").env("NO_COLOR", "1");
    let said = lake.write_beside("said", b"");
    let watched = tokio::task::spawn_blocking(move || finish_watched(command, &said));
    let (ended, peak) = watched.await.unwrap();
    ended.assert_code(0);
    let line = ended.said.lines().find(|line| line.contains("read the ledger")).unwrap();
    let took_ms = line.split("took_ms=").nth(1).unwrap().split_whitespace().next().unwrap();
    let took_ms = took_ms.parse().unwrap();
    println!("{} users at {LIMIT_MIB} MiB: peak {peak} MiB, books read in {took_ms} ms", users());
    assert!(peak <= LIMIT_MIB + BEYOND_LIMIT_MIB, "it took {peak} MiB:\n{}", ended.said);
    (ended, took_ms)
}

/// The requests for users that a second report has beyond a first: how many users were asked, and how often at most.
fn asked_since(before: &RequestReport, after: &RequestReport) -> (u64, u64) {
    let new = after.interactions_by_user.iter().map(|(key, count)| {
        let old = before.interactions_by_user.get(key).copied().unwrap_or(0);
        count - old
    });
    let asked: Vec<u64> = new.filter(|count| *count > 0).collect();
    (asked.len() as u64, asked.into_iter().max().unwrap_or(0))
}

#[tokio::test(flavor = "multi_thread")]
async fn users_with_nothing_new_cost_a_request_each_and_little_memory() {
    let emulator = start().await;
    let (lake, users) = (Lake::new(), u64::from(users()));
    run(&emulator, &lake, AFTER_MS).await;
    let totals = emulator.tenant().totals();
    assert_eq!(lake.rows(Table::Interactions), totals.interactions);
    lake.assert_no_row_twice();

    let before = emulator.report();
    let (ended, ledger_ms) = run(&emulator, &lake, AFTER_MS + HOUR_MS).await;
    let after = emulator.report();
    assert_eq!(after.interactions_requests - before.interactions_requests, users);
    assert_eq!(asked_since(&before, &after), (users, 1), "each of them once");
    let [listed, listed_before] = [&after, &before].map(|report| report.requests(RequestKind::Users));
    assert!(listed - listed_before <= 3 * users.div_ceil(USERS_A_PAGE), "{listed_before} {listed}");
    println!("the run with nothing new said:\n{}", ended.said);
    assert!(ledger_ms < ledger_ms_max(), "the books were read in {ledger_ms} ms");

    // Nothing new, and everybody is covered to the end of this run.
    assert_eq!(lake.rows(Table::Interactions), totals.interactions);
    assert_eq!(lake.rows(Table::Users), 2 * users);
    let files = files_of(&lake.path(), "coverage");
    let covered = format!(
        "SELECT count(*) FROM (SELECT user_id, min(covered_from) AS first, max(covered_to) AS last,
             sum(epoch_us(covered_to) - epoch_us(covered_from)) AS width FROM {files} GROUP BY user_id)
         WHERE epoch_us(last) - epoch_us(first) = width AND epoch_ms(last) > {AFTER_MS}"
    );
    assert_eq!(number(&covered), users);
    emulator.shutdown().await;
}
