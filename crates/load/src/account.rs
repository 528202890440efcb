//! An account of the whole ledger, record by record: what `verify` and `status` go by.
//!
//! It is kept apart from [`crate::books`], which a run plans and writes by: whoever checks the books must not take
//! their word for it. It reads no checkpoint.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use futures::{StreamExt, stream};
use promptlake_model::{AppClasses, Owner, RunId, Table, Timestamp};

use crate::intervals::IntervalSet;
use crate::layout;
use crate::ledger::LedgerError;
use crate::record::{Commit, FileEntry, PartialOf, Publish, Record, SegmentEntry};
use crate::store::Store;

/// Records read at once: enough to hide a store's latency, few enough for its limits.
const READS_AT_ONCE: usize = 16;

/// What the records add up to.
#[derive(Debug, Default)]
pub(crate) struct Account {
    /// The number of the last record; 0 where there is none.
    pub(crate) head: u64,
    pub(crate) runs: BTreeMap<RunId, RunAccount>,
    pub(crate) abandoned: BTreeSet<RunId>,
    /// Every file that a record names, by path.
    pub(crate) files: BTreeMap<String, PublishedFile>,
    /// Publishes that no later record calls carried out, by sequence.
    pub(crate) open: BTreeMap<u64, (RunId, Publish)>,
    /// Committed segments that no publish used up, by path.
    pub(crate) segments: BTreeMap<String, (RunId, SegmentEntry)>,
    /// By user and by what was asked for.
    pub(crate) coverage: HashMap<Owner, HashMap<AppClasses, IntervalSet>>,
    /// Everyone of whom a slice was ever begun.
    pub(crate) begun: HashSet<Owner>,
    /// What the records say that can't be: by sequence, in words.
    pub(crate) contradictions: Vec<(u64, String)>,
    carried_out: BTreeSet<u64>,
}

/// A file, and the record that named it.
#[derive(Debug)]
pub(crate) struct PublishedFile {
    pub(crate) entry: FileEntry,
    pub(crate) sequence: u64,
    pub(crate) schema_version: u32,
}

/// What the ledger knows of a run.
#[derive(Debug)]
pub(crate) struct RunAccount {
    pub(crate) tool: String,
    pub(crate) first_record: u64,
    pub(crate) last_record: u64,
    pub(crate) first_at: Timestamp,
    pub(crate) last_at: Timestamp,
    pub(crate) commits: u64,
    pub(crate) publishes: u64,
}

impl Account {
    /// Reads every record. Fails at a gap and at a record that can't be taken, since nothing after it can be believed.
    pub(crate) async fn read(store: &Store) -> Result<Self, LedgerError> {
        let mut account = Self::default();
        let listed = store.list(&layout::ledger_dir()).await?;
        let last = listed.iter().filter_map(|object| layout::record_sequence(&object.location)).max();
        let records = stream::iter(1..=last.unwrap_or(0)).map(|sequence| read_record(store, sequence));
        let mut records = records.buffered(READS_AT_ONCE);
        while let Some(record) = records.next().await {
            let path = || layout::record(account.head + 1).to_string();
            let record = record?.ok_or_else(|| LedgerError::Missing { path: path() })?;
            account.take(record);
        }
        account.read_on(store).await?;
        Ok(account)
    }

    /// Takes the records that were made since.
    pub(crate) async fn read_on(&mut self, store: &Store) -> Result<(), LedgerError> {
        while let Some(record) = read_record(store, self.head + 1).await? {
            self.take(record);
        }
        Ok(())
    }

    fn take(&mut self, record: Record) {
        self.head = record.sequence;
        self.take_run(&record);
        let Record { sequence, run_id, schema_version, deed, .. } = record;
        if let Some(commit) = deed.commit {
            self.take_commit(&run_id, commit);
        }
        if let Some(publish) = deed.publish {
            self.take_publish(sequence, schema_version, run_id, publish);
        }
        for carried_out in deed.carried_out {
            // Two runs may finish the same publish, and both say so.
            if self.open.remove(&carried_out).is_none() && !self.carried_out.contains(&carried_out) {
                self.contradict(
                    sequence,
                    format!("it calls publish {carried_out} carried out, which is none"),
                );
            }
            self.carried_out.insert(carried_out);
        }
        self.abandoned.extend(deed.abandoned);
    }

