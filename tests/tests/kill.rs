//! A run that is killed with SIGKILL, at moments all over its life, and started again: each record exactly once.
#![expect(clippy::unwrap_used, reason = "what a test does not get, fails it")]

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Child;
use std::time::Duration;

use graph_emulator::{Emulator, TenantSpec};
use promptlake_tests::is_full;
use promptlake_tests::lake::{Lake, objects_below};
use promptlake_tests::program::{finish, run_command, start};
use promptlake_tests::tenant::{pipeline, unlimited};

/// How often the lake is looked at while its moment is awaited.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// Far beyond what any moment takes to come.
const MOMENT_WITHIN: Duration = Duration::from_mins(2);

/// A moment of a run's life.
#[derive(Debug, Clone, Copy)]
enum Moment {
    /// So many pages were served.
    Pages(u64),
    /// So many segments lie in the staging folder.
    Segments(usize),
    /// So many ledger records exist.
    Records(usize),
    /// So many files are staged to be published.
    Staged(usize),
    /// So many files of a table are published.
    Published(&'static str, usize),
}

/// Ten moments: three of extraction, three of commits, four of publishing.
const MOMENTS: [Moment; 10] = [
    Moment::Pages(1),
    Moment::Pages(40),
    Moment::Pages(90),
    Moment::Segments(1),
    Moment::Segments(4),
    Moment::Records(2),
    Moment::Staged(1),
    Moment::Staged(60),
    Moment::Published("links", 1),
    Moment::Published("interactions", 10),
];

/// The ten, and with `--full` twelve more; death between any two steps has tests of its own.
fn moments() -> Vec<Moment> {
    let mut moments = MOMENTS.to_vec();
    if is_full() {
        moments.extend((0..4).map(|n| Moment::Pages(11 + 23 * n)));
        moments.extend((2..4).map(Moment::Segments));
        moments.extend((3..5).map(Moment::Records));
        moments.extend((1..3).map(|n| Moment::Staged(40 * n)));
        moments.extend((1..3).map(|n| Moment::Published("raw", 20 * n)));
    }
    moments
}

fn spec() -> TenantSpec {
    // 2025-01-01 to 2025-03-01: sixty days, so that publishing has many files to put in place.
    TenantSpec::default()
        .with_seed(11)
        .with_users(30)
        .with_interactions(8_000)
        .with_window(1_735_689_600_000, 1_740_787_200_000)
}

/// Commits as often as it may, so that there are segments to be killed between.
const EAGER: &str = "[run]\nmemory_limit = \"128MiB\"\ncommit_every = \"100ms\"\n";

fn has_come(moment: Moment, lake: &Path) -> bool {
    let objects = objects_below(lake);
    let count = |matches: &dyn Fn(&str) -> bool| objects.iter().filter(|path| matches(path)).count();
    match moment {
        Moment::Pages(_) => false,
        Moment::Segments(least) => count(&|path| path.ends_with(".segment")) >= least,
        Moment::Records(least) => count(&|path| path.starts_with("_promptlake/ledger/")) >= least,
        Moment::Staged(least) => count(&|path| path.ends_with(".staged")) >= least,
        Moment::Published(table, least) => {
            count(&|path| path.starts_with(table) && path.ends_with(".parquet")) >= least
        }
    }
}

async fn wait_for(moment: Moment, emulator: &Emulator, lake: &Path) {
    let coming = async {
        if let Moment::Pages(pages) = moment {
            emulator.wait_for_pages(pages).await;
        } else {
            while !has_come(moment, lake) {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
    };
    tokio::time::timeout(MOMENT_WITHIN, coming).await.unwrap_or_else(|_| panic!("{moment:?} never came"));
}

/// Kills it, and fails where it had ended by itself: then nothing was tested.
fn kill(mut child: Child, moment: Moment) {
    child.kill().unwrap();
    let status = child.wait().unwrap();
    assert_eq!(status.signal(), Some(9), "{moment:?}: the run had ended before, with {status}");
}

async fn kill_and_go_on(moments: &[Moment]) {
    let emulator = unlimited(spec()).await;
    let lake = Lake::new();
    let file = pipeline(&emulator, &lake, EAGER);
    let command = || run_command(&file, emulator.client_secret());
    for moment in moments {
        let child = start(command());
        wait_for(*moment, &emulator, &lake.path()).await;
        kill(child, *moment);
        lake.assert_no_row_twice();
    }
    let last = tokio::task::spawn_blocking({
        let command = command();
        move || finish(command)
    });
    last.await.unwrap().assert_code(0);
    lake.assert_holds(emulator.tenant());
    let left: Vec<String> = objects_below(&lake.path())
        .into_iter()
        .filter(|path| path.contains("/staging/") || path.contains("/runs/"))
        .collect();
    assert!(left.is_empty(), "after {moments:?}: {left:?}");
    emulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_killed_at_ten_moments_and_started_again_has_every_row_once() {
    for moment in moments() {
        kill_and_go_on(&[moment]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_killed_again_and_again_has_every_row_once() {
    // Each of them is later in the life of the lake than the one before.
    kill_and_go_on(&[Moment::Segments(1), Moment::Records(4), Moment::Staged(5)]).await;
}
