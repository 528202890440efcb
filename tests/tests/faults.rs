//! A fifth of all answers goes wrong: 429, 503, resets, bodies that are cut short or stall, and whatever else. Every row
//! is read all the same, exactly once.
#![expect(clippy::unwrap_used, reason = "what a test does not get, fails it")]

use std::collections::BTreeMap;
use std::ops::{Range, RangeInclusive};
use std::time::Duration;

use graph_emulator::{
    FaultKind, Faults, NO_ANSWER, RequestKind, RequestReport, Rule, ScriptedAnswer, ServerOptions, TenantSpec,
};
use promptlake_tests::is_full;
use promptlake_tests::lake::Lake;
use promptlake_tests::program::{finish, run_command};
use promptlake_tests::tenant::{pipeline, serve};

/// How much of what is answered goes wrong, and what is measured of it over all seeds: chance moves the share of a
/// thousand answers by a hundredth.
const SHARE: f64 = 0.2;
const SHARE_MEASURED: RangeInclusive<f64> = 0.17..=0.23;

/// What a network and a busy service do to a client that does nothing wrong: refusals for a while in each of their forms,
/// connections that break, and answers that are late.
const EVERYDAY: [FaultKind; 9] = [
    FaultKind::ThrottledForSeconds,
    FaultKind::ThrottledUntilDate,
    FaultKind::ThrottledSilently,
    FaultKind::UnavailableForSeconds,
    FaultKind::UnavailableSilently,
    FaultKind::Reset,
    FaultKind::CutOff,
    FaultKind::LateHeaders,
    FaultKind::StalledBody,
];

/// 2025-01-01 to 2025-03-01. Pages of ten records make many answers of few records.
const WINDOW_MS: (i64, i64) = (1_735_689_600_000, 1_740_787_200_000);
const PAGE_RECORDS: u32 = 10;

/// The seeds, and the interactions of each tenant.
fn size() -> (Range<u64>, u64) {
    if is_full() { (0..20, 6_000) } else { (1..4, 900) }
}

fn spec(seed: u64, interactions: u64) -> TenantSpec {
    let spec = TenantSpec::default().with_seed(seed).with_users(30).with_interactions(interactions);
    spec.with_window(WINDOW_MS.0, WINDOW_MS.1)
}

fn options(faults: Faults) -> ServerOptions {
    // Every other tenant compresses its answers: what is cut short then is the stream.
    let gzip = faults.seed.is_multiple_of(2);
    let page_records_max = Some(PAGE_RECORDS);
    ServerOptions { requests_per_second: None, page_records_max, faults, gzip, ..ServerOptions::default() }
}

/// Reads a tenant among faults, and fails where the lake is not exactly what the tenant holds.
async fn assert_every_row_once(seed: u64, interactions: u64, kinds: &'static [FaultKind]) -> RequestReport {
    let faults = Faults::evenly(seed, SHARE, kinds);
    let emulator = serve(spec(seed, interactions), options(faults)).await;
    let lake = Lake::new();
    let command = run_command(&pipeline(&emulator, &lake, ""), emulator.client_secret());
    let ended = tokio::task::spawn_blocking(move || finish(command)).await.unwrap();
    ended.assert_code(0).assert_said("repeated");
    lake.assert_holds(emulator.tenant());
    let report = emulator.report();
    let hit: u64 = report.faults.values().sum();
    println!(
        "seed {seed:2}: {hit} of {} answers went wrong, {} were 429, {} never came; took {:.1} s",
        report.interactions_requests,
        report.throttled,
        report.answered(RequestKind::Interactions, NO_ANSWER),
        report.interactions_took().unwrap().as_secs_f64(),
    );
    emulator.shutdown().await;
    report
}

/// Reads the tenants of these seeds, and fails where a fault of these kinds never happened, another one did, or their share
/// is not the one that was asked for.
async fn assert_every_row_once_for(seeds: Range<u64>, interactions: u64, kinds: &'static [FaultKind]) {
    // All at once: what they wait for is the clock.
    let read = |seed| tokio::spawn(assert_every_row_once(seed, interactions, kinds));
    let runs: Vec<_> = seeds.map(read).collect();
    let (mut hit, mut requests) = (BTreeMap::<FaultKind, u64>::new(), 0);
    for run in runs {
        let report = run.await.unwrap();
        requests += report.interactions_requests;
        for (kind, count) in report.faults {
            *hit.entry(kind).or_default() += count;
        }
    }
    println!("{hit:?} of {requests}");
    assert!(hit.keys().eq(kinds), "{hit:?}");
    let number = |count: u64| f64::from(u32::try_from(count).unwrap());
    let share = number(hit.values().sum()) / number(requests);
    assert!(SHARE_MEASURED.contains(&share), "{share:.4} of {requests} answers went wrong");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fifth_of_all_answers_goes_wrong_and_every_row_is_there_once() {
    let (seeds, interactions) = size();
    assert_every_row_once_for(seeds, interactions, &FaultKind::ALL).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fifth_of_all_answers_goes_wrong_in_the_everyday_ways_and_every_row_is_there_once() {
    let (seeds, interactions) = if is_full() { (100..110, 6_000) } else { (100..103, 3_000) };
    assert_every_row_once_for(seeds, interactions, &EVERYDAY).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_never_come_to_their_end_are_given_up_and_asked_for_again() {
    if !is_full() {
        // It takes the two minutes after which a silence is no pause any more.
        return;
    }
    let emulator = serve(spec(7, 1_000), options(Faults::default())).await;
    let (lake, tenant) = (Lake::new(), emulator.tenant());
    let mut busiest: Vec<_> = tenant.users().collect();
    busiest.sort_by_key(|user| std::cmp::Reverse(tenant.records(user)));
    let for_ever = Duration::from_hours(1);
    emulator.replace_script(vec![
        Rule::always(ScriptedAnswer::Delay(for_ever), 1).at_page(1).for_user(&busiest[0].id),
        Rule::always(ScriptedAnswer::Stall(for_ever), 1).at_page(2).for_user(&busiest[1].id),
    ]);
    let command = run_command(&pipeline(&emulator, &lake, ""), emulator.client_secret());
    tokio::task::spawn_blocking(move || finish(command)).await.unwrap().assert_code(0);
    lake.assert_holds(tenant);
    let took = emulator.report().interactions_took().unwrap();
    assert!(Duration::from_mins(2) <= took && took < Duration::from_mins(4), "{took:?}");
    emulator.shutdown().await;
}
