//! What two files must agree on: memory, time, versions.

use crate::{azure, files_below, kubernetes, text};

/// What a run may take beside `run.memory_limit`: see "Every buffer has a bound" in ARCHITECTURE.md.
const BESIDE_THE_LIMIT_MIB: u64 = 96;

/// A setting of a pipeline file, in what its unit counts.
fn setting(pipeline: &str, key: &str, unit: &str) -> u64 {
    let line =
        pipeline.lines().find_map(|line| line.trim().strip_prefix(key)).unwrap_or_else(|| panic!("no {key}"));
    let value = line.trim_start_matches([' ', '=']).trim_matches('"');
    value.strip_suffix(unit).unwrap_or_else(|| panic!("{key} is {value}")).parse().unwrap()
}

fn process_mib(pipeline: &str) -> u64 {
    setting(pipeline, "memory_limit", "MiB") + BESIDE_THE_LIMIT_MIB
}

#[test]
fn what_may_be_taken_has_room_for_what_a_run_takes() {
    let manifest = text("deploy/kubernetes/cronjob.yaml");
    for path in kubernetes::MANIFESTS {
        let resources = &kubernetes::job(path)["template"]["spec"]["containers"][0]["resources"];
        assert_eq!(resources["limits"]["memory"], resources["requests"]["memory"], "{path}");
        let limit_mib: u64 =
            resources["limits"]["memory"].as_str().unwrap().strip_suffix("Mi").unwrap().parse().unwrap();
        assert!(limit_mib > process_mib(&manifest), "{path}: {limit_mib} MiB");
    }
    let unit = text("deploy/systemd/promptlake@.service");
    // systemd's M is a mebibyte.
    assert!(setting(&unit, "MemoryMax", "M") > process_mib(&text("deploy/systemd/contoso.toml")));
    let container = &azure::job()["properties"]["template"]["containers"][0];
    let gibibytes: u64 =
        container["resources"]["memory"].as_str().unwrap().strip_suffix("Gi").unwrap().parse().unwrap();
    assert!(gibibytes * 1024 > process_mib(&text("deploy/azure/contoso.toml")));
}

#[test]
fn a_run_ends_by_itself_before_it_is_ended() {
    const HOUR_S: u64 = 3_600;
    // From one start to the next.
    const DAY_S: u64 = 24 * HOUR_S;
    let deadline_s = setting(&text("deploy/kubernetes/cronjob.yaml"), "deadline", "h") * HOUR_S;
    let [cronjob, indexed] = kubernetes::MANIFESTS.map(kubernetes::job);
    let ended_s = |job: &serde_json::Value| job["activeDeadlineSeconds"].as_u64().unwrap();
    let grace_s = cronjob["template"]["spec"]["terminationGracePeriodSeconds"].as_u64().unwrap();
    assert!(deadline_s < ended_s(&cronjob) && ended_s(&cronjob) + grace_s < DAY_S);
    assert!(deadline_s < ended_s(&indexed));
    let deadline_s = setting(&text("deploy/azure/contoso.toml"), "deadline", "h") * HOUR_S;
    let ended_s = azure::job()["properties"]["configuration"]["replicaTimeout"].as_u64().unwrap();
    assert!(deadline_s + grace_s < ended_s && ended_s < DAY_S);
}

/// Kubernetes makes a pod that failed again after 10 s, twice as long each time, for at most six minutes.
#[test]
fn the_retries_of_a_pod_outlast_a_stale_heartbeat() {
    const STALE_AFTER_S: u64 = 600;
    let [cronjob, indexed] = kubernetes::MANIFESTS.map(kubernetes::job);
    for retries in [&cronjob["backoffLimit"], &indexed["backoffLimitPerIndex"]] {
        let last_s: u64 = (0..retries.as_u64().unwrap()).map(|retry| (10 << retry).min(360)).sum();
        assert!(last_s > STALE_AFTER_S, "{retries} retries end after {last_s} s");
    }
}

#[test]
fn every_image_is_of_this_version() {
    let image = "ghcr.io/promptlake/promptlake:";
    let mut named = 0;
    for path in files_below("deploy") {
        for tag in text(&path).split(image).skip(1) {
            let version = env!("CARGO_PKG_VERSION");
            assert!(tag.starts_with(version), "{path} names another version than {version}");
            named += 1;
        }
    }
    assert!(named >= 3, "{named}");
}
