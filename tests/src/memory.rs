//! The memory law: a run stays below `run.memory_limit` + 96 MiB.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::program::Ended;

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

/// Runs a command to its end, and gives how it ended with the peak of its memory in MiB. What it says goes to a file.
/// Blocks its thread.
#[must_use]
pub fn finish_watched(mut command: Command, said: &Path) -> (Ended, u64) {
    let file = std::fs::File::create(said).expect("make a file");
    let mut child = command.stdout(Stdio::null()).stderr(file).spawn().expect("start the program");
    let mut peak = 0;
    while child.try_wait().expect("look at a child").is_none() {
        peak = peak.max(peak_mib(child.id()).unwrap_or(0));
        std::thread::sleep(LOOK_EVERY);
    }
    assert!(peak > 0, "the peak was never seen");
    let code = child.wait().expect("it has ended").code();
    let said = std::fs::read_to_string(said).expect("it speaks UTF-8");
    (Ended { code, said, printed: String::new() }, peak)
}

/// Runs a command to its end, and fails where it failed or took more than the law allows. Blocks its thread.
pub fn assert_stays_within(limit_mib: u64, what: &str, command: Command) {
    let folder = tempfile::TempDir::new().expect("make a folder");
    let (ended, peak) = finish_watched(command, &folder.path().join("said"));
    ended.assert_code(0);
    println!("{what} at {limit_mib} MiB: peak {peak} MiB");
    assert!(peak <= limit_mib + BEYOND_LIMIT_MIB, "{what} at {limit_mib} MiB took {peak} MiB");
}
