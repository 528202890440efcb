//! What was read of each user of a source that lists none: files, or another lake.

use std::collections::BTreeMap;

use promptlake_model::{Owner, UserEnd, UserProfile, UserStatus};

/// What was read of every user so far.
#[derive(Debug, Default)]
pub struct UserTallies {
    users: BTreeMap<Owner, UserTally>,
}

/// What was read of one user so far.
#[derive(Debug, Default)]
struct UserTally {
    pages: u32,
    records: u64,
    reason: Option<String>,
}

impl UserTallies {
    /// Counts a page. A reason says why not everything of the user can be had.
    pub fn count(&mut self, owner: Owner, records: u64, reason: Option<String>) {
        let tally = self.users.entry(owner).or_default();
        tally.pages += 1;
        tally.records += records;
        tally.reason = tally.reason.take().or(reason);
    }

    /// The end of every user who had pages. After an error, or a stop, nobody is known to be complete.
    pub fn ends(self, error: Option<String>, is_stopped: bool) -> impl Iterator<Item = UserEnd> {
        self.users.into_iter().map(move |(owner, UserTally { pages, records, reason })| {
            let stopped = || "the run was stopped before all files were read".to_owned();
            let (status, reason) = match error.clone().or(reason) {
                Some(reason) => (UserStatus::Failed, Some(reason)),
                None if is_stopped => (UserStatus::Interrupted, Some(stopped())),
                None if records > 0 => (UserStatus::Extracted, None),
                None => (UserStatus::Empty, None),
            };
            UserEnd {
                owner,
                profile: UserProfile::default(),
                status,
                http_status: None,
                error_code: None,
                reason,
                page_count: pages,
            }
        })
    }
}
