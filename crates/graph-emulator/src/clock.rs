//! The two clocks of the server: one that names instants, one that only goes forward.
//!
//! The tenant never looks at a clock; only the server does, and only here.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// The instant now on a clock that never steps back: for token lifetimes and the request limit.
#[expect(clippy::disallowed_methods, reason = "the one place of this crate that reads the monotonic clock")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Milliseconds since 1970-01-01T00:00:00Z now: for what reports and error bodies say.
#[expect(clippy::disallowed_methods, reason = "the one place of this crate that reads the wall clock")]
pub(crate) fn unix_ms() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .ok()
        .and_then(|since_epoch| i64::try_from(since_epoch.as_millis()).ok())
        .unwrap_or(0)
}
