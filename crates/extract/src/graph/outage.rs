//! The circuit breaker: when nobody reaches the source, that is nobody's own failure.
//!
//! Values in, values out. While requests fail here and there, each is tried again and given up by itself. When for a
//! while all of them fail, and nobody is answered in between, the source is lost: one request at a time probes for it,
//! the others wait, and none of what fails counts against a user. A source that stays lost ends the run.
//!
//! Requests that always fail look the same when nobody else is left to be asked. All that one user is asked for is one
//! asker, and it takes two to tell; before the source is believed to be lost, what was answered before is asked for once
//! more (see `call`), and whoever failed beside an answer to that is suspect no more.

use std::collections::HashSet;
use std::time::Duration;

use promptlake_model::UserId;

/// Failures in a row, over all requests, before the source counts as lost: chance alone hardly gives as many.
const FAILURES_MIN: u32 = 5;

/// For how long at least nobody was answered by then: a node that is being replaced takes no longer.
const LOST_AFTER: Duration = Duration::from_secs(5);

/// A source that is lost for longer is left for another run: what was read is kept, and nothing is gained by waiting.
pub(crate) const LOST_MAX: Duration = Duration::from_mins(10);

/// The first wait between two probes; it doubles with each.
const PROBE_WAIT: Duration = Duration::from_secs(1);
const PROBE_WAIT_MAX: Duration = Duration::from_secs(30);

/// Longer than a probe that nobody answers takes to fail. One of which nothing is heard by then was dropped, or is
/// being answered at length.
const PROBE_TIME_MAX: Duration = Duration::from_mins(3);

/// Users whose failures are known to be their own: as many as anybody wants to hear of. Beyond, each suspicion costs a
/// request to dispel.
const ACQUITTED_MAX: usize = 1_000;

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Asker {
    /// Somebody's history: whatever is asked of it, one record may be what fails.
    User(UserId),
    /// A request of its own, by its number.
    Call(u64),
}

/// Whose failure it is that a request did not reach the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blame {
    /// The request's, as far as anybody knows.
    Request,
    /// The source's: it can't be reached.
    Source,
    /// The source's, and for too long.
    SourceForGood {
        /// For how long.
        lost_for: Duration,
    },
}

/// Whether the source can be reached. In the time since any start.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outage {
    state: State,
    /// Those who fail while the source answers others.
    acquitted: HashSet<Asker>,
}

#[derive(Debug, Clone, Default)]
enum State {
    #[default]
    Reached,
    /// Nobody was answered since the first of these failures.
    Doubtful { since: Duration, first: Asker, is_first_alone: bool, failures: u32 },
    /// Requests go out one at a time.
    Lost { since: Duration, found_at: Duration, probe_at: Duration, probe_wait: Duration, is_told: bool },
}

impl Outage {
    /// Takes note of an answer, whatever it says. Gives how long the source was lost, if anybody was told so.
    pub(crate) fn reached(&mut self, now: Duration) -> Option<Duration> {
        match std::mem::take(&mut self.state) {
            State::Lost { since, is_told: true, .. } => Some(now.saturating_sub(since)),
            State::Lost { .. } | State::Reached | State::Doubtful { .. } => None,
        }
    }

    /// Takes note that everybody was told that the source is lost. Gives whether that is news.
    pub(crate) fn tell(&mut self) -> bool {
        match &mut self.state {
            State::Lost { is_told, .. } => !std::mem::replace(is_told, true),
            State::Reached | State::Doubtful { .. } => false,
        }
    }

    /// Takes note that an asker failed while the source answered another.
    pub(crate) fn acquit(&mut self, asker: Asker) {
        if self.acquitted.len() < ACQUITTED_MAX {
            self.acquitted.insert(asker);
        }
    }

