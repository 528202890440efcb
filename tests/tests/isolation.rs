//! Users of every fate in one tenant: who can't be read stops nobody, each outcome is named in the summary and in
//! `users`, and the next run asks for what is missing alone. Only where everybody is forbidden there is nothing to read.
#![expect(clippy::unwrap_used, reason = "what a test does not get, fails it")]

use std::collections::BTreeMap;
use std::time::Duration;

use graph_emulator::{
    Access, Emulator, RequestKind, Rule, ScriptedAnswer, ServerOptions, Tenant, TenantSpec, User,
};
use promptlake_model::Table;
use promptlake_tests::duckdb::{files_of, query};
use promptlake_tests::is_full;
use promptlake_tests::lake::Lake;
use promptlake_tests::program::{Ended, finish, run_command};
use promptlake_tests::tenant::{pipeline, serve};

/// 2025-01-01 to 2025-03-01. The first run is a day later, when everything has settled, and the next one an hour after it.
const WINDOW_MS: (i64, i64) = (1_735_689_600_000, 1_740_787_200_000);
const AFTER_MS: i64 = WINDOW_MS.1 + 24 * HOUR_MS;
const HOUR_MS: i64 = 3_600_000;

/// Forty users, of whom the directory lists all: three in ten have no licence, and one in twenty is unknown.
fn spec() -> TenantSpec {
    let spec = TenantSpec::default().with_seed(46).with_users(40).with_interactions(6_000);
    let spec = spec.with_unlicensed_share(0.0).with_forbidden_share(0.3).with_unknown_share(0.05);
    spec.with_window(WINDOW_MS.0, WINDOW_MS.1)
}

async fn start() -> Emulator {
    let options =
        ServerOptions { requests_per_second: None, ragged_pages: false, ..ServerOptions::default() };
    let emulator = serve(spec(), options).await;
    emulator.show_as_of(AFTER_MS);
    emulator
}

async fn run(emulator: &Emulator, lake: &Lake) -> Ended {
    run_at_once(emulator, lake, 64).await
}

/// The same with so many requests under way at most.
async fn run_at_once(emulator: &Emulator, lake: &Lake, at_once: u32) -> Ended {
    let mut command = run_command(&pipeline(emulator, lake, ""), emulator.client_secret());
    let concurrency = format!("source.concurrency={at_once}");
    command.args(["--set", "source.lookback=0s", "--set", &concurrency]);
    tokio::task::spawn_blocking(move || finish(command)).await.unwrap()
}

/// What `users` says of a user after a run: status, status of the answer, code and reason.
type Fate = (String, Option<u64>, Option<String>, Option<String>);

/// The fates of all users in the run that ended last, or in the one before.
fn fates(lake: &Lake, runs_ago: usize) -> BTreeMap<String, Fate> {
    let rows = query(&format!(
        "SELECT user_id, status, http_status, error_code, reason FROM {users}
         WHERE run_id = (SELECT DISTINCT run_id FROM {users} ORDER BY run_id DESC LIMIT 1 OFFSET {runs_ago})",
        users = files_of(&lake.path(), "users"),
    ));
    let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
    let fate = |row: Vec<serde_json::Value>| {
        let fate = (text(&row[1]).unwrap(), row[2].as_u64(), text(&row[3]), text(&row[4]));
        (text(&row[0]).unwrap(), fate)
    };
    let count = rows.len();
    let fates: BTreeMap<String, Fate> = rows.into_iter().map(fate).collect();
    assert_eq!(fates.len(), count, "one row for each user and run");
    fates
}

fn fate(status: &str, answer: Option<(u64, &str)>, reason: Option<&str>) -> Fate {
    let http_status = answer.map(|(status, _)| status);
    (status.to_owned(), http_status, answer.map(|(_, code)| code.to_owned()), reason.map(str::to_owned))
}

