//! The one place that reads the wall clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// Wall time that moves with tokio's clock: a test that pauses tokio pauses this as well.
///
/// Read once at the start, then carried on by the monotonic clock, so that a step of the wall clock in the middle of
/// a run moves no window and expires no token.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    started_at_micros: i64,
    started: Instant,
}

impl Clock {
    /// Starts at the wall clock's time.
    #[must_use]
    pub fn system() -> Self {
        #[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
        let now = SystemTime::now();
        let since_epoch = now.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Self::starting_at(i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX))
    }

    /// Starts at a time of one's own, in microseconds since the epoch.
    #[must_use]
    pub fn starting_at(micros: i64) -> Self {
        Self { started_at_micros: micros, started: Instant::now() }
    }

    /// Microseconds since the epoch.
    #[must_use]
    pub fn now_micros(&self) -> i64 {
        let elapsed = i64::try_from(self.elapsed().as_micros()).unwrap_or(i64::MAX);
        self.started_at_micros.saturating_add(elapsed)
    }

    /// Time since the start.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn moves_with_tokio() {
        let clock = Clock::starting_at(1_000_000);
        tokio::time::advance(Duration::from_millis(250)).await;
        assert_eq!(clock.now_micros(), 1_250_000);
    }
}
