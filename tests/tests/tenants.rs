//! Several tenants in one run: each with its own credential and books, and none that stops another. And users whom a
//! tenant no longer lists.
#![expect(clippy::unwrap_used, reason = "what a test does not get, fails it")]

use std::path::PathBuf;
use std::process::Command;

use graph_emulator::{
    Emulator, LimitKeeping, ListChange, ListChangeKind, RequestKind, RetryAfterForm, Rule, ScriptedAnswer,
    ServerOptions, TenantSpec,
};
use promptlake_model::Table;
use promptlake_tests::duckdb::{files_of, number, query};
use promptlake_tests::lake::Lake;
use promptlake_tests::program::{Ended, command_of, finish, run_command};
use promptlake_tests::tenant::{pipeline, serve, unlimited};

/// 2025-01-01 to 2025-01-11.
fn spec(seed: u64) -> TenantSpec {
    let spec = TenantSpec::default().with_seed(seed).with_users(20).with_interactions(800);
    spec.with_window(1_735_689_600_000, 1_736_553_600_000)
}

fn two_tenants(emulators: [&Emulator; 2], lake: &Lake) -> PathBuf {
    tenants_at(1_000, &emulators, lake)
}

/// A pipeline file that reads tenants into one lake at a rate for each.
fn tenants_at(requests_per_second: u32, emulators: &[&Emulator], lake: &Lake) -> PathBuf {
    let source = |(number, emulator): (usize, &&Emulator)| {
        format!(
            r#"[[source]]
cloud = "custom"
graph_url = "{}"
login_url = "{}"
tenant_id = "{}"
client_id = "{}"
credential = {{ kind = "client_secret", env = "SECRET_{number}" }}
start = "2025-01-01"
requests_per_second = {requests_per_second}
lookback = "0s"
"#,
            emulator.graph_url(),
            emulator.login_url(),
            emulator.tenant_id(),
            emulator.client_id(),
        )
    };
    let sources: Vec<String> = emulators.iter().enumerate().map(source).collect();
    let destination = format!("[destination]\nurl = \"{}\"\n", lake.path().display());
    lake.write_beside("tenants.toml", format!("{}{destination}", sources.join("\n")).as_bytes())
}

async fn run(mut command: Command, more: &[&str]) -> Ended {
    command.args(more);
    tokio::task::spawn_blocking(move || finish(command)).await.unwrap()
}

