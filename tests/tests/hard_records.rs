//! Records that are hard to read, in a tenant that has them by itself: pages beyond the byte bound, records beyond it,
//! and pages that always fail. All but the truly unreadable is read, and what is covered leaves out nothing else.
#![expect(clippy::unwrap_used, reason = "what a test does not get, fails it")]

use graph_emulator::{
    Emulator, ExpectedRecord, HardRecord, Hardness, RequestKind, Rule, ServerOptions, Tenant, TenantSpec,
    User,
};
use promptlake_model::Table;
use promptlake_tests::duckdb::{files_of, query};
use promptlake_tests::is_full;
use promptlake_tests::lake::Lake;
use promptlake_tests::program::{Ended, finish, run_command};
use promptlake_tests::tenant::{pipeline, serve};

/// 2025-01-01 to 2025-03-01. The first run is a day later, and the next one an hour after it.
const WINDOW_MS: (i64, i64) = (1_735_689_600_000, 1_740_787_200_000);
const AFTER_MS: i64 = WINDOW_MS.1 + 24 * HOUR_MS;
const HOUR_MS: i64 = 3_600_000;

/// A run of 128 MiB takes a page of some nine MiB: a record of twelve never, and of these twenty at once.
const TOO_LONG_BYTES: u64 = 12 << 20;
const LONG_BYTES: u64 = 400 << 10;

/// So many records in a row that a page of them is far beyond the bound.
const LONG_IN_A_ROW: u64 = 60;

/// Microseconds of the finest that a filter names, and how far from every other record a bad one is taken.
const MILLI: i64 = 1_000;
const ALONE_WITHIN: i64 = 4 * MILLI;

/// The milliseconds that a filter can't tell from the one of a record, as an interval of microseconds. Its bounds are
/// strict, so that the millisecond after one that the record is not at the beginning of can't be had without it.
fn gap_of(created_at_us: i64) -> (i64, i64) {
    let from = created_at_us.div_euclid(MILLI) * MILLI;
    (from, from + if from == created_at_us { MILLI } else { 2 * MILLI })
}

fn spec() -> TenantSpec {
    let spec = TenantSpec::default().with_seed(33).with_users(3).with_interactions(3_000);
    let spec = spec.with_unlicensed_share(0.0).with_forbidden_share(0.0).with_unknown_share(0.0);
    spec.with_window(WINDOW_MS.0, WINDOW_MS.1)
}

async fn start(hard_records: Vec<HardRecord>) -> Emulator {
    let options =
        ServerOptions { requests_per_second: None, ragged_pages: false, ..ServerOptions::default() };
    let emulator = serve(spec().with_hard_records(hard_records), options).await;
    emulator.show_as_of(AFTER_MS);
    emulator
}

/// Whose records are made hard, with all of them in the order of their positions: oldest first.
fn victim() -> (User, Vec<ExpectedRecord>) {
    let tenant = Tenant::new(spec()).unwrap();
    let user = tenant.users().max_by_key(|user| tenant.records(user)).unwrap();
    let mut records: Vec<ExpectedRecord> = tenant.expected_records(&user).collect();
    records.reverse();
    (user, records)
}

/// The position of a record beyond `from` that is alone, and whose instant is at a whole millisecond or is not.
fn alone(records: &[ExpectedRecord], from: usize, is_whole: bool) -> u64 {
    let is_alone = |us: i64| {
        records.iter().filter(|other| (other.created_at_us - us).abs() <= ALONE_WITHIN).count() == 1
    };
    let is_it = |(_, record): &(usize, &ExpectedRecord)| {
        (record.created_at_us % MILLI == 0) == is_whole && is_alone(record.created_at_us)
    };
    records.iter().enumerate().skip(from).find(is_it).unwrap().0 as u64
}

async fn run(emulator: &Emulator, lake: &Lake) -> Ended {
    let mut command = run_command(&pipeline(emulator, lake, ""), emulator.client_secret());
    command.args(["--set", "source.lookback=0s", "--set", "run.memory_limit=128MiB"]);
    tokio::task::spawn_blocking(move || finish(command)).await.unwrap()
}

/// What no coverage of a user names, between the first instant that is covered and the last, in microseconds.
fn gaps(lake: &Lake, user: &User) -> Vec<(i64, i64)> {
    let rows = query(&format!(
        "SELECT epoch_us(covered_from), epoch_us(covered_to) FROM {} WHERE user_id = '{}' ORDER BY 1, 2",
        files_of(&lake.path(), "coverage"),
        user.id
    ));
    let mut gaps = Vec::new();
    let mut end = WINDOW_MS.0 * MILLI;
    for row in rows {
        let (from, to) = (row[0].as_i64().unwrap(), row[1].as_i64().unwrap());
        if from > end {
            gaps.push((end, from));
        }
        end = end.max(to);
    }
    assert!(end >= WINDOW_MS.1 * MILLI, "all of the history is asked for");
    gaps
}

/// The ids of all records of the lake, by user.
fn ids(lake: &Lake) -> Vec<(String, String, String)> {
    let rows = query(&format!(
        "SELECT user_id, coalesce(session_id, ''), interaction_id FROM {}",
        files_of(&lake.path(), "interactions")
    ));
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let mut ids: Vec<_> = rows.iter().map(|row| (text(&row[0]), text(&row[1]), text(&row[2]))).collect();
    ids.sort();
    ids
}

