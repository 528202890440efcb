//! The request limit: so many in any second, and so many in any minute, of one app in one tenant.
//!
//! Nobody outside knows how Graph keeps its limit, so the seed of a tenant picks one of three ways, and one of four
//! of saying how long to wait. A throttled request counts as well, as Graph counts it: whoever goes on asking stays
//! throttled. Times are since any start, and do not run backwards.

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);

/// How a limit is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LimitKeeping {
    /// A small bucket that fills up steadily, so that no minute and no second holds more than it may.
    TokenBucket,
    /// Counts that begin anew: a window begins with the first request after the former has ended. A second or a minute
    /// that lies across such a boundary can hold almost twice what one window lets through.
    FixedWindow,
    /// A log of the requests of the last second and the last minute.
    SlidingWindow,
}

/// How a throttled request is told when to come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RetryAfterForm {
    /// Whole seconds, rounded up.
    Seconds,
    /// Whole seconds, rounded up, and one more.
    SecondsAndOne,
    /// A date, rounded up to the second.
    HttpDate,
    /// Not at all.
    Missing,
}

/// A limit, and how it is kept and told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestLimit {
    /// Requests that pass in any second; with a fixed window, in each of its windows of a second.
    pub per_second: NonZeroU32,
    /// Requests that pass in any minute; with a fixed window, in each of its windows of a minute.
    pub per_minute: NonZeroU32,
    /// How it is kept.
    pub keeping: LimitKeeping,
    /// How it is told.
    pub retry_after: RetryAfterForm,
}

/// What keeps a limit: idle at first.
#[derive(Debug, Clone)]
pub struct RequestLimiter(Kept);

/// A request beyond the limit: how long after it the next one can pass, if nobody asks in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Throttled {
    /// So long; above zero.
    pub wait: Duration,
}

#[derive(Debug, Clone)]
enum Kept {
    Bucket(Bucket),
    Fixed([FixedWindow; 2]),
    Sliding([SlidingWindow; 2]),
}

impl RequestLimit {
    /// A limit whose keeping and telling the seed picks: twelve seeds in a row have every pair of them once.
    #[must_use]
    pub fn of_seed(seed: u64, per_second: NonZeroU32, per_minute: NonZeroU32) -> Self {
        let keeping = match seed % 3 {
            0 => LimitKeeping::TokenBucket,
            1 => LimitKeeping::FixedWindow,
            _ => LimitKeeping::SlidingWindow,
        };
        let retry_after = match seed % 4 {
            0 => RetryAfterForm::Seconds,
            1 => RetryAfterForm::SecondsAndOne,
            2 => RetryAfterForm::HttpDate,
            _ => RetryAfterForm::Missing,
        };
        Self { per_second, per_minute, keeping, retry_after }
    }

    /// What keeps it.
    #[must_use]
    pub fn limiter(&self) -> RequestLimiter {
        let windows = [(SECOND, self.per_second), (MINUTE, self.per_minute)];
        RequestLimiter(match self.keeping {
            LimitKeeping::TokenBucket => Kept::Bucket(Bucket::within(self)),
            LimitKeeping::FixedWindow => Kept::Fixed(windows.map(|(length, most)| FixedWindow {
                length,
                most: most.get(),
                began: None,
                count: 0,
            })),
            LimitKeeping::SlidingWindow => Kept::Sliding(windows.map(|(length, most)| SlidingWindow {
                length,
                most: most.get() as usize,
                latest: VecDeque::new(),
            })),
        })
    }

    /// The time from the first to the last of so many requests, for a client that knows the limiter and sends each
    /// at the first instant that passes, from an idle start. None is faster.
    #[must_use]
    pub fn omniscient_time(&self, requests: u64) -> Duration {
        let (mut limiter, mut now) = (self.limiter(), Duration::ZERO);
        for _ in 0..requests {
            now = limiter.opens_at(now);
            limiter.take(now).expect("a limiter passes what it said would pass");
        }
        now
    }

    /// The value of `Retry-After` for an answer given at a time of the server's clock.
    pub(super) fn retry_after(&self, throttled: Throttled, unix_ms: i64) -> Option<String> {
        let seconds = throttled.wait.as_nanos().div_ceil(SECOND.as_nanos());
        match self.retry_after {
            RetryAfterForm::Seconds => Some(seconds.to_string()),
            RetryAfterForm::SecondsAndOne => Some((seconds + 1).to_string()),
            RetryAfterForm::HttpDate => {
                let wait_ms =
                    i64::try_from(throttled.wait.as_nanos().div_ceil(1_000_000)).unwrap_or(i64::MAX);
                let until_ms = unix_ms.saturating_add(wait_ms);
                let rounded_up_ms = until_ms.saturating_add(999).div_euclid(1_000).saturating_mul(1_000);
                Some(crate::instant::http_date(rounded_up_ms))
            }
            RetryAfterForm::Missing => None,
        }
    }
}

