//! The ledger: records in a row, each made by one conditional put at the number after the last one read.

use std::collections::HashSet;

use bytes::Bytes;
use futures::{StreamExt, stream};
use promptlake_flow::{Clock, ComputePool, JobPanicked};
use promptlake_model::{Owner, RunId, Timestamp};

use crate::books::Books;
use crate::checkpoint;
use crate::layout;
use crate::record::{Deed, LakeFacts, Record, RecordError};
use crate::store::{Created, Store, StoreError};

/// Records read at once when the ledger is opened: enough to hide a store's latency, few enough for its limits.
const READS_AT_ONCE: usize = 16;

/// The ledger could not be read or continued.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The store failed.
    #[error("reach the ledger")]
    Store(#[from] StoreError),
    /// A record can't be taken: nothing after it can be believed.
    #[error("read ledger record {path}")]
    Record {
        /// Its path.
        path: String,
        /// What is wrong with it.
        #[source]
        source: RecordError,
    },
    /// A number is missing: a record was deleted, since none ever is by this program.
    #[error("find ledger record {path}, which others come after")]
    Missing {
        /// The path that should be there.
        path: String,
    },
    /// The lake is partitioned otherwise.
    #[error("write with partition_by = {wanted:?} to a lake partitioned by {found:?}")]
    Partitioning {
        /// What the lake says.
        found: Vec<String>,
        /// What the settings say.
        wanted: Vec<String>,
    },
    /// Another run committed for a user of whom this run holds rows or an open slice: they were not checked against
    /// each other. This run has given itself up; its commits up to there stay.
    #[error("commit record {sequence}: run {winner} committed for user {} first", owner.user)]
    Lost {
        /// The number of the other's record.
        sequence: u64,
        /// The run that made it.
        winner: RunId,
        /// The user that both read.
        owner: Owner,
    },
    /// The answer to a commit got lost, and it is not there. The run was given up at its very number.
    #[error("commit record {sequence}: it was not taken, and this run was given up in its place")]
    InDoubt {
        /// The number.
        sequence: u64,
        /// What the store answered.
        #[source]
        source: StoreError,
    },
    /// Somebody gave this run up: it was taken for dead.
    #[error("go on: record {sequence} of run {by} gave this run up")]
    Abandoned {
        /// The record that says so.
        sequence: u64,
        /// The run that made it.
        by: RunId,
    },
    /// Reading a record panicked: a defect of this program.
    #[error("read a ledger record")]
    Job(#[from] JobPanicked),
}

/// What came of a deed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Appended {
    /// The record of this number does it.
    Made(u64),
    /// Another run's record had done it already: it gave up the same run, or used up the same segments.
    Overtaken,
}

/// What a ledger is kept with.
#[derive(Debug, Clone)]
pub(crate) struct LedgerMeans {
    pub(crate) store: Store,
    pub(crate) pool: ComputePool,
    pub(crate) clock: Clock,
}

/// The ledger as one run sees and continues it.
#[derive(Debug)]
pub(crate) struct Ledger {
    means: LedgerMeans,
    run_id: RunId,
    facts: LakeFacts,
    books: Books,
    /// Users of whom this run holds uncommitted rows or open slices: another run's commit for one of them ends it.
    stake: HashSet<Owner>,
}

impl Ledger {
    /// Reads the newest checkpoint and every record after it. Refuses a gap, a record it can't read, and another
    /// partitioning.
    pub(crate) async fn open(
        means: LedgerMeans,
        run_id: RunId,
        facts: LakeFacts,
    ) -> Result<Self, LedgerError> {
        let began = means.clock.elapsed();
        let books = checkpoint::newest(&means.store, &means.pool).await?.unwrap_or_default();
        let mut ledger = Self { means, run_id, facts, books, stake: HashSet::new() };
        ledger.check_checkpoint().await?;
        let listed = ledger.means.store.list_after(&layout::ledger_dir(), &ledger.head_path()).await?;
        let last = listed.iter().filter_map(|object| layout::record_sequence(&object.location)).max();
        ledger.read_to(last.unwrap_or(0)).await?;
        let took_ms = ledger.means.clock.elapsed().saturating_sub(began).as_millis();
        let (head, users) = (ledger.books.head, ledger.books.users.len());
        tracing::debug!(head, users, took_ms, "read the ledger");
        Ok(ledger)
    }