/// What has to be said of a user of whom all that there is was read.
fn expected(tenant: &Tenant, user: &User) -> Fate {
    match user.access {
        Access::Open if tenant.records(user) > 0 => fate("extracted", None, None),
        Access::Open => fate("empty", None, None),
        Access::Forbidden => {
            fate("unlicensed", Some((403, "Forbidden")), Some("Graph says that the user has no licence"))
        }
        Access::Unknown => fate(
            "not_found",
            Some((404, "Request_ResourceNotFound")),
            Some("Graph knows no history of the user"),
        ),
        Access::Unlicensed | Access::Broken => panic!("the tenant has no such user"),
    }
}

fn with_access(tenant: &Tenant, access: Access) -> u64 {
    tenant.users().filter(|user| user.access == access).count() as u64
}

/// The interactions of each user in the lake; who has none is not in it.
fn records_by_user(lake: &Lake) -> BTreeMap<String, u64> {
    let rows = query(&format!(
        "SELECT user_id, count(*) FROM {} GROUP BY ALL",
        files_of(&lake.path(), "interactions")
    ));
    rows.into_iter().map(|row| (row[0].as_str().unwrap().to_owned(), row[1].as_u64().unwrap())).collect()
}

/// The users of whom a window is said to be covered.
fn covered(lake: &Lake) -> Vec<String> {
    let files = files_of(&lake.path(), "coverage");
    let rows = query(&format!("SELECT DISTINCT user_id FROM {files} ORDER BY 1"));
    rows.into_iter().map(|row| row[0].as_str().unwrap().to_owned()).collect()
}

fn ids<'a>(users: impl Iterator<Item = &'a User>) -> Vec<String> {
    let mut ids: Vec<String> = users.map(|user| user.id.clone()).collect();
    ids.sort();
    ids
}

