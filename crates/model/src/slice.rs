//! The unit of work, of retry, of progress and of the books.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use serde::{Deserialize, Serialize};

use crate::{AppClasses, Owner, TenantId, UserProfile, UserStatus, Window};

/// Names a slice within its run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SliceId(pub u32);

/// Gives every slice of a run a name of its own, whoever plans it. Clones share their count.
#[derive(Debug, Clone, Default)]
pub struct SliceIds(Arc<AtomicU32>);

impl SliceIds {
    /// The names from this number on.
    #[must_use]
    pub fn starting_at(first: u32) -> Self {
        Self(Arc::new(AtomicU32::new(first)))
    }

    /// The next name. At a thousand slices a second a run may last for seven weeks.
    #[must_use]
    pub fn take(&self) -> SliceId {
        SliceId(self.0.fetch_add(1, Ordering::Relaxed))
    }
}

/// What is asked for at once and becomes whole, or not, as one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slice {
    /// Its name within the run.
    pub id: SliceId,
    /// The tenant it belongs to.
    pub tenant: TenantId,
    /// What it spans.
    pub scope: SliceScope,
}

/// What a slice spans.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SliceScope {
    /// One user's history in one window, asked of Graph.
    History {
        /// Whose history.
        owner: Owner,
        /// Its bounds, fixed when the slice is planned.
        window: Window,
        /// Of which apps: others' records are not asked for, and not covered.
        classes: AppClasses,
    },
    /// One saved file, whoever's records it holds.
    File(SavedFile),
}

/// One version of a file of saved pages. Another size or etag is another file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedFile {
    /// Its path below the source's folder.
    pub path: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// The store's tag of this version.
    pub etag: String,
}

impl fmt::Display for SliceScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::History { owner, window, .. } => write!(f, "user {} {window}", owner.user),
            Self::File(file) => write!(f, "file {}", file.path),
        }
    }
}

/// The end marker of a slice: how many pages it had, and how it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SliceEnd {
    /// The slice.
    pub slice: Arc<Slice>,
    /// The pages sent on; it is whole when as many were committed and the outcome is [`SliceOutcome::Whole`].
    pub page_count: u32,
    /// How it ended.
    pub outcome: SliceOutcome,
}

/// How a slice ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SliceOutcome {
    /// Its last page was answered with 200 and named no next one.
    Whole,
    /// It ended before: what was read of it stays, and covers nothing.
    CutOff,
}

/// The end marker of a user: all of his slices have ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserEnd {
    /// Who he is.
    pub owner: Owner,
    /// What the directory says of him, as far as it was asked.
    pub profile: UserProfile,
    /// How it went.
    pub status: UserStatus,
    /// The HTTP status that settled it, where one did.
    pub http_status: Option<u16>,
    /// The source's error code, where it gave one.
    pub error_code: Option<String>,
    /// In words, where it did not go well.
    pub reason: Option<String>,
    /// The pages sent on over all of his slices.
    pub page_count: u32,
}
