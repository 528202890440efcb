//! Several runs on one lake: shards, runs of the same users, and a run that slept through its own end.
#![expect(clippy::unwrap_used, reason = "what a test does not get, fails it")]

use std::process::{Command, Stdio};
use std::time::Duration;

use graph_emulator::{Emulator, TenantSpec};
use promptlake_tests::is_full;
use promptlake_tests::place::{Kind, Place};
use promptlake_tests::program::{Ended, finish, start};
use promptlake_tests::tenant::unlimited;

/// Heartbeats so short that a run that sleeps is taken for dead within the test.
const QUICK: &str = "[run]\nmemory_limit = \"128MiB\"\ncommit_every = \"100ms\"\nheartbeat = \"200ms\"\n\
                     stale_after = \"2s\"\n";

/// How often something is looked at that is awaited, and how long that may take.
const LOOK_EVERY: Duration = Duration::from_millis(50);
const WITHIN: Duration = Duration::from_mins(2);

/// Nobody is taken for dead, however slow the machine: for runs that none is to take over.
const PATIENT: [&str; 4] = ["--set", "run.heartbeat=10s", "--set", "run.stale_after=1d"];

fn spec() -> TenantSpec {
    // 2025-01-01 to 2025-01-11.
    let spec = TenantSpec::default().with_seed(41).with_users(30).with_interactions(1_500);
    spec.with_window(1_735_689_600_000, 1_736_553_600_000)
}

fn command(place: &Place, emulator: &Emulator, arguments: &[&str]) -> Command {
    let file = place.pipeline(emulator, QUICK);
    let mut command = place.run_command(&file, emulator);
    command.args(["--set", "source.requests_per_second=60"]).args(arguments);
    command
}

async fn run(place: &Place, emulator: &Emulator, arguments: &[&str]) -> Ended {
    let command = command(place, emulator, arguments);
    tokio::task::spawn_blocking(move || finish(command)).await.unwrap()
}

fn assert_whole(place: &Place, emulator: &Emulator) {
    place.assert_holds(emulator.tenant());
    let verified = place.verify(&place.pipeline(emulator, QUICK), &[]);
    assert_eq!(verified.code, Some(0), "{}{}", verified.printed, verified.said);
}

#[tokio::test(flavor = "multi_thread")]
async fn three_shards_at_once_fill_one_lake() {
    let emulator = unlimited(spec()).await;
    for kind in Kind::ALL {
        let place = kind.place();
        let reader = place.reader();
        let shards = ["0/3", "1/3", "2/3"].map(|shard| {
            let mut command = command(&place, &emulator, &["--shard", shard]);
            command.args(PATIENT);
            tokio::task::spawn_blocking(move || finish(command))
        });
        for shard in shards {
            shard.await.unwrap().assert_code(0);
        }
        assert_whole(&place, &emulator);
        // The next time, with another number of them and one that comes later.
        for shard in ["0/2", "1/2"] {
            let mut command = command(&place, &emulator, &["--shard", shard]);
            command.args(PATIENT);
            tokio::task::spawn_blocking(move || finish(command)).await.unwrap().assert_code(0);
        }
        assert_whole(&place, &emulator);
        reader.assert_saw_no_row_twice();
    }
    emulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_runs_of_the_same_users_the_second_is_refused_and_names_the_first() {
    let emulator = unlimited(spec()).await;
    let place = Kind::Local.place();
    let mut sleeping = command(&place, &emulator, &PATIENT);
    sleeping.env("PROMPTLAKE_FAILPOINT", "commit.recorded:1:stop");
    let mut first = start(sleeping);
    wait_until_stopped(first.id()).await;
    let refused = run(&place, &emulator, &PATIENT).await;
    refused.assert_code(6).assert_said("start while run").assert_said("--take-over");
    let run_id = refused.said.rsplit_once("--take-over ").unwrap().1.split_whitespace().next().unwrap();
    let mistaken = run(&place, &emulator, &[&PATIENT[..], &["--take-over", run_id]].concat()).await;
    mistaken.assert_code(6).assert_said("which lives").assert_said(&format!("kill {}", first.id()));
    wake(first.id());
    assert!(first.wait().unwrap().success());
    assert_whole(&place, &emulator);
    emulator.shutdown().await;
}

/// More than a person or an orchestrator waits before it kills.
const STOP_WITHIN: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_told_to_stop_while_it_publishes_leaves_the_rest_to_the_next_one() {
    let emulator = unlimited(spec()).await;
    let place = Kind::Local.place();
    let mut merging = command(&place, &emulator, &PATIENT);
    merging.env("PROMPTLAKE_FAILPOINT", "merge.file_staged:3:stop").stderr(Stdio::piped());
    let child = merging.spawn().unwrap();
    wait_until_stopped(child.id()).await;
    signal("-TERM", child.id());
    wake(child.id());
    let ended = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap());
    let ended: Ended =
        tokio::time::timeout(STOP_WITHIN, ended).await.expect("it takes too long").unwrap().into();
    ended.assert_code(130).assert_said("records are committed; the next run publishes them");
    let published = std::path::Path::new(place.url()).join("interactions");
    assert!(!published.exists());
    let repaired = place.verify(&place.pipeline(&emulator, QUICK), &["--repair"]);
    assert_eq!(repaired.code, Some(0), "{}{}", repaired.printed, repaired.said);
    assert!(published.exists(), "what was committed is published: {}", repaired.printed);
    run(&place, &emulator, &[]).await.assert_code(0);
    assert_whole(&place, &emulator);
    emulator.shutdown().await;
}

