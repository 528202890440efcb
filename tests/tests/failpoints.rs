//! A run that dies with SIGKILL between any two steps of segment, commit, merge, publish and recover, in a folder, in
//! S3 and in Azure, with somebody who reads all the while: each record exactly once after the next run.
#![expect(clippy::unwrap_used, reason = "what a test does not get, fails it")]

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, ExitStatus};
use std::time::Duration;

use graph_emulator::{Emulator, TenantSpec};
use promptlake_load::FAILPOINTS;
use promptlake_tests::is_full;
use promptlake_tests::place::{Kind, Place};
use promptlake_tests::program::{finish, start};
use promptlake_tests::tenant::unlimited;

/// Commits as often as it may while requests take a second or two, so that there are segments to merge.
const EAGER: &str = "[run]\nmemory_limit = \"128MiB\"\ncommit_every = \"100ms\"\n";
const RATE: &str = "source.requests_per_second=40";

/// Where a run dies first, so that the next one has something to recover: a publish that was recorded and not carried
/// out, and committed segments.
const BEFORE_RECOVERY: [&str; 2] = ["publish.recorded:1:kill", "commit.recorded:2:kill"];

fn spec() -> TenantSpec {
    // 2025-01-01 to 2025-01-11.
    let spec = TenantSpec::default().with_seed(31).with_users(25).with_interactions(1_500);
    spec.with_window(1_735_689_600_000, 1_736_553_600_000)
}

struct Scene<'a> {
    emulator: &'a Emulator,
    place: Place,
}

impl Scene<'_> {
    fn file(&self) -> std::path::PathBuf {
        self.place.pipeline(self.emulator, EAGER)
    }

    fn start(&self, file: &Path, failpoint: &str) -> Child {
        let mut command = self.place.run_command(file, self.emulator);
        command.args(["--set", RATE]).env("PROMPTLAKE_FAILPOINT", failpoint);
        start(command)
    }

    /// A run that looks at everything again, so that it takes its time also where all is there.
    fn start_again(&self, file: &Path) -> Child {
        let mut command = self.place.run_command(file, self.emulator);
        command.args(["--set", RATE, "--set", "source.lookback=3660d"]);
        start(command)
    }

    async fn run(&self, file: &Path, failpoint: &str) -> ExitStatus {
        let mut child = self.start(file, failpoint);
        tokio::task::spawn_blocking(move || child.wait().unwrap()).await.unwrap()
    }

    /// The next run has everything once, and the ledger agrees with what is there.
    async fn assert_next_run_completes(&self, file: &Path, what: &str) {
        let mut command = self.place.run_command(file, self.emulator);
        command.args(["--set", RATE]);
        let ended = tokio::task::spawn_blocking(move || finish(command)).await.unwrap();
        assert_eq!(ended.code, Some(0), "after {what}: {}", ended.said);
        let verified = self.place.verify(file, &[]);
        assert_eq!(verified.code, Some(0), "after {what}: {}{}", verified.printed, verified.said);
        self.place.assert_holds(self.emulator.tenant());
    }
}

async fn die_at(emulator: &Emulator, kind: Kind, name: &str) {
    let scene = Scene { emulator, place: kind.place() };
    let file = scene.file();
    let reader = scene.place.reader();
    if name.starts_with("recover.") {
        let first = BEFORE_RECOVERY[usize::from(!matches!(name, "recover.placed" | "recover.carried_out"))];
        let status = scene.run(&file, first).await;
        assert_eq!(status.signal(), Some(9), "{kind:?} {name}: it should have died at {first}");
    }
    let status = scene.run(&file, &format!("{name}:1:kill")).await;
    assert_eq!(status.signal(), Some(9), "{kind:?}: {name} was never reached");
    scene.assert_next_run_completes(&file, &format!("{name} in {kind:?}")).await;
    reader.assert_saw_no_row_twice();
}

/// With `--full` every moment in every store; else every one in a folder, and of the others those in which the stores
/// differ.
fn is_sampled(kind: Kind, name: &str) -> bool {
    kind == Kind::Local || is_full() || ["commit.recorded", "place.placed", "recover.placed"].contains(&name)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_dies_between_any_two_steps_loses_and_doubles_nothing() {
    let emulator = unlimited(spec()).await;
    for kind in Kind::ALL {
        for name in FAILPOINTS.into_iter().filter(|name| is_sampled(kind, name)) {
            die_at(&emulator, kind, name).await;
        }
    }
    emulator.shutdown().await;
}

/// Moments of a run in milliseconds, spread by a fixed rule over what it takes.
fn moments(count: u64) -> impl Iterator<Item = Duration> {
    (0..count).map(|number| Duration::from_millis(40 + number * 7_919 % 1_400))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_killed_at_any_time_loses_and_doubles_nothing() {
    let emulator = unlimited(spec()).await;
    let kills = if is_full() { 17 } else { 2 };
    for kind in Kind::ALL {
        let scene = Scene { emulator: &emulator, place: kind.place() };
        let file = scene.file();
        let reader = scene.place.reader();
        let mut died = 0;
        for moment in moments(kills) {
            let mut child = scene.start_again(&file);
            tokio::time::sleep(moment).await;
            child.kill().unwrap();
            died += u64::from(child.wait().unwrap().signal() == Some(9));
        }
        println!("{kind:?}: {died} of {kills} runs were killed before they had ended");
        assert!(2 * died > kills, "{kind:?}: {died} of {kills} runs were killed before they had ended");
        scene.assert_next_run_completes(&file, &format!("{kills} kills in {kind:?}")).await;
        reader.assert_saw_no_row_twice();
    }
    emulator.shutdown().await;
}
