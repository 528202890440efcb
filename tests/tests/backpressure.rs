//! A store that is slow, and then takes nothing: requests to Graph fall to match, memory stays within its limit, and
//! once the store takes bytes again the run goes on to its end.
#![expect(clippy::unwrap_used, reason = "what a test does not get, fails it")]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use graph_emulator::{Emulator, ServerOptions, TenantSpec};
use promptlake_flow::Clock;
use promptlake_tests::is_full;
use promptlake_tests::lake::Lake;
use promptlake_tests::memory::{BEYOND_LIMIT_MIB, peak_mib};
use promptlake_tests::program::{finish, run_command};
use promptlake_tests::servers::Server;
use promptlake_tests::slow_proxy::SlowProxy;
use promptlake_tests::tenant::{pipeline, serve};
use serde_json::Value;

/// What the store takes while it takes anything.
const STORE_BYTES_PER_SECOND: u32 = 1_000_000;

/// What it takes after it stood still.
const RATE_AFTERWARDS: u32 = 100_000_000;

const LIMIT_MIB: u64 = 128;

/// How often something is looked at that is awaited, and how long nothing may take.
const LOOK_EVERY: Duration = Duration::from_millis(20);
const RUN_WITHIN: Duration = Duration::from_mins(15);

/// A store that stands still.
struct Stall {
    seconds: i64,
    /// How soon after its beginning the last request has come.
    fall_within_s: i64,
    /// How much there is to be read: more than the memory holds and the store takes until then.
    interactions: u64,
}

fn stall() -> Stall {
    if is_full() {
        Stall { seconds: 120, fall_within_s: 10, interactions: 150_000 }
    } else {
        Stall { seconds: 8, fall_within_s: 5, interactions: 40_000 }
    }
}

fn spec(interactions: u64) -> TenantSpec {
    // 2025-01-01 to 2025-03-01.
    let spec = TenantSpec::default().with_seed(51).with_users(100).with_interactions(interactions);
    spec.with_window(1_735_689_600_000, 1_740_787_200_000)
}

/// The bucket of moto, and the server's address.
fn start_store() -> (Server, SocketAddr) {
    let server = Server::moto();
    server.make_bucket("lake");
    let address = server.url().replace("http://", "").parse().unwrap();
    (server, address)
}

/// So that a line can be read again.
const DEBUG_WITHOUT_COLOURS: [(&str, &str); 2] = [("PROMPTLAKE_LOG", "promptlake=debug"), ("NO_COLOR", "1")];

/// A run into the bucket behind the proxy.
fn command_through(proxy: &SlowProxy, emulator: &Emulator, lake: &Lake) -> Command {
    let more = format!("[run]\nmemory_limit = \"{LIMIT_MIB}MiB\"\ncommit_every = \"1s\"\n");
    let mut command = run_command(&pipeline(emulator, lake, &more), emulator.client_secret());
    let endpoint = format!("destination.options.aws_endpoint={}", proxy.url());
    let region = "destination.options.aws_region=us-east-1";
    for setting in
        ["destination.url=s3://lake/copilot", "destination.options.aws_allow_http=true", region, &endpoint]
    {
        command.args(["--set", setting]);
    }
    command.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test");
    command.envs(DEBUG_WITHOUT_COLOURS);
    command
}

/// The gauges that a run writes at its end: the most bytes held, and the most that may be, by name.
fn channel_peaks(said: &str) -> BTreeMap<String, (u64, u64)> {
    let field = |line: &str, name: &str| {
        let value = line.split(&format!("{name}=")).nth(1)?.split_whitespace().next()?;
        Some(value.trim_matches('"').to_owned())
    };
    let peak = |line: &str| {
        let bytes = |name: &str| field(line, name)?.parse().ok();
        Some((field(line, "name")?, (bytes("peak_bytes")?, bytes("bound_bytes")?)))
    };
    said.lines().filter(|line| line.contains("channel peak")).filter_map(peak).collect()
}

fn assert_within_bounds(said: &str) {
    let peaks = channel_peaks(said);
    assert!(!peaks.is_empty(), "the run did not say how full its channels were:\n{said}");
    for (name, (peak, bound)) in peaks {
        assert!(0 < peak && peak <= bound, "{name} held {peak} bytes of {bound}");
    }
}

