//! The specification of a tenant: a seed and a few sizes, from which everything else follows.

use thiserror::Error;

use crate::change::CHANGE_MS_MIN;
use crate::hardness::{HUGE_BYTES_MAX, HardRecord, Hardness};

/// The most users a tenant can have: the index of their histories is held in memory, eight bytes a user.
pub const USERS_MAX: u32 = 1_000_000;
/// The most interactions a tenant can have.
pub const INTERACTIONS_MAX: u64 = 1_000_000_000;
/// The least milliseconds of the tenant's window for each interaction, so that ids, which are epoch
/// milliseconds, stay unique within a session.
pub const WINDOW_MS_PER_INTERACTION: u64 = 8;

/// What a tenant is made from. Two tenants of equal specifications are equal in every byte.
#[derive(Debug, Clone, PartialEq)]
pub struct TenantSpec {
    /// Where all chance comes from.
    pub seed: u64,
    /// Which of the tenants of this seed it is: another number makes another tenant id, another application and another
    /// secret, with the same users and the same records under it.
    pub tenant_number: u32,
    /// Users in the directory, licensed or not; at most [`USERS_MAX`].
    pub users: u32,
    /// Interactions over all users, exactly; at most [`INTERACTIONS_MAX`].
    pub interactions: u64,
    /// First instant of the tenant's window, Unix milliseconds, not negative.
    pub start: i64,
    /// First instant after the tenant's window, Unix milliseconds. No interaction is created outside
    /// `[start, end)`.
    pub end: i64,
    /// Share of all users (0 to 1) without the service plan: no SKU that contains it, or the plan disabled.
    pub unlicensed_share: f64,
    /// Share of all users (0 to 1) that are licensed by the directory, yet answer 403 for a missing licence.
    pub forbidden_share: f64,
    /// Share of all users (0 to 1) that are licensed by the directory, yet answer 404.
    pub unknown_share: f64,
    /// Share of all users (0 to 1) that are licensed by the directory, yet answer 500 whatever is asked.
    pub broken_share: f64,
    /// Share of records (0 to 1) that make every page with them fail.
    pub unreadable_share: f64,
    /// Records that are hard to read, one by one.
    pub hard_records: Vec<HardRecord>,
    /// Share of records (0 to 1) that show some time after they were made, at least an hour.
    pub late_share: f64,
    /// Share of records (0 to 1) that are edited once or twice, at least an hour after they were made: with a new
    /// etag and new words, and half of the time with other attachments, links, contexts and mentions.
    pub edited_share: f64,
    /// Share of the users who answer (0 to 1), user 0 apart, who get their licence at some instant of the window.
    /// Before it they answer 403 for a missing licence; from it on with their whole history.
    pub joining_share: f64,
    /// How long after it was made a record can show and be edited, milliseconds; an hour or more.
    pub changes_within_ms: i64,
}

/// A specification that describes no tenant.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum SpecError {
    /// More users than the directory can index.
    #[error("describe a tenant: users = {users} is above {USERS_MAX}")]
    TooManyUsers {
        /// The number asked for.
        users: u32,
    },
    /// More interactions than ids can be given to.
    #[error("describe a tenant: interactions = {interactions} is above {INTERACTIONS_MAX}")]
    TooManyInteractions {
        /// The number asked for.
        interactions: u64,
    },
    /// The window starts before 1970 or after its end, or gives an interaction too little room.
    #[error(
        "describe a tenant: the window [{start}, {end}) must begin at 0 or later and last at least \
         {WINDOW_MS_PER_INTERACTION} ms for each of {interactions} interactions"
    )]
    Window {
        /// First instant, Unix milliseconds.
        start: i64,
        /// First instant after it, Unix milliseconds.
        end: i64,
        /// The number of interactions asked for.
        interactions: u64,
    },
    /// A share outside 0 to 1, or shares whose sum is above 1.
    #[error("describe a tenant: the shares of users must lie in 0..=1 and add up to at most 1, not {sum}")]
    Shares {
        /// The sum of the four shares.
        sum: f64,
    },
    /// Changes before the first hour is over, or without end.
    #[error("describe a tenant: changes_within_ms = {changes_within_ms} must be at least {CHANGE_MS_MIN}")]
    Changes {
        /// The milliseconds asked for.
        changes_within_ms: i64,
    },
    /// A record that is too large to be made.
    #[error("describe a tenant: a record of {bytes} bytes is above {HUGE_BYTES_MAX}")]
    HugeRecord {
        /// The bytes asked for.
        bytes: u64,
    },
    /// Interactions without any user who could answer with them.
    #[error("describe a tenant: {interactions} interactions need a user who answers, and there is none")]
    NobodyAnswers {
        /// The number of interactions asked for.
        interactions: u64,
    },
}

