//! Histories of which a part can't be had: all around it is read and covered, and it is said what is not.
#![expect(clippy::unwrap_used, reason = "what a test does not get, fails it")]

use graph_emulator::{Emulator, Rule, ScriptedAnswer, ServerOptions, Tenant, TenantSpec, User};
use promptlake_model::Table;
use promptlake_tests::duckdb::{files_of, number, query};
use promptlake_tests::is_full;
use promptlake_tests::lake::Lake;
use promptlake_tests::poison::{Poison, PoisonedGraph};
use promptlake_tests::program::{Ended, finish, run_command};
use promptlake_tests::tenant::{pipeline, serve};

/// 2025-01-01 to 2025-03-01.
const WINDOW_MS: (i64, i64) = (1_735_689_600_000, 1_740_787_200_000);

async fn tenant(users: u32, interactions: u64) -> Emulator {
    let spec = TenantSpec::default().with_seed(32).with_users(users).with_interactions(interactions);
    let spec = spec.with_unlicensed_share(0.0).with_forbidden_share(0.0).with_unknown_share(0.0);
    let options =
        ServerOptions { requests_per_second: None, ragged_pages: false, ..ServerOptions::default() };
    serve(spec.with_window(WINDOW_MS.0, WINDOW_MS.1), options).await
}

fn busiest(tenant: &Tenant) -> User {
    tenant.users().max_by_key(|user| tenant.records(user)).unwrap()
}

async fn run(emulator: &Emulator, lake: &Lake, settings: &[String]) -> Ended {
    // A small limit, so that what is too long is found out soon.
    let mut command = run_command(&pipeline(emulator, lake, ""), emulator.client_secret());
    let common = ["source.lookback=0s", "run.memory_limit=128MiB"].map(str::to_owned);
    for setting in common.iter().chain(settings) {
        command.args(["--set", setting]);
    }
    tokio::task::spawn_blocking(move || finish(command)).await.unwrap()
}

/// The windows of a user that are said to be covered, in microseconds.
fn covered(lake: &Lake, user: &User) -> Vec<(i64, i64)> {
    let rows = query(&format!(
        "SELECT epoch_us(covered_from), epoch_us(covered_to) FROM {} WHERE user_id = '{}'",
        files_of(&lake.path(), "coverage"),
        user.id
    ));
    rows.into_iter().map(|row| (row[0].as_i64().unwrap(), row[1].as_i64().unwrap())).collect()
}

fn holds(windows: &[(i64, i64)], micros: i64) -> bool {
    windows.iter().any(|(from, to)| (*from..*to).contains(&micros))
}

fn last_of_users(lake: &Lake, user: &User) -> (String, String) {
    let rows = query(&format!(
        "SELECT status, coalesce(reason, '') FROM {} WHERE user_id = '{}' ORDER BY extracted_at DESC LIMIT 1",
        files_of(&lake.path(), "users"),
        user.id
    ));
    (rows[0][0].as_str().unwrap().to_owned(), rows[0][1].as_str().unwrap().to_owned())
}

