//! The report: what the server was asked and what it answered, for tests to compare with.

use std::collections::BTreeMap;

use super::answer::Answer;

/// The calls that the server tells apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RequestKind {
    /// For an access token.
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

/// What the server was asked and answered until now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RequestReport {
    /// Requests by kind and status of the answer.
    pub counts: BTreeMap<(RequestKind, u16), u64>,
    /// Requests of the interactions call, whatever the answer.
    pub interactions_requests: u64,
    /// Requests of the interactions call that were answered 429, by the limit or by the script.
    pub throttled: u64,
    /// Pages of interactions that were answered, also empty and cut off ones.
    pub pages: u64,
    /// Requests of the interactions call, whatever the answer, by the second in which it was ready (Unix time).
    pub interactions_by_second: BTreeMap<i64, u64>,
    /// When the first answer was ready, Unix milliseconds.
    pub first_unix_ms: Option<i64>,
    /// When the last answer was ready, Unix milliseconds.
    pub last_unix_ms: Option<i64>,
    /// Bytes of all bodies, uncut.
    pub body_bytes: u64,
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

    /// Counts an answer.
    pub(super) fn add(&mut self, kind: RequestKind, answer: &Answer, unix_ms: i64) {
        *self.counts.entry((kind, answer.status.as_u16())).or_default() += 1;
        if kind == RequestKind::Interactions {
            self.interactions_requests += 1;
            *self.interactions_by_second.entry(unix_ms.div_euclid(1_000)).or_default() += 1;
            self.pages += u64::from(answer.is_page);
            self.throttled += u64::from(answer.status.as_u16() == 429);
        }
        self.first_unix_ms.get_or_insert(unix_ms);
        self.last_unix_ms = Some(unix_ms);
        self.body_bytes += answer.body.len() as u64;
    }
}
