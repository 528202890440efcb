//! What else Graph is known or feared to do: filters that it rejects, pages that swell, tokens that die, links that go
//! round, users who are deleted, lists in whatever order. And signing in with a certificate.
#![expect(clippy::unwrap_used, reason = "what a test does not get, fails it")]

use std::path::PathBuf;
use std::time::Duration;

use graph_emulator::{
    Emulator, GrantKind, ListOrder, LoginOptions, RequestKind, Rule, ScriptedAnswer, ServerOptions, Target,
    Tenant, TenantSpec, TrustedCertificate, User,
};
use promptlake_model::Table;
use promptlake_tests::duckdb::{files_of, query};
use promptlake_tests::lake::Lake;
use promptlake_tests::memory::{BEYOND_LIMIT_MIB, finish_watched};
use promptlake_tests::program::{Ended, finish, run_command};
use promptlake_tests::tenant::{pipeline, serve};

/// 2025-01-01 to 2025-03-01. The first run is a day later, when everything has settled, and the next ones an hour later
/// each.
const WINDOW_MS: (i64, i64) = (1_735_689_600_000, 1_740_787_200_000);
const AFTER_MS: i64 = WINDOW_MS.1 + 24 * HOUR_MS;
const HOUR_MS: i64 = 3_600_000;

/// 2025-02-01.
const MIDDLE_MS: i64 = 1_738_368_000_000;

/// Records of a page that is not ragged.
const PAGE_RECORDS: u64 = 100;

/// Everybody answers.
fn spec(users: u32, interactions: u64) -> TenantSpec {
    let spec = TenantSpec::default().with_seed(61).with_users(users).with_interactions(interactions);
    let spec = spec.with_unlicensed_share(0.0).with_forbidden_share(0.0).with_unknown_share(0.0);
    spec.with_window(WINDOW_MS.0, WINDOW_MS.1)
}

fn whole_pages() -> ServerOptions {
    ServerOptions { requests_per_second: None, ragged_pages: false, ..ServerOptions::default() }
}

async fn start(spec: TenantSpec, options: ServerOptions) -> Emulator {
    let emulator = serve(spec, options).await;
    emulator.show_as_of(AFTER_MS);
    emulator
}

fn command(emulator: &Emulator, lake: &Lake, settings: &[&str]) -> std::process::Command {
    let mut command = run_command(&pipeline(emulator, lake, ""), emulator.client_secret());
    for setting in ["source.lookback=0s"].iter().chain(settings) {
        command.args(["--set", setting]);
    }
    command
}

async fn run(emulator: &Emulator, lake: &Lake, settings: &[&str]) -> Ended {
    let command = command(emulator, lake, settings);
    tokio::task::spawn_blocking(move || finish(command)).await.unwrap()
}

/// The users with most records, most first.
fn busiest(tenant: &Tenant) -> Vec<User> {
    let mut users: Vec<User> = tenant.users().collect();
    users.sort_by_key(|user| std::cmp::Reverse(tenant.records(user)));
    users
}

/// One interaction by name: owner, session, id and etag.
type Interaction = (String, Option<String>, String, String);

fn interactions(lake: &Lake) -> Vec<Interaction> {
    let rows = query(&format!(
        "SELECT user_id, session_id, interaction_id, etag FROM {}",
        files_of(&lake.path(), "interactions")
    ));
    let row = |row: Vec<serde_json::Value>| {
        let text = |column: usize| row[column].as_str().map(str::to_owned);
        (text(0).unwrap(), text(1), text(2).unwrap(), text(3).unwrap())
    };
    let mut rows: Vec<Interaction> = rows.into_iter().map(row).collect();
    rows.sort();
    rows
}

/// What the lake must hold of a tenant from an instant on, without what is left out of some users: as many of their newest
/// records as are said are there.
fn expected(tenant: &Tenant, from_ms: i64, cut_off: &[(User, u64)]) -> Vec<Interaction> {
    let mut expected = Vec::new();
    for user in tenant.users() {
        let cut = cut_off.iter().find(|(cut, _)| cut.index == user.index);
        let newest = cut.map_or(usize::MAX, |(_, records)| usize::try_from(*records).unwrap());
        let within = tenant.expected_records(&user).filter(|record| record.created_at_us >= from_ms * 1_000);
        expected.extend(
            within
                .take(newest)
                .map(|record| (user.id.clone(), record.session_id, record.interaction_id, record.etag)),
        );
    }
    expected.sort();
    expected
}

