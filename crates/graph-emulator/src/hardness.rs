//! Records that are hard to read: each page with one of them fails, or is large.
//!
//! They exist as all others do, and count in the totals of the tenant. What remains when they can't be read is a
//! total of its own.

use crate::interaction::Interaction;
use crate::random::{Chance, Purpose};
use crate::spec::TenantSpec;

/// The largest record, bytes: its page is made in memory.
pub(crate) const HUGE_BYTES_MAX: u64 = 256 << 20;

/// What makes a record hard to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hardness {
    /// Every page with it is answered 500.
    Unreadable,
    /// Its JSON has this many bytes, unless it has more by nature: its body goes on and on.
    Huge {
        /// The bytes of its JSON.
        bytes: u64,
    },
}

/// A record that is hard to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HardRecord {
    /// The user's place in the directory.
    pub user_index: u32,
    /// The record's place in the user's whole history, 0 the oldest.
    pub position: u64,
    /// What makes it hard.
    pub hardness: Hardness,
}

/// What makes the record at a position hard to read: what is said of it alone, or else the share of unreadable ones.
pub(crate) fn of(spec: &TenantSpec, user_index: u32, position: u64) -> Option<Hardness> {
    let is_it = |record: &&HardRecord| record.user_index == user_index && record.position == position;
    if let Some(record) = spec.hard_records.iter().find(is_it) {
        return Some(record.hardness);
    }
    if spec.unreadable_share <= 0.0 {
        return None;
    }
    let mut chance = Chance::at(spec.seed, Purpose::Readable, [u64::from(user_index), position]);
    chance.share(spec.unreadable_share).then_some(Hardness::Unreadable)
}

/// The record with a body so long that its JSON has as many bytes.
pub(crate) fn grown(mut record: Interaction, bytes: u64) -> Interaction {
    const WORDS: &str = " and so on";
    let missing = bytes.saturating_sub(record.json().len() as u64);
    let missing = usize::try_from(missing).unwrap_or(usize::MAX);
    let content = &mut record.body.content;
    content.push_str(&WORDS.repeat(missing / WORDS.len()));
    content.push_str(&WORDS[..missing % WORDS.len()]);
    record
}

#[cfg(test)]
mod tests {
    use super::{HardRecord, Hardness};
    use crate::spec::TenantSpec;
    use crate::tenant::Tenant;

    #[test]
    fn what_remains_readable_is_what_is_not_hard() {
        let huge =
            |position, bytes| HardRecord { user_index: 0, position, hardness: Hardness::Huge { bytes } };
        let unreadable = HardRecord { user_index: 0, position: 7, hardness: Hardness::Unreadable };
        let spec = TenantSpec::default().with_users(1).with_interactions(300);
        let spec = TenantSpec { hard_records: vec![unreadable, huge(9, 100_000), huge(11, 40)], ..spec };
        let tenant = Tenant::new(spec).unwrap();
        let user = tenant.user(0).unwrap();
        let long = tenant.interaction(&user, 299 - 9).unwrap();
        assert_eq!(long.json().len(), 100_000);
        assert!(tenant.interaction(&user, 299 - 11).unwrap().json().len() > 40);
        for (record_bytes_max, lost) in [(1_000_000, 1), (100_000, 1), (99_999, 2), (0, 3)] {
            let readable = tenant.readable_totals(record_bytes_max);
            assert_eq!(readable.interactions, 300 - lost);
            assert_eq!(tenant.readable_records(&user, record_bytes_max).count() as u64, 300 - lost);
        }
        assert_eq!(tenant.totals().interactions, 300);
    }

    #[test]
    fn a_share_of_records_is_unreadable() {
        let spec = TenantSpec { unreadable_share: 0.05, ..TenantSpec::default() };
        let lost = 5_000 - Tenant::new(spec).unwrap().readable_totals(u64::MAX).interactions;
        assert!((180..330).contains(&lost), "{lost}");
    }
}