#[tokio::test(flavor = "multi_thread")]
async fn one_who_always_fails_the_unlicensed_and_the_unknown_stop_nobody() {
    let emulator = start().await;
    let (lake, tenant) = (Lake::new(), emulator.tenant());
    let users: Vec<User> = tenant.users().collect();
    let (unlicensed, unknown) =
        (with_access(tenant, Access::Forbidden), with_access(tenant, Access::Unknown));
    assert!((8..=16).contains(&unlicensed) && unknown > 0, "{unlicensed} {unknown}");
    // Somebody with several pages, so that reading on is told from reading again.
    let broken = users.iter().max_by_key(|user| tenant.records(user)).unwrap();
    assert!(tenant.records(broken) > 300);
    emulator.replace_script(vec![Rule::status(500, u32::MAX).for_user(&broken.id)]);

    let ended = run(&emulator, &lake).await;
    ended.assert_code(3);
    let reason = "the answer is 500, after 3 attempts";
    let failed = fate("failed", Some((500, "InternalServerError")), Some(reason));
    let others: Vec<&User> = users.iter().filter(|user| user.index != broken.index).collect();
    let mut right: BTreeMap<String, Fate> =
        others.iter().map(|user| (user.id.clone(), expected(tenant, user))).collect();
    right.insert(broken.id.clone(), failed);
    assert_eq!(fates(&lake, 0), right);
    let of_status = |status: &str| right.values().filter(|fate| fate.0 == status).count();
    let (extracted, empty) = (of_status("extracted"), of_status("empty"));
    ended.assert_said(&format!(
        "users     {extracted} extracted, {empty} empty, {unlicensed} unlicensed, {unknown} not found, 1 failed\n"
    ));
    ended.assert_said(&format!("          1 failed: {reason}\n"));
    let with_records = others.iter().filter(|user| tenant.records(user) > 0);
    let whole: BTreeMap<String, u64> =
        with_records.map(|user| (user.id.clone(), tenant.records(user))).collect();
    assert_eq!(records_by_user(&lake), whole);
    let open = |user: &&&User| user.access == Access::Open;
    assert_eq!(covered(&lake), ids(others.iter().filter(open).copied()));

    // He is well again. Who has no licence may have got one, and who is unknown may be known by now.
    emulator.replace_script(Vec::new());
    emulator.show_as_of(AFTER_MS + HOUR_MS);
    let before = emulator.report();
    let ended = run(&emulator, &lake).await;
    ended.assert_code(0);
    assert!(!ended.said.contains("in the lake already"), "{}", ended.said);
    let after = emulator.report();
    let pages = tenant.records(broken).div_ceil(100);
    for user in &users {
        let asked = after.requests_for(&user.id) - before.requests_for(&user.id);
        // Of the others, only the hour since.
        let missing = if user.index == broken.index { pages } else { 1 };
        assert_eq!(asked, missing, "{:?}", user.access);
    }
    assert_eq!(
        after.interactions_requests - before.interactions_requests,
        pages + users.len() as u64 - 1,
        "nobody else is asked"
    );
    lake.assert_holds(tenant);
    assert_eq!(fates(&lake, 0).get(&broken.id), Some(&fate("extracted", None, None)));
    assert_eq!(covered(&lake), ids(users.iter().filter(|user| user.access == Access::Open)));
    emulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn several_who_are_never_answered_are_no_outage() {
    let emulator = start().await;
    let (lake, tenant) = (Lake::new(), emulator.tenant());
    let mut users: Vec<User> = tenant.users().filter(|user| user.access == Access::Open).collect();
    users.sort_by_key(|user| std::cmp::Reverse(tenant.records(user)));
    // A 504 may be about what is asked for: that it is not takes some minutes.
    let (never, others) = users.split_at(if is_full() { 3 } else { 2 });
    let answers = [
        Rule::status(503, u32::MAX),
        Rule::always(ScriptedAnswer::Reset, u32::MAX),
        Rule::status(504, u32::MAX),
    ];
    let rules = answers.into_iter().zip(never).map(|(rule, user)| rule.for_user(&user.id));
    emulator.replace_script(rules.collect());
    let ended = run(&emulator, &lake).await;
    ended.assert_code(3).assert_said(&format!(" {} failed\n", never.len()));
    assert!(!ended.said.contains("out of reach"), "{}", ended.said);
    let fates = fates(&lake, 0);
    let failed = fates.iter().filter(|(_, fate)| fate.0 == "failed").map(|(user, _)| user.clone());
    assert_eq!(failed.collect::<Vec<_>>(), ids(never.iter()));
    let answers = never.iter().map(|user| fates[&user.id].1).collect::<Vec<_>>();
    assert_eq!(answers, [Some(503), None, Some(504)][..never.len()]);
    assert_eq!(covered(&lake), ids(others.iter()));
    let took = emulator.report().interactions_took().unwrap();
    // Each is asked as often as may be, twice, and nobody waits for a source that is there.
    assert!(took < Duration::from_mins(5), "{took:?}");

    emulator.replace_script(Vec::new());
    run(&emulator, &lake).await.assert_code(0);
    lake.assert_holds(tenant);
    emulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_in_which_everybody_is_forbidden_lacks_a_permission() {
    let emulator = start().await;
    let (lake, users) = (Lake::new(), emulator.tenant().users().count() as u64);
    // The answer names no licence.
    emulator.replace_script(vec![Rule::status(403, u32::MAX)]);
    // So few that somebody is left to ask when enough is known.
    let ended = run_at_once(&emulator, &lake, 8).await;
    ended
        .assert_code(4)
        .assert_said("error: failed to read interactions: Graph answered 403 for each of the ")
        .assert_said("hint: give the app the application permission AiEnterpriseInteraction.Read.All")
        .assert_said("let an admin consent to it");
    let asked = emulator.report().answered(RequestKind::Interactions, 403);
    assert!((20..users).contains(&asked), "{asked} of {users} are enough to know");
    assert_eq!(lake.rows(Table::Coverage), 0);
    let told = fates(&lake, 0);
    // The last of them were interrupted; whoever was answered says by what.
    let forbidden = fate("failed", Some((403, "Forbidden")), Some("Graph forbids to read this user"));
    assert!(told.values().filter(|fate| **fate == forbidden).count() >= 20, "{told:?}");

    // With the permission all of them are read.
    emulator.replace_script(Vec::new());
    run(&emulator, &lake).await.assert_code(0);
    lake.assert_holds(emulator.tenant());
    emulator.shutdown().await;
}