/// What the last run says of its users, in the order of their ids: id, status, status of the answer and reason.
type Fate = (String, String, Option<u64>, Option<String>);

fn fates(lake: &Lake) -> Vec<Fate> {
    let rows = query(&format!(
        "SELECT user_id, status, http_status, reason FROM {users}
         WHERE run_id = (SELECT max(run_id) FROM {users}) ORDER BY 1",
        users = files_of(&lake.path(), "users")
    ));
    let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
    let fate = |row: Vec<serde_json::Value>| {
        (text(&row[0]).unwrap(), text(&row[1]).unwrap(), row[2].as_u64(), text(&row[3]))
    };
    rows.into_iter().map(fate).collect()
}

/// What has to be said: all were read but these, who failed for these reasons.
fn fates_but(tenant: &Tenant, failed: &[(User, Option<u64>, &str)]) -> Vec<Fate> {
    let fate = |user: User| {
        if let Some((_, http_status, reason)) = failed.iter().find(|(other, ..)| other.index == user.index) {
            return (user.id, "failed".to_owned(), *http_status, Some((*reason).to_owned()));
        }
        let status = if tenant.records(&user) > 0 { "extracted" } else { "empty" };
        (user.id, status.to_owned(), None, None)
    };
    let mut fates: Vec<Fate> = tenant.users().map(fate).collect();
    fates.sort();
    fates
}

/// The users of whom a window is said to be covered, and from when to when all of their windows reach, in microseconds.
fn covered(lake: &Lake) -> Vec<(String, i64, i64)> {
    let rows = query(&format!(
        "SELECT user_id, epoch_us(min(covered_from)), epoch_us(max(covered_to)) FROM {}
         GROUP BY ALL HAVING sum(epoch_us(covered_to) - epoch_us(covered_from))
             = epoch_us(max(covered_to)) - epoch_us(min(covered_from)) ORDER BY 1",
        files_of(&lake.path(), "coverage")
    ));
    let window = |row: Vec<serde_json::Value>| {
        (row[0].as_str().unwrap().to_owned(), row[1].as_i64().unwrap(), row[2].as_i64().unwrap())
    };
    rows.into_iter().map(window).collect()
}