    pub(crate) fn books(&self) -> &Books {
        &self.books
    }

    /// Says of whom this run holds uncommitted rows or open slices from now on.
    pub(crate) fn set_stake(&mut self, users: HashSet<Owner>) {
        self.stake = users;
    }

    /// Continues the ledger by one record and takes it into the books.
    pub(crate) async fn append(&mut self, deed: Deed) -> Result<Appended, LedgerError> {
        while self.is_due(&deed) {
            let record = self.draft(self.books.head + 1, deed.clone());
            let doubt = match self.put(&record).await {
                Ok(Created::Made) => return self.made(&record).await,
                Ok(Created::Existed) => None,
                Err(error) => Some(error),
            };
            // After any doubt the record that is there decides.
            match (self.read(record.sequence).await?, doubt) {
                (Some(there), _) if there.id == record.id => {
                    // Whoever linked it may have been killed before it was durable.
                    self.means.store.sync_directories(&layout::record(record.sequence)).await?;
                    return self.made(&record).await;
                }
                (Some(_), _) => self.catch_up().await?,
                (None, doubt) => {
                    let source = doubt.unwrap_or_else(|| conflict(record.sequence));
                    return Err(self.give_up_at(record.sequence, source).await);
                }
            }
        }
        Ok(Appended::Overtaken)
    }

    /// Reads what other runs have recorded since, record by record: one of them may give this run up, and a
    /// checkpoint would not show whose rows came in between.
    pub(crate) async fn catch_up(&mut self) -> Result<(), LedgerError> {
        while let Some(record) = self.read(self.books.head + 1).await? {
            self.take(&record)?;
            if record.run_id == self.run_id {
                continue;
            }
            if let Some(owner) = record.adds_for(&self.stake) {
                let (sequence, winner) = (record.sequence, record.run_id);
                self.surrender().await?;
                return Err(LedgerError::Lost { sequence, winner, owner });
            }
        }
        Ok(())
    }

    /// This run gives itself up: what it committed is left for the next one, which need not wait for it.
    pub(crate) async fn surrender(&mut self) -> Result<(), LedgerError> {
        while !self.books.abandoned.contains_key(&self.run_id) {
            let deed = Deed { abandoned: Some(self.run_id.clone()), ..Deed::default() };
            let record = self.draft(self.books.head + 1, deed);
            let put = self.put(&record).await;
            let there = match put {
                Ok(Created::Made) => record,
                Ok(Created::Existed) | Err(_) => match (self.read(record.sequence).await?, put) {
                    (Some(there), _) => there,
                    (None, Err(source)) => return Err(source.into()),
                    (None, Ok(_)) => return Err(conflict(record.sequence).into()),
                },
            };
            self.books.apply(&there);
        }
        Ok(())
    }

    /// The put may still land: whoever takes its number first decides whether it counts. Nothing after it is tried,
    /// since its rows were checked against those before.
    async fn give_up_at(&mut self, sequence: u64, source: StoreError) -> LedgerError {
        match self.surrender().await {
            Ok(()) => LedgerError::InDoubt { sequence, source },
            Err(error) => error,
        }
    }

    /// Whether a deed still has something to do: another run may have done it.
    fn is_due(&self, deed: &Deed) -> bool {
        let abandons = deed.abandoned.as_ref().is_none_or(|run| !self.books.abandoned.contains_key(run));
        let carries_out =
            deed.carried_out.iter().all(|sequence| self.books.open_publishes.contains_key(sequence));
        let Some(publish) = &deed.publish else { return abandons && carries_out };
        let waiting: HashSet<&str> =
            self.books.segments.iter().map(|(_, segment)| segment.path.as_str()).collect();
        let publishes = publish.segments.iter().all(|segment| waiting.contains(segment.as_str()));
        abandons && carries_out && publishes
    }

