//! Slices that break: on a page that goes on failing, on a paging token that dies, by a kill. What was read of them
//! stays, once; what was not read is never said to be covered; the next run completes it.
#![expect(clippy::unwrap_used, reason = "what a test does not get, fails it")]

use std::path::Path;
use std::process::{Child, Command};
use std::time::Duration;

use graph_emulator::{Emulator, Rule, ScriptedAnswer, ServerOptions, Tenant, TenantSpec, User};
use promptlake_model::Table;
use promptlake_tests::duckdb::{files_of, number, query};
use promptlake_tests::lake::{Lake, objects_below};
use promptlake_tests::program::{Ended, finish, run_command, start};
use promptlake_tests::tenant::{pipeline, serve};

/// 2025-01-01 to 2025-03-01.
const WINDOW_MS: (i64, i64) = (1_735_689_600_000, 1_740_787_200_000);

/// The page that fails: half-way through the history of the user who has most of it.
const PAGE: u64 = 40;

fn spec() -> TenantSpec {
    let spec = TenantSpec::default().with_seed(32).with_users(3).with_interactions(7_000);
    // Everybody answers, so that whoever fails is the one that the script is for.
    let spec = spec.with_unlicensed_share(0.0).with_forbidden_share(0.0).with_unknown_share(0.0);
    spec.with_window(WINDOW_MS.0, WINDOW_MS.1)
}

async fn tenant_with_whole_pages() -> Emulator {
    let options =
        ServerOptions { requests_per_second: None, ragged_pages: false, ..ServerOptions::default() };
    serve(spec(), options).await
}

fn busiest(tenant: &Tenant) -> User {
    let busiest = tenant.users().max_by_key(|user| tenant.records(user)).unwrap();
    assert!(tenant.records(&busiest) > 100 * (PAGE + 10), "the page that fails lies in the middle");
    busiest
}

/// An answer that is tried again at once, so that a page fails for good without the waits of an hour of trouble.
fn unavailable() -> ScriptedAnswer {
    let headers = vec![("Retry-After".to_owned(), "0".to_owned())];
    ScriptedAnswer::Status { status: 503, headers, body: String::new() }
}

async fn run(emulator: &Emulator, lake: &Lake, settings: &[&str]) -> Ended {
    // Settled long ago: what is covered once is not asked again.
    let mut command = run_command(&pipeline(emulator, lake, ""), emulator.client_secret());
    for setting in ["source.lookback=0s"].iter().chain(settings) {
        command.args(["--set", setting]);
    }
    tokio::task::spawn_blocking(move || finish(command)).await.unwrap()
}

/// The users of whom a window is said to be covered, in order, with the records that it is said to hold.
fn covered(lake: &Lake) -> Vec<(String, u64)> {
    let rows = query(&format!(
        "SELECT user_id, sum(record_count)::BIGINT FROM {} GROUP BY ALL ORDER BY ALL",
        files_of(&lake.path(), "coverage")
    ));
    rows.into_iter().map(|row| (row[0].as_str().unwrap().to_owned(), row[1].as_u64().unwrap())).collect()
}

/// Everybody but one, with all of their records.
fn all_but(tenant: &Tenant, user: &User) -> Vec<(String, u64)> {
    let others = tenant.users().filter(|other| other.index != user.index);
    let mut covered: Vec<(String, u64)> =
        others.map(|other| (other.id.clone(), tenant.records(&other))).collect();
    covered.sort();
    covered
}

fn rows_of(lake: &Lake, user: &User) -> u64 {
    let interactions = files_of(&lake.path(), "interactions");
    number(&format!("SELECT count(*) FROM {interactions} WHERE user_id = '{}'", user.id))
}

/// The last word of the book of users on one of them.
fn status_of(lake: &Lake, user: &User) -> (String, Option<u64>) {
    let rows = query(&format!(
        "SELECT status, http_status FROM {} WHERE user_id = '{}' ORDER BY extracted_at DESC LIMIT 1",
        files_of(&lake.path(), "users"),
        user.id
    ));
    (rows[0][0].as_str().unwrap().to_owned(), rows[0][1].as_u64())
}

