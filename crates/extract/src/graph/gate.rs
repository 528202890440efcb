//! The throttle gate: when a request may go out. One for all requests of a tenant that share a limit.
//!
//! Four have a say: the pace, the crowd of those under way, the outage, and the limit of the app. Each is pure or
//! nearly so; here they meet under one lock, which nobody holds while he waits.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use promptlake_flow::Clock;
use tokio::sync::Notify;

use super::app_limit::AppLimit;
use super::crowd::{Crowd, Departure};
use super::outage::{Asker, Blame, Outage};
use super::pace::Pace;

/// The grain of tokio's timer.
const TICK: Duration = Duration::from_millis(1);

/// While the source is lost, a probe that is answered opens the gate at once, and room may come without a call: whoever
/// waits looks this often.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Users and lists that are begun beside those whose requests are under way: more who fail at once are too many to be exceptions, and
/// each that is half read when a run ends is read again.
pub(crate) const AWAY_MAX: usize = 256;

/// The same while nobody is answered: enough to find out that others are, and few to fail with an outage.
const AWAY_IN_DOUBT_MAX: usize = 4;

/// Lets requests out, and learns from what becomes of them.
pub(crate) struct ThrottleGate {
    clock: Clock,
    app: Option<AppLimit>,
    state: Mutex<State>,
    /// Somebody may go, since another is back or more may be under way.
    room: Notify,
    /// More users may be begun than before.
    growth: Notify,
}

/// In the clock's time since its start.
struct State {
    pace: Pace,
    crowd: Crowd,
    outage: Outage,
    calls: u64,
    /// Requests that wait for another attempt of their own.
    away: usize,
}

/// A request that waits for another attempt of its own.
pub(crate) struct Away<'a>(&'a ThrottleGate);

/// What the gate says to one who wants to go.
pub(crate) enum Admission<'a> {
    /// Go.
    Go(Flight<'a>),
    /// Ask again after this time.
    Later(Duration),
    /// Ask again once there is [`ThrottleGate::room`].
    Full,
}

/// A request under way. Dropped, it is no longer.
pub(crate) struct Flight<'a> {
    gate: &'a ThrottleGate,
    departure: Departure,
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Landing {
    /// It was answered.
    Answered,
    /// It was answered, and its body did not come in time.
    TooSlow,
    /// It was answered 429, and perhaps told how long to wait.
    Throttled(Option<Duration>),
    /// Nobody answered, or only somebody in front of the source, who perhaps said how long to wait.
    Unreached {
        /// Whether it was given up after a time.
        timed_out: bool,
        /// How long to wait.
        told: Option<Duration>,
    },
}

/// What follows from it for everybody.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Landed {
    /// By how much longer than before nothing goes out.
    pub(crate) closed_for: Duration,
    /// Requests a second from now on, as far as is known what the source takes.
    pub(crate) per_second: f64,
    /// Whose failure it is, if it is one.
    pub(crate) blame: Blame,
    /// The source seems to be lost by this one, or still is by this probe: that is to be confirmed.
    pub(crate) is_doubtful: bool,
    /// It was lost for so long, as everybody was told, and is back.
    pub(crate) outage_lasted: Option<Duration>,
}

impl ThrottleGate {
    /// A gate for a source that sustains `per_second`, which is above 0, with at most `at_once_max` under way.
    pub(crate) fn new(clock: Clock, per_second: f64, at_once_max: usize, app: Option<AppLimit>) -> Self {
        let state = State {
            pace: Pace::new(per_second, clock.elapsed()),
            crowd: Crowd::new(at_once_max),
            outage: Outage::default(),
            calls: 0,
            away: 0,
        };
        Self { clock, app, state: Mutex::new(state), room: Notify::new(), growth: Notify::new() }
    }

    /// A name for a request that is nobody's, the same for all its attempts.
    pub(crate) fn name_call(&self) -> Asker {
        let mut state = self.lock();
        state.calls += 1;
        Asker::Call(state.calls)
    }

    /// Takes note that an asker failed while the source answered another.
    pub(crate) fn acquit(&self, asker: Asker) {
        self.lock().outage.acquit(asker);
    }

    /// Takes note that everybody is told that the source is lost. Gives whether that is news.
    pub(crate) fn tell_outage(&self) -> bool {
        self.lock().outage.tell()
    }

