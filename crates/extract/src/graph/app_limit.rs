//! What one app may ask over all tenants.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use promptlake_flow::Clock;

/// Graph's limit of the interactions call for one app, over all tenants.
const REQUESTS_PER_SECOND: f64 = 1_500.0;

/// How much of the time that nobody used may be made up for: the grain of timers, and no more.
const CATCH_UP: Duration = Duration::from_millis(20);

/// The rate of one app, shared by clones: those clients get the same one that read several tenants as the same app.
#[derive(Clone)]
pub struct AppLimit {
    clock: Clock,
    next_at: Arc<Mutex<Duration>>,
}

impl AppLimit {
    /// The limit of an app that is idle.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self { clock, next_at: Arc::default() }
    }

    /// Lets one request through now, or says how long to wait before asking again.
    pub(crate) fn try_pass(&self) -> Result<(), Duration> {
        let now = self.clock.elapsed();
        let mut next_at = self.next_at.lock().unwrap_or_else(PoisonError::into_inner);
        if now < *next_at {
            return Err(next_at.saturating_sub(now));
        }
        let from = now.saturating_sub(CATCH_UP).max(*next_at);
        *next_at = from.saturating_add(Duration::from_secs_f64(1.0 / REQUESTS_PER_SECOND));
        Ok(())
    }
}

impl fmt::Debug for AppLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppLimit").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn clones_share_the_rate() {
        let clock = Clock::starting_at(0);
        let app = AppLimit::new(clock);
        let other = app.clone();
        tokio::time::advance(Duration::from_secs(5)).await;
        let mut passed = 0;
        let start = clock.elapsed();
        while clock.elapsed() < start + Duration::from_secs(2) {
            for limit in [&app, &other] {
                passed += usize::from(limit.try_pass().is_ok());
            }
            tokio::time::advance(Duration::from_micros(250)).await;
        }
        assert!((2_990..=3_040).contains(&passed), "{passed} in 2 s");
    }
}
