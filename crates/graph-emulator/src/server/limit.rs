//! The request limit: a bucket of so many requests that fills up by as many each second.
//!
//! A throttled request counts as well, as Graph counts it: whoever goes on asking stays throttled, until the
//! bucket owes one second's requests and no more.

use std::num::NonZeroU32;
use std::time::Duration;

/// Parts of a request in which the bucket counts; a nanosecond brings `requests_per_second` of them.
const PARTS: i128 = 1_000_000_000;

/// The bucket of one tenant.
#[derive(Debug)]
pub(super) struct Bucket {
    requests_per_second: i128,
    level: i128,
    filled_at: Duration,
}

/// A request beyond the limit: the whole seconds after which the next one can pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Throttled {
    pub(super) retry_after_seconds: u64,
}

impl Bucket {
    /// A full bucket at time zero.
    pub(super) fn new(requests_per_second: NonZeroU32) -> Self {
        let requests_per_second = i128::from(requests_per_second.get());
        Self { requests_per_second, level: requests_per_second * PARTS, filled_at: Duration::ZERO }
    }

    /// Takes a request at a time since the start, which doesn't run backwards.
    pub(super) fn take(&mut self, now: Duration) -> Result<(), Throttled> {
        let elapsed = now.saturating_sub(self.filled_at);
        self.filled_at = now.max(self.filled_at);
        let gained =
            i128::try_from(elapsed.as_nanos()).unwrap_or(PARTS).saturating_mul(self.requests_per_second);
        let full = self.requests_per_second * PARTS;
        let before = self.level.saturating_add(gained).min(full);
        self.level = (before - PARTS).max(-full);
        if before >= PARTS {
            return Ok(());
        }
        let missing = PARTS - self.level;
        let seconds = (missing + full - 1) / full;
        Err(Throttled { retry_after_seconds: u64::try_from(seconds).unwrap_or(1).max(1) })
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;
    use std::time::Duration;

    use super::{Bucket, Throttled};

    fn passed(bucket: &mut Bucket, now_ms: u64, requests: u32) -> usize {
        (0..requests).filter(|_| bucket.take(Duration::from_millis(now_ms)).is_ok()).count()
    }

    #[test]
    fn passes_what_the_limit_allows() {
        let mut bucket = Bucket::new(NonZeroU32::new(30).unwrap());
        assert_eq!(passed(&mut bucket, 0, 30), 30);
        assert_eq!(bucket.take(Duration::ZERO), Err(Throttled { retry_after_seconds: 1 }));
        assert_eq!(passed(&mut bucket, 1_000, 30), 29);
        let mut steady = Bucket::new(NonZeroU32::new(30).unwrap());
        assert!((0..1_000).all(|request| passed(&mut steady, request * 40, 1) == 1));
    }

    #[test]
    fn throttled_requests_count_up_to_a_second_of_debt() {
        let mut bucket = Bucket::new(NonZeroU32::new(10).unwrap());
        assert_eq!(passed(&mut bucket, 0, 1_000), 10);
        assert_eq!(passed(&mut bucket, 1_000, 1), 0);
        assert_eq!(bucket.take(Duration::from_secs(1)), Err(Throttled { retry_after_seconds: 1 }));
        assert_eq!(passed(&mut bucket, 2_000, 20), 8);
        assert_eq!(passed(&mut bucket, 1_500, 1), 0);
    }
}
