//! Named moments between two steps, at which a test makes the process die or sleep. Compiled to nothing without the
//! feature `failpoints`, which a release build refuses.

#[cfg(all(feature = "failpoints", not(debug_assertions)))]
compile_error!("failpoints are for tests: build without the feature, or with debug assertions");

/// Every moment, in the order in which a run comes by.
#[cfg(feature = "failpoints")]
pub const NAMES: [&str; 18] = [
    "heartbeat.written",
    "ledger.opened",
    "recover.abandoned",
    "recover.placed",
    "recover.carried_out",
    "recover.published",
    "recover.cleaned",
    "segment.staged",
    "commit.recorded",
    "merge.file_staged",
    "publish.compacted",
    "publish.recorded",
    "place.looked_up",
    "place.placed",
    "place.staged_deleted",
    "publish.segments_deleted",
    "publish.carried_out",
    "leave.staging_deleted",
];

/// A moment was reached.
#[cfg(not(feature = "failpoints"))]
pub(crate) const fn reach(_name: &'static str) {}

/// A moment was reached. `PROMPTLAKE_FAILPOINT` is `name:times:action`: the process dies (`kill`) or sleeps until
/// it is woken (`stop`) when it comes by for that time.
#[cfg(feature = "failpoints")]
pub(crate) fn reach(name: &'static str) {
    use std::sync::atomic::{AtomicU32, Ordering};
    static REACHED: AtomicU32 = AtomicU32::new(0);
    debug_assert!(NAMES.contains(&name), "{name} is not in the list");
    let Ok(wanted) = std::env::var("PROMPTLAKE_FAILPOINT") else { return };
    let mut parts = wanted.split(':');
    if parts.next() != Some(name) {
        return;
    }
    let times: u32 = parts.next().and_then(|times| times.parse().ok()).unwrap_or(1);
    if REACHED.fetch_add(1, Ordering::SeqCst) + 1 != times {
        return;
    }
    let signal = if parts.next() == Some("stop") { "-STOP" } else { "-KILL" };
    let process = std::process::id().to_string();
    // The signal comes before the child has ended: nothing after this line runs before it.
    let sent = std::process::Command::new("kill").args([signal, &process]).status();
    assert!(sent.is_ok_and(|status| status.success()), "a failpoint could not send {signal}");
}