/// Where a run goes to sleep: with something staged, committed, recorded to be published, and half put in place.
const SLEEPS: [&str; 5] =
    ["segment.staged", "commit.recorded", "publish.compacted", "publish.recorded", "place.looked_up"];

async fn wait_until_stopped(process: u32) {
    let stopped = async {
        let state = || std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        while !state().rsplit_once(')').is_some_and(|(_, rest)| rest.starts_with(" T")) {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    tokio::time::timeout(WITHIN, stopped).await.expect("the run never went to sleep");
}

fn wake(process: u32) {
    signal("-CONT", process);
}

fn signal(signal: &str, process: u32) {
    assert!(Command::new("kill").args([signal, &process.to_string()]).status().unwrap().success());
}

async fn sleep_through_the_end(emulator: &Emulator, kind: Kind, moment: &str) {
    let place = kind.place();
    let reader = place.reader();
    let mut sleeping = command(&place, emulator, &[]);
    sleeping.env("PROMPTLAKE_FAILPOINT", format!("{moment}:1:stop"));
    let mut sleeper = start(sleeping);
    wait_until_stopped(sleeper.id()).await;
    // Refused until the heartbeat is stale; then it takes over.
    let recovered = async {
        while run(&place, emulator, &[]).await.code != Some(0) {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    tokio::time::timeout(WITHIN, recovered).await.expect("nobody took over");
    assert_whole(&place, emulator);
    wake(sleeper.id());
    let ended = tokio::task::spawn_blocking(move || sleeper.wait().unwrap()).await.unwrap();
    assert_eq!(ended.code(), Some(6), "{kind:?} {moment}: a run that was given up can't end well");
    // Not a trace of it: a third run finds nothing to recover, and everything is there once.
    let third = run(&place, emulator, &[]).await;
    third.assert_code(0);
    assert!(!third.said.contains("recover"), "{kind:?} {moment}: {}", third.said);
    assert_whole(&place, emulator);
    reader.assert_saw_no_row_twice();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_sleeps_while_another_recovers_wakes_up_and_stops_without_a_trace() {
    let emulator = unlimited(spec()).await;
    for kind in Kind::ALL {
        let moments = if is_full() || kind == Kind::Local { &SLEEPS[..] } else { &SLEEPS[3..4] };
        for moment in moments {
            sleep_through_the_end(&emulator, kind, moment).await;
        }
    }
    emulator.shutdown().await;
}