    /// Takes note that a request, sent at `sent_at`, did not reach the source.
    pub(crate) fn unreached(&mut self, asker: Asker, sent_at: Duration, now: Duration) -> Blame {
        match &mut self.state {
            State::Reached | State::Doubtful { .. } if self.acquitted.contains(&asker) => Blame::Request,
            State::Reached => {
                self.state = State::Doubtful { since: now, first: asker, is_first_alone: true, failures: 1 };
                Blame::Request
            }
            State::Doubtful { since, first, is_first_alone, failures } => {
                *failures += 1;
                *is_first_alone &= *first == asker;
                let since = *since;
                if *is_first_alone || *failures < FAILURES_MIN || now.saturating_sub(since) < LOST_AFTER {
                    return Blame::Request;
                }
                let probe_at = now.saturating_add(PROBE_WAIT);
                self.state =
                    State::Lost { since, found_at: now, probe_at, probe_wait: PROBE_WAIT, is_told: false };
                Blame::Source
            }
            State::Lost { since, found_at, probe_at, probe_wait, .. } => {
                // What was sent before is no probe.
                if sent_at >= *found_at {
                    *probe_wait = probe_wait.saturating_mul(2).min(PROBE_WAIT_MAX);
                    *probe_at = now.saturating_add(*probe_wait);
                }
                let lost_for = now.saturating_sub(*since);
                if lost_for < LOST_MAX { Blame::Source } else { Blame::SourceForGood { lost_for } }
            }
        }
    }

    /// Takes note that everybody is told to wait for so long: nobody knows in that time whether a source that is lost is back.
    /// One that is asked after the wait, and says the same, is as good as lost.
    pub(crate) fn told_to_wait(&mut self, wait: Duration) {
        if let State::Lost { since, .. } = &mut self.state {
            *since = since.saturating_add(wait);
        }
    }

    /// Whether a request that was sent at `sent_at` probes for a source that is lost.
    pub(crate) fn is_probe(&self, sent_at: Duration) -> bool {
        matches!(self.state, State::Lost { found_at, .. } if sent_at >= found_at)
    }

    /// When a request may go out, as far as this is concerned.
    pub(crate) fn opens_at(&self) -> Duration {
        if let State::Lost { probe_at, .. } = self.state { probe_at } else { Duration::ZERO }
    }

    /// Takes note of a request that goes out: while the source is lost, no other does until it is settled.
    pub(crate) fn send(&mut self, now: Duration) {
        if let State::Lost { probe_at, .. } = &mut self.state {
            *probe_at = now.saturating_add(PROBE_TIME_MAX);
        }
    }

    /// Whether nobody has failed since the last answer.
    pub(crate) fn is_reached(&self) -> bool {
        matches!(self.state, State::Reached)
    }