impl RequestLimiter {
    /// Takes a request.
    pub fn take(&mut self, now: Duration) -> Result<(), Throttled> {
        let passes = match &mut self.0 {
            Kept::Bucket(bucket) => return bucket.take(now, 1),
            // Both count every request, whichever of them throttles it.
            Kept::Fixed([second, minute]) => second.take(now) & minute.take(now),
            Kept::Sliding([second, minute]) => second.take(now) & minute.take(now),
        };
        if passes {
            return Ok(());
        }
        Err(Throttled { wait: self.opens_at(now).saturating_sub(now) })
    }

    /// The first instant from `now` on at which a request passes, if none is sent before.
    #[must_use]
    pub fn opens_at(&self, now: Duration) -> Duration {
        match &self.0 {
            Kept::Bucket(bucket) => bucket.opens_at(now),
            Kept::Fixed([second, minute]) => second.opens_at(now).max(minute.opens_at(now)),
            Kept::Sliding([second, minute]) => second.opens_at(now).max(minute.opens_at(now)),
        }
    }
}

/// Parts of a request in which a bucket counts; a nanosecond brings as many as requests in a minute.
const PARTS: i128 = 60_000_000_000;

/// A bucket. Its debts go no further than it is large.
#[derive(Debug, Clone)]
pub(super) struct Bucket {
    capacity: i128,
    per_minute: i128,
    level: i128,
    filled_at: Duration,
}

impl Bucket {
    /// A full bucket.
    pub(super) fn new(capacity: u32, per_minute: u32) -> Self {
        let capacity = i128::from(capacity.max(1)) * PARTS;
        Self { capacity, per_minute: per_minute.max(1).into(), level: capacity, filled_at: Duration::ZERO }
    }

    /// The one that never lets more through than the limit, in a second or in a minute: what it holds, and what flows
    /// in meanwhile, stay within both. A limit without room above its sustained rate still takes one at a time.
    fn within(limit: &RequestLimit) -> Self {
        let (per_second, per_minute) = (limit.per_second.get(), limit.per_minute.get());
        let capacity = per_second.saturating_sub(per_minute.div_ceil(60)).clamp(1, per_minute);
        Self::new(capacity, per_minute - capacity)
    }

    /// Takes what a request costs.
    pub(super) fn take(&mut self, now: Duration, cost: u32) -> Result<(), Throttled> {
        let cost = i128::from(cost) * PARTS;
        let before = self.level_at(now);
        self.filled_at = now.max(self.filled_at);
        self.level = (before - cost).max(-self.capacity);
        if before >= cost {
            return Ok(());
        }
        Err(Throttled { wait: self.opens_at(now).saturating_sub(now) })
    }

    fn level_at(&self, now: Duration) -> i128 {
        let elapsed = i128::try_from(now.saturating_sub(self.filled_at).as_nanos()).unwrap_or(i128::MAX);
        self.level.saturating_add(elapsed.saturating_mul(self.per_minute)).min(self.capacity)
    }

