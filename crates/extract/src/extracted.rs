//! What leaves this stage, and what it runs in.

use std::sync::Arc;

use promptlake_flow::{ByteBudget, Clock, ComputePool, Held, Observer};
use promptlake_model::{Owner, RawPage, Slice, SliceEnd, SliceIds, UserEnd, UserProfile};

use crate::ExtractError;

/// What a byte of a page weighs in the budget: the page itself, and the rows of all tables that are made of it
/// while it is still there.
pub const PAGE_MEMORY_FACTOR: usize = 5;

/// What is taken from the budget before a request goes out, when nobody knows yet how long the answer is: a page of
/// a hundred records has about 200 kB, and this spans one of 256 KiB: only a longer one needs to grow. At the least
/// memory of a run there is room for 28 of them beside a long page, as many as a tenant takes in a second.
pub const FIRST_RESERVATION_BYTES: usize = PAGE_MEMORY_FACTOR << 18;

/// Something on the wire to the next stage.
#[derive(Debug)]
pub enum Extracted {
    /// A page, with the permit for its bytes.
    Page(Held<RawPage>),
    /// A slice has ended. All of its pages were sent before.
    SliceEnd(SliceEnd),
    /// A user has ended. All ends of his slices were sent before.
    UserEnd(UserEnd),
}

/// What is asked of one user.
#[derive(Debug, Clone)]
pub struct UserPlan {
    /// Who he is.
    pub owner: Owner,
    /// What the directory says of him.
    pub profile: UserProfile,
    /// His slices. Each is a [`promptlake_model::SliceScope::History`] of his. The first is asked alone until it gives
    /// a page, since that settles whether he may be asked at all; then the others as well, several at once.
    pub slices: Vec<Arc<Slice>>,
    /// Whether anything of him was read by an earlier run.
    pub was_read: bool,
}

/// What a source runs in: time, chance, watchers, threads and memory.
#[derive(Clone)]
pub struct RunContext {
    /// The time.
    pub clock: Clock,
    /// What the jitter of retries is drawn from.
    pub chance_seed: u64,
    /// Whoever watches.
    pub observer: Arc<dyn Observer>,
    /// Where bodies are looked into.
    pub pool: ComputePool,
    /// Names for the slices that are planned while others are read: parts of one, or one that is read again.
    pub slice_ids: SliceIds,
    /// The bytes of pages in flight, each counted [`PAGE_MEMORY_FACTOR`] times.
    pub pages_budget: ByteBudget,
}

impl RunContext {
    /// The least budget with which `readers` can't wait for one another for ever: the first reservation of each,
    /// and one page that grows to the limit.
    pub(crate) fn check_budget(&self, readers: usize, page_bytes_max: usize) -> Result<(), ExtractError> {
        let growth_bytes = page_bytes_max.saturating_mul(PAGE_MEMORY_FACTOR);
        let needed_bytes = readers.saturating_mul(FIRST_RESERVATION_BYTES).saturating_add(growth_bytes);
        let budget_bytes = self.pages_budget.total_bytes();
        if needed_bytes <= budget_bytes {
            return Ok(());
        }
        Err(ExtractError::Budget { budget_bytes, needed_bytes, page_bytes_max })
    }
}
