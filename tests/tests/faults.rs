//! A fifth of all answers goes wrong: 429, 503, resets, bodies that are cut short or stall, and whatever else. Every row
//! is read all the same, exactly once.
#![expect(clippy::unwrap_used, reason = "what a test does not get, fails it")]

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use graph_emulator::{
    FaultKind, Faults, NO_ANSWER, RequestKind, Rule, ScriptedAnswer, ServerOptions, TenantSpec,
};
use promptlake_tests::is_full;
use promptlake_tests::lake::Lake;
use promptlake_tests::program::{finish, run_command};
use promptlake_tests::tenant::{pipeline, serve};

/// How much of what is answered goes wrong.
const SHARE: f64 = 0.2;

/// 2025-01-01 to 2025-03-01. Pages of ten records make many answers of few records.
const WINDOW_MS: (i64, i64) = (1_735_689_600_000, 1_740_787_200_000);
const PAGE_RECORDS: u32 = 10;

/// The seeds, and the interactions of each tenant.
fn size() -> (Range<u64>, u64) {
    if is_full() { (0..20, 6_000) } else { (0..3, 2_000) }
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

/// Reads a tenant among faults, and fails where the lake is not exactly what the tenant holds. Gives the faults.
async fn assert_every_row_once(seed: u64, interactions: u64) -> BTreeMap<FaultKind, u64> {
    let faults = Faults::evenly(seed, SHARE, &FaultKind::ALL);
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
    // A fifth, and not one in ten by chance.
    assert!(hit * 10 > report.interactions_requests, "{hit} of {}", report.interactions_requests);
    emulator.shutdown().await;
    report.faults
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fifth_of_all_answers_goes_wrong_and_every_row_is_there_once() {
    let (seeds, interactions) = size();
    // All at once: what they wait for is the clock.
    let runs: Vec<_> = seeds.map(|seed| tokio::spawn(assert_every_row_once(seed, interactions))).collect();
    let mut hit: BTreeMap<FaultKind, u64> = BTreeMap::new();
    for run in runs {
        for (kind, count) in run.await.unwrap() {
            *hit.entry(kind).or_default() += count;
        }
    }
    println!("{hit:?}");
    for kind in FaultKind::ALL {
        assert!(hit.contains_key(&kind), "{kind:?} never happened");
    }
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
