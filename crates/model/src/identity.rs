//! Who a record belongs to, and what names it.

use std::fmt;
use std::sync::Arc;

use chrono::DateTime;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Timestamp;

/// A tenant or user id that is no GUID.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a GUID")]
pub struct NotAGuid(pub String);

macro_rules! guid {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// The GUID that is nobody's.
            pub const NIL: Self = Self(Uuid::nil());

            /// Reads a GUID in any of its usual spellings; [`fmt::Display`] gives it back in lower case.
            pub fn parse(text: &str) -> Result<Self, NotAGuid> {
                Uuid::try_parse(text.trim()).map(Self).map_err(|_| NotAGuid(text.to_owned()))
            }

            /// The sixteen bytes, most significant first: their order is the order of the text.
            #[must_use]
            pub fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.as_hyphenated().fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    };
}

guid!(
    /// A tenant's directory id.
    TenantId
);
guid!(
    /// A user's object id in the directory.
    UserId
);

/// Whose history was asked for. The record itself never says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Owner {
    /// The tenant.
    pub tenant: TenantId,
    /// The user.
    pub user: UserId,
}

/// The key of one version of one record: a 128-bit hash of tenant, user, session, id and etag.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordId(pub u128);

impl RecordId {
    /// Reads what [`fmt::Display`] wrote: 32 hex digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        (text.len() == 32).then(|| u128::from_str_radix(text, 16).ok()).flatten().map(Self)
    }
}

impl fmt::Display for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// One run of the program: sorts by start, safe in a path, never given twice.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RunId(Arc<str>);

/// A run id that could not stand in a path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no run id")]
pub struct NotARunId(pub String);

impl TryFrom<String> for RunId {
    type Error = NotARunId;

    fn try_from(text: String) -> Result<Self, NotARunId> {
        Self::parse(&text).ok_or(NotARunId(text))
    }
}

impl From<RunId> for String {
    fn from(run: RunId) -> Self {
        run.as_str().to_owned()
    }
}

impl RunId {
    /// The id of a run that starts at `started_at`; `chance` tells apart those of one second.
    #[must_use]
    pub fn new(started_at: Timestamp, chance: u64) -> Self {
        let second = DateTime::from_timestamp_micros(started_at.micros()).unwrap_or_default();
        Self(format!("{}-{chance:016x}", second.format("%Y%m%dT%H%M%SZ")).into())
    }

    /// Reads an id from a path or a ledger record; `None` where it could not stand in a path.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let slug = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        (!text.is_empty() && text.len() <= 64 && text.bytes().all(slug)).then(|| Self(text.into()))
    }

    /// The id as it stands in paths and columns.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guids_are_lower_case_whatever_came() {
        let user = UserId::parse(" 4DB02E4B-D144-400E-B194-53253A34C5BE").unwrap();
        assert_eq!(user.to_string(), "4db02e4b-d144-400e-b194-53253a34c5be");
        assert_eq!(UserId::parse("jo@contoso.com"), Err(NotAGuid("jo@contoso.com".into())));
    }

    #[test]
    fn record_ids_read_back() {
        let id = RecordId(0x0123_4567_89ab_cdef);
        assert_eq!(id.to_string(), "00000000000000000123456789abcdef");
        assert_eq!(RecordId::parse(&id.to_string()), Some(id));
        assert_eq!(RecordId::parse("0123"), None);
    }

    #[test]
    fn run_ids_sort_by_start_and_stay_out_of_other_folders() {
        let early = RunId::new(Timestamp::from_micros(1_700_000_000_000_000), 9);
        let late = RunId::new(Timestamp::from_micros(1_700_000_001_000_000), 1);
        assert_eq!(early.as_str(), "20231114T221320Z-0000000000000009");
        assert!(early < late);
        assert_eq!(RunId::parse(early.as_str()), Some(early));
        for bad in ["", "../x", "a/b", "a b"] {
            assert_eq!(RunId::parse(bad), None, "{bad:?}");
        }
    }
}