/// Fails where not each of all users is covered without a gap from an instant on, and all of them up to the same one.
fn assert_all_covered_from(lake: &Lake, tenant: &Tenant, from_ms: i64) {
    let covered = covered(lake);
    let mut users: Vec<String> = tenant.users().map(|user| user.id).collect();
    users.sort();
    let whole: Vec<_> = users.into_iter().map(|user| (user, from_ms * 1_000, covered[0].2)).collect();
    assert!(covered[0].2 > WINDOW_MS.1 * 1_000, "to the end of the history and beyond");
    assert_eq!(covered, whole);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_that_rejects_filters_by_date_is_read_whole_and_filtered_here() {
    /// Lists begun at once, at most: each of them may be told once.
    const AT_ONCE: u64 = 8;
    let options = ServerOptions { rejects_date_filters: true, ..whole_pages() };
    let emulator = start(spec(60, 6_000), options).await;
    let (lake, tenant) = (Lake::new(), emulator.tenant());
    let rejected = || emulator.report().answered(RequestKind::Interactions, 400);
    let pages: u64 = tenant.users().map(|user| tenant.records(&user).div_ceil(PAGE_RECORDS).max(1)).sum();
    let asked = |before: u64| emulator.report().interactions_requests - before;
    let since_middle = [r#"source.start="2025-02-01""#];

    run(&emulator, &lake, &since_middle).await.assert_code(0);
    let totals = tenant.totals_in(MIDDLE_MS, i64::MAX);
    assert!(0 < totals.interactions && totals.interactions < tenant.totals().interactions);
    assert_eq!(interactions(&lake), expected(tenant, MIDDLE_MS, &[]));
    let rows =
        [Table::Raw, Table::Attachments, Table::CardElements, Table::Links, Table::Contexts, Table::Mentions];
    let rows = rows.map(|table| lake.rows(table));
    assert_eq!(
        rows,
        [
            totals.raw,
            totals.attachments,
            totals.card_elements,
            totals.links,
            totals.contexts,
            totals.mentions
        ]
    );
    assert_all_covered_from(&lake, tenant, MIDDLE_MS);
    let refused = rejected();
    println!("{refused} filters were rejected, and {pages} pages read");
    assert!((1..=AT_ONCE).contains(&refused), "{refused} filters were rejected");
    assert_eq!(asked(0), pages + refused, "the whole history once");

    // An hour later there is nothing new, which takes as much to find out, and nothing of it comes twice.
    emulator.show_as_of(AFTER_MS + HOUR_MS);
    let (before, refused) = (emulator.report().interactions_requests, rejected());
    run(&emulator, &lake, &since_middle).await.assert_code(0);
    assert_eq!(interactions(&lake), expected(tenant, MIDDLE_MS, &[]));
    lake.assert_no_row_twice();
    assert_all_covered_from(&lake, tenant, MIDDLE_MS);
    let refused = rejected() - refused;
    assert!(refused <= AT_ONCE, "{refused} filters were rejected");
    assert_eq!(asked(before), pages + refused);

    // What was filtered out is no more than what was not asked for.
    run(&emulator, &lake, &[]).await.assert_code(0);
    lake.assert_holds(tenant);
    assert_all_covered_from(&lake, tenant, WINDOW_MS.0);
    emulator.shutdown().await;
}

/// A page that is small on its way and far beyond all memory when it is unpacked.
fn bomb() -> ScriptedAnswer {
    ScriptedAnswer::GzipBomb { inflated_bytes: 1 << 30 }
}

/// Runs within a small memory, and fails where it took more.
async fn run_in_little_memory(emulator: &Emulator, lake: &Lake) -> Ended {
    const LIMIT_MIB: u64 = 128;
    let command = command(emulator, lake, &["run.memory_limit=128MiB"]);
    let said = lake.write_beside("said", b"");
    let (ended, peak) = tokio::task::spawn_blocking(move || finish_watched(command, &said)).await.unwrap();
    println!("peak {peak} MiB");
    assert!(peak <= LIMIT_MIB + BEYOND_LIMIT_MIB, "it took {peak} MiB:\n{}", ended.said);
    ended
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_that_swell_when_unpacked_cost_their_user_alone_and_no_memory() {
    let emulator = start(spec(8, 4_000), whole_pages()).await;
    let (lake, tenant) = (Lake::new(), emulator.tenant());
    let users = busiest(tenant);
    assert!(tenant.records(&users[1]) > 2 * PAGE_RECORDS, "there is a second page");
    emulator.replace_script(vec![
        // Whatever is asked of the one: nothing of him can be had.
        Rule::always(bomb(), u32::MAX).for_user(&users[0].id),
        // Of the other what comes before it, and by windows of one page each all the rest.
        Rule::always(bomb(), u32::MAX).at_page(1).for_user(&users[1].id),
    ]);
    let ended = run_in_little_memory(&emulator, &lake).await;
    ended.assert_code(3).assert_said(" 1 failed");
    assert_eq!(interactions(&lake), expected(tenant, WINDOW_MS.0, &[(users[0].clone(), 0)]));
    lake.assert_no_row_twice();
    let told = fates(&lake);
    let reason = told.iter().find(|fate| fate.0 == users[0].id).unwrap().3.clone().unwrap();
    assert!(reason.ends_with(" bytes, which is what run.memory_limit has room for"), "{reason}");
    assert_eq!(told, fates_but(tenant, &[(users[0].clone(), Some(200), &reason)]));
    assert!(covered(&lake).iter().all(|(user, ..)| *user != users[0].id));

    emulator.replace_script(Vec::new());
    run_in_little_memory(&emulator, &lake).await.assert_code(0);
    lake.assert_holds(tenant);
    emulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_that_are_revoked_while_lists_are_read_are_replaced() {
    // So far from each other that whoever comes again with a new token is not refused a second time.
    let revoke_tokens_at = vec![3, 30, 60, 85];
    let revoked = revoke_tokens_at.len() as u64;
    let options = ServerOptions { revoke_tokens_at, ..whole_pages() };
    let emulator = start(spec(12, 9_000), options).await;
    let lake = Lake::new();
    run(&emulator, &lake, &[]).await.assert_code(0);
    lake.assert_holds(emulator.tenant());
    let report = emulator.report();
    let unauthorized = report.answered(RequestKind::Interactions, 401);
    println!("{unauthorized} requests came with a token that was revoked; {:?}", report.grants);
    // Each time one is refused, and some that had set out with the same token; one new token is enough for all of them.
    assert!(unauthorized >= revoked, "{unauthorized}");
    assert_eq!(report.requests(RequestKind::Token), 1 + revoked, "{:?}", report.grants);
    emulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_that_live_for_seconds_are_replaced_in_time() {
    let options = ServerOptions { token_lifetime: Duration::from_secs(2), ..whole_pages() };
    let emulator = start(spec(12, 9_000), options).await;
    let lake = Lake::new();
    // Some hundred pages: several lives of a token.
    run(&emulator, &lake, &["source.requests_per_second=10"]).await.assert_code(0);
    lake.assert_holds(emulator.tenant());
    let report = emulator.report();
    let lives = report.interactions_took().unwrap().as_secs() / 2;
    println!("{lives} lives of a token; {:?}, {:?}", report.grants, report.counts);
    assert!(lives >= 3, "{lives}");
    assert!(report.requests(RequestKind::Token) > lives, "{:?}", report.grants);
    emulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_whose_links_go_round_fail_and_end() {
    let emulator = start(spec(12, 9_000), whole_pages()).await;
    let (lake, tenant) = (Lake::new(), emulator.tenant());
    let users = busiest(tenant);
    let round = [(Target::Itself, 0, 1), (Target::Itself, 1, 2), (Target::Start, 2, 3)];
    assert!(tenant.records(&users[round.len() - 1]) > 3 * PAGE_RECORDS, "there are pages enough");
    let rule = |((to, page, _), user): (&(Target, u64, u64), &User)| {
        Rule::always(ScriptedAnswer::NextLink(to.clone()), u32::MAX).at_page(*page).for_user(&user.id)
    };
    emulator.replace_script(round.iter().zip(&users).map(rule).collect());

    run(&emulator, &lake, &[]).await.assert_code(3).assert_said(&format!(" {} failed", round.len()));
    let reason = "the link to the next page was there before: the pages go round";
    let failed: Vec<_> =
        users.iter().take(round.len()).map(|user| (user.clone(), Some(200), reason)).collect();
    assert_eq!(fates(&lake), fates_but(tenant, &failed));
    let read = |((_, _, pages), user): (&(Target, u64, u64), &User)| (user.clone(), pages * PAGE_RECORDS);
    let cut_off: Vec<_> = round.iter().zip(&users).map(read).collect();
    assert_eq!(
        interactions(&lake),
        expected(tenant, WINDOW_MS.0, &cut_off),
        "what came before is kept, once"
    );
    let whole: Vec<String> = covered(&lake).into_iter().map(|(user, ..)| user).collect();
    assert_eq!(whole.len() + round.len(), users.len());
    assert!(failed.iter().all(|(user, ..)| !whole.contains(&user.id)), "{whole:?}");

    emulator.replace_script(Vec::new());
    run(&emulator, &lake, &[]).await.assert_code(0);
    lake.assert_holds(tenant);
    emulator.shutdown().await;
}

/// A file of the certificates that the tests of signing in read.
fn certificate_file(name: &str) -> PathBuf {
    promptlake_tests::root().join("crates/extract/tests/certificates").join(name)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_signs_in_with_its_certificate_and_with_no_other() {
    let der = std::fs::read(certificate_file("app.cer")).unwrap();
    // Another certificate of the same key: what differs is only what it was signed with.
    let mut other = der.clone();
    *other.last_mut().unwrap() ^= 1;
    let path = certificate_file("app.pem");
    let credential = format!(r#"source.credential={{ kind = "certificate", path = "{}" }}"#, path.display());
    for (der, is_right) in [(der, true), (other, false)] {
        let certificates = vec![TrustedCertificate::from_der(der).unwrap()];
        let login = LoginOptions { certificates, ..LoginOptions::default() };
        let emulator = start(spec(4, 500), ServerOptions { login, ..whole_pages() }).await;
        let lake = Lake::new();
        let ended = run(&emulator, &lake, &[&credential]).await;
        let grants = emulator.report().grants;
        if is_right {
            ended.assert_code(0);
            lake.assert_holds(emulator.tenant());
            assert_eq!(grants.into_iter().collect::<Vec<_>>(), [((GrantKind::Certificate, 200), 1)]);
        } else {
            ended.assert_code(4).assert_said("error: ").assert_said("AADSTS700027").assert_said("hint: ");
            assert!(grants.keys().all(|key| *key == (GrantKind::Certificate, 401)), "{grants:?}");
            assert_eq!(emulator.report().interactions_requests, 0);
            assert_eq!(lake.rows(Table::Interactions), 0);
        }
        emulator.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_user_is_read_on_until_graph_knows_no_history_of_him() {
    // Half of the history shows at first.
    let emulator = start(spec(6, 2_000), whole_pages()).await;
    emulator.show_as_of(MIDDLE_MS);
    let (lake, tenant) = (Lake::new(), emulator.tenant());
    let deleted = busiest(tenant).swap_remove(0);
    let asked = || emulator.report().requests_for(&deleted.id);
    run(&emulator, &lake, &[]).await.assert_code(0);
    let before = lake.rows(Table::Interactions);
    assert_eq!(interactions(&lake), expected_before(tenant, MIDDLE_MS));

    // The directory lists him no more; his history is answered, and what is new in it is read.
    assert!(emulator.delete_user(&deleted.id));
    emulator.show_as_of(AFTER_MS);
    run(&emulator, &lake, &[]).await.assert_code(0);
    assert!(lake.rows(Table::Interactions) > before);
    lake.assert_holds(tenant);

    emulator.show_as_of(AFTER_MS + HOUR_MS);
    emulator.replace_script(vec![Rule::status(404, u32::MAX).for_user(&deleted.id)]);
    let so_far = asked();
    run(&emulator, &lake, &[]).await.assert_code(0).assert_said("1 not found");
    assert_eq!(asked() - so_far, 1, "once is enough");

    // Graph has said that there is nothing, and nobody lists him.
    emulator.show_as_of(AFTER_MS + 2 * HOUR_MS);
    let so_far = asked();
    run(&emulator, &lake, &[]).await.assert_code(0);
    assert_eq!(asked(), so_far);
    lake.assert_holds(tenant);
    emulator.shutdown().await;
}

/// What the lake must hold of a tenant that is seen as of an instant.
fn expected_before(tenant: &Tenant, as_of_ms: i64) -> Vec<Interaction> {
    expected(&tenant.seen_at(as_of_ms), WINDOW_MS.0, &[])
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_in_any_order_are_read_whole_and_once() {
    for order in [ListOrder::NewestFirst, ListOrder::OldestFirst, ListOrder::Shuffled] {
        for ragged_pages in [false, true] {
            let emulator =
                start(spec(12, 4_000), ServerOptions { order, ragged_pages, ..whole_pages() }).await;
            let (lake, tenant) = (Lake::new(), emulator.tenant());
            // Two windows of each user, so that the seam between them lies across every list.
            run(&emulator, &lake, &[r#"source.start="2025-02-01""#]).await.assert_code(0);
            assert_eq!(interactions(&lake), expected(tenant, MIDDLE_MS, &[]), "{order:?} {ragged_pages}");
            emulator.show_as_of(AFTER_MS + HOUR_MS);
            run(&emulator, &lake, &[]).await.assert_code(0);
            lake.assert_holds(tenant);
            assert_all_covered_from(&lake, tenant, WINDOW_MS.0);
            emulator.shutdown().await;
        }
    }
}
