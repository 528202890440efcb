//! The bearer token never leaves Graph's origin: no link and no redirect leads it elsewhere, and nobody elsewhere is
//! even asked. Whoever's list leads away has failed, with the reason; the others are read.
#![expect(clippy::unwrap_used, reason = "what a test does not get, fails it")]

use graph_emulator::{Emulator, Rule, ScriptedAnswer, ServerOptions, Target, Tenant, TenantSpec, User};
use promptlake_tests::duckdb::{files_of, query};
use promptlake_tests::lake::Lake;
use promptlake_tests::program::{Ended, finish, run_command};
use promptlake_tests::tenant::{pipeline, serve};

/// 2025-01-01 to 2025-03-01.
const WINDOW_MS: (i64, i64) = (1_735_689_600_000, 1_740_787_200_000);

const PAGE_RECORDS: u64 = 100;

async fn start() -> Emulator {
    let spec = TenantSpec::default().with_seed(77).with_users(12).with_interactions(9_000);
    let spec = spec.with_unlicensed_share(0.0).with_forbidden_share(0.0).with_unknown_share(0.0);
    let options =
        ServerOptions { requests_per_second: None, ragged_pages: false, ..ServerOptions::default() };
    let emulator = serve(spec.with_window(WINDOW_MS.0, WINDOW_MS.1), options).await;
    emulator.show_as_of(WINDOW_MS.1 + 86_400_000);
    emulator
}

async fn run(emulator: &Emulator, lake: &Lake) -> Ended {
    let mut command = run_command(&pipeline(emulator, lake, ""), emulator.client_secret());
    // Whatever proxy this machine has is not to be what keeps a request from its way.
    command.env("NO_PROXY", "127.0.0.1,localhost,foreign.example");
    command.args(["--set", "source.lookback=0s"]);
    tokio::task::spawn_blocking(move || finish(command)).await.unwrap()
}

/// The users with most records, most first.
fn busiest(tenant: &Tenant) -> Vec<User> {
    let mut users: Vec<User> = tenant.users().collect();
    users.sort_by_key(|user| std::cmp::Reverse(tenant.records(user)));
    users
}

/// Status, status of the answer and reason of each user in the last run, by their ids.
fn fates(lake: &Lake) -> Vec<(String, String, Option<u64>, Option<String>)> {
    let rows = query(&format!(
        "SELECT user_id, status, http_status, reason FROM {} ORDER BY 1",
        files_of(&lake.path(), "users")
    ));
    let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
    let fate = |row: Vec<serde_json::Value>| {
        (text(&row[0]).unwrap(), text(&row[1]).unwrap(), row[2].as_u64(), text(&row[3]))
    };
    rows.into_iter().map(fate).collect()
}

fn records_by_user(lake: &Lake) -> Vec<(String, u64)> {
    let rows = query(&format!(
        "SELECT user_id, count(*) FROM {} GROUP BY ALL ORDER BY 1",
        files_of(&lake.path(), "interactions")
    ));
    rows.into_iter().map(|row| (row[0].as_str().unwrap().to_owned(), row[1].as_u64().unwrap())).collect()
}

fn covered(lake: &Lake) -> Vec<String> {
    let rows = query(&format!("SELECT user_id FROM {} ORDER BY 1", files_of(&lake.path(), "coverage")));
    rows.into_iter().map(|row| row[0].as_str().unwrap().to_owned()).collect()
}

/// A way out, and what is said of it.
struct WayOut {
    answer: ScriptedAnswer,
    reason: String,
    http_status: Option<u64>,
    pages_read: u64,
}

fn by_link(to: Target, origin: &str) -> WayOut {
    let reason = format!("the next page is at {origin}, which is not Graph: no token goes there");
    WayOut { answer: ScriptedAnswer::NextLink(to), reason, http_status: None, pages_read: 2 }
}

fn by_redirect(status: u16, to: Target, origin: &str) -> WayOut {
    let reason = format!("the answer is {status}, a redirect to {origin}, which is not followed");
    let answer = ScriptedAnswer::Redirect { status, to };
    WayOut { answer, reason, http_status: Some(u64::from(status)), pages_read: 1 }
}