/// Fails where the lake does not hold exactly what can be read.
fn assert_holds_what_is_readable(lake: &Lake, tenant: &Tenant) {
    let totals = tenant.readable_totals(TOO_LONG_BYTES - 1);
    for (table, rows) in [
        (Table::Interactions, totals.interactions),
        (Table::Raw, totals.raw),
        (Table::Attachments, totals.attachments),
        (Table::CardElements, totals.card_elements),
        (Table::Links, totals.links),
        (Table::Contexts, totals.contexts),
        (Table::Mentions, totals.mentions),
        (Table::Rejects, 0),
    ] {
        assert_eq!(lake.rows(table), rows, "{table}");
    }
    let of_user = |user: User| {
        let records: Vec<_> = tenant.readable_records(&user, TOO_LONG_BYTES - 1).collect();
        records.into_iter().map(move |record| {
            (user.id.clone(), record.session_id.unwrap_or_default(), record.interaction_id)
        })
    };
    let mut expected: Vec<_> = tenant.users().flat_map(of_user).collect();
    expected.sort();
    assert_eq!(ids(lake), expected);
    lake.assert_no_row_twice();
}

/// Reads a tenant twice in which these records of one user can't be had, and fails where anything else is missing, or where
/// they still are when they can be had. Gives how often the user was asked by the second run.
async fn assert_only_these_are_missing(
    bad: &[(u64, Hardness)],
    more: impl Iterator<Item = (u64, Hardness)>,
) -> u64 {
    let (user, records) = victim();
    let hard = |(position, hardness)| HardRecord { user_index: user.index, position, hardness };
    let emulator = start(bad.iter().copied().chain(more).map(hard).collect()).await;
    let (lake, tenant) = (Lake::new(), emulator.tenant());
    let at = |position: u64| records[usize::try_from(position).unwrap()].created_at_us;
    let mut missing: Vec<(i64, i64)> = bad.iter().map(|(position, _)| gap_of(at(*position))).collect();
    missing.sort_unstable();
    let left_out = match missing.len() {
        1 => "1 window is".to_owned(),
        windows => format!("{windows} windows are"),
    };
    let mut asked = 0;
    for attempt in 0..2 {
        emulator.show_as_of(AFTER_MS + attempt * HOUR_MS);
        let before = emulator.report().requests_for(&user.id);
        let ended = run(&emulator, &lake).await;
        asked = emulator.report().requests_for(&user.id) - before;
        ended.assert_code(3).assert_said(&format!("1 failed: all but {left_out} read: ["));
        assert_holds_what_is_readable(&lake, tenant);
        assert_eq!(gaps(&lake, &user), missing, "after run {attempt}");
        for other in tenant.users().filter(|other| other.index != user.index) {
            assert_eq!(gaps(&lake, &other), [], "{}", other.id);
        }
        println!("run {attempt}: {asked} requests for the user");
    }
    emulator.shutdown().await;

    // The same tenant, in which nothing is hard to read any more.
    let healed = start(Vec::new()).await;
    healed.show_as_of(AFTER_MS + 2 * HOUR_MS);
    run(&healed, &lake).await.assert_code(0);
    lake.assert_holds(healed.tenant());
    assert_eq!(gaps(&lake, &user), []);
    healed.shutdown().await;
    asked
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_beyond_the_bound_are_read_in_parts_and_only_records_beyond_it_are_missing() {
    let (_, records) = victim();
    let too_long = Hardness::Huge { bytes: TOO_LONG_BYTES };
    let third = records.len() / 3;
    let (whole, other) = (alone(&records, third, true), alone(&records, 2 * third, false));
    let in_a_row = (0..LONG_IN_A_ROW).map(|place| (place + 50, Hardness::Huge { bytes: LONG_BYTES }));
    let asked = assert_only_these_are_missing(&[(whole, too_long), (other, too_long)], in_a_row).await;
    // What is new, three sizes of pages for the one millisecond, and for the two of the other: the two of them, in two
    // sizes, and then each.
    assert_eq!(asked, 1 + 3 + 2 + 3 + 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_at_which_the_server_fails_is_all_that_is_missing() {
    if is_full() {
        // With the waits that a server in trouble is given: some minutes.
        let (_, records) = victim();
        let bad = alone(&records, records.len() / 2, true);
        assert_only_these_are_missing(&[(bad, Hardness::Unreadable)], std::iter::empty()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_whose_large_pages_always_fail_is_read_in_small_ones() {
    let emulator = start(Vec::new()).await;
    let (lake, (user, records)) = (Lake::new(), victim());
    emulator.replace_script(vec![Rule::status(500, u32::MAX).above_top(25).for_user(&user.id)]);
    let ended = run(&emulator, &lake).await;
    ended.assert_code(0);
    lake.assert_holds(emulator.tenant());
    assert_eq!(gaps(&lake, &user), []);
    let report = emulator.report();
    let failed = report.answered(RequestKind::Interactions, 500);
    println!("{} requests for {} records, {failed} failed", report.requests_for(&user.id), records.len());
    // As often as it takes to know, and never again: all the rest is asked for in small pages.
    assert_eq!(failed, 8);
    assert_eq!(report.requests_for(&user.id), failed + records.len().div_ceil(10) as u64);
    emulator.shutdown().await;
}
