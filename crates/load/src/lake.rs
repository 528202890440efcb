//! One run's hold on a lake: its ledger, its staged objects, and how rows become either.

use std::sync::Arc;
use std::time::Duration;

use object_store::path::Path;
use promptlake_flow::{ByteBudget, Clock, ComputePool, Observer};
use promptlake_model::{RunId, Table, Timestamp};
use tokio_util::sync::CancellationToken;

use crate::encode::FileCompression;
use crate::error::LoadError;
use crate::failpoint;
use crate::heartbeat::Pulse;
use crate::layout;
use crate::ledger::{Appended, Ledger};
use crate::record::{Deed, LakeFacts};
use crate::shard::Scope;
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
    /// A run that is to be given up at once, whether or not its heartbeat is stale.
    pub take_over: Option<RunId>,
}

/// The run that writes.
#[derive(Debug, Clone)]
pub struct Run {
    /// Its id.
    pub id: RunId,
    /// When it started.
    pub started_at: Timestamp,
    /// Whose history it reads.
    pub scope: Scope,
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

/// How long a run that failed tries to leave in order: a store that hangs must not keep it.
const GIVE_UP_WITHIN: Duration = Duration::from_secs(20);

pub(crate) struct Lake {
    pub(crate) means: Means,
    pub(crate) settings: LakeSettings,
    pub(crate) run: Run,
    pub(crate) ledger: Ledger,
    /// Ends a publish before its record is made.
    pub(crate) stop: CancellationToken,
    pulse: Pulse,
    /// What merges may hold, shared by all tables that are sorted or merged at the time.
    pub(crate) merge_budget: ByteBudget,
    staged: StagedNumbers,
}

impl Lake {
    pub(crate) fn new(means: Means, settings: LakeSettings, run: Run, ledger: Ledger, pulse: Pulse) -> Self {
        let merge_budget = ByteBudget::new(settings.merge_bytes);
        let (stop, staged) = (CancellationToken::new(), StagedNumbers::default());
        Self { means, settings, run, ledger, stop, pulse, merge_budget, staged }
    }

    /// A number that no other staged object of the table has.
    pub(crate) fn next_number(&self, table: Table) -> u32 {
        self.staged.next(table)
    }

    /// Makes a record. A run whose heartbeat was lost makes none.
    pub(crate) async fn append(&mut self, deed: Deed) -> Result<Appended, LoadError> {
        self.pulse.check()?;
        Ok(self.ledger.append(deed).await?)
    }

    /// Takes away what this run staged and no record needs, ends the heartbeat, and takes away what showed that this
    /// run lives: in this order, since what is staged without a heartbeat makes others wait.
    pub(crate) async fn leave(&mut self) -> Result<(), LoadError> {
        let own = self.run.id.clone();
        self.delete_unneeded(&own).await?;
        failpoint::reach("leave.staging_deleted");
        self.pulse.stop().await;
        Ok(self.means.store.delete(&layout::heartbeat(&self.run.id)).await?)
    }

    /// Gives this run up after a failure, and takes away what it staged in vain: what it committed is finished by the
    /// next run, which need not wait. Where the store fails as well, the next run does this.
    pub(crate) async fn give_up(&mut self) {
        let given_up = tokio::time::timeout(GIVE_UP_WITHIN, async {
            self.pulse.stop().await;
            self.ledger.surrender().await?;
            let own = self.run.id.clone();
            self.delete_unneeded(&own).await?;
            Ok::<_, LoadError>(self.means.store.delete(&layout::heartbeat(&own)).await?)
        });
        match given_up.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "could not give this run up; the next one does"),
            Err(_) => tracing::warn!("giving this run up took too long; the next one does"),
        }
    }

    /// Deletes what a run staged that no record needs. The run is given up, or it is this one.
    pub(crate) async fn delete_unneeded(&self, run: &RunId) -> Result<(), LoadError> {
        let needed = self.ledger.books().needed_staged();
        let (store, staging) = (&self.means.store, layout::staging_of(run));
        let mut kept = false;
        for object in store.list(&staging).await? {
            if needed.contains(object.location.as_ref()) {
                kept = true;
            } else {
                store.delete(&object.location).await?;
            }
        }
        if !kept {
            // What a killed writer left half-written, too.
            store.delete_below(&staging).await?;
        }
        Ok(())
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

/// What every lake of this program is.
pub(crate) fn lake_facts() -> LakeFacts {
    LakeFacts { partition_by: vec!["date".into()] }
}

/// A path out of a ledger record.
pub(crate) fn known_path(path: &str) -> Path {
    Path::parse(path).unwrap_or_else(|_| Path::from(path))
}