    fn opens_at(&self, now: Duration) -> Duration {
        let missing = (PARTS - self.level_at(now)).max(0);
        let nanos = (missing + self.per_minute - 1) / self.per_minute;
        now + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

#[derive(Debug, Clone)]
struct FixedWindow {
    length: Duration,
    most: u32,
    began: Option<Duration>,
    count: u32,
}

impl FixedWindow {
    fn take(&mut self, now: Duration) -> bool {
        if self.began.is_none_or(|began| now >= began + self.length) {
            self.began = Some(now);
            self.count = 0;
        }
        self.count = self.count.saturating_add(1);
        self.count <= self.most
    }

    fn opens_at(&self, now: Duration) -> Duration {
        match self.began {
            Some(began) if self.count >= self.most => now.max(began + self.length),
            _ => now,
        }
    }
}

/// Only as many requests as may pass are remembered: older ones decide nothing.
#[derive(Debug, Clone)]
struct SlidingWindow {
    length: Duration,
    most: usize,
    latest: VecDeque<Duration>,
}

impl SlidingWindow {
    fn take(&mut self, now: Duration) -> bool {
        let passes = self.opens_at(now) <= now;
        if self.latest.len() == self.most {
            self.latest.pop_front();
        }
        self.latest.push_back(now);
        passes
    }

    fn opens_at(&self, now: Duration) -> Duration {
        match self.latest.front() {
            Some(oldest) if self.latest.len() == self.most => now.max(*oldest + self.length),
            _ => now,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEEPINGS: [LimitKeeping; 3] =
        [LimitKeeping::TokenBucket, LimitKeeping::FixedWindow, LimitKeeping::SlidingWindow];

    fn limit(keeping: LimitKeeping, per_second: u32, per_minute: u32) -> RequestLimit {
        let number = |number| NonZeroU32::new(number).unwrap();
        let retry_after = RetryAfterForm::Seconds;
        RequestLimit { per_second: number(per_second), per_minute: number(per_minute), keeping, retry_after }
    }

    fn passed(limiter: &mut RequestLimiter, now_ms: u64, requests: u32) -> usize {
        (0..requests).filter(|_| limiter.take(Duration::from_millis(now_ms)).is_ok()).count()
    }

    #[test]
    fn what_passes_at_once_and_a_second_later() {
        for (keeping, at_once, a_second_later) in [
            // 20 asked in vain: a bucket owes as much as it holds, a log holds them, a count begins anew.
            (LimitKeeping::TokenBucket, 5, 5),
            (LimitKeeping::FixedWindow, 30, 30),
            (LimitKeeping::SlidingWindow, 30, 30),
        ] {
            let mut limiter = limit(keeping, 30, 1_500).limiter();
            assert_eq!(passed(&mut limiter, 0, at_once + 20), at_once as usize, "{keeping:?}");
            assert_eq!(passed(&mut limiter, 1_000, 100), a_second_later, "{keeping:?}");
        }
    }

    #[test]
    fn throttled_requests_count() {
        let mut sliding = limit(LimitKeeping::SlidingWindow, 10, 500).limiter();
        assert_eq!(passed(&mut sliding, 0, 10), 10);
        assert_eq!(passed(&mut sliding, 500, 10), 0);
        assert_eq!(passed(&mut sliding, 1_000, 1), 0, "those of half a second ago count");
        let mut bucket = limit(LimitKeeping::TokenBucket, 10, 500).limiter();
        assert_eq!(passed(&mut bucket, 0, 100), 1);
        assert_eq!(bucket.take(Duration::ZERO).unwrap_err().wait.as_millis(), 240);
    }

    #[test]
    fn nobody_gets_more_than_the_limit_by_waiting_only_as_long_as_told() {
        for keeping in [LimitKeeping::TokenBucket, LimitKeeping::SlidingWindow] {
            let mut limiter = limit(keeping, 30, 1_500).limiter();
            let (mut now, mut passes) = (Duration::ZERO, Vec::new());
            while now < Duration::from_mins(5) {
                match limiter.take(now) {
                    Ok(()) => passes.push(now),
                    Err(Throttled { wait }) => now += wait,
                }
            }
            for (place, at) in passes.iter().enumerate() {
                let within =
                    |length| passes[place..].iter().take_while(|later| **later < *at + length).count();
                assert!(within(SECOND) <= 30 && within(MINUTE) <= 1_500, "{keeping:?} at {at:?}");
            }
        }
    }

    #[test]
    fn the_omniscient_client_is_as_fast_as_the_limit() {
        for (keeping, seconds) in [
            (LimitKeeping::TokenBucket, 300.8),
            (LimitKeeping::FixedWindow, 289.0),
            (LimitKeeping::SlidingWindow, 289.0),
        ] {
            let time = limit(keeping, 30, 1_500).omniscient_time(7_500).as_secs_f64();
            assert!((time - seconds).abs() < 0.01, "{keeping:?}: {time}");
        }
        for keeping in KEEPINGS {
            assert_eq!(limit(keeping, 30, 1_500).omniscient_time(1), Duration::ZERO);
        }
    }

    #[test]
    fn seeds_pick_every_way() {
        let number = |number| NonZeroU32::new(number).unwrap();
        let ways = (0..12).map(|seed| RequestLimit::of_seed(seed, number(30), number(1_500)));
        let ways: std::collections::HashSet<_> = ways.map(|way| (way.keeping, way.retry_after)).collect();
        assert_eq!(ways.len(), 12);
    }

    #[test]
    fn waits_are_told_and_never_too_short() {
        let throttled = Throttled { wait: Duration::from_millis(1_200) };
        // 10:00:00.5: the wait ends at 10:00:01.7.
        let unix_ms = 1_763_978_400_500;
        for (form, told) in [
            (RetryAfterForm::Seconds, Some("2")),
            (RetryAfterForm::SecondsAndOne, Some("3")),
            (RetryAfterForm::HttpDate, Some("Mon, 24 Nov 2025 10:00:02 GMT")),
            (RetryAfterForm::Missing, None),
        ] {
            let limit = RequestLimit { retry_after: form, ..limit(LimitKeeping::FixedWindow, 30, 1_500) };
            assert_eq!(limit.retry_after(throttled, unix_ms).as_deref(), told);
        }
    }
}