    /// Whether the source is lost.
    pub(crate) fn is_lost(&self) -> bool {
        matches!(self.state, State::Lost { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// Call and second of each failure.
    fn after(failures: &[(u64, u64)]) -> (Outage, Blame) {
        let (mut outage, mut blame) = (Outage::default(), Blame::Request);
        for (call, second) in failures {
            blame = outage.unreached(Asker::Call(*call), s(*second), s(*second));
        }
        (outage, blame)
    }

    #[test]
    fn it_takes_several_requests_and_a_while() {
        for (failures, blame) in [
            (&[(1, 0)][..], Blame::Request),
            (&[(1, 0), (2, 0), (3, 0), (4, 0), (5, 0), (6, 4)], Blame::Request),
            (&[(1, 0), (2, 1), (1, 3), (2, 9)], Blame::Request),
            (&[(1, 0), (2, 1), (1, 3), (2, 4), (1, 5)], Blame::Source),
            (&[(1, 0), (1, 1), (1, 3), (1, 4), (1, 5), (1, 60), (1, 90)], Blame::Request),
            (&[(1, 0), (1, 1), (1, 3), (1, 4), (1, 5), (1, 60), (2, 90)], Blame::Source),
        ] {
            assert_eq!(after(failures).1, blame, "{failures:?}");
        }
    }

    #[test]
    fn an_answer_in_between_makes_it_the_requests_own() {
        let (mut outage, _) = after(&[(1, 0), (2, 1), (3, 2), (4, 3)]);
        assert_eq!(outage.reached(s(4)), None);
        assert_eq!(outage.unreached(Asker::Call(1), s(6), s(6)), Blame::Request);
    }

    #[test]
    fn one_at_a_time_probes_ever_more_rarely_until_an_answer() {
        let (mut outage, _) = after(&[(1, 0), (2, 0), (3, 0), (4, 0), (5, 6)]);
        assert!(outage.is_lost());
        let mut probes = Vec::new();
        for _ in 0..7 {
            let at = outage.opens_at();
            probes.push(at.as_secs());
            outage.send(at);
            assert!(outage.opens_at() > at + s(120), "another one goes out meanwhile");
            // A straggler is no probe.
            assert_eq!(outage.unreached(Asker::Call(1), s(5), at), Blame::Source);
            assert!(outage.opens_at() > at + s(120));
            assert_eq!(outage.unreached(Asker::Call(9), at, at), Blame::Source);
        }
        assert_eq!(probes, [7, 9, 13, 21, 37, 67, 97]);
        assert!(outage.tell());
        assert!(!outage.tell(), "everybody was told");
        assert_eq!(outage.reached(s(100)), Some(s(100)));
        assert_eq!(outage.opens_at(), Duration::ZERO);
    }

    #[test]
    fn who_failed_beside_an_answer_is_suspect_no_more() {
        let (mut outage, blame) = after(&[(1, 0), (2, 1), (1, 3), (2, 4), (1, 5)]);
        assert_eq!(blame, Blame::Source);
        assert_eq!(outage.reached(s(6)), None, "nobody was told");
        outage.acquit(Asker::Call(1));
        for second in 7..100 {
            for call in [1, 2] {
                let blame = outage.unreached(Asker::Call(call), s(second), s(second));
                assert_eq!(blame, Blame::Request, "{call} at {second}");
            }
        }
        // A third who fails beside them is one too many.
        assert_eq!(outage.unreached(Asker::Call(3), s(100), s(100)), Blame::Source);
        // Of a source that is lost, whoever probes says so.
        assert_eq!(outage.unreached(Asker::Call(1), s(101), s(101)), Blame::Source);
    }

    #[test]
    fn what_everybody_is_told_to_wait_does_not_count() {
        let (mut outage, _) = after(&[(1, 0), (2, 0), (3, 0), (4, 0), (5, 6)]);
        outage.told_to_wait(s(900));
        assert_eq!(outage.unreached(Asker::Call(1), s(910), s(910)), Blame::Source);
        let over = outage.unreached(Asker::Call(1), s(1_500), s(1_500));
        assert_eq!(over, Blame::SourceForGood { lost_for: LOST_MAX });
    }

    #[test]
    fn who_is_told_to_wait_again_and_again_has_lost_the_source() {
        let mut outage = Outage::default();
        let mut blames = Vec::new();
        // Four are under way, and one more goes out after the wait.
        for (call, second) in [(1, 0), (2, 0), (3, 0), (4, 1), (5, 31)] {
            blames.push(outage.unreached(Asker::Call(call), s(second), s(second)));
            outage.told_to_wait(s(30));
        }
        assert_eq!(blames, [[Blame::Request; 4].as_slice(), &[Blame::Source]].concat());
    }

    #[test]
    fn it_ends() {
        let (mut outage, _) = after(&[(1, 0), (2, 0), (3, 0), (4, 0), (5, 6)]);
        assert_eq!(outage.unreached(Asker::Call(1), s(599), s(599)), Blame::Source);
        let over = outage.unreached(Asker::Call(1), s(600), s(600));
        assert_eq!(over, Blame::SourceForGood { lost_for: LOST_MAX });
    }
}