/// Fails where the requests did not wait for the store at least so long, and say so.
fn assert_waited(report: &Path, least: Duration) {
    let report: Value = serde_json::from_slice(&std::fs::read(report).unwrap()).unwrap();
    let waits = &report["stage_wait_seconds"];
    let waited = waits["extract"]["output"].as_f64().unwrap();
    assert!(waited >= least.as_secs_f64(), "{waits}");
    for (stage, waits_for) in [("transform", "input"), ("load", "input")] {
        assert!(
            waits[stage][waits_for].as_f64().unwrap() < waited,
            "it was the store that was slow: {waits}"
        );
    }
}

/// Requests in the seconds `[from, to)` of Unix time.
fn requests_between(emulator: &Emulator, from_s: i64, to_s: i64) -> u64 {
    emulator.report().interactions_by_second.range(from_s..to_s).map(|(_, requests)| requests).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_says_how_full_its_channels_were() {
    let options = ServerOptions { requests_per_second: None, ..ServerOptions::default() };
    let emulator = serve(spec(3_000), options).await;
    let lake = Lake::new();
    let mut command = run_command(&pipeline(&emulator, &lake, ""), emulator.client_secret());
    command.envs(DEBUG_WITHOUT_COLOURS);
    let ended = tokio::task::spawn_blocking(move || finish(command)).await.unwrap();
    assert_within_bounds(&ended.assert_code(0).said);
    emulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_stands_still_stops_the_requests_and_nothing_is_lost() {
    let Stall { seconds, fall_within_s, interactions } = stall();
    let options = ServerOptions { requests_per_second: None, ..ServerOptions::default() };
    let emulator = serve(spec(interactions), options).await;
    let (lake, (_server, address)) = (Lake::new(), start_store());
    let proxy = SlowProxy::start(address, STORE_BYTES_PER_SECOND).await;
    let mut command = command_through(&proxy, &emulator, &lake);
    let report = lake.path().with_file_name("report.json");
    let mut child = command.arg("--report").arg(&report).spawn().unwrap();
    // Read from the beginning, so that the program never waits for a reader.
    let mut said = child.stderr.take().unwrap();
    let said = tokio::task::spawn_blocking(move || {
        let mut text = String::new();
        std::io::Read::read_to_string(&mut said, &mut text).map(|_| text)
    });
    let run = async {
        while proxy.uploaded_bytes() < 2 * u64::from(STORE_BYTES_PER_SECOND) {
            assert!(child.try_wait().unwrap().is_none(), "the run ended before the store stood still");
            tokio::time::sleep(LOOK_EVERY).await;
        }
        proxy.stall_for(Duration::from_secs(seconds.unsigned_abs()));
        let stalled_at_s = Clock::system().now_micros() / 1_000_000;
        let mut peak = 0;
        while child.try_wait().unwrap().is_none() {
            peak = peak.max(peak_mib(child.id()).unwrap_or(0));
            // Once it takes bytes again, nothing more is to be learnt from a slow one.
            if Clock::system().now_micros() / 1_000_000 > stalled_at_s + seconds {
                proxy.set_rate(RATE_AFTERWARDS);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        (stalled_at_s, peak)
    };
    let (stalled_at_s, peak) = tokio::time::timeout(RUN_WITHIN, run).await.expect("the run never ended");
    let said = said.await.unwrap().unwrap();
    assert!(child.wait().unwrap().success(), "{said}");
    let while_stalled = requests_between(&emulator, stalled_at_s + fall_within_s, stalled_at_s + seconds - 1);
    assert!(requests_between(&emulator, 0, stalled_at_s) > 0, "it had asked before");
    assert_eq!(while_stalled, 0, "requests went on while nothing could be stored");
    assert!(requests_between(&emulator, stalled_at_s + seconds, i64::MAX) > 0, "there was more to ask for");
    assert!(peak > 0 && peak <= LIMIT_MIB + BEYOND_LIMIT_MIB, "it took {peak} MiB");
    assert_within_bounds(&said);
    assert_waited(&report, Duration::from_secs((seconds - fall_within_s).unsigned_abs()));
    assert_eq!(emulator.tenant().totals().interactions, interactions);
    assert!(said.contains(&with_separators(interactions)), "all of it was stored:\n{said}");
    emulator.shutdown().await;
}

fn with_separators(number: u64) -> String {
    format!("{},{:03}", number / 1_000, number % 1_000)
}