/// Each user of the first ones is led astray at the second page in a way of his own.
async fn assert_nothing_leaves(emulator: Emulator, ways_out: Vec<WayOut>) {
    let (lake, tenant) = (Lake::new(), emulator.tenant());
    let users = busiest(tenant);
    assert!(tenant.records(&users[ways_out.len()]) > 0, "there are others");
    assert!(tenant.records(&users[ways_out.len() - 1]) > 2 * PAGE_RECORDS, "there is a third page");
    let rule = |(user, way): (&User, &WayOut)| {
        Rule::always(way.answer.clone(), u32::MAX).at_page(1).for_user(&user.id)
    };
    emulator.replace_script(users.iter().zip(&ways_out).map(rule).collect());

    let ended = run(&emulator, &lake).await;
    ended.assert_code(3).assert_said(&format!("{} failed", ways_out.len()));
    let (mut fates_told, mut records) = (Vec::new(), Vec::new());
    let mut whole = Vec::new();
    for (place, user) in users.iter().enumerate() {
        let (id, all) = (user.id.clone(), tenant.records(user));
        let read = if let Some(way) = ways_out.get(place) {
            let reason = Some(way.reason.clone());
            fates_told.push((id.clone(), "failed".to_owned(), way.http_status, reason));
            way.pages_read * PAGE_RECORDS
        } else {
            let status = if all > 0 { "extracted" } else { "empty" };
            fates_told.push((id.clone(), status.to_owned(), None, None));
            whole.push(id.clone());
            all
        };
        if read > 0 {
            records.push((id, read));
        }
    }
    fates_told.sort();
    records.sort();
    whole.sort();
    assert_eq!(fates(&lake), fates_told);
    assert_eq!(records_by_user(&lake), records, "what came before is kept");
    assert_eq!(covered(&lake), whole);
    let second = emulator.second_host();
    assert_eq!(second.request_count(), 0, "{:?}", second.requests());

    // Led right again, they are read to the end.
    emulator.replace_script(Vec::new());
    run(&emulator, &lake).await.assert_code(0);
    lake.assert_holds(tenant);
    assert_eq!(emulator.second_host().request_count(), 0);
    emulator.shutdown().await;
}

/// The origins of the second host by its number and by its name, and Graph's own by the other scheme. The emulator speaks
/// http, so that the other scheme is https; that http is as foreign to https, the tests of the origin say.
fn foreign_origins(emulator: &Emulator) -> [String; 3] {
    let (port, own) = (emulator.second_host().port(), emulator.graph_url());
    [
        format!("http://127.0.0.1:{port}"),
        format!("http://localhost:{port}"),
        own.replacen("http:", "https:", 1),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn links_to_another_origin_are_not_followed() {
    let emulator = start().await;
    let [other_port, other_name, other_scheme] = foreign_origins(&emulator);
    let foreign = Target::Url("https://foreign.example/v1.0/next?$skiptoken=a".to_owned());
    let ways_out = vec![
        by_link(Target::OtherPort, &other_port),
        by_link(Target::OtherName, &other_name),
        by_link(Target::OriginAsUser, &other_port),
        by_link(Target::OtherScheme, &other_scheme),
        by_link(foreign, "https://foreign.example"),
    ];
    assert_nothing_leaves(emulator, ways_out).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redirects_are_not_followed() {
    let emulator = start().await;
    let [other_port, other_name, other_scheme] = foreign_origins(&emulator);
    let foreign = Target::Url("http://foreign.example:8080/?token=a".to_owned());
    let ways_out = vec![
        by_redirect(302, Target::OtherPort, &other_port),
        by_redirect(307, Target::OtherName, &other_name),
        by_redirect(308, Target::OriginAsUser, &other_port),
        by_redirect(301, Target::OtherScheme, &other_scheme),
        by_redirect(303, foreign, "http://foreign.example:8080"),
    ];
    assert_nothing_leaves(emulator, ways_out).await;
}
