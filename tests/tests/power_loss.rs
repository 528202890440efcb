//! The power goes: of a local lake only what was synced is left, and the next run makes it whole again.

use graph_emulator::TenantSpec;
use promptlake_tests::is_full;
use promptlake_tests::lake::Lake;
use promptlake_tests::place::Kind;
use promptlake_tests::power_loss::{Unsynced, Watched};
use promptlake_tests::program::{finish, run_command};
use promptlake_tests::tenant::{pipeline, unlimited};

/// Commits as often as it may, so that there are segments, records and files of all kinds.
const EAGER: &str = "[run]\nmemory_limit = \"128MiB\"\ncommit_every = \"100ms\"\n";

/// Moments that are tried: every so many of all there are.
fn spacing(moments: usize) -> usize {
    if is_full() { (moments / 160).max(1) } else { (moments / 24).max(1) }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_was_not_synced_may_go_and_nothing_is_lost() {
    // 2025-01-01 to 2025-01-04.
    let spec = TenantSpec::default().with_seed(61).with_users(8).with_interactions(400);
    let emulator = unlimited(spec.with_window(1_735_689_600_000, 1_735_948_800_000)).await;
    let traced_lake = Lake::new();
    let file = pipeline(&emulator, &traced_lake, EAGER);
    let mut command = run_command(&file, emulator.client_secret());
    command.args(["--set", "source.requests_per_second=30"]);
    let folder = traced_lake.write_beside("watched/readme", b"").with_file_name("");
    let watched = Watched::in_folder(&folder);
    let run = watched.command(&command);
    tokio::task::spawn_blocking(move || finish(run)).await.unwrap().assert_code(0);
    let history = watched.history(&traced_lake.path());
    let moments = history.moments();
    assert!(moments.len() > 100, "a run changes more names than {}", moments.len());
    for (number, moment) in moments.iter().step_by(spacing(moments.len())).enumerate() {
        let place = Kind::Local.place();
        let unsynced = if number % 2 == 0 { Unsynced::Names } else { Unsynced::Nothing };
        history.disk_after(*moment, unsynced, std::path::Path::new(place.url()));
        let after = format!("{} with {unsynced:?} of what was not synced", history.name(*moment));
        let file = place.pipeline(&emulator, EAGER);
        let command = place.run_command(&file, &emulator);
        let ended = tokio::task::spawn_blocking(move || finish(command)).await.unwrap();
        assert_eq!(ended.code, Some(0), "after {after}: {}", ended.said);
        place.assert_holds(emulator.tenant());
        let verified = place.verify(&file, &[]);
        assert_eq!(verified.code, Some(0), "after {after}: {}{}", verified.printed, verified.said);
    }
    emulator.shutdown().await;
}
