//! The pace: how fast a tenant may be asked, as far as it is known. Values in, values out; no clock, no I/O.
//!
//! What Graph allows is a short window, of which a part is sustained, and nobody says how either is kept. A pace
//! somewhat above the sustained rate, within a budget for each minute, is as fast as windows allow and leaves them room
//! for a machine that stutters. Where a bucket stands behind it, the answers say so: a 429 soon after the stream has
//! gone steady means that the pace is too high, one after a long while means a hiccup.
//!
//! All times are since any start.

use std::collections::VecDeque;
use std::time::Duration;

/// How much faster than the sustained rate a stream may go within a minute. Graph's short window allows 1.2 times of
/// it; what lies between is room for requests that arrive in a bunch.
const BRISK: f64 = 1.12;

/// How far below the sustained rate a pace goes that turned out too high: enough for a bucket to fill up again.
const BELOW_SUSTAINED: f64 = 0.99;

/// What is left of a pace at or below the sustained rate that turned out too high: once, since a machine that stands
/// still now and then looks like it.
const SOMEWHAT_SLOWER: f64 = 0.95;

/// The same when it happens again before a stream was steady: Graph sustains less than was configured. A rate that is
/// far off is found within a dozen 429s.
const SLOWER: f64 = 0.85;

/// The same where the pace had held for long: it is off by little.
const SLIGHTLY_SLOWER: f64 = 0.985;

/// A 429 after so long a steady stream says little about the pace: a bucket that is too slow for a brisk stream is
/// empty before.
const STEADY_FOR: Duration = Duration::from_secs(15);

/// A brisk stream that met a 429 early is tried once more after so long: requests that arrived in a bunch look the same
/// as a bucket, but not twice.
const SECOND_TRY_AFTER: Duration = Duration::from_secs(20);

/// A pace that was brought below the sustained rate finds its way back by so much each [`SECOND_TRY_AFTER`].
const BACK: f64 = 1.05;

/// A stream that went well for so long may go faster again, by [`FASTER`].
const QUIET_FOR: Duration = Duration::from_mins(2);

/// A little at a time: each attempt at more than is allowed costs a wait.
const FASTER: f64 = 1.005;

/// Where a bucket is known to be, the sustained rate itself empties it in minutes: the last half hundredth would cost more
/// in waits than it gives.
const NEAR_SUSTAINED: f64 = 0.995;

/// A pace is never below this share of what was configured: it must find its way up again within hours.
const LEAST_SHARE: f64 = 0.02;

/// The span of the budget.
const MINUTE: Duration = Duration::from_mins(1);

/// How much longer than a minute a request counts: it reaches Graph some time after it was let through.
const MINUTE_MARGIN: Duration = Duration::from_millis(250);

/// How long a stream takes from standing to its pace, at the start and after each wait: connections are made, and
/// whoever else waited comes back as well.
const RAMP: Duration = Duration::from_millis(1_500);

/// The share of the pace that a ramp begins with.
const RAMP_FROM: f64 = 0.4;

/// How much lateness is made up for: a timer's grain and a busy machine, not a pause.
const CATCH_UP: Duration = Duration::from_millis(40);

/// The first wait where a 429 says none; it doubles with each that follows without a success.
const OWN_WAIT: Duration = Duration::from_secs(1);
/// The longest of them: a minute later every window of Graph is over.
const OWN_WAIT_MAX: Duration = Duration::from_mins(1);

/// When requests may go out.
#[derive(Debug, Clone)]
pub(crate) struct Pace {
    configured: f64,
    per_second: f64,
    budget: usize,
    /// When the requests of the last minute went out.
    sent: VecDeque<Duration>,
    next_at: Duration,
    /// Since when requests go out again; a 429 on an earlier one says nothing new.
    open_since: Duration,
    changed_at: Duration,
    /// How often a brisk stream met a 429 early.
    brisk_failures: u32,
    /// The stream has not been steady since a 429 slowed it below the sustained rate.
    is_slowing: bool,
    /// The last pace below the sustained rate that was steady.
    steady: Option<f64>,
    /// 429s since the last success, of different waits.
    waits_in_a_row: u32,
}

impl Pace {
    /// The pace towards a source that sustains so many requests a second, which is above 0.
    pub(crate) fn new(configured: f64, now: Duration) -> Self {
        Self {
            configured,
            per_second: configured * BRISK,
            budget: budget(configured),
            sent: VecDeque::new(),
            next_at: now,
            open_since: now,
            changed_at: now,
            brisk_failures: 0,
            is_slowing: false,
            steady: None,
            waits_in_a_row: 0,
        }
    }

    /// When the next request may go out; not before `now`.
    pub(crate) fn opens_at(&self, now: Duration) -> Duration {
        let in_budget = match self.sent.front() {
            Some(oldest) if self.sent.len() >= self.budget => *oldest + MINUTE + MINUTE_MARGIN,
            _ => Duration::ZERO,
        };
        self.next_at.max(in_budget).max(now)
    }