    /// Lets one request go now, or says when to ask again.
    pub(crate) fn try_pass(&self) -> Admission<'_> {
        let mut state = self.lock();
        let now = self.clock.elapsed();
        if state.crowd.is_full() {
            return Admission::Full;
        }
        let opens_at = state.pace.opens_at(now).max(state.outage.opens_at());
        if opens_at > now {
            let longest = if state.outage.is_lost() { LOOK_AGAIN } else { Duration::MAX };
            return Admission::Later(opens_at.saturating_sub(now).clamp(TICK, longest));
        }
        if let Some(Err(wait)) = self.app.as_ref().map(AppLimit::try_pass) {
            return Admission::Later(wait.max(TICK));
        }
        state.outage.send(now);
        let missing = state.pace.send(now);
        let departure = state.crowd.depart(now, missing);
        Admission::Go(Flight { gate: self, departure })
    }

    /// Waits until there may be room for another, and not for long: whoever was woken may have been dropped before he
    /// went. Cancel-safe.
    pub(crate) async fn room(&self) {
        // Whoever waited in vain looks again.
        let _ = tokio::time::timeout(LOOK_AGAIN, self.room.notified()).await;
    }

    /// Waits until more users may be begun than before. Cancel-safe.
    pub(crate) async fn grown(&self) {
        self.growth.notified().await;
    }

    /// How many users may be begun at once, as far as it is known: as many as requests may be under way, and as many more as
    /// wait for another attempt, since these would keep everybody else back for as long as they fail.
    pub(crate) fn users_at_once(&self) -> usize {
        self.lock().users_at_once()
    }

    /// Says that a request waits for another attempt, until what is given is dropped.
    pub(crate) fn step_away(&self) -> Away<'_> {
        self.lock().away += 1;
        self.growth.notify_one();
        Away(self)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // What a panic leaves behind are numbers that are still numbers.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn users_at_once(&self) -> usize {
        let away_max = if self.outage.is_reached() { AWAY_MAX } else { AWAY_IN_DOUBT_MAX };
        self.crowd.size() + self.away.min(away_max)
    }
}

impl Flight<'_> {
    /// Tells the gate what became of the request.
    pub(crate) fn land(self, asker: Asker, landing: Landing) -> Landed {
        let Departure { at: sent_at, .. } = self.departure;
        let now = self.gate.clock.elapsed();
        let mut state = self.gate.lock();
        let (was_lost, size_before) = (state.outage.is_lost(), state.crowd.size());
        let users_before = state.users_at_once();
        let is_probe = state.outage.is_probe(sent_at);
        let mut landed = Landed {
            closed_for: Duration::ZERO,
            per_second: 0.0,
            blame: Blame::Request,
            is_doubtful: false,
            outage_lasted: None,
        };
        match landing {
            Landing::Answered => {
                state.pace.answered(now);
                state.crowd.answered(self.departure, now);
                landed.outage_lasted = state.outage.reached(now);
            }
            Landing::TooSlow => {
                state.crowd.was_too_much(self.departure, now);
                landed.outage_lasted = state.outage.reached(now);
            }
            Landing::Throttled(told) => {
                landed.closed_for = state.pace.throttled(sent_at, now, told);
                state.crowd.was_too_much(self.departure, now);
                landed.outage_lasted = state.outage.reached(now);
            }
            Landing::Unreached { timed_out, told } => {
                landed.closed_for = told.map_or(Duration::ZERO, |wait| state.pace.shut_for(wait, now));
                state.outage.told_to_wait(landed.closed_for);
                if timed_out {
                    state.crowd.was_too_much(self.departure, now);
                }
                landed.blame = state.outage.unreached(asker, sent_at, now);
                let is_lost = state.outage.is_lost();
                landed.is_doubtful = is_lost && (!was_lost || (is_probe && landed.blame == Blame::Source));
            }
        }
        landed.per_second = state.pace.per_second();
        if state.users_at_once() > users_before {
            self.gate.growth.notify_one();
        }
        if state.crowd.size() > size_before {
            self.gate.room.notify_one();
        }
        landed
    }
}

impl Drop for Away<'_> {
    fn drop(&mut self) {
        self.0.lock().away -= 1;
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        self.gate.lock().crowd.leave();
        self.gate.room.notify_one();
    }
}