impl Default for TenantSpec {
    /// 50 users with 5,000 interactions in autumn 2025 (from 1 September to 30 November).
    fn default() -> Self {
        Self {
            seed: 1,
            tenant_number: 0,
            users: 50,
            interactions: 5_000,
            start: 1_756_684_800_000,
            end: 1_764_547_200_000,
            unlicensed_share: 0.15,
            forbidden_share: 0.06,
            unknown_share: 0.04,
            broken_share: 0.0,
            unreadable_share: 0.0,
            hard_records: Vec::new(),
            late_share: 0.0,
            edited_share: 0.0,
            joining_share: 0.0,
            changes_within_ms: 36 * CHANGE_MS_MIN,
        }
    }
}

impl TenantSpec {
    /// The same tenant by another chance.
    #[must_use]
    pub fn with_seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// With this number among the tenants of the seed.
    #[must_use]
    pub fn with_tenant_number(self, tenant_number: u32) -> Self {
        Self { tenant_number, ..self }
    }

    /// With so many users in the directory.
    #[must_use]
    pub fn with_users(self, users: u32) -> Self {
        Self { users, ..self }
    }

    /// With exactly so many interactions over all users.
    #[must_use]
    pub fn with_interactions(self, interactions: u64) -> Self {
        Self { interactions, ..self }
    }

    /// With all interactions in `[start, end)`, Unix milliseconds.
    #[must_use]
    pub fn with_window(self, start: i64, end: i64) -> Self {
        Self { start, end, ..self }
    }

    /// With such a share of users (0 to 1) that have no licence.
    #[must_use]
    pub fn with_unlicensed_share(self, unlicensed_share: f64) -> Self {
        Self { unlicensed_share, ..self }
    }

    /// With such a share of users (0 to 1) that answer 403 although they are licensed.
    #[must_use]
    pub fn with_forbidden_share(self, forbidden_share: f64) -> Self {
        Self { forbidden_share, ..self }
    }

    /// With such a share of users (0 to 1) that answer 404 although they are licensed.
    #[must_use]
    pub fn with_unknown_share(self, unknown_share: f64) -> Self {
        Self { unknown_share, ..self }
    }

    /// With such a share of users (0 to 1) that answer 500 although they are licensed.
    #[must_use]
    pub fn with_broken_share(self, broken_share: f64) -> Self {
        Self { broken_share, ..self }
    }

    /// With such a share of records (0 to 1) that make every page with them fail.
    #[must_use]
    pub fn with_unreadable_share(self, unreadable_share: f64) -> Self {
        Self { unreadable_share, ..self }
    }

    /// With these records that are hard to read.
    #[must_use]
    pub fn with_hard_records(self, hard_records: Vec<HardRecord>) -> Self {
        Self { hard_records, ..self }
    }

    /// With such a share of records (0 to 1) that show late.
    #[must_use]
    pub fn with_late_share(self, late_share: f64) -> Self {
        Self { late_share, ..self }
    }

    /// With such a share of records (0 to 1) that are edited.
    #[must_use]
    pub fn with_edited_share(self, edited_share: f64) -> Self {
        Self { edited_share, ..self }
    }

    /// With such a share of the users who answer (0 to 1) that get their licence within the window.
    #[must_use]
    pub fn with_joining_share(self, joining_share: f64) -> Self {
        Self { joining_share, ..self }
    }

