//! The throttle gate: when a request may go out. One for all requests of a tenant that share a limit.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use promptlake_flow::Clock;

/// How much of a second's requests may go at once after a pause: a burst stays far below Graph's short window.
const BURST_SECONDS: f64 = 0.2;

/// A token bucket that the source can shut.
pub(crate) struct ThrottleGate {
    clock: Clock,
    per_second: f64,
    burst: f64,
    state: Mutex<State>,
}

/// In the clock's time since its start.
struct State {
    tokens: f64,
    counted_until: Duration,
    shut_until: Duration,
}

impl ThrottleGate {
    /// A gate that lets `per_second` through, which is above 0.
    pub(crate) fn new(clock: Clock, per_second: f64) -> Self {
        let state = State { tokens: 1.0, counted_until: clock.elapsed(), shut_until: Duration::ZERO };
        Self { clock, per_second, burst: (per_second * BURST_SECONDS).max(1.0), state: Mutex::new(state) }
    }

    /// Lets one request through now, or says how long to wait before asking again.
    pub(crate) fn try_pass(&self) -> Result<(), Duration> {
        let now = self.clock.elapsed();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if now < state.shut_until {
            return Err(state.shut_until.saturating_sub(now));
        }
        let passed = now.saturating_sub(state.counted_until).as_secs_f64();
        state.tokens = (state.tokens + passed * self.per_second).min(self.burst);
        state.counted_until = now.max(state.counted_until);
        if state.tokens >= 1.0 {
            state.tokens -= 1.0;
            return Ok(());
        }
        Err(Duration::from_secs_f64((1.0 - state.tokens) / self.per_second).max(TICK))
    }

    /// Lets nothing through for `wait`, nor for what is left of an earlier one that ends later. Behind it the bucket
    /// is empty: the stream begins again at the rate, not with a burst.
    pub(crate) fn shut_for(&self, wait: Duration) {
        let until = self.clock.elapsed().saturating_add(wait);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.shut_until = state.shut_until.max(until);
        state.counted_until = state.shut_until;
        state.tokens = 0.0;
    }
}

/// The grain of tokio's timer.
const TICK: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests {
    use futures::future::join_all;

    use super::*;

    fn gate(per_second: f64) -> (Clock, ThrottleGate) {
        let clock = Clock::starting_at(0);
        (clock, ThrottleGate::new(clock, per_second))
    }

    async fn pass(gate: &ThrottleGate) {
        while let Err(wait) = gate.try_pass() {
            tokio::time::sleep(wait).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_rate_is_kept() {
        let (clock, gate) = gate(25.0);
        join_all((0..251).map(|_| pass(&gate))).await;
        let seconds = clock.elapsed().as_secs_f64();
        assert!((10.0..10.3).contains(&seconds), "251 requests in {seconds} s");
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_gives_a_small_burst_only() {
        let (_, gate) = gate(25.0);
        tokio::time::advance(Duration::from_mins(1)).await;
        let at_once = (0..100).take_while(|_| gate.try_pass().is_ok()).count();
        assert_eq!(at_once, 5);
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_is_never_shortened_and_ends_without_a_burst() {
        let (clock, gate) = gate(10.0);
        gate.shut_for(Duration::from_secs(30));
        gate.shut_for(Duration::from_secs(2));
        pass(&gate).await;
        let first = clock.elapsed();
        assert!(first >= Duration::from_secs(30), "{first:?}");
        assert!(gate.try_pass().is_err());
        pass(&gate).await;
        assert!(clock.elapsed() >= first + Duration::from_millis(99));
    }

    #[tokio::test(start_paused = true)]
    async fn a_later_wait_prolongs() {
        let (clock, gate) = gate(10.0);
        gate.shut_for(Duration::from_secs(5));
        tokio::time::advance(Duration::from_secs(3)).await;
        gate.shut_for(Duration::from_secs(5));
        pass(&gate).await;
        assert!(clock.elapsed() >= Duration::from_secs(8));
    }
}
