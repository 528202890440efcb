//! The memory law: a run stays below `run.memory_limit` + 96 MiB.

use std::process::Command;
use std::time::Duration;

use crate::program::start;

/// What the process may take beyond its limit: code, threads, connections, the allocator.
pub const BEYOND_LIMIT_MIB: u64 = 96;

/// The peak is kept by the kernel: looking now and then only has to be in time before the end.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The peak of a process's resident memory in MiB; `None` once it has ended.
#[must_use]
pub fn peak_mib(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib / 1024)
}

/// Runs a command to its end, and fails where it failed or took more than the law allows. Blocks its thread.
pub fn assert_stays_within(limit_mib: u64, what: &str, command: Command) {
    let mut child = start(command);
    let mut peak = 0;
    while child.try_wait().expect("look at a child").is_none() {
        peak = peak.max(peak_mib(child.id()).unwrap_or(0));
        std::thread::sleep(LOOK_EVERY);
    }
    assert!(child.wait().expect("it has ended").success(), "{what}");
    println!("{what} at {limit_mib} MiB: peak {peak} MiB");
    assert!(peak > 0, "the peak was never seen");
    assert!(peak <= limit_mib + BEYOND_LIMIT_MIB, "{what} at {limit_mib} MiB took {peak} MiB");
}