    /// Takes note of a request that goes out at `now`, when [`Self::opens_at`] allowed it. Gives how many more might
    /// have gone out before it, had there been any.
    pub(crate) fn send(&mut self, now: Duration) -> f64 {
        let late_by = now.saturating_sub(self.opens_at(Duration::ZERO));
        if self.sent.len() >= self.budget {
            self.sent.pop_front();
        }
        self.sent.push_back(now);
        let interval = Duration::from_secs_f64(1.0 / self.ramped(now));
        let made_up_for = now.saturating_sub(self.next_at).min(CATCH_UP).min(interval);
        self.next_at = now.saturating_sub(made_up_for) + interval;
        late_by.as_secs_f64() / interval.as_secs_f64()
    }

    /// Takes note of an answer that was no 429.
    pub(crate) fn answered(&mut self, now: Duration) {
        self.waits_in_a_row = 0;
        let brisk = self.configured * BRISK;
        let most = if self.brisk_failures > 1 { self.configured * NEAR_SUSTAINED } else { brisk };
        if self.per_second >= most {
            return;
        }
        let quiet_for = now.saturating_sub(self.changed_at.max(self.open_since));
        let trusted = self.configured * BELOW_SUSTAINED;
        if quiet_for >= STEADY_FOR {
            self.is_slowing = false;
            self.steady = (self.per_second <= trusted).then_some(self.per_second);
        }
        let faster = if self.per_second < trusted && quiet_for >= SECOND_TRY_AFTER {
            (self.per_second * BACK).min(trusted)
        } else if self.brisk_failures == 1 && quiet_for >= SECOND_TRY_AFTER {
            brisk
        } else if quiet_for >= QUIET_FOR {
            (self.per_second * FASTER).min(most)
        } else {
            return;
        };
        self.per_second = faster;
        self.changed_at = now;
    }

    /// Takes note of a 429, on a request sent at `sent_at`: learns, and lets nothing out for `told`, or for a while
    /// where nothing was told. Gives by how much longer than before nothing goes out.
    pub(crate) fn throttled(&mut self, sent_at: Duration, now: Duration, told: Option<Duration>) -> Duration {
        let is_news = sent_at >= self.open_since;
        if is_news {
            self.learn(now);
            self.waits_in_a_row = self.waits_in_a_row.saturating_add(1);
        }
        match told {
            Some(wait) => self.shut_until(now.saturating_add(wait), now),
            // The others of the same moment are held back already.
            None if is_news => self.shut_until(now.saturating_add(self.own_wait()), now),
            None => Duration::ZERO,
        }
    }

    /// Lets nothing out for `wait`, which says nothing about the pace.
    pub(crate) fn shut_for(&mut self, wait: Duration, now: Duration) -> Duration {
        self.shut_until(now.saturating_add(wait), now)
    }

    /// Requests a second, as far as it is known.
    pub(crate) fn per_second(&self) -> f64 {
        self.per_second
    }

    fn shut_until(&mut self, until: Duration, now: Duration) -> Duration {
        let before = self.open_since.max(now);
        self.open_since = self.open_since.max(until);
        self.next_at = self.next_at.max(self.open_since);
        self.open_since.saturating_sub(before)
    }

    fn learn(&mut self, now: Duration) {
        let held_for = now.saturating_sub(self.changed_at.max(self.open_since));
        let slower = match (held_for < STEADY_FOR, self.per_second > self.configured) {
            (true, true) => {
                self.brisk_failures = self.brisk_failures.saturating_add(1);
                self.configured * BELOW_SUSTAINED
            }
            (true, false) => self.slowed(),
            (false, _) => self.per_second * SLIGHTLY_SLOWER,
        };
        self.per_second = slower.max(self.configured * LEAST_SHARE);
        self.changed_at = now;
    }

    /// What an early 429 leaves of a pace that is not brisk: the last one that was steady, or less than ever.
    fn slowed(&mut self) -> f64 {
        let again = std::mem::replace(&mut self.is_slowing, true);
        match self.steady.take() {
            Some(steady) if steady < self.per_second => steady,
            _ if again => self.per_second * SLOWER,
            _ => self.per_second * SOMEWHAT_SLOWER,
        }
    }

    fn own_wait(&self) -> Duration {
        let doublings = self.waits_in_a_row.saturating_sub(1).min(16);
        OWN_WAIT.saturating_mul(1 << doublings).min(OWN_WAIT_MAX)
    }

    /// The pace at a moment that may be within a ramp.
    fn ramped(&self, now: Duration) -> f64 {
        let part = now.saturating_sub(self.open_since).as_secs_f64() / RAMP.as_secs_f64();
        self.per_second * (RAMP_FROM + (1.0 - RAMP_FROM) * part.min(1.0))
    }
}

