//! The memory law: the process stays below `run.memory_limit` + 96 MiB, whatever it reads.
#![expect(clippy::unwrap_used, reason = "what a test does not get, fails it")]

use std::process::Child;
use std::time::Duration;

use graph_emulator::{ServerOptions, TenantSpec};
use promptlake_tests::is_full;
use promptlake_tests::lake::Lake;
use promptlake_tests::program::{run_command, start};
use promptlake_tests::tenant::{pipeline, serve};

/// What the process may take beyond its limit: code, threads, connections, the allocator.
const BEYOND_LIMIT_MIB: u64 = 96;

/// The peak is kept by the kernel: looking now and then only has to be in time before the end.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The peak of a process's resident memory in MiB; `None` once it has ended.
fn peak_mib(child: &Child) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib / 1024)
}

async fn peak_of_run(limit_mib: u64, interactions: u64) -> u64 {
    // 2025-01-01 to 2026-01-01.
    let spec = TenantSpec::default().with_seed(5).with_users(200).with_interactions(interactions);
    let spec = spec.with_window(1_735_689_600_000, 1_767_225_600_000);
    let emulator = serve(spec, ServerOptions { requests_per_second: None, ..ServerOptions::default() }).await;
    let lake = Lake::new();
    let more = format!("[run]\nmemory_limit = \"{limit_mib}MiB\"");
    let mut child = start(run_command(&pipeline(&emulator, &lake, &more), emulator.client_secret()));
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        peak = peak.max(peak_mib(&child).unwrap_or(0));
        tokio::time::sleep(LOOK_EVERY).await;
    }
    assert!(child.wait().unwrap().success());
    assert_eq!(lake.rows(promptlake_model::Table::Interactions), interactions);
    emulator.shutdown().await;
    peak
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_stays_within_its_memory() {
    let runs = if is_full() { vec![(128, 300_000), (256, 1_000_000)] } else { vec![(128, 60_000)] };
    for (limit_mib, interactions) in runs {
        let peak = peak_of_run(limit_mib, interactions).await;
        println!("{interactions} interactions at {limit_mib} MiB: peak {peak} MiB");
        assert!(peak > 0, "the peak was never seen");
        assert!(peak <= limit_mib + BEYOND_LIMIT_MIB, "{interactions} interactions took {peak} MiB");
    }
}