    fn take_run(&mut self, record: &Record) {
        let (deed, at) = (&record.deed, record.written_at);
        if self.abandoned.contains(&record.run_id) && (deed.commit.is_some() || deed.publish.is_some()) {
            let what = format!("run {} went on although it had been given up", record.run_id);
            self.contradict(record.sequence, what);
        }
        let run = self.runs.entry(record.run_id.clone()).or_insert_with(|| RunAccount {
            tool: record.tool.clone(),
            first_record: record.sequence,
            last_record: record.sequence,
            first_at: at,
            last_at: at,
            commits: 0,
            publishes: 0,
        });
        run.last_record = record.sequence;
        run.last_at = at;
        run.commits += u64::from(deed.commit.is_some());
        run.publishes += u64::from(deed.publish.is_some());
    }

    fn take_commit(&mut self, run: &RunId, commit: Commit) {
        for covered in commit.covered {
            let of_user = self.coverage.entry(covered.owner).or_default();
            of_user.entry(covered.classes).or_default().insert(covered.window);
            self.begun.insert(covered.owner);
        }
        for partial in commit.partial {
            if let PartialOf::History { owner, .. } = partial.of {
                self.begun.insert(owner);
            }
        }
        for segment in commit.segments {
            self.segments.insert(segment.path.clone(), (run.clone(), segment));
        }
    }

    fn take_publish(&mut self, sequence: u64, schema_version: u32, run: RunId, publish: Publish) {
        for segment in &publish.segments {
            if self.segments.remove(segment).is_none() {
                self.contradict(sequence, format!("it uses up {segment}, which holds no rows that count"));
            }
        }
        for entry in &publish.files {
            let file = PublishedFile { entry: entry.clone(), sequence, schema_version };
            if let Some(before) = self.files.insert(entry.path.clone(), file) {
                let what = format!("it publishes {} again, after record {}", entry.path, before.sequence);
                self.contradict(sequence, what);
            }
        }
        self.open.insert(sequence, (run, publish));
    }

    fn contradict(&mut self, sequence: u64, what: String) {
        self.contradictions.push((sequence, what));
    }

    /// Files whose publish is carried out: what readers see for certain.
    pub(crate) fn published(&self) -> impl Iterator<Item = &PublishedFile> {
        self.files.values().filter(|file| !self.open.contains_key(&file.sequence))
    }

    /// Rows of each table that count, and are not published or not known to be.
    pub(crate) fn unpublished_rows(&self) -> BTreeMap<Table, u64> {
        let segments = self.segments.values().map(|(_, segment)| (segment.table, segment.rows));
        let files = self.open.values().flat_map(|(_, publish)| &publish.files);
        let mut rows = BTreeMap::new();
        for (table, more) in segments.chain(files.map(|file| (file.table, file.rows))) {
            *rows.entry(table).or_default() += more;
        }
        rows
    }

    /// Paths of staged objects that records name and that are still of use.
    pub(crate) fn named_staged(&self) -> HashSet<&str> {
        let open = self
            .open
            .values()
            .flat_map(|(_, publish)| publish.files.iter().map(|file| &file.staged).chain(&publish.segments));
        self.segments.keys().chain(open).map(String::as_str).collect()
    }
}

async fn read_record(store: &Store, sequence: u64) -> Result<Option<Record>, LedgerError> {
    let path = layout::record(sequence);
    let Some(body) = store.get(&path).await? else { return Ok(None) };
    let parsed = Record::parse(sequence, &body);
    parsed.map(Some).map_err(|source| LedgerError::Record { path: path.to_string(), source })
}
