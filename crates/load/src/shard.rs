//! Shards: a share of the users for each of several runs that fill one lake at once.

use std::fmt;
use std::str::FromStr;

use promptlake_model::Owner;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

/// More runs than this would each ask less than twice a minute of a tenant's whole rate.
const SHARDS_MAX: u32 = 1_000;

/// One of `of` shares, counted from 0, as the indices of array jobs are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shard {
    index: u32,
    of: u32,
}

/// A text that names no shard.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no shard; write index/count with the index from 0, such as 0/3, 1/3 or 2/3")]
pub struct NotAShard(String);

impl FromStr for Shard {
    type Err = NotAShard;

    fn from_str(text: &str) -> Result<Self, NotAShard> {
        let parsed = text.split_once('/').and_then(|(index, of)| {
            let shard = Self { index: index.parse().ok()?, of: of.parse().ok()? };
            (shard.index < shard.of && shard.of <= SHARDS_MAX).then_some(shard)
        });
        parsed.ok_or_else(|| NotAShard(text.to_owned()))
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.of)
    }
}

impl Shard {
    /// How many shards there are.
    #[must_use]
    pub const fn count(self) -> u32 {
        self.of
    }

    /// Whether a user is of this shard. Every user is of exactly one, by a hash of tenant and user.
    #[must_use]
    pub fn holds(self, owner: &Owner) -> bool {
        let mut key = [0; 32];
        key[..16].copy_from_slice(owner.tenant.as_bytes());
        key[16..].copy_from_slice(owner.user.as_bytes());
        xxh3_64(&key) % u64::from(self.of) == u64::from(self.index)
    }
}

/// The selection of a run that reads no history.
const NOBODY: &str = "recovery alone";

/// Whose history a run reads: what tells at the start that two runs would meet. Only the ledger decides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scope {
    /// The tenant and how its users are chosen, as one text: equal texts are the same users.
    pub selection: String,
    /// The share of them, or all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<Shard>,
}

impl Scope {
    /// Of a run that only recovers: it stands in nobody's way.
    #[must_use]
    pub fn of_nobody() -> Self {
        Self { selection: NOBODY.into(), shard: None }
    }

    pub(crate) fn is_of_nobody(&self) -> bool {
        self.selection == NOBODY
    }

    /// Whether both certainly read the same users. Shards of different counts may share some: the ledger finds out.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let shards = match (self.shard, other.shard) {
            (Some(a), Some(b)) => a == b,
            _ => true,
        };
        self.selection == other.selection && shards
    }
}

#[cfg(test)]
mod tests {
    use promptlake_model::{TenantId, UserId};

    use super::*;

    #[test]
    fn a_shard_is_an_index_below_a_count() {
        for (text, shown) in [("0/1", Some("0/1")), ("2/3", Some("2/3")), ("999/1000", Some("999/1000"))] {
            assert_eq!(text.parse::<Shard>().ok().map(|shard| shard.to_string()).as_deref(), shown, "{text}");
        }
        for text in ["", "1", "3/3", "-1/3", "1/0", "a/b", "0/1001", "1/2/3"] {
            assert!(text.parse::<Shard>().is_err(), "{text}");
        }
    }

    #[test]
    fn every_user_is_of_exactly_one_shard_and_the_shares_are_fair() {
        let shards: Vec<Shard> = (0..5).map(|index| format!("{index}/5").parse().unwrap()).collect();
        let mut shares = [0; 5];
        for user in 0..1_000 {
            let guid = format!("00000000-0000-0000-0000-{user:012x}");
            let owner =
                Owner { tenant: TenantId::parse(&guid).unwrap(), user: UserId::parse(&guid).unwrap() };
            let of: Vec<usize> = (0..5).filter(|index| shards[*index].holds(&owner)).collect();
            assert_eq!(of.len(), 1, "{user}");
            shares[of[0]] += 1;
        }
        assert!(shares.iter().all(|share| (150..250).contains(share)), "{shares:?}");
    }

    #[test]
    fn only_the_same_users_are_the_same_scope() {
        let scope = |selection: &str, shard: Option<&str>| Scope {
            selection: selection.into(),
            shard: shard.map(|shard| shard.parse().unwrap()),
        };
        for (a, b, same) in [
            (scope("t licensed", None), scope("t licensed", None), true),
            (scope("t licensed", None), scope("u licensed", None), false),
            (scope("t licensed", Some("0/3")), scope("t licensed", None), true),
            (scope("t licensed", Some("0/3")), scope("t licensed", Some("0/3")), true),
            (scope("t licensed", Some("0/3")), scope("t licensed", Some("1/3")), false),
            (scope("t licensed", Some("0/3")), scope("t licensed", Some("0/2")), false),
        ] {
            assert_eq!(a.is_same(&b), same, "{a:?} {b:?}");
            assert_eq!(b.is_same(&a), same, "{b:?} {a:?}");
        }
    }
}
