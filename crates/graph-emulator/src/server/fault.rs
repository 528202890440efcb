//! Faults by seed: a share of the answers of the interactions call goes wrong, for a whole run.
//!
//! Which request is hit, and by what, follows from the seed, the user and the number of the user's request. So a run that
//! repeats a failed request draws again, and two runs over the same tenant that ask in another order of users meet the
//! same faults.

use std::time::Duration;

use super::script::{RetryAfter, ScriptedAnswer};
use crate::random::{Chance, Purpose, key_of};

/// What can go wrong with an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FaultKind {
    /// 429 with `Retry-After` in seconds.
    ThrottledForSeconds,
    /// 429 with `Retry-After` as a date.
    ThrottledUntilDate,
    /// 429 that says no time.
    ThrottledSilently,
    /// 503 with `Retry-After` in seconds.
    UnavailableForSeconds,
    /// 503 that says no time.
    UnavailableSilently,
    /// The connection is reset before any byte.
    Reset,
    /// The connection closes in the middle of the body.
    CutOff,
    /// The right answer, whose headers are late.
    LateHeaders,
    /// The right answer, whose body stops in the middle for a while.
    StalledBody,
    /// 500.
    InternalError,
    /// 502.
    BadGateway,
    /// 504.
    GatewayTimeout,
    /// 509.
    BandwidthExceeded,
    /// 200 with a page of HTML.
    NotJson,
}

/// How much goes wrong by seed.
#[derive(Debug, Clone, PartialEq)]
pub struct Faults {
    /// Where the chance comes from.
    pub seed: u64,
    /// The share of requests (0 to 1) that each kind hits; together at most 1.
    pub shares: Vec<(FaultKind, f64)>,
    /// What `Retry-After` says, in whole seconds or to the next second.
    pub retry_after: Duration,
    /// How late headers are, and how long a body stops.
    pub stall: Duration,
}

impl FaultKind {
    /// Every kind.
    pub const ALL: [Self; 14] = [
        Self::ThrottledForSeconds,
        Self::ThrottledUntilDate,
        Self::ThrottledSilently,
        Self::UnavailableForSeconds,
        Self::UnavailableSilently,
        Self::Reset,
        Self::CutOff,
        Self::LateHeaders,
        Self::StalledBody,
        Self::InternalError,
        Self::BadGateway,
        Self::GatewayTimeout,
        Self::BandwidthExceeded,
        Self::NotJson,
    ];
}

impl Default for Faults {
    /// Nothing goes wrong. What is asked for says to come back after a second, or takes a second longer.
    fn default() -> Self {
        Self {
            seed: 1,
            shares: Vec::new(),
            retry_after: Duration::from_secs(1),
            stall: Duration::from_secs(1),
        }
    }
}

impl Faults {
    /// A share of requests (0 to 1) is hit, by each of these kinds as often.
    #[must_use]
    pub fn evenly(seed: u64, share: f64, kinds: &[FaultKind]) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "a handful of kinds")]
        let each = share / kinds.len().max(1) as f64;
        Self { seed, shares: kinds.iter().map(|kind| (*kind, each)).collect(), ..Self::default() }
    }

    /// The share of requests that is hit by anything, or none where a share is no share.
    pub(super) fn share(&self) -> Option<f64> {
        // Sums of shares that are meant to be 1 come out a little above.
        const ROUNDING: f64 = 1e-9;
        let sum: f64 = self.shares.iter().map(|(_, share)| share).sum();
        let each_is_one = self.shares.iter().all(|(_, share)| (0.0..=1.0).contains(share));
        (each_is_one && sum <= 1.0 + ROUNDING).then_some(sum)
    }

    /// What hits a user's request of this number, counted from 0.
    pub(super) fn at(&self, user: &str, number: u64) -> Option<FaultKind> {
        if self.shares.is_empty() {
            return None;
        }
        let place = Chance::at(self.seed, Purpose::Fault, [key_of(user), number]).unit();
        let mut mark = 0.0;
        let hit = self.shares.iter().find(|(_, share)| {
            mark += share;
            place < mark
        });
        hit.map(|(kind, _)| *kind)
    }

    /// What a kind makes of an answer.
    pub(super) fn answer(&self, kind: FaultKind) -> ScriptedAnswer {
        let not_now = |status, wait| ScriptedAnswer::NotNow { status, wait };
        let status = |status| ScriptedAnswer::Status { status, headers: Vec::new(), body: String::new() };
        let seconds = self.retry_after.as_secs();
        match kind {
            FaultKind::ThrottledForSeconds => not_now(429, RetryAfter::Seconds(seconds)),
            FaultKind::ThrottledUntilDate => not_now(429, RetryAfter::Date(self.retry_after)),
            FaultKind::ThrottledSilently => not_now(429, RetryAfter::Missing),
            FaultKind::UnavailableForSeconds => not_now(503, RetryAfter::Seconds(seconds)),
            FaultKind::UnavailableSilently => not_now(503, RetryAfter::Missing),
            FaultKind::Reset => ScriptedAnswer::Reset,
            FaultKind::CutOff => ScriptedAnswer::CutOff,
            FaultKind::LateHeaders => ScriptedAnswer::Delay(self.stall),
            FaultKind::StalledBody => ScriptedAnswer::Stall(self.stall),
            FaultKind::InternalError => status(500),
            FaultKind::BadGateway => status(502),
            FaultKind::GatewayTimeout => status(504),
            FaultKind::BandwidthExceeded => status(509),
            FaultKind::NotJson => ScriptedAnswer::NotJson,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{FaultKind, Faults};

    #[test]
    fn each_kind_hits_its_share_and_the_same_requests_again() {
        let faults = Faults::evenly(7, 0.28, &FaultKind::ALL);
        let draw = |faults: &Faults| -> Vec<_> { (0..50_000).map(|number| faults.at("a", number)).collect() };
        let hits = draw(&faults);
        let mut counts = BTreeMap::new();
        for kind in hits.iter().flatten() {
            *counts.entry(*kind).or_insert(0) += 1;
        }
        assert_eq!(counts.len(), FaultKind::ALL.len());
        assert!(counts.values().all(|count| (850..1_150).contains(count)), "{counts:?}");
        assert_eq!(draw(&faults), hits);
        assert_ne!(draw(&Faults { seed: 8, ..faults.clone() }), hits);
        assert_eq!(faults.at("A", 5), faults.at("a", 5));
        assert!((0..100).any(|number| faults.at("b", number) != faults.at("a", number)));
    }

    #[test]
    fn shares_are_shares() {
        let share = |shares: &[f64]| {
            let shares = shares.iter().map(|share| (FaultKind::Reset, *share)).collect();
            Faults { shares, ..Faults::default() }.share()
        };
        assert_eq!(share(&[]), Some(0.0));
        assert_eq!(share(&[0.25, 0.75]), Some(1.0));
        for bad in [&[1.5][..], &[-0.1], &[f64::NAN], &[0.6, 0.6]] {
            assert_eq!(share(bad), None, "{bad:?}");
        }
        assert!((0..100).all(|number| Faults::default().at("a", number).is_none()));
        let all = Faults::evenly(1, 1.0, &FaultKind::ALL);
        assert!(all.share().is_some());
        assert!((0..1_000).all(|number| all.at("a", number).is_some()));
    }
}
