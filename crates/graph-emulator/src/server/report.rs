//! The report: what the server was asked and what it answered, for tests to compare with.

use std::collections::BTreeMap;
use std::time::Duration;

use super::answer::{Answer, Delivery};
use super::fault::FaultKind;
use super::list_change::Toll;
use super::login::GrantKind;

/// What stands for the status of an answer that never came: the connection was reset.
pub const NO_ANSWER: u16 = 0;

/// The calls that the server tells apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RequestKind {
    /// For an access token, of whatever kind.
    Token,
    /// For a list of users.
    Users,
    /// For one user.
    User,
    /// For the members of a group.
    GroupMembers,
    /// For the tenant's subscriptions.
    SubscribedSkus,
    /// For a page of a user's interactions.
    Interactions,
    /// For anything else.
    Other,
}

/// What the server was asked and answered until now. Times that begin or end are those since the server's start on a
/// clock that never steps back; an answer ends when it is ready, before its body is sent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RequestReport {
    /// Requests by kind and status of the answer; [`NO_ANSWER`] where the connection was reset.
    pub counts: BTreeMap<(RequestKind, u16), u64>,
    /// Requests for a token by kind and status of the answer.
    pub grants: BTreeMap<(GrantKind, u16), u64>,
    /// Requests of the interactions call, whatever the answer.
    pub interactions_requests: u64,
    /// Requests of the interactions call by user (as in the path, in lower case) and status of the answer.
    pub interactions_by_user: BTreeMap<(String, u16), u64>,
    /// Requests of the interactions call that name a `model`, by it.
    pub interactions_by_model: BTreeMap<String, u64>,
    /// Requests of the interactions call that were answered 429, by the limit or by the script.
    pub throttled: u64,
    /// Pages of interactions that were answered, also empty and cut off ones.
    pub pages: u64,
    /// Requests of the interactions call, whatever the answer, by the second in which it was ready (Unix time).
    pub interactions_by_second: BTreeMap<i64, u64>,
    /// Those of them that were answered 429.
    pub throttled_by_second: BTreeMap<i64, u64>,
    /// When the first request of the interactions call came.
    pub interactions_began: Option<Duration>,
    /// When the last request of the interactions call came.
    pub interactions_last_began: Option<Duration>,
    /// When the last answer of the interactions call was ready.
    pub interactions_ended: Option<Duration>,
    /// The most requests of the interactions call that were being answered at one time.
    pub interactions_concurrent_max: u64,
    /// Faults by seed that hit.
    pub faults: BTreeMap<FaultKind, u64>,
    /// Lists that changed while they were paged through.
    pub list_changes: u64,
    /// Records that those changes made readers who went on see twice.
    pub records_repeated: u64,
    /// Records that those changes made readers who went on miss.
    pub records_skipped: u64,
    /// When the first answer was ready, Unix milliseconds.
    pub first_unix_ms: Option<i64>,
    /// When the last answer was ready, Unix milliseconds.
    pub last_unix_ms: Option<i64>,
    /// Bytes of all bodies, uncut and not compressed, but for those that are gzip bombs.
    pub body_bytes: u64,
    /// Bytes that were written to connections, heads included.
    pub sent_bytes: u64,
}

/// What is counted of a request and its answer.
#[derive(Debug)]
pub(super) struct Counted<'a> {
    pub(super) kind: RequestKind,
    pub(super) grant: Option<GrantKind>,
    /// The user of the interactions call, as in the path.
    pub(super) user: Option<&'a str>,
    pub(super) model: Option<&'a str>,
    pub(super) answer: &'a Answer,
    pub(super) began: Duration,
    pub(super) ended: Duration,
    pub(super) unix_ms: i64,
}

impl RequestReport {
    /// Requests of a kind, whatever the answer.
    #[must_use]
    pub fn requests(&self, kind: RequestKind) -> u64 {
        self.counts.iter().filter(|((of, _), _)| *of == kind).map(|(_, count)| count).sum()
    }

    /// Requests of a kind that were answered with a status.
    #[must_use]
    pub fn answered(&self, kind: RequestKind, status: u16) -> u64 {
        self.counts.get(&(kind, status)).copied().unwrap_or(0)
    }

    /// Requests of the interactions call for a user (as in the path, in any case), whatever the answer.
    #[must_use]
    pub fn requests_for(&self, user: &str) -> u64 {
        let user = user.to_ascii_lowercase();
        let of_user = self.interactions_by_user.range((user.clone(), 0)..=(user, u16::MAX));
        of_user.map(|(_, count)| count).sum()
    }

    /// From the first request of the interactions call to its last answer.
    #[must_use]
    pub fn interactions_took(&self) -> Option<Duration> {
        self.interactions_ended?.checked_sub(self.interactions_began?)
    }

    /// From the first to the last request of the interactions call.
    #[must_use]
    pub fn interactions_span(&self) -> Duration {
        let (first, last) = (self.interactions_began, self.interactions_last_began);
        last.unwrap_or_default().saturating_sub(first.unwrap_or_default())
    }

    /// Counts an answer.
    pub(super) fn add(&mut self, counted: &Counted<'_>) {
        let Counted { kind, answer, unix_ms, .. } = *counted;
        let status = if answer.delivery == Delivery::Reset { NO_ANSWER } else { answer.status.as_u16() };
        *self.counts.entry((kind, status)).or_default() += 1;
        if let Some(grant) = counted.grant {
            *self.grants.entry((grant, status)).or_default() += 1;
        }
        if let Some(user) = counted.user {
            self.add_interactions(counted, user, status);
        }
        self.first_unix_ms.get_or_insert(unix_ms);
        self.last_unix_ms = Some(unix_ms);
        self.body_bytes += answer.body.len() as u64;
    }

    fn add_interactions(&mut self, counted: &Counted<'_>, user: &str, status: u16) {
        self.interactions_requests += 1;
        *self.interactions_by_user.entry((user.to_ascii_lowercase(), status)).or_default() += 1;
        let second = counted.unix_ms.div_euclid(1_000);
        *self.interactions_by_second.entry(second).or_default() += 1;
        if let Some(model) = counted.model {
            *self.interactions_by_model.entry(model.to_owned()).or_default() += 1;
        }
        self.pages += u64::from(counted.answer.is_page && status != NO_ANSWER);
        if status == 429 {
            self.throttled += 1;
            *self.throttled_by_second.entry(second).or_default() += 1;
        }
        let (began, ended) = (counted.began, counted.ended);
        self.interactions_began = self.interactions_began.map_or(Some(began), |first| Some(first.min(began)));
        self.interactions_last_began = self.interactions_last_began.max(Some(began));
        self.interactions_ended = self.interactions_ended.max(Some(ended));
    }

    /// Counts a fault by seed.
    pub(super) fn add_fault(&mut self, kind: FaultKind) {
        *self.faults.entry(kind).or_default() += 1;
    }

    /// Counts a list that changed.
    pub(super) fn add_list_change(&mut self, toll: Toll) {
        self.list_changes += 1;
        self.records_repeated += toll.repeated;
        self.records_skipped += toll.skipped;
    }
}
