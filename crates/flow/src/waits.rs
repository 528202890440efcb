//! How long a stage waits for another one: the time in which at least one of its tasks can't go on.
//!
//! Not the sum over its tasks: sixty requests that wait for one second wait for a second, so that what is said is a part
//! of the time that a run takes.

use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// A sum of waiting time, shared by clones. What does not wait costs nothing: no clock is read, no lock taken.
#[derive(Debug, Clone, Default)]
pub struct Waits {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    waiting: usize,
    /// When the first of those who wait began; something where anybody does.
    since: Option<Instant>,
    total: Duration,
}

/// A task that waits, until this is dropped.
struct Waiting<'a>(&'a Waits);

impl Waits {
    /// Awaits something, and takes note of the time if it is not there at once. As safe to cancel as what is awaited.
    pub async fn during<F: Future>(&self, awaited: F) -> F::Output {
        self.during_while(awaited, || true).await
    }

    /// Awaits something, and takes note of the time in which it is not there since somebody else is to be waited for. Whether
    /// that is so is asked whenever there may be news of what is awaited.
    pub async fn during_while<F: Future>(&self, awaited: F, is_waiting: impl Fn() -> bool) -> F::Output {
        let (mut awaited, mut waiting) = (pin!(awaited), None);
        let polled = std::future::poll_fn(|context| {
            let polled = awaited.as_mut().poll(context);
            if polled.is_pending() && is_waiting() {
                waiting.get_or_insert_with(|| self.begin());
            } else {
                waiting = None;
            }
            polled
        });
        polled.await
    }

    /// The sum so far, with that of whoever waits just now.
    #[must_use]
    pub fn total(&self) -> Duration {
        let state = self.lock();
        state.total + state.since.map(|since| since.elapsed()).unwrap_or_default()
    }

    fn begin(&self) -> Waiting<'_> {
        let mut state = self.lock();
        state.waiting += 1;
        state.since.get_or_insert_with(Instant::now);
        Waiting(self)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic between two additions leaves a sum that is still one.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.waiting -= 1;
        if state.waiting == 0 {
            let since = state.since.take();
            state.total += since.map(|since| since.elapsed()).unwrap_or_default();
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{advance, sleep, timeout};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn what_is_there_at_once_is_not_waited_for() {
        let waits = Waits::default();
        assert_eq!(waits.during(async { 7 }).await, 7);
        advance(SECOND).await;
        assert_eq!(waits.total(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_wait_at_the_same_time_wait_once() {
        let waits = Waits::default();
        let (one, other) = (waits.clone(), waits.clone());
        tokio::join!(one.during(sleep(2 * SECOND)), async {
            sleep(SECOND).await;
            other.during(sleep(2 * SECOND)).await;
        });
        assert_eq!(waits.total(), 3 * SECOND);
        waits.during(sleep(SECOND)).await;
        assert_eq!(waits.total(), 4 * SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn only_what_others_are_to_be_waited_for_counts() {
        let (waits, busy) = (Waits::default(), std::cell::Cell::new(true));
        let working_and_then_waiting = async {
            sleep(SECOND).await;
            busy.set(false);
            sleep(2 * SECOND).await;
        };
        waits.during_while(working_and_then_waiting, || !busy.get()).await;
        assert_eq!(waits.total(), 2 * SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_that_is_given_up_has_ended_and_one_that_goes_on_counts_already() {
        let waits = Waits::default();
        assert!(timeout(SECOND, waits.during(std::future::pending::<()>())).await.is_err());
        sleep(SECOND).await;
        assert_eq!(waits.total(), SECOND);
        let _waiting = waits.begin();
        sleep(SECOND).await;
        assert_eq!(waits.total(), 2 * SECOND);
    }
}
