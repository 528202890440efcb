//! The full rate that Graph allows, and hardly a 429: the program against limits that it is told nothing of but
//! `requests_per_second`, compared with a client that knows them.
#![expect(clippy::unwrap_used, reason = "what a test does not get, fails it")]

use std::time::Duration;

use graph_emulator::{Emulator, RequestReport, Rule, ScriptedAnswer, ServerOptions, Tenant, TenantSpec};
use promptlake_model::Table;
use promptlake_tests::is_full;
use promptlake_tests::lake::Lake;
use promptlake_tests::program::{Ended, finish, run_command};
use promptlake_tests::tenant::{pipeline, serve, unlimited};

/// A tenant in which everybody answers. Its pages have one record, so that ten of them can be served at once.
fn spec(seed: u64, pages: u64) -> TenantSpec {
    let all_answer = TenantSpec::default().with_unlicensed_share(0.0).with_forbidden_share(0.0);
    all_answer.with_unknown_share(0.0).with_seed(seed).with_users(300).with_interactions(pages)
}

fn limited() -> ServerOptions {
    ServerOptions { page_records_max: Some(1), ragged_pages: false, ..ServerOptions::default() }
}

/// The fewest requests by which all is read: a page for each record, and one for whoever has none.
fn requests_needed(tenant: &Tenant) -> u64 {
    tenant.users().map(|user| tenant.records(&user).max(1)).sum()
}

/// How a run fared.
struct Fared {
    seed: u64,
    /// From the first to the last request, as a part of what the omniscient client takes.
    times_best: f64,
    throttled_share: f64,
    report: RequestReport,
}

async fn run(emulator: &Emulator, lake: &Lake, more: &[&str]) -> Ended {
    let mut command = run_command(&pipeline(emulator, lake, ""), emulator.client_secret());
    for setting in more {
        command.args(["--set", setting]);
    }
    tokio::task::spawn_blocking(move || finish(command)).await.unwrap()
}

/// Reads a whole tenant, and fails where a row is missing or there twice.
async fn fare(seed: u64, pages: u64, rate: &'static str) -> Fared {
    let emulator = serve(spec(seed, pages), limited()).await;
    let lake = Lake::new();
    // A commit makes the source wait for a disk that all of them share: the one at the end is enough here.
    let settings = [rate, "source.concurrency=64", "run.commit_every=1h"];
    run(&emulator, &lake, &settings).await.assert_code(0);
    assert_eq!(lake.rows(Table::Interactions), pages, "seed {seed}");
    lake.assert_no_row_twice();
    let (report, limit) = (emulator.report(), emulator.limit().unwrap());
    let (passed, needed) =
        (report.interactions_requests - report.throttled, requests_needed(emulator.tenant()));
    // Measured by what it asks itself, a client that asks for something twice would look as fast as one that does not.
    assert_eq!(passed, needed, "seed {seed}: requests beside the 429s");
    let best = limit.omniscient_time(needed).as_secs_f64();
    let took = report.interactions_span().as_secs_f64();
    let fared = Fared {
        seed,
        times_best: took / best,
        throttled_share: share(report.throttled, report.interactions_requests),
        report,
    };
    let (silence_s, silent_at_s) = longest_silence(&fared.report);
    println!(
        "seed {seed:2} {:?} {:?}: {} requests in {took:.1} s, {:.4} times the best; {} answered 429, {:.2} %; \
         silent for {silence_s} s after {silent_at_s} s",
        limit.keeping,
        limit.retry_after,
        fared.report.interactions_requests,
        fared.times_best,
        fared.report.throttled,
        fared.throttled_share * 100.0
    );
    emulator.shutdown().await;
    fared
}

/// The most seconds between two that had a request, and when: many of them say that this machine stood still, and
/// nothing of the program.
fn longest_silence(report: &RequestReport) -> (i64, i64) {
    let seconds: Vec<i64> = report.interactions_by_second.keys().copied().collect();
    let silences = seconds.windows(2).map(|pair| (pair[1] - pair[0] - 1, pair[0] - seconds[0]));
    silences.max().unwrap_or_default()
}

fn share(part: u64, whole: u64) -> f64 {
    let number = |count: u64| f64::from(u32::try_from(count).unwrap());
    number(part) / number(whole.max(1))
}