async fn assert_breaks_and_heals(rule: Rule, pages_read: u64) {
    let emulator = tenant_with_whole_pages().await;
    let lake = Lake::new();
    let user = busiest(emulator.tenant());
    let status = match &rule.answer {
        ScriptedAnswer::Status { status, .. } => u64::from(*status),
        other => panic!("{other:?} has no status"),
    };
    emulator.replace_script(vec![rule.for_user(&user.id)]);
    // A list that is known to be long is read in parts where several may be read at once, and the page is in none of them.
    let in_one_list = ["source.concurrency=1"];
    for attempt in 1..=3 {
        run(&emulator, &lake, &in_one_list).await.assert_code(3);
        assert_eq!(rows_of(&lake, &user), 100 * pages_read, "after run {attempt}");
        // Those who are covered are not asked again: their records are counted once.
        assert_eq!(covered(&lake), all_but(emulator.tenant(), &user), "after run {attempt}");
        assert_eq!(status_of(&lake, &user), ("failed".to_owned(), Some(status)));
    }
    emulator.replace_script(Vec::new());
    run(&emulator, &lake, &in_one_list).await.assert_code(0);
    lake.assert_holds(emulator.tenant());
    assert_eq!(covered(&lake).len() as u64, emulator.tenant().totals().coverage);
    assert_eq!(status_of(&lake, &user), ("extracted".to_owned(), None));
    emulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_fails_in_three_runs_is_read_by_the_fourth() {
    assert_breaks_and_heals(Rule::always(unavailable(), u32::MAX).at_page(PAGE), PAGE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_whose_pages_fail_from_one_on_keeps_what_was_read() {
    assert_breaks_and_heals(Rule::always(unavailable(), u32::MAX).from_page(3), 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_always_dies_leaves_a_gap_and_no_row_twice() {
    assert_breaks_and_heals(Rule::status(410, u32::MAX).at_page(PAGE), PAGE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_dies_once_begins_the_slice_again() {
    for status in [400, 410] {
        let emulator = tenant_with_whole_pages().await;
        let lake = Lake::new();
        let user = busiest(emulator.tenant());
        emulator.replace_script(vec![Rule::status(status, 1).at_page(PAGE).for_user(&user.id)]);
        run(&emulator, &lake, &[]).await.assert_code(0);
        assert_eq!(emulator.report().answered(graph_emulator::RequestKind::Interactions, status), 1);
        lake.assert_holds(emulator.tenant());
        let covered = covered(&lake);
        assert_eq!(covered.len() as u64, emulator.tenant().totals().coverage);
        // The pages before the death came twice; they are of a list that does not count.
        let of_user = covered.iter().find(|(id, _)| *id == user.id).unwrap().1;
        assert_eq!(of_user, emulator.tenant().records(&user));
        emulator.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_slice_is_completed_by_a_run_with_other_tables() {
    let emulator = tenant_with_whole_pages().await;
    let lake = Lake::new();
    let user = busiest(emulator.tenant());
    let rule = Rule::always(unavailable(), u32::MAX).at_page(PAGE).for_user(&user.id);
    emulator.replace_script(vec![rule]);
    run(&emulator, &lake, &[r#"transform.tables=["raw", "contexts"]"#]).await.assert_code(3);
    let tenant = emulator.tenant();
    assert_eq!(covered(&lake), all_but(tenant, &user));
    emulator.replace_script(Vec::new());
    run(&emulator, &lake, &[r#"transform.tables=["links", "contexts"]"#]).await.assert_code(0);

    lake.assert_no_row_twice();
    let totals = tenant.totals();
    assert_eq!(lake.rows(Table::Interactions), totals.interactions);
    assert_eq!(lake.rows(Table::Contexts), totals.contexts, "written by both runs");
    let second: Vec<_> = tenant.expected_records(&user).skip(usize::try_from(100 * PAGE).unwrap()).collect();
    assert_eq!(lake.rows(Table::Raw), totals.raw - second.len() as u64, "only what the first run read");
    let links: u64 = second.iter().map(|record| u64::from(record.links)).sum();
    assert_eq!(lake.rows(Table::Links), links, "only what the second run read");
    assert_eq!(covered(&lake).len() as u64, totals.coverage);
    emulator.shutdown().await;
}

/// Commits as often as it may, and publishes at the end alone.
const EAGER: &str = "[run]\nmemory_limit = \"128MiB\"\ncommit_every = \"100ms\"\n";

/// The instants of the run that is killed, and of the one after it: an hour later.
const AFTER_MS: i64 = WINDOW_MS.1 + 24 * HOUR_MS;
const HOUR_MS: i64 = 3_600_000;

/// Slow enough to be killed in the middle; what is covered once is not asked again.
fn with_eager_settings(mut command: Command) -> Command {
    command.args(["--set", "source.lookback=0s", "--set", "source.requests_per_second=60"]);
    command
}

/// How often the ledger is looked at, and how long at most.
const LOOK_EVERY: Duration = Duration::from_millis(1);
const MOMENT_WITHIN: Duration = Duration::from_mins(2);

/// The users of whom the commits of the ledger cover a window.
fn committed(lake: &Path) -> Vec<String> {
    let records = objects_below(&lake.join("_promptlake/ledger"));
    // What is still being written has another name.
    let whole = records.iter().filter(|name| name.len() == "00000000000000000001.json".len());
    let covered = whole.flat_map(|name| {
        let text = std::fs::read_to_string(lake.join("_promptlake/ledger").join(name)).unwrap();
        let record: serde_json::Value = serde_json::from_str(&text).unwrap();
        let covered = record["deed"]["commit"]["covered"].as_array().cloned().unwrap_or_default();
        covered.into_iter().map(|covered| covered["owner"]["user"].as_str().unwrap().to_owned())
    });
    let mut users: Vec<String> = covered.collect();
    users.sort();
    users
}

/// The pages of a user's whole history: one also where there is nothing.
fn pages(tenant: &Tenant, user: &User) -> u64 {
    tenant.records(user).div_ceil(100).max(1)
}

/// The pages beyond the first of users who are covered: those that are asked for in vain where coverage is not heeded.
fn pages_saved(tenant: &Tenant, covered: &[String]) -> u64 {
    let users = covered.iter().map(|id| tenant.find_user(id).unwrap());
    users.map(|user| pages(tenant, &user) - 1).sum()
}

/// Waits until commits cover users of so many pages beyond the first of each.
async fn wait_until_committed(tenant: &Tenant, lake: &Path, saved: u64, child: &mut Child) {
    let coming = async {
        while pages_saved(tenant, &committed(lake)) < saved {
            assert!(child.try_wait().unwrap().is_none(), "the run ended before its moment came");
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    tokio::time::timeout(MOMENT_WITHIN, coming).await.expect("the commits never came");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_kill_only_what_no_commit_covers_is_asked_for() {
    let spec = spec().with_users(30).with_interactions(9_000);
    let options =
        ServerOptions { requests_per_second: None, ragged_pages: false, ..ServerOptions::default() };
    let emulator = serve(spec.clone(), options.clone()).await;
    emulator.show_as_of(AFTER_MS);
    let (lake, tenant) = (Lake::new(), emulator.tenant());
    let first = run_command(&pipeline(&emulator, &lake, EAGER), emulator.client_secret());
    let mut child = start(with_eager_settings(first));
    wait_until_committed(tenant, &lake.path(), 10, &mut child).await;
    child.kill().unwrap();
    child.wait().unwrap();
    let published: Vec<String> =
        objects_below(&lake.path()).into_iter().filter(|path| path.ends_with(".parquet")).collect();
    assert!(published.is_empty(), "killed before any publish: {published:?}");
    let covered_before = committed(&lake.path());
    assert!(covered_before.len() < tenant.users().count(), "it was killed in the middle");

    // The same tenant anew, which was asked for nothing yet.
    let anew = serve(spec, options).await;
    anew.show_as_of(AFTER_MS + HOUR_MS);
    let last = with_eager_settings(run_command(&pipeline(&anew, &lake, EAGER), anew.client_secret()));
    tokio::task::spawn_blocking(move || finish(last)).await.unwrap().assert_code(0);
    let missing = tenant.users().filter(|user| !covered_before.contains(&user.id));
    let expected: u64 = missing.map(|user| pages(tenant, &user)).sum();
    // Of those who are covered, only the hour since is asked for.
    assert_eq!(anew.report().interactions_requests, expected + covered_before.len() as u64);
    lake.assert_holds(tenant);
    emulator.shutdown().await;
    anew.shutdown().await;
}