/// A minute's requests at a rate, at least one.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rate is positive, and at most thousands"
)]
fn budget(per_second: f64) -> usize {
    ((per_second * MINUTE.as_secs_f64()).floor() as usize).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    /// Sends whenever it may from `from` on, and gives the times before `until`.
    fn stream(pace: &mut Pace, from: Duration, until: Duration) -> Vec<Duration> {
        let mut sent = Vec::new();
        let mut now = pace.opens_at(from);
        while now < until {
            pace.send(now);
            sent.push(now);
            now = pace.opens_at(now);
        }
        sent
    }

    #[test]
    fn a_stream_begins_slowly_and_keeps_within_both_windows() {
        let mut pace = Pace::new(25.0, s(0.0));
        let sent = stream(&mut pace, s(0.0), s(200.0));
        let within =
            |from: f64, span: f64| sent.iter().filter(|at| (s(from)..s(from + span)).contains(*at)).count();
        assert!(within(0.0, 0.5) <= 7, "{} in the first half second", within(0.0, 0.5));
        for tenth in 0..1_400_u32 {
            let from = f64::from(tenth) / 10.0;
            assert!(within(from, 1.0) <= 29 && within(from, 60.0) <= 1_500, "from {from} on");
        }
        assert_eq!(within(0.0, 180.75), 4_500, "three minutes and their margins are used up");
    }

    #[test]
    fn the_first_429_after_a_start_is_taken_for_a_bucket_and_a_late_one_for_a_hiccup() {
        for (held_s, after) in [(3.0, 24.75), (14.9, 24.75), (15.0, 27.58), (600.0, 27.58)] {
            let mut pace = Pace::new(25.0, s(0.0));
            pace.throttled(s(held_s), s(held_s), Some(s(1.0)));
            assert!((pace.per_second() - after).abs() < 1e-9, "{held_s}: {}", pace.per_second());
        }
    }

    #[test]
    fn a_brisk_pace_is_tried_once_more_and_then_found_slowly() {
        let mut pace = Pace::new(25.0, s(0.0));
        let mut paces = Vec::new();
        for (at, throttled) in [
            (3.0, true),
            (23.9, false),
            (24.1, false),
            (26.0, true),
            (50.0, false),
            (147.1, false),
            (267.2, false),
            (999.0, false),
        ] {
            if throttled {
                pace.throttled(s(at), s(at), Some(s(1.0)));
            } else {
                pace.answered(s(at));
            }
            paces.push((pace.per_second() * 100.0).round() / 100.0);
        }
        assert_eq!(paces, [24.75, 24.75, 28.0, 24.75, 24.75, 24.87, 24.88, 24.88]);
    }

    #[test]
    fn many_429s_of_one_moment_are_one_piece_of_news() {
        let mut pace = Pace::new(25.0, s(0.0));
        let closed = [(4.9, 1.0), (4.95, 1.0), (4.99, 2.0)]
            .map(|(sent_at, told)| pace.throttled(s(sent_at), s(5.0), Some(s(told))).as_secs());
        assert_eq!(closed, [1, 0, 1]);
        assert!((pace.per_second() - 24.75).abs() < 1e-9);
        assert_eq!(pace.opens_at(s(5.0)), s(7.0));
    }

    #[test]
    fn a_wait_is_never_shortened_and_ends_with_a_ramp() {
        let mut pace = Pace::new(25.0, s(0.0));
        stream(&mut pace, s(0.0), s(5.0));
        pace.shut_for(s(30.0), s(5.0));
        pace.throttled(s(4.9), s(6.0), Some(s(2.0)));
        let sent = stream(&mut pace, s(6.0), s(37.0));
        assert_eq!(sent[0], s(35.0));
        assert!(sent[1] >= s(35.08), "{:?}", sent[1]);
        assert!(sent.iter().filter(|at| **at < s(36.0)).count() <= 18);
    }

    #[test]
    fn without_a_told_wait_its_own_doubles_until_something_passes() {
        let mut pace = Pace::new(25.0, s(0.0));
        let mut now = s(5.0);
        let mut wait = |pace: &mut Pace| {
            let closed = pace.throttled(now, now, None);
            assert_eq!(pace.throttled(now, now, None), Duration::ZERO, "another of the same moment");
            now += closed;
            closed.as_secs()
        };
        let waits: Vec<u64> = (0..8).map(|_| wait(&mut pace)).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
        pace.answered(s(300.0));
        assert_eq!(wait(&mut pace), 1);
    }

    #[test]
    fn what_was_missing_is_counted_and_a_pause_is_not_made_up_for() {
        let mut pace = Pace::new(25.0, s(0.0));
        stream(&mut pace, s(0.0), s(10.0));
        assert!((pace.send(s(20.0)) - 280.0).abs() < 3.0);
        assert!(stream(&mut pace, s(20.0), s(21.0)).len() <= 29);
    }
}