    /// With records that show and are edited within so many milliseconds after they were made.
    #[must_use]
    pub fn with_changes_within_ms(self, changes_within_ms: i64) -> Self {
        Self { changes_within_ms, ..self }
    }

    /// Whether the numbers can describe a tenant.
    pub(crate) fn check(&self) -> Result<(), SpecError> {
        if self.users > USERS_MAX {
            return Err(SpecError::TooManyUsers { users: self.users });
        }
        let interactions = self.interactions;
        if interactions > INTERACTIONS_MAX {
            return Err(SpecError::TooManyInteractions { interactions });
        }
        let room_ms = self.end.saturating_sub(self.start);
        let needed_ms = i64::try_from(interactions.max(1) * WINDOW_MS_PER_INTERACTION).unwrap_or(i64::MAX);
        let nameable = (0..MS_MAX).contains(&self.start) && (0..MS_MAX).contains(&self.end);
        if !nameable || room_ms < needed_ms {
            return Err(SpecError::Window { start: self.start, end: self.end, interactions });
        }
        let shares = [self.unlicensed_share, self.forbidden_share, self.unknown_share, self.broken_share];
        let sum = shares.iter().sum();
        if !shares.iter().all(|share| (0.0..=1.0).contains(share)) || sum > 1.0 {
            return Err(SpecError::Shares { sum });
        }
        for share in [self.late_share, self.edited_share, self.joining_share, self.unreadable_share] {
            if !(0.0..=1.0).contains(&share) {
                return Err(SpecError::Shares { sum: share });
            }
        }
        for record in &self.hard_records {
            if let Hardness::Huge { bytes } = record.hardness
                && bytes > HUGE_BYTES_MAX
            {
                return Err(SpecError::HugeRecord { bytes });
            }
        }
        if !(CHANGE_MS_MIN..MS_MAX).contains(&self.changes_within_ms) {
            return Err(SpecError::Changes { changes_within_ms: self.changes_within_ms });
        }
        Ok(())
    }
}

/// 9999-12-31T00:00:00Z: the last day that four digits of a year can name.
const MS_MAX: i64 = 253_402_214_400_000;

#[cfg(test)]
mod tests {
    use super::{SpecError, TenantSpec};
    use crate::hardness::{HUGE_BYTES_MAX, HardRecord, Hardness};

    #[test]
    fn refuses_what_describes_no_tenant() {
        let good = TenantSpec::default();
        let hardness = Hardness::Huge { bytes: HUGE_BYTES_MAX + 1 };
        let huge = HardRecord { user_index: 0, position: 0, hardness };
        assert_eq!(good.check(), Ok(()));
        for (name, bad) in [
            ("users", good.clone().with_users(2_000_000)),
            ("interactions", good.clone().with_interactions(u64::MAX)),
            ("window backwards", good.clone().with_window(10, 5)),
            ("window before 1970", good.clone().with_window(-1, 1_000_000_000)),
            ("window too short", good.clone().with_window(0, 39_999)),
            ("share above one", good.clone().with_unlicensed_share(1.5)),
            ("share not a number", good.clone().with_forbidden_share(f64::NAN)),
            ("late records above one", good.clone().with_late_share(1.5)),
            ("edits below none", good.clone().with_edited_share(-0.5)),
            ("joining not a number", good.clone().with_joining_share(f64::NAN)),
            ("unreadable above one", good.clone().with_unreadable_share(1.5)),
            ("a record above its bound", good.clone().with_hard_records(vec![huge])),
            ("changes too soon", good.clone().with_changes_within_ms(1_000)),
            ("shares above one", good.clone().with_forbidden_share(0.6).with_unknown_share(0.6)),
        ] {
            assert!(bad.check().is_err(), "{name}");
        }
        let full = good.with_window(0, 39_999).check().expect_err("a window too short");
        assert!(matches!(full, SpecError::Window { interactions: 5_000, .. }));
    }
}