/// All at once: what they wait for is the clock.
async fn fare_all(seeds: std::ops::Range<u64>, pages: u64, rate: &'static str) -> Vec<Fared> {
    let runs: Vec<_> = seeds.map(|seed| tokio::spawn(fare(seed, pages, rate))).collect();
    let mut fared = Vec::new();
    for run in runs {
        fared.push(run.await.unwrap());
    }
    fared
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rate_is_what_the_limit_allows_and_hardly_a_429() {
    // Within a minute a client that knows the windows is faster than any that does not: what is sustained shows
    // after several. A bucket has to be found out, which costs some seconds once: much of a minute, little of five.
    let (seeds, pages, times_max) = if is_full() { (0..10, 7_500, 1.03) } else { (0..4, 1_550, 1.20) };
    for fared in fare_all(seeds, pages, "source.requests_per_second=25").await {
        let Fared { seed, times_best, throttled_share, .. } = fared;
        assert!(times_best <= times_max, "seed {seed}: {times_best:.4} times the best");
        assert!(throttled_share <= 0.01, "seed {seed}: {throttled_share:.4} are 429s");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_that_is_set_too_high_is_learned() {
    let (seeds, pages) = if is_full() { (0..10, 4_500) } else { (0..3, 1_800) };
    for Fared { seed, report, .. } in fare_all(seeds, pages, "source.requests_per_second=60").await {
        let later = *report.interactions_by_second.keys().next().unwrap() + 60..;
        let requests = report.interactions_by_second.range(later.clone()).map(|(_, count)| count).sum();
        let throttled: u64 = report.throttled_by_second.range(later).map(|(_, count)| count).sum();
        let late = share(throttled, requests);
        println!("seed {seed:2}: {throttled} of {requests} after the first minute, {:.2} %", late * 100.0);
        assert!(requests > 0, "seed {seed}: it took longer than a minute");
        assert!(late <= 0.05, "seed {seed}: {late:.4} of what came after the first minute");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_answers_are_waited_for_side_by_side_in_little_memory() {
    let delay = ScriptedAnswer::Delay(Duration::from_secs(1));
    // Without a limit it is the client's own rate that is kept, and no 429 is mistaken for the waiting.
    let options =
        ServerOptions { requests_per_second: None, script: vec![Rule::always(delay, u32::MAX)], ..limited() };
    let emulator = serve(spec(5, 900), options).await;
    let lake = Lake::new();
    run(
        &emulator,
        &lake,
        &["source.requests_per_second=25", "source.concurrency=64", "run.memory_limit=128MiB"],
    )
    .await
    .assert_code(0);
    lake.assert_holds(emulator.tenant());
    let report = emulator.report();
    assert_eq!(report.interactions_requests, requests_needed(emulator.tenant()));
    let first = *report.interactions_by_second.keys().next().unwrap();
    // Behind it the last users are read to their ends, page after page, by fewer than it takes.
    let steady: u64 =
        report.interactions_by_second.range(first + 6..first + 26).map(|(_, count)| count).sum();
    let at_once = report.interactions_concurrent_max;
    println!("{steady} requests in 20 seconds, at most {at_once} at once");
    // An answer takes a second: the requests of a second are under way together.
    assert!((25..=64).contains(&at_once), "{at_once} at once");
    // The rate that is set, but for what this machine takes besides; one after the other they would be twenty.
    assert!(steady >= 20 * 21, "{steady} in 20 seconds");
    emulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_stops_at_its_deadline_and_the_next_one_goes_on() {
    // At the rate that is set it takes half a minute: the deadline comes when some of it is read, on any machine.
    const PAGES: u64 = 800;
    let emulator = serve(spec(8, PAGES), limited()).await;
    let lake = Lake::new();
    let ended = run(&emulator, &lake, &["source.requests_per_second=25", "run.deadline=10s"]).await;
    ended.assert_code(130).assert_said("run.deadline, 10s, is over").assert_said("to go on: promptlake run");
    let (asked, needed) = (emulator.report().interactions_requests, requests_needed(emulator.tenant()));
    assert!((1..needed / 2).contains(&asked), "{asked} of {needed}");
    run(&emulator, &lake, &["source.requests_per_second=25"]).await.assert_code(0);
    lake.assert_holds(emulator.tenant());
    emulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_half_a_minute_fails_nobody() {
    let emulator = unlimited(spec(9, 600)).await;
    let lake = Lake::new();
    let outage = async {
        emulator.wait_for_pages(100).await;
        emulator.replace_script(vec![Rule::status(503, u32::MAX)]);
        tokio::time::sleep(Duration::from_secs(30)).await;
        emulator.replace_script(Vec::new());
    };
    let (ended, ()) = tokio::join!(run(&emulator, &lake, &["source.requests_per_second=100"]), outage);
    ended.assert_code(0).assert_said("Graph was out of reach for");
    assert_eq!(lake.rows(Table::Interactions), 600);
    let report = emulator.report();
    assert!(report.answered(graph_emulator::RequestKind::Interactions, 503) < 100, "{:?}", report.counts);
    emulator.shutdown().await;
}
