//! The pace against limiters that it knows nothing of, in a time that is only computed.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::num::NonZeroU32;
use std::time::Duration;

use graph_emulator::{LimitKeeping, RequestLimit, RetryAfterForm, Throttled};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::graph::pace::Pace;

/// One network and one machine.
#[derive(Debug, Clone, Copy)]
struct World {
    configured: f64,
    requests: u32,
    at_once: u32,
    /// One way, at least.
    latency_ms: u64,
    /// One way, in addition, at most.
    jitter_ms: u64,
    /// How long the client stands still, once in about a thousand requests.
    stall_ms: u64,
    /// How long the server stands still, every forty seconds: what comes meanwhile, comes together.
    freeze_ms: u64,
}

const USUAL: World = World {
    configured: 25.0,
    requests: 7_500,
    at_once: 64,
    latency_ms: 10,
    jitter_ms: 10,
    stall_ms: 100,
    freeze_ms: 0,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Happening {
    Arrival { sent_at: Duration },
    Answer { sent_at: Duration, throttled: Option<Duration> },
}

/// What came of a world.
#[derive(Debug, Default)]
struct Outcome {
    passed: u32,
    throttled: u32,
    /// Of those that came after the first minute.
    late: u32,
    late_throttled: u32,
    first_arrival: Option<Duration>,
    last_arrival: Duration,
    /// Whether a request was sent before the end of a wait that was told.
    early: bool,
}

impl Outcome {
    fn span(&self) -> f64 {
        self.last_arrival.saturating_sub(self.first_arrival.unwrap_or_default()).as_secs_f64()
    }
}

fn told(form: RetryAfterForm, now: Duration, wait: Duration) -> Option<Duration> {
    let seconds = wait.as_secs_f64().ceil();
    match form {
        RetryAfterForm::Seconds => Some(Duration::from_secs_f64(seconds)),
        RetryAfterForm::SecondsAndOne => Some(Duration::from_secs_f64(seconds + 1.0)),
        // Against a `Date` that is cut to the second.
        RetryAfterForm::HttpDate => {
            let until = (now + wait).as_secs_f64().ceil();
            Some(Duration::from_secs_f64(until - now.as_secs_f64().floor()))
        }
        RetryAfterForm::Missing => None,
    }
}

fn run(world: World, limit: RequestLimit, seed: u64) -> Outcome {
    let mut random = StdRng::seed_from_u64(seed);
    let mut limiter = limit.limiter();
    let mut pace = Pace::new(world.configured, Duration::ZERO);
    let mut events: BinaryHeap<Reverse<(Duration, Happening)>> = BinaryHeap::new();
    let (mut now, mut in_flight, mut outcome) = (Duration::ZERO, 0, Outcome::default());
    let mut shut_until = Duration::ZERO;
    while outcome.passed < world.requests {
        let wants = in_flight < world.at_once && outcome.passed + in_flight < world.requests;
        let opens_at = wants.then(|| pace.opens_at(now));
        let next = events.peek().map(|Reverse((at, _))| *at);
        if let Some(opens_at) = opens_at.filter(|opens_at| next.is_none_or(|next| *opens_at <= next)) {
            // A timer ends late, and a machine stands still now and then.
            let stall = if random.random_ratio(1, 1_000) { world.stall_ms } else { 0 };
            now = opens_at
                + Duration::from_micros(random.random_range(0..2_000))
                + Duration::from_millis(stall);
            outcome.early |= now < shut_until;
            pace.send(now);
            in_flight += 1;
            let arrives_at = thawed(world, now + trip(world, &mut random));
            events.push(Reverse((arrives_at, Happening::Arrival { sent_at: now })));
            continue;
        }
        let Some(Reverse((at, happening))) = events.pop() else {
            panic!("nothing is under way, and nobody asks")
        };
        now = now.max(at);
        match happening {
            Happening::Arrival { sent_at } => {
                let throttled = limiter.take(at).err().map(|Throttled { wait }| wait);
                outcome.note(at, throttled.is_some());
                let answer = Happening::Answer { sent_at, throttled };
                events.push(Reverse((at + trip(world, &mut random), answer)));
            }
            Happening::Answer { sent_at, throttled } => {
                in_flight -= 1;
                if let Some(wait) = throttled {
                    let told = told(limit.retry_after, at, wait);
                    pace.throttled(sent_at, now, told);
                    shut_until = shut_until.max(now + told.unwrap_or_default());
                } else {
                    outcome.passed += 1;
                    pace.answered(now);
                }
            }
        }
    }
    outcome
}

impl Outcome {
    fn note(&mut self, at: Duration, throttled: bool) {
        let first = *self.first_arrival.get_or_insert(at);
        self.last_arrival = self.last_arrival.max(at);
        self.throttled += u32::from(throttled);
        if at >= first + Duration::from_mins(1) {
            self.late += 1;
            self.late_throttled += u32::from(throttled);
        }
    }
}

fn trip(world: World, random: &mut StdRng) -> Duration {
    Duration::from_millis(world.latency_ms)
        + Duration::from_micros(random.random_range(0..=world.jitter_ms * 1_000))
}

/// When the server takes what comes at `at`.
fn thawed(world: World, at: Duration) -> Duration {
    let into_period = Duration::from_secs_f64(at.as_secs_f64() % 40.0);
    // Not at the very start.
    let frozen_from = Duration::from_secs(30);
    let frozen_until = frozen_from + Duration::from_millis(world.freeze_ms);
    if (frozen_from..frozen_until).contains(&into_period) {
        at + frozen_until.saturating_sub(into_period)
    } else {
        at
    }
}

fn limit(keeping: LimitKeeping, retry_after: RetryAfterForm) -> RequestLimit {
    let number = |number| NonZeroU32::new(number).unwrap();
    RequestLimit { per_second: number(30), per_minute: number(1_500), keeping, retry_after }
}

fn limits() -> impl Iterator<Item = RequestLimit> {
    let keepings = [LimitKeeping::TokenBucket, LimitKeeping::FixedWindow, LimitKeeping::SlidingWindow];
    let forms = [
        RetryAfterForm::Seconds,
        RetryAfterForm::SecondsAndOne,
        RetryAfterForm::HttpDate,
        RetryAfterForm::Missing,
    ];
    keepings.into_iter().flat_map(move |keeping| forms.into_iter().map(move |form| limit(keeping, form)))
}

/// How the worst of some seeds fares against every limiter: the time as a part of the omniscient client's, and the share
/// of 429s.
fn assert_keeps_up(world: World, times_max: f64, throttled_max: f64) {
    for limit in limits() {
        let best = limit.omniscient_time(world.requests.into()).as_secs_f64();
        for seed in 0..8 {
            let outcome = run(world, limit, seed);
            let times = outcome.span() / best;
            let share = f64::from(outcome.throttled) / f64::from(outcome.throttled + outcome.passed);
            assert!(!outcome.early, "{limit:?}, seed {seed}: asked before the wait was over");
            assert!(times <= times_max, "{limit:?}, {world:?}, seed {seed}: {times:.4} times the best");
            assert!(share <= throttled_max, "{limit:?}, {world:?}, seed {seed}: {share:.4} are 429s");
        }
    }
}

#[test]
fn the_rate_is_all_that_any_limiter_allows_and_hardly_a_429() {
    assert_keeps_up(USUAL, 1.03, 0.01);
    assert_keeps_up(World { latency_ms: 1, jitter_ms: 2, ..USUAL }, 1.03, 0.01);
    assert_keeps_up(World { latency_ms: 100, jitter_ms: 30, ..USUAL }, 1.03, 0.01);
}

#[test]
fn requests_that_arrive_in_bunches_cost_some_of_the_rate_and_hardly_a_429() {
    // A tenth of a second between them is three requests more in some second than were sent in it.
    assert_keeps_up(World { latency_ms: 400, jitter_ms: 100, stall_ms: 0, ..USUAL }, 1.07, 0.01);
}

#[test]
fn a_server_that_stands_still_now_and_then_costs_some_of_the_rate_and_hardly_a_429() {
    for (freeze_ms, times_max) in [(150, 1.05), (400, 1.12)] {
        assert_keeps_up(World { freeze_ms, ..USUAL }, times_max, 0.01);
    }
}

#[test]
fn a_rate_that_is_too_high_is_learned() {
    for configured in [60.0, 200.0, 1_500.0] {
        for limit in limits() {
            for seed in 0..8 {
                let outcome = run(World { configured, ..USUAL }, limit, seed);
                let late = f64::from(outcome.late_throttled) / f64::from(outcome.late.max(1));
                assert!(late <= 0.05, "{limit:?}, {configured}/s, seed {seed}: {late:.4} are 429s");
                assert_eq!(outcome.passed, 7_500);
            }
        }
    }
}

#[test]
fn a_rate_far_below_the_limit_is_kept_and_nothing_is_throttled() {
    for limit in limits() {
        let outcome = run(World { configured: 5.0, requests: 1_500, ..USUAL }, limit, 1);
        assert_eq!(outcome.throttled, 0, "{limit:?}");
        assert!((295.0..303.0).contains(&outcome.span()), "{limit:?}: {} s", outcome.span());
    }
}