fn assert_rows_of(lake: &Lake, emulator: &Emulator, rows: u64) {
    let files = files_of(&lake.path(), "interactions");
    let tenant = emulator.tenant_id();
    assert_eq!(number(&format!("SELECT count(*) FROM {files} WHERE tenant_id = '{tenant}'")), rows);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_that_cant_be_read_stops_no_other_and_is_read_the_next_time() {
    let (one, other) = (unlimited(spec(1)).await, unlimited(spec(2)).await);
    let lake = Lake::new();
    let file = two_tenants([&one, &other], &lake);
    let with_secrets = |other_secret: &str| {
        let mut command = run_command(&file, "");
        command.env("SECRET_0", one.client_secret()).env("SECRET_1", other_secret);
        command
    };
    let ended = run(with_secrets("wrong"), &[]).await;
    let whose = format!("read tenant {}", other.tenant_id());
    ended.assert_code(4).assert_said(&whose).assert_said("AADSTS7000215").assert_said("the others go on");
    lake.assert_holds(one.tenant());

    run(with_secrets(other.client_secret()), &[]).await.assert_code(0);
    for emulator in [&one, &other] {
        assert_rows_of(&lake, emulator, emulator.tenant().totals().interactions);
    }
    lake.assert_no_row_twice();

    // Nobody is let in: nothing is left to go on with.
    let mut command = run_command(&file, "");
    command.env("SECRET_0", "wrong").env("SECRET_1", "wrong");
    run(command, &[]).await.assert_code(4).assert_said(&format!("read tenant {}", one.tenant_id()));
    one.shutdown().await;
    other.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_that_gives_no_secret_for_a_tenant_stops_no_other() {
    let (one, other) = (unlimited(spec(1)).await, unlimited(spec(2)).await);
    let lake = Lake::new();
    let file = two_tenants([&one, &other], &lake);
    let text = std::fs::read_to_string(&file).unwrap();
    let by_tool = text.replace(r#"env = "SECRET_1""#, r#"command = "echo locked >&2; exit 2""#);
    assert_ne!(by_tool, text);
    std::fs::write(&file, by_tool).unwrap();
    let mut command = run_command(&file, "");
    command.env("SECRET_0", one.client_secret());
    let ended = run(command, &[]).await;
    let whose = format!("read tenant {}", other.tenant_id());
    ended
        .assert_code(2)
        .assert_said(&whose)
        .assert_said("exit code 2: locked")
        .assert_said("the others go on");
    lake.assert_holds(one.tenant());

    // A variable that is not set is a mistake: nobody is asked.
    let before = one.report().interactions_requests;
    run(run_command(&file, ""), &[]).await.assert_code(2).assert_said("SECRET_0");
    assert_eq!(one.report().interactions_requests, before);
    one.shutdown().await;
    other.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_no_longer_listed_is_asked_until_graph_says_that_there_is_nothing() {
    let lake = Lake::new();
    let all_licensed = spec(3).with_forbidden_share(0.0).with_unknown_share(0.0).with_unlicensed_share(0.0);
    let before = unlimited(all_licensed.clone()).await;
    let read = async |emulator: &Emulator, more: &[&str]| {
        let command = run_command(&pipeline(emulator, &lake, ""), emulator.client_secret());
        run(command, more).await.assert_code(0).said.clone()
    };
    read(&before, &[]).await;
    before.shutdown().await;

    // The same tenant, in which some have lost their licence: the directory lists them no more, and Graph says so.
    let after = unlimited(all_licensed.with_unlicensed_share(0.4)).await;
    let refused = || after.report().answered(RequestKind::Interactions, 403);
    read(&after, &["--set", "source.users={ licensed = true, limit = 5 }"]).await;
    assert_eq!(refused(), 0);
    assert_eq!(lake.rows(Table::Users), 20 + 5, "a pilot asks five");
    let said = read(&after, &[]).await;
    let lost = refused();
    assert!((4..=12).contains(&lost), "{lost} of 20 users lost their licence");
    assert!(said.contains(&format!("{lost} unlicensed")), "{said}");
    let users = files_of(&lake.path(), "users");
    let unlicensed = format!("SELECT count(*) FROM {users} WHERE status = 'unlicensed'");
    assert_eq!(number(&unlicensed), lost);
    // Once is enough.
    read(&after, &[]).await;
    assert_eq!(refused(), lost);
    assert_eq!(number(&unlicensed), lost);
    assert_eq!(query(&format!("SELECT DISTINCT status FROM {users} ORDER BY 1")).len(), 3, "no other status");
    after.shutdown().await;
}

/// One interaction as no other tenant has it: tenant, owner, session, id and etag.
type Interaction = (String, String, Option<String>, String, String);

fn interactions(lake: &Lake) -> Vec<Interaction> {
    let rows = query(&format!(
        "SELECT tenant_id, user_id, session_id, interaction_id, etag FROM {}",
        files_of(&lake.path(), "interactions")
    ));
    let row = |row: Vec<serde_json::Value>| {
        let text = |column: usize| row[column].as_str().map(str::to_owned);
        (text(0).unwrap(), text(1).unwrap(), text(2), text(3).unwrap(), text(4).unwrap())
    };
    let mut rows: Vec<Interaction> = rows.into_iter().map(row).collect();
    rows.sort();
    rows
}

/// What the lake must hold of tenants, but for users that are left out of one.
fn expected(emulators: [&Emulator; 2], left_out: Option<(&str, &str)>) -> Vec<Interaction> {
    let mut expected = Vec::new();
    for emulator in emulators {
        let tenant = emulator.tenant();
        for user in tenant.users().filter(|user| left_out != Some((tenant.id(), &user.id))) {
            let records = tenant.expected_records(&user).map(|record| {
                let owner = (tenant.id().to_owned(), user.id.clone());
                (owner.0, owner.1, record.session_id, record.interaction_id, record.etag)
            });
            expected.extend(records);
        }
    }
    expected.sort();
    expected
}

/// The tenants of which a window of a user is covered, in order.
fn covering(lake: &Lake, user: &str) -> Vec<String> {
    let files = files_of(&lake.path(), "coverage");
    let rows = query(&format!("SELECT DISTINCT tenant_id FROM {files} WHERE user_id = '{user}' ORDER BY 1"));
    rows.into_iter().map(|row| row[0].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_users_and_records_of_two_tenants_stay_apart() {
    const AFTER_MS: i64 = 1_736_640_000_000;
    const HOUR_MS: i64 = 3_600_000;
    let (one, other) = (unlimited(spec(4)).await, unlimited(spec(4).with_tenant_number(1)).await);
    let ids = |emulator: &Emulator| emulator.tenant().users().map(|user| user.id).collect::<Vec<_>>();
    assert_eq!(ids(&one), ids(&other));
    assert_ne!(one.tenant_id(), other.tenant_id());
    for emulator in [&one, &other] {
        emulator.show_as_of(AFTER_MS);
    }
    let lake = Lake::new();
    let file = two_tenants([&one, &other], &lake);
    let command = || {
        let mut command = run_command(&file, "");
        command.env("SECRET_0", one.client_secret()).env("SECRET_1", other.client_secret());
        command
    };
    // Of somebody who has a history in both, one of them says nothing.
    let tenant = one.tenant();
    let missing = tenant.users().max_by_key(|user| tenant.records(user)).unwrap();
    one.replace_script(vec![Rule::status(404, u32::MAX).for_user(&missing.id)]);
    run(command(), &[]).await.assert_code(0);
    assert_eq!(interactions(&lake), expected([&one, &other], Some((one.tenant_id(), &missing.id))));
    lake.assert_no_row_twice();
    assert_eq!(covering(&lake, &missing.id), [other.tenant_id()]);

    // An hour later he is known, and asked for from the start where nothing of him was read.
    one.replace_script(Vec::new());
    for emulator in [&one, &other] {
        emulator.show_as_of(AFTER_MS + HOUR_MS);
    }
    let before = [&one, &other].map(|emulator| emulator.report().pages);
    run(command(), &[]).await.assert_code(0);
    assert_eq!(interactions(&lake), expected([&one, &other], None));
    lake.assert_no_row_twice();
    let mut both = [one.tenant_id(), other.tenant_id()];
    both.sort_unstable();
    assert_eq!(covering(&lake, &missing.id), both);
    let [pages, other_pages] = [&one, &other].map(|emulator| emulator.report().pages);
    assert!(pages - before[0] > other_pages - before[1], "the other was asked for the hour alone");
    one.shutdown().await;
    other.shutdown().await;
}

/// How much longer a tenant may take beside one that is throttled than alone: what two runs of one tenant differ by.
const TIMES_ALONE_MAX: f64 = 1.1;

/// The rate that is set, in requests a second.
const RATE: u32 = 25;

/// A tenant in which everybody answers.
fn all_answer(seed: u64, users: u32, interactions: u64) -> TenantSpec {
    let spec = TenantSpec::default().with_seed(seed).with_users(users).with_interactions(interactions);
    spec.with_unlicensed_share(0.0).with_forbidden_share(0.0).with_unknown_share(0.0)
}

/// Pages of one record, and no limit: what is kept is the client's own rate, and no 429 slows it down.
fn without_limit() -> ServerOptions {
    ServerOptions {
        page_records_max: Some(1),
        ragged_pages: false,
        requests_per_second: None,
        ..ServerOptions::default()
    }
}

/// It lets a tenth of the rate through, and whoever comes too early waits for longer.
fn narrow() -> ServerOptions {
    ServerOptions {
        requests_per_second: Some(3),
        limit_keeping: Some(LimitKeeping::SlidingWindow),
        retry_after: Some(RetryAfterForm::Seconds),
        ..without_limit()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_keeps_its_rate_beside_one_that_is_throttled() {
    const REQUESTS: u32 = 500;
    let spec = all_answer(11, 60, u64::from(REQUESTS));
    let alone = serve(spec.clone(), without_limit()).await;
    let free = serve(spec.with_tenant_number(1), without_limit()).await;
    let throttled = serve(all_answer(12, 60, 60), narrow()).await;

    let (alone_lake, lake) = (Lake::new(), Lake::new());
    let mut by_itself = run_command(&tenants_at(RATE, &[&alone], &alone_lake), "");
    by_itself.env("SECRET_0", alone.client_secret());
    let mut both = run_command(&tenants_at(RATE, &[&throttled, &free], &lake), "");
    both.env("SECRET_0", throttled.client_secret()).env("SECRET_1", free.client_secret());
    let (first, second) = tokio::join!(run(by_itself, &[]), run(both, &[]));
    first.assert_code(0);
    second.assert_code(0).assert_said("answered 429");
    assert_rows_of(&alone_lake, &alone, u64::from(REQUESTS));
    assert_rows_of(&lake, &free, u64::from(REQUESTS));
    assert_rows_of(&lake, &throttled, 60);

    let took = |emulator: &Emulator| emulator.report().interactions_took().unwrap().as_secs_f64();
    let (alone_s, beside_s) = (took(&alone), took(&free));
    println!(
        "alone {alone_s:.2} s, beside a throttled one {beside_s:.2} s; that one took {:.2} s with {} answers 429",
        took(&throttled),
        throttled.report().throttled
    );
    assert!(throttled.report().throttled > 0);
    assert!(beside_s < took(&throttled), "it was throttled all the while");
    // No faster than Graph's short limit lets anybody be, and no slower than the rate that is set.
    let at = |per_second: u32| f64::from(REQUESTS) / f64::from(per_second);
    assert!(alone_s > at(30), "what took {alone_s:.2} s kept to no rate");
    assert!(beside_s <= at(RATE) * TIMES_ALONE_MAX, "{beside_s:.2} s for {REQUESTS} requests");
    assert!(beside_s <= alone_s * TIMES_ALONE_MAX, "{beside_s:.2} s beside, {alone_s:.2} s alone");
    for emulator in [alone, free, throttled] {
        emulator.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_whose_answers_are_slow_keeps_its_rate_beside_one_that_is_throttled() {
    // What is asked at the full rate for half a minute by users enough, whose lists go on one answer after the other.
    const REQUESTS: u64 = 900;
    // The seconds of it in which there are users enough.
    const STEADY_S: std::ops::Range<i64> = 6..26;
    // As much of the rate that is set as has to be left.
    const SHARE_LEFT: f64 = 0.85;
    let free = serve(all_answer(13, 300, REQUESTS), without_limit()).await;
    let a_second = ScriptedAnswer::Delay(std::time::Duration::from_secs(1));
    free.replace_script(vec![Rule::always(a_second, u32::MAX)]);
    let throttled = serve(all_answer(14, 80, 80), narrow()).await;
    let lake = Lake::new();
    let mut both = run_command(&tenants_at(RATE, &[&throttled, &free], &lake), "");
    both.env("SECRET_0", throttled.client_secret()).env("SECRET_1", free.client_secret());
    run(both, &[]).await.assert_code(0).assert_said("answered 429");
    assert_rows_of(&lake, &free, REQUESTS);
    assert_rows_of(&lake, &throttled, 80);
    lake.assert_no_row_twice();

    let (report, beside) = (free.report(), throttled.report());
    let began = *report.interactions_by_second.keys().next().unwrap();
    let steady = began + STEADY_S.start..began + STEADY_S.end;
    let requests: u64 = report.interactions_by_second.range(steady.clone()).map(|(_, count)| count).sum();
    let refused: u64 = beside.throttled_by_second.range(steady).map(|(_, count)| count).sum();
    println!("{requests} requests in {STEADY_S:?} s, while {refused} of another tenant were refused");
    assert!(refused > 0, "the other was not throttled meanwhile");
    let steady_s = u32::try_from(STEADY_S.end - STEADY_S.start).unwrap();
    let least = f64::from(steady_s * RATE) * SHARE_LEFT;
    let requests = f64::from(u32::try_from(requests).unwrap());
    assert!(requests >= least, "{requests} requests in {steady_s} s, fewer than {least}");
    for emulator in [free, throttled] {
        emulator.shutdown().await;
    }
}

/// A tenant in which lists of more than a page lose ten records while they are read.
async fn stepping_out(seed: u64) -> Emulator {
    let change = ListChange { user_id: None, at_page: 1, records: 10, kind: ListChangeKind::StepOut };
    let options = ServerOptions {
        requests_per_second: None,
        ragged_pages: false,
        list_changes: vec![change],
        ..ServerOptions::default()
    };
    let emulator = serve(spec(seed).with_interactions(3_000), options).await;
    // 2025-02-10: so much later that no run looks at the tenant's history again by itself.
    emulator.show_as_of(1_739_145_600_000);
    emulator
}

#[tokio::test(flavor = "multi_thread")]
async fn an_audit_asks_every_tenant_and_names_whose_records_are_missing() {
    let (one, other) = (stepping_out(1).await, stepping_out(2).await);
    let lake = Lake::new();
    let file = two_tenants([&one, &other], &lake);
    let command = |verb: &str, other_secret: &str| {
        let mut command = command_of(verb, &file, "");
        command.env("SECRET_0", one.client_secret()).env("SECRET_1", other_secret);
        command
    };
    run(command("run", other.client_secret()), &[]).await.assert_code(0);
    let skipped = [&one, &other].map(|emulator| emulator.report().records_skipped);
    assert!(skipped.iter().all(|records| *records > 0), "{skipped:?}");
    let missing = |audited: &Ended, emulator: &Emulator| -> u64 {
        let of_tenant = audited.printed.lines().filter(|line| line.starts_with(emulator.tenant_id()));
        of_tenant.map(|line| line.rsplit('\t').next().unwrap().parse::<u64>().unwrap()).sum()
    };
    let audited = run(command("audit", other.client_secret()), &[]).await;
    audited.assert_code(7);
    assert_eq!([&one, &other].map(|emulator| missing(&audited, emulator)), skipped);

    // What is found is said, also where another tenant can't be asked.
    let audited = run(command("audit", "wrong"), &[]).await;
    audited.assert_code(4).assert_said("AADSTS7000215").assert_said(", as far as it came");
    assert_eq!([&one, &other].map(|emulator| missing(&audited, emulator)), [skipped[0], 0]);

    run(command("audit", other.client_secret()), &["--repair"]).await.assert_code(0);
    for emulator in [&one, &other] {
        assert_rows_of(&lake, emulator, emulator.tenant().totals().interactions);
    }
    lake.assert_no_row_twice();
    run(command("audit", other.client_secret()), &[]).await.assert_code(0);
    one.shutdown().await;
    other.shutdown().await;
}
