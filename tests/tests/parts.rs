//! Histories that are read in parts: since a list fails far down, since they are long, or since a part of them was never
//! asked for.
#![expect(clippy::unwrap_used, reason = "what a test does not get, fails it")]

use graph_emulator::{Emulator, Rule, ScriptedAnswer, ServerOptions, Tenant, TenantSpec, User};
use promptlake_model::Table;
use promptlake_tests::duckdb::{files_of, number, query};
use promptlake_tests::lake::Lake;
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

/// The parts of a user's history that are said to be covered, in order, with the pages that each took.
fn parts_covered(lake: &Lake, user: &User) -> Vec<(i64, i64, u64)> {
    let rows = query(&format!(
        "SELECT epoch_us(covered_from), epoch_us(covered_to), page_count FROM {} WHERE user_id = '{}' ORDER BY 1",
        files_of(&lake.path(), "coverage"),
        user.id
    ));
    let part = |row: Vec<serde_json::Value>| {
        (row[0].as_i64().unwrap(), row[1].as_i64().unwrap(), row[2].as_u64().unwrap())
    };
    rows.into_iter().map(part).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_history_of_one_user_is_read_in_parts_at_once() {
    /// 2025-02-15, from which on the first run reads.
    const LATE_START_US: i64 = 1_739_577_600_000_000;
    /// Pages for which a list is worth a part of its own.
    const PART_PAGES: u64 = 20;
    let emulator = tenant(1, 8_000).await;
    // Shortly after its end: what was read says how long the rest will be.
    emulator.show_as_of(WINDOW_MS.1 + 3_600_000);
    // So slow that lists that are read at once are seen to be.
    let slow = ScriptedAnswer::Delay(std::time::Duration::from_millis(50));
    emulator.replace_script(vec![Rule::always(slow, u32::MAX)]);
    let (lake, tenant) = (Lake::new(), emulator.tenant());
    let user = busiest(tenant);
    run(&emulator, &lake, &[r#"source.start="2025-02-15""#.to_owned()]).await.assert_code(0);
    assert_eq!(
        lake.rows(Table::Interactions),
        tenant.totals_in(LATE_START_US / 1_000, i64::MAX).interactions
    );
    assert_eq!(emulator.report().interactions_concurrent_max, 1, "of whom nothing is known has one list");
    let known = parts_covered(&lake, &user);
    let [(late_start_us, end_us, pages)] = known[..] else { panic!("{known:?}") };
    assert_eq!(late_start_us, LATE_START_US);

    run(&emulator, &lake, &[]).await.assert_code(0);
    lake.assert_holds(tenant);
    // The clocks of two runs differ by less than a millisecond, and what lies between is new.
    let mut parts = parts_covered(&lake, &user);
    parts.retain(|(from_us, ..)| *from_us < end_us);
    println!("{parts:?}");
    // As many pages to a day as before, in parts of no more than is worth one.
    let micros = |from_us: i64, to_us: i64| u128::try_from(to_us - from_us).unwrap();
    let (asked, known) = (micros(WINDOW_MS.0 * 1_000, late_start_us), micros(late_start_us, end_us));
    let expected = u64::try_from(u128::from(pages) * asked / known).unwrap();
    let parts_expected = expected.div_ceil(PART_PAGES);
    assert!(parts_expected > 1, "{expected} pages are expected");
    assert_eq!(parts.len() as u64, parts_expected + 1, "{parts:?}");
    assert!(parts.windows(2).all(|pair| pair[0].1 == pair[1].0), "{parts:?}");
    assert_eq!((parts[0].0, parts[parts.len() - 1].1), (WINDOW_MS.0 * 1_000, end_us));
    // On a machine with other work to do, perhaps not all of them.
    let at_once = emulator.report().interactions_concurrent_max;
    assert!((2..=parts_expected + 1).contains(&at_once), "{at_once} at once");
    emulator.shutdown().await;
}
