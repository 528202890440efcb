//! The ledger: records in a row, each made by one conditional put at the number after the last one read.

use bytes::Bytes;
use futures::{StreamExt, stream};
use promptlake_flow::Clock;
use promptlake_model::{RunId, Timestamp};

use crate::books::Books;
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
    /// Another run took the number first. This run has given itself up; its commits up to there stay.
    #[error("commit record {sequence}, which run {winner} made first")]
    Lost {
        /// The number.
        sequence: u64,
        /// The run that made it.
        winner: RunId,
    },
    /// The answer to a commit got lost, and it is not there. It was given up at its very number.
    #[error("commit record {sequence}: it was not taken, and this run was given up in its place")]
    InDoubt {
        /// The number.
        sequence: u64,
        /// What the store answered.
        #[source]
        source: StoreError,
    },
    /// Somebody gave this run up: it was taken for dead.
    #[error("go on: record {sequence} gave this run up")]
    Abandoned {
        /// The record that says so.
        sequence: u64,
    },
}

/// The ledger as one run sees and continues it.
#[derive(Debug)]
pub(crate) struct Ledger {
    store: Store,
    run_id: RunId,
    clock: Clock,
    facts: LakeFacts,
    books: Books,
}

impl Ledger {
    /// Reads every record. Refuses a gap, a record it can't read, and another partitioning.
    pub(crate) async fn open(
        store: Store,
        run_id: RunId,
        clock: Clock,
        facts: LakeFacts,
    ) -> Result<Self, LedgerError> {
        let mut ledger = Self { store, run_id, clock, facts, books: Books::default() };
        let listed = ledger.store.list(&layout::ledger_dir()).await?;
        let last = listed.iter().filter_map(|object| layout::record_sequence(&object.location)).max();
        ledger.read_to(last.unwrap_or(0)).await?;
        Ok(ledger)
    }

    pub(crate) fn books(&self) -> &Books {
        &self.books
    }

    /// Continues the ledger by one record and takes it into the books. Gives its number.
    pub(crate) async fn append(&mut self, deed: Deed) -> Result<u64, LedgerError> {
        let sequence = self.books.head + 1;
        let record = self.draft(sequence, deed);
        let doubt = match self.put(&record).await {
            Ok(Created::Made) => None,
            Ok(Created::Existed) => Some(None),
            Err(error) => Some(Some(error)),
        };
        if let Some(error) = doubt {
            self.settle(&record, error).await?;
        }
        self.take(&record)?;
        tracing::debug!(sequence, "made a ledger record");
        Ok(sequence)
    }

    /// After any doubt the record that is there decides.
    async fn settle(&mut self, record: &Record, doubt: Option<StoreError>) -> Result<(), LedgerError> {
        let sequence = record.sequence;
        match (self.read(sequence).await?, doubt) {
            (Some(there), _) if there.id == record.id => {
                Ok(self.store.sync_directories(&layout::record(sequence)).await?)
            }
            (Some(there), _) => Err(self.give_up_behind(there).await),
            (None, Some(source)) => self.give_up_at(record, source).await,
            (None, None) => {
                let path = layout::record(sequence).to_string();
                Err(LedgerError::Missing { path })
            }
        }
    }

    /// The commit may still land: whoever takes its number first decides whether it counts.
    async fn give_up_at(&mut self, record: &Record, source: StoreError) -> Result<(), LedgerError> {
        let sequence = record.sequence;
        let surrender = self.draft(sequence, self.abandonment());
        match self.put(&surrender).await {
            Ok(Created::Made) => Err(LedgerError::InDoubt { sequence, source }),
            Ok(Created::Existed) | Err(_) => match self.read(sequence).await? {
                Some(there) if there.id == record.id => Ok(()),
                Some(there) if there.id != surrender.id => Err(self.give_up_behind(there).await),
                _ => Err(LedgerError::InDoubt { sequence, source }),
            },
        }
    }

    /// Another run was first. Its rows are not among those that ours were checked against, so ours can't count:
    /// this run gives itself up at the first free number, where what it committed before stays.
    async fn give_up_behind(&mut self, winner: Record) -> LedgerError {
        let lost = LedgerError::Lost { sequence: winner.sequence, winner: winner.run_id.clone() };
        let mut next = winner;
        loop {
            if let Err(error) = self.take(&next) {
                return error;
            }
            let surrender = self.draft(next.sequence + 1, self.abandonment());
            if matches!(self.put(&surrender).await, Ok(Created::Made)) {
                return lost;
            }
            match self.read(surrender.sequence).await {
                Ok(Some(there)) if there.id == surrender.id => return lost,
                Ok(Some(there)) => next = there,
                Ok(None) | Err(_) => return lost,
            }
        }
    }

    /// This run gives itself up: what it committed is left for the next one, which need not wait for it.
    pub(crate) async fn surrender(&mut self) -> Result<(), LedgerError> {
        match self.append(self.abandonment()).await {
            Ok(_) | Err(LedgerError::Abandoned { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn abandonment(&self) -> Deed {
        Deed { abandoned: Some(self.run_id.clone()), ..Deed::default() }
    }

    fn draft(&self, sequence: u64, deed: Deed) -> Record {
        let written_at = Timestamp::from_micros(self.clock.now_micros());
        // Unique, since a run drafts at most one record of each kind at a number, each at its own instant.
        let kind = if deed.abandoned.is_some() { "abandon" } else { "deed" };
        let id = format!("{}/{sequence}/{kind}/{}", self.run_id, written_at.micros());
        let mut record = Record::new(sequence, id, self.run_id.clone(), written_at, deed);
        record.lake = (sequence == 1).then(|| self.facts.clone());
        record
    }

    async fn put(&self, record: &Record) -> Result<Created, StoreError> {
        self.store.create(&layout::record(record.sequence), Bytes::from(record.to_json())).await
    }

    async fn read_to(&mut self, last: u64) -> Result<(), LedgerError> {
        let (store, first) = (self.store.clone(), self.books.head + 1);
        let mut records = stream::iter(first..=last)
            .map(move |sequence| {
                let store = store.clone();
                async move { (sequence, read_record(&store, sequence).await) }
            })
            .buffered(READS_AT_ONCE);
        while let Some((sequence, record)) = records.next().await {
            let missing = || LedgerError::Missing { path: layout::record(sequence).to_string() };
            let record = record?.ok_or_else(missing)?;
            self.take(&record)?;
        }
        // A listing may be older than the ledger.
        while let Some(record) = self.read(self.books.head + 1).await? {
            self.take(&record)?;
        }
        Ok(())
    }

    async fn read(&self, sequence: u64) -> Result<Option<Record>, LedgerError> {
        read_record(&self.store, sequence).await
    }

    fn take(&mut self, record: &Record) -> Result<(), LedgerError> {
        if let Some(found) = record.lake.as_ref().filter(|found| **found != self.facts) {
            let (found, wanted) = (found.partition_by.clone(), self.facts.partition_by.clone());
            return Err(LedgerError::Partitioning { found, wanted });
        }
        self.books.apply(record);
        if record.deed.abandoned.as_ref() == Some(&self.run_id) {
            return Err(LedgerError::Abandoned { sequence: record.sequence });
        }
        Ok(())
    }
}

async fn read_record(store: &Store, sequence: u64) -> Result<Option<Record>, LedgerError> {
    let path = layout::record(sequence);
    let Some(body) = store.get(&path).await? else { return Ok(None) };
    let parsed = Record::parse(sequence, &body);
    parsed.map(Some).map_err(|source| LedgerError::Record { path: path.to_string(), source })
}
