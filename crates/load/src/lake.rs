//! One run's hold on a lake: its ledger, its staged objects, and how rows become either.

use std::sync::Arc;
use std::time::Duration;

use object_store::path::Path;
use promptlake_flow::{ByteBudget, Clock, ComputePool, Observer};
use promptlake_model::{RunId, Table, Timestamp};

use crate::encode::FileCompression;
use crate::error::LoadError;
use crate::heartbeat::Pulse;
use crate::layout;
use crate::ledger::Ledger;
use crate::record::Deed;
use crate::stage::StagedNumbers;
use crate::store::Store;

/// What a lake is written with.
#[derive(Debug, Clone)]
pub struct LakeSettings {
    /// The tables that this run writes.
    pub tables: Vec<Table>,
    /// Rows held in memory before they become a segment, in bytes.
    pub gather_bytes: usize,
    /// What merges may hold, all tables that are merged at the same time together, in bytes.
    pub merge_bytes: usize,
    /// What the keys of known rows may take, in bytes.
    pub known_bytes: usize,
    /// Where a file ends and the next begins, in bytes.
    pub target_file_bytes: usize,
    /// How files are compressed.
    pub compression: FileCompression,
    /// The longest that rows wait for their commit.
    pub commit_every: Duration,
    /// The longest that committed rows wait to be seen.
    pub publish_every: Duration,
    /// How often the heartbeat is renewed.
    pub heartbeat_every: Duration,
    /// When the heartbeat of another counts as that of a dead run.
    pub stale_after: Duration,
}

/// The run that writes.
#[derive(Debug, Clone)]
pub struct Run {
    /// Its id.
    pub id: RunId,
    /// When it started.
    pub started_at: Timestamp,
}

/// What a run works with.
#[derive(Clone)]
pub struct Means {
    /// The lake's store.
    pub store: Store,
    /// Threads for CPU work.
    pub pool: ComputePool,
    /// The time.
    pub clock: Clock,
    /// Who watches.
    pub observer: Arc<dyn Observer>,
}

pub(crate) struct Lake {
    pub(crate) means: Means,
    pub(crate) settings: LakeSettings,
    pub(crate) run: Run,
    pub(crate) ledger: Ledger,
    pulse: Pulse,
    /// What merges may hold, shared by all tables that are sorted or merged at the time.
    pub(crate) merge_budget: ByteBudget,
    staged: StagedNumbers,
}

impl Lake {
    pub(crate) fn new(means: Means, settings: LakeSettings, run: Run, ledger: Ledger, pulse: Pulse) -> Self {
        let merge_budget = ByteBudget::new(settings.merge_bytes);
        Self { means, settings, run, ledger, pulse, merge_budget, staged: StagedNumbers::default() }
    }

    /// A number that no other staged object of the table has.
    pub(crate) fn next_number(&self, table: Table) -> u32 {
        self.staged.next(table)
    }

    /// Makes a record. A run whose heartbeat was lost makes none.
    pub(crate) async fn append(&mut self, deed: Deed) -> Result<u64, LoadError> {
        self.pulse.check()?;
        Ok(self.ledger.append(deed).await?)
    }

    /// Ends the heartbeat, and takes away what showed that this run lives.
    pub(crate) async fn leave(&mut self) -> Result<(), LoadError> {
        self.pulse.stop().await;
        Ok(self.means.store.delete(&layout::heartbeat(&self.run.id)).await?)
    }

    /// Whether a staged object lies there with every byte: a store may have answered and still not have it.
    pub(crate) async fn look_up(&self, path: &Path, expected: u64) -> Result<(), LoadError> {
        let found = self.means.store.head(path).await?.map(|object| object.size);
        if found == Some(expected) {
            return Ok(());
        }
        Err(LoadError::Staged { path: path.to_string(), expected, found })
    }
}

impl std::fmt::Debug for Means {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Means").field("store", &self.store).finish_non_exhaustive()
    }
}

/// A path out of a ledger record.
pub(crate) fn known_path(path: &str) -> Path {
    Path::parse(path).unwrap_or_else(|_| Path::from(path))
}