    fn draft(&self, sequence: u64, deed: Deed) -> Record {
        let written_at = Timestamp::from_micros(self.means.clock.now_micros());
        // Unique, since a run drafts at most one record of each kind at a number, each at its own instant.
        let kind = if deed.abandoned.is_some() { "abandon" } else { "deed" };
        let id = format!("{}/{sequence}/{kind}/{}", self.run_id, written_at.micros());
        let mut record = Record::new(sequence, id, self.run_id.clone(), written_at, deed);
        record.lake = (sequence == 1).then(|| self.facts.clone());
        record
    }

    async fn put(&self, record: &Record) -> Result<Created, StoreError> {
        self.means.store.create(&layout::record(record.sequence), Bytes::from(record.to_json())).await
    }

    async fn made(&mut self, record: &Record) -> Result<Appended, LedgerError> {
        self.take(record)?;
        tracing::debug!(sequence = record.sequence, "made a ledger record");
        if checkpoint::is_due(self.books.head) {
            // It counts without: the next one makes another.
            let written = checkpoint::write(&self.means.store, &self.means.pool, &self.books).await;
            if let Err(error) = written {
                tracing::warn!(%error, "could not write a checkpoint of the ledger");
            }
        }
        Ok(Appended::Made(record.sequence))
    }

    /// A checkpoint of records that are gone is no ledger.
    async fn check_checkpoint(&mut self) -> Result<(), LedgerError> {
        if self.books.head == 0 {
            return Ok(());
        }
        let path = self.head_path();
        if self.means.store.head(&path).await?.is_none() {
            return Err(LedgerError::Missing { path: path.to_string() });
        }
        self.check_facts(self.books.lake.as_ref())
    }

    fn head_path(&self) -> object_store::path::Path {
        layout::record(self.books.head)
    }

    async fn read_to(&mut self, last: u64) -> Result<(), LedgerError> {
        let (means, first) = (self.means.clone(), self.books.head + 1);
        let mut records = stream::iter(first..=last)
            .map(move |sequence| {
                let means = means.clone();
                async move { (sequence, read_record(&means.store, &means.pool, sequence).await) }
            })
            .buffered(READS_AT_ONCE);
        while let Some((sequence, record)) = records.next().await {
            let missing = || LedgerError::Missing { path: layout::record(sequence).to_string() };
            let record = record?.ok_or_else(missing)?;
            self.take(&record)?;
        }
        // A listing may be older than the ledger.
        self.catch_up().await
    }

    async fn read(&self, sequence: u64) -> Result<Option<Record>, LedgerError> {
        read_record(&self.means.store, &self.means.pool, sequence).await
    }

    fn take(&mut self, record: &Record) -> Result<(), LedgerError> {
        self.check_facts(record.lake.as_ref())?;
        self.books.apply(record);
        if record.deed.abandoned.as_ref() == Some(&self.run_id) {
            return Err(LedgerError::Abandoned { sequence: record.sequence, by: record.run_id.clone() });
        }
        Ok(())
    }

    fn check_facts(&self, found: Option<&LakeFacts>) -> Result<(), LedgerError> {
        let Some(found) = found.filter(|found| **found != self.facts) else { return Ok(()) };
        let (found, wanted) = (found.partition_by.clone(), self.facts.partition_by.clone());
        Err(LedgerError::Partitioning { found, wanted })
    }
}

/// A store that says that a record exists which is not there: two writers met, and neither's put was taken.
fn conflict(sequence: u64) -> StoreError {
    let path = layout::record(sequence).to_string();
    let source = object_store::Error::Generic { store: "lake", source: "it exists, and is not there".into() };
    StoreError { operation: "create", path, source }
}

async fn read_record(
    store: &Store,
    pool: &ComputePool,
    sequence: u64,
) -> Result<Option<Record>, LedgerError> {
    let path = layout::record(sequence);
    let Some(body) = store.get(&path).await? else { return Ok(None) };
    let parsed = pool.run(move || Record::parse(sequence, &body)).await?;
    parsed.map(Some).map_err(|source| LedgerError::Record { path: path.to_string(), source })
}
