//! How long to wait before the same request is sent again, and when to give up.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// With the waits below, eight attempts span up to a minute: longer than a node of Graph takes to be replaced,
/// shorter than anybody's patience with one user. What fails for longer fails in the end.
pub(crate) const ATTEMPTS_MAX: u32 = 8;

/// Throttling is no failure: its waits are told by Graph, and all but one of many tasks may meet it again and again.
pub(crate) const THROTTLED_MAX: u32 = 100;

/// No single wait told by Graph is longer than minutes. One longer than this is a fault, and shortening it is wrong.
pub(crate) const THROTTLE_WAIT_MAX: Duration = Duration::from_hours(1);

const FIRST_WAIT: Duration = Duration::from_millis(500);
const WAIT_MAX: Duration = Duration::from_secs(30);

/// Chance, seeded once. Locked for one draw only.
pub(crate) struct Chance(Mutex<StdRng>);

impl Chance {
    pub(crate) fn seeded(seed: u64) -> Self {
        Self(Mutex::new(StdRng::seed_from_u64(seed)))
    }

    /// Exponential backoff with full jitter: anything up to [`ceiling`], so that those who failed together do not
    /// come back together.
    pub(crate) fn backoff(&self, failures: u32) -> Duration {
        ceiling(failures).mul_f64(self.draw(|random| random.random_range(0.0..=1.0)))
    }

    /// A new `client-request-id`.
    pub(crate) fn request_id(&self) -> String {
        uuid::Builder::from_random_bytes(self.draw(RngExt::random)).into_uuid().to_string()
    }

    fn draw<T>(&self, draw: impl FnOnce(&mut StdRng) -> T) -> T {
        draw(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The longest wait after so many failures, the first being 1.
pub(crate) fn ceiling(failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    FIRST_WAIT.saturating_mul(1 << doublings).min(WAIT_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_limit() {
        let waits_ms = [1, 2, 3, 7, 40].map(|failures| ceiling(failures).as_millis());
        assert_eq!(waits_ms, [500, 1_000, 2_000, 30_000, 30_000]);
    }

    #[test]
    fn jitter_is_full_and_comes_from_the_seed() {
        let draws = |seed| {
            let chance = Chance::seeded(seed);
            (0..200).map(|_| chance.backoff(3)).collect::<Vec<_>>()
        };
        assert_eq!(draws(1), draws(1));
        assert_ne!(draws(1), draws(2));
        let (least, most) = (draws(1).into_iter().min().unwrap(), draws(1).into_iter().max().unwrap());
        assert!(
            least < Duration::from_millis(100) && most > Duration::from_millis(1900),
            "{least:?} {most:?}"
        );
        assert!(most <= ceiling(3));
    }
}