async fn assert_all_but_one_record_is_read(poison: Poison) {
    let emulator = tenant(3, 3_000).await;
    let (lake, tenant) = (Lake::new(), emulator.tenant());
    let user = busiest(tenant);
    let records: Vec<_> = tenant.expected_records(&user).collect();
    // Half-way, at a whole millisecond and alone there.
    let alone =
        |us: i64| records.iter().filter(|other| (other.created_at_us - us).abs() < 3_000).count() == 1;
    let bad = records[records.len() / 2..]
        .iter()
        .find(|record| record.created_at_us % 1_000 == 0 && alone(record.created_at_us));
    let bad = bad.unwrap();
    let graph = PoisonedGraph::start(&emulator.graph_url(), &bad.interaction_id, poison).await;
    let through = [format!("source.graph_url={}", graph.url())];

    for attempt in 1..=2 {
        let ended = run(&emulator, &lake, &through).await;
        ended.assert_code(3);
        assert_eq!(lake.rows(Table::Interactions), tenant.totals().interactions - 1, "{}", ended.said);
        lake.assert_no_row_twice();
        let windows = covered(&lake, &user);
        for record in &records {
            let is_bad = record.interaction_id == bad.interaction_id;
            assert_eq!(holds(&windows, record.created_at_us), !is_bad, "after run {attempt}");
        }
        assert!([-1, 1_000].iter().all(|near| holds(&windows, bad.created_at_us + near)));
        let (status, reason) = last_of_users(&lake, &user);
        assert_eq!(status, "failed");
        assert!(reason.starts_with("all but 1 window is read: ["), "{reason}");
    }
    graph.heal();
    run(&emulator, &lake, &through).await.assert_code(0);
    lake.assert_holds(tenant);
    assert!(holds(&covered(&lake, &user), bad.created_at_us));
    emulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_but_a_record_that_is_too_long_is_read() {
    assert_all_but_one_record_is_read(Poison::Swells).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_but_a_record_that_the_server_fails_at_is_read() {
    if is_full() {
        // With the waits that a server in trouble is given: some minutes.
        assert_all_but_one_record_is_read(Poison::Fails).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_fails_far_down_is_read_in_parts() {
    let emulator = tenant(3, 7_000).await;
    let (lake, tenant) = (Lake::new(), emulator.tenant());
    let user = busiest(tenant);
    let too_long = ScriptedAnswer::Status { status: 200, headers: Vec::new(), body: " ".repeat(24 << 20) };
    emulator.replace_script(vec![Rule::always(too_long, u32::MAX).from_page(9).for_user(&user.id)]);
    run(&emulator, &lake, &[]).await.assert_code(0);
    lake.assert_holds(tenant);
    let covered = number(&format!(
        "SELECT sum(record_count)::BIGINT FROM {} WHERE user_id = '{}'",
        files_of(&lake.path(), "coverage"),
        user.id
    ));
    assert_eq!(covered, tenant.records(&user), "each record in one of the parts that count");
    emulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_app_classes_are_asked_for_what_they_lack() {
    let emulator = tenant(4, 2_000).await;
    let (lake, tenant) = (Lake::new(), emulator.tenant());
    let only = |classes: &str| [format!("source.app_class={classes}")];
    // Another spelling is another class: what is covered for it is nothing that Graph has.
    run(&emulator, &lake, &only(r#"["IPM.SkypeTeams.Message.Copilot.WORD"]"#)).await.assert_code(0);
    run(&emulator, &lake, &only(r#"["IPM.SkypeTeams.Message.Copilot.Word"]"#)).await.assert_code(0);
    let word = lake.rows(Table::Interactions);
    assert!(0 < word && word < tenant.totals().interactions);
    let others = number(&format!(
        "SELECT count(*) FROM {} WHERE app_class <> 'IPM.SkypeTeams.Message.Copilot.Word'",
        files_of(&lake.path(), "interactions")
    ));
    assert_eq!(others, 0);
    let filters = query(&format!(
        "SELECT DISTINCT app_class_filter FROM {} ORDER BY ALL",
        files_of(&lake.path(), "coverage")
    ));
    let copilot = |app: &str| [format!("IPM.SkypeTeams.Message.Copilot.{app}")];
    assert_eq!(filters, [copilot("WORD"), copilot("Word")]);

    run(
        &emulator,
        &lake,
        &only(r#"["IPM.SkypeTeams.Message.Copilot.Word", "IPM.SkypeTeams.Message.Copilot.Excel"]"#),
    )
    .await
    .assert_code(0);
    let both = lake.rows(Table::Interactions);
    assert!(word < both && both < tenant.totals().interactions, "{word} {both}");
    run(&emulator, &lake, &[]).await.assert_code(0);
    lake.assert_holds(tenant);
    emulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_pages_than_the_setting_allows_are_an_error() {
    let emulator = tenant(3, 3_000).await;
    let lake = Lake::new();
    let user = busiest(emulator.tenant());
    run(&emulator, &lake, &["source.pages_max=2".to_owned()]).await.assert_code(3);
    let (status, reason) = last_of_users(&lake, &user);
    assert_eq!(status, "failed");
    assert_eq!(reason, "there are more than 2 pages, which is the limit: see source.pages_max");
    assert!(!holds(&covered(&lake, &user), (WINDOW_MS.0 + 1) * 1_000));
    run(&emulator, &lake, &[]).await.assert_code(0);
    lake.assert_holds(emulator.tenant());
    emulator.shutdown().await;
}
