//! Audit: pages that were read again, against what the lake holds. What the source gives and the lake lacks is counted by
//! user and day; nothing is written.
//!
//! Pages go through the same gate as those of a run, so a record is known here exactly where a run would know it. Only
//! then is whatever is new not gathered, but looked for once more when its user ends: another run may have added it
//! meanwhile.

use std::collections::{BTreeMap, HashMap, HashSet};

use promptlake_flow::{Event, Held, Receiver};
use promptlake_model::{
    Owner, PageBatch, PageReading, PartitionDay, RecordId, RecordKey, RunId, Table, Window,
};

use crate::books::Books;
use crate::error::LoadError;
use crate::gate::{Gate, WantedKeys};
use crate::keys::KeyReader;
use crate::lake::{Means, lake_facts};
use crate::late::Lacking;
use crate::ledger::{Ledger, LedgerMeans};
use crate::loader::Loading;
use crate::progress::Progress;

/// What a key that is lacking takes in a hash map, in bytes: key, table and day, and the free places of a map that has
/// just doubled.
const LACKING_KEY_BYTES: usize = 96;

/// What is open for an audit: it reads only.
pub struct Auditor {
    means: Means,
    ledger: Ledger,
    /// Names nobody else's rows: this run makes no record.
    run_id: RunId,
    gate: Gate,
    progress: Progress,
    lacking: HashMap<Owner, LackingKeys>,
    /// Keys that may be held at once.
    lacking_max: usize,
    audited: Audited,
}

/// Keys that the source gave and the lake lacks, by the table that should hold them, with their partition.
type LackingKeys = HashMap<(Table, RecordId), PartitionDay>;

/// What an audit came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Audited {
    /// Records and rejects that were looked for, as often as they came.
    pub compared: u64,
    /// Those that the lake lacks, each once.
    pub lacking: u64,
    /// The users of whom it lacks any.
    pub users_lacking: u64,
    /// Users of whom something seemed to be lacking while another run had rows of theirs that it had not published: it
    /// may be among them. They are in no number above but the first.
    pub users_undecided: u64,
}

impl Auditor {
    /// Opens a lake to look at it. `known_bytes` bounds the keys of known rows, `lacking_bytes` those of rows that are
    /// lacking. `run_id` is that of nobody else.
    pub async fn open(
        means: Means,
        run_id: RunId,
        known_bytes: usize,
        lacking_bytes: usize,
    ) -> Result<Self, LoadError> {
        let (store, pool) = (means.store.clone(), means.pool.clone());
        let ledger_means = LedgerMeans { store, pool, clock: means.clock };
        let ledger = Ledger::open(ledger_means, run_id.clone(), lake_facts()).await?;
        Ok(Self {
            means,
            ledger,
            run_id,
            gate: Gate::new(known_bytes),
            progress: Progress::default(),
            lacking: HashMap::new(),
            lacking_max: lacking_bytes / LACKING_KEY_BYTES,
            audited: Audited::default(),
        })
    }

    /// What the lake holds: for planning. Leave out users of whom a run has rows that are not published: they can't be
    /// looked up.
    #[must_use]
    pub fn books(&self) -> &Books {
        self.ledger.books()
    }

    /// Takes everything until the channel closes, and tells of each user of whom anything is lacking when he has ended. What
    /// was made outside of the `audited` windows, which are those that were asked for, is passed over: where a tenant takes
    /// no filter on the date, a list holds what lies between them as well, and nobody said that it is covered.
    ///
    /// A user is told of once, unless so much is lacking that it can't be held: then of whoever is being read, in parts,
    /// and a record that comes again after that may be counted again.
    pub async fn run(
        mut self,
        mut input: Receiver<Loading>,
        audited: &BTreeMap<Owner, Vec<Window>>,
        mut tell: impl FnMut(Lacking),
    ) -> Result<Audited, LoadError> {
        while let Some(item) = input.recv().await {
            match item {
                Loading::Page(page) => {
                    let windows = audited.get(&page.value.owner).map_or(&[][..], Vec::as_slice);
                    self.take_page(page, windows).await?;
                }
                Loading::SliceEnd(end) => self.progress.slice_end(&end),
                Loading::UserEnd(end) => self.progress.user_end(end),
            }
            self.settle_users(&mut tell).await?;
            if self.gate.is_full() {
                self.gate.forget_all();
            }
            if self.lacking.values().map(HashMap::len).sum::<usize>() > self.lacking_max {
                self.tell_of_all(&mut tell).await?;
            }
        }
        self.tell_of_all(&mut tell).await?;
        Ok(self.audited)
    }

    async fn take_page(&mut self, page: Held<PageBatch>, audited: &[Window]) -> Result<(), LoadError> {
        // The permit goes when the page does.
        let Held { value: page, permit: _permit } = page;
        self.progress.page(&page, 0);
        // What stands for a page that could not be read is no record: its user has failed.
        if page.reading == PageReading::Unreadable {
            return Ok(());
        }
        let (means, books) = (&self.means, self.ledger.books());
        let reader = KeyReader { store: &means.store, pool: &means.pool };
        for look_up in self.gate.look_ups(&page, books) {
            reader.tell_gate(&mut self.gate, books, &look_up, &page).await?;
        }
        let admission = self.gate.admit(&page);
        let is_within = |at| audited.iter().any(|window| window.contains(at));
        let is_audited = |record: &RecordKey| record.created_at.is_none_or(is_within);
        let records = page.records.iter().filter(|record| is_audited(record)).count() as u64;
        let (mut new_records, mut new_rejects) = (0, 0);
        for record in admission.new_records(&page).filter(|record| is_audited(record)) {
            new_records += 1;
            self.lacking.entry(page.owner).or_default().insert((Table::Interactions, record.id), record.day);
        }
        for reject in admission.new_rejects(&page) {
            new_rejects += 1;
            self.lacking.entry(page.owner).or_default().insert((Table::Rejects, reject.id), reject.day);
        }
        let known_records = records - new_records;
        self.audited.compared += records + page.rejects.len() as u64;
        let passed =
            Event::PagePassed { new_records, known_records, late_records: new_records, rejects: new_rejects };
        self.means.observer.observe(&passed);
        Ok(())
    }

    async fn settle_users(&mut self, tell: &mut impl FnMut(Lacking)) -> Result<(), LoadError> {
        for user in self.progress.take_settled() {
            self.gate.forget(&user.end.owner);
            self.tell_of(user.end.owner, tell).await?;
            let (status, reason) = (user.end.status.as_str(), user.end.reason);
            self.means.observer.observe(&Event::UserSettled { status, reason });
        }
        // Nothing waits for a commit: slices that are over are needed no more.
        self.progress.committed();
        Ok(())
    }

    async fn tell_of_all(&mut self, tell: &mut impl FnMut(Lacking)) -> Result<(), LoadError> {
        let owners: Vec<Owner> = self.lacking.keys().copied().collect();
        for owner in owners {
            self.tell_of(owner, tell).await?;
        }
        Ok(())
    }

    /// Tells of a user of whom anything is lacking still.
    async fn tell_of(&mut self, owner: Owner, tell: &mut impl FnMut(Lacking)) -> Result<(), LoadError> {
        let Some(mut keys) = self.lacking.remove(&owner) else { return Ok(()) };
        self.ledger.catch_up().await?;
        if self.books().run_with_unpublished(&owner, &self.run_id).is_some() {
            self.audited.users_undecided += 1;
            return Ok(());
        }
        self.remove_published(owner, &mut keys).await?;
        if keys.is_empty() {
            return Ok(());
        }
        self.audited.lacking += keys.len() as u64;
        self.audited.users_lacking += 1;
        let mut lacking = Lacking::nothing_of(owner);
        for ((table, _), day) in keys {
            match table {
                Table::Rejects => lacking.rejects += 1,
                _ => *lacking.records.entry(day).or_default() += 1,
            }
        }
        tell(lacking);
        Ok(())
    }

    /// Takes away what other runs published since this lake was opened.
    async fn remove_published(&self, owner: Owner, keys: &mut LackingKeys) -> Result<(), LoadError> {
        let books = self.ledger.books();
        let mut partitions: HashSet<(Table, PartitionDay)> = HashSet::new();
        for ((table, _), day) in keys.iter() {
            match table {
                Table::Rejects => {
                    partitions.extend(books.reject_days(&owner).into_iter().map(|day| (*table, day)));
                }
                _ => partitions.extend([(*table, *day), (*table, PartitionDay::Undated)]),
            }
        }
        let reader = KeyReader { store: &self.means.store, pool: &self.means.pool };
        for (table, day) in partitions {
            let of_table = keys.keys().filter(|(of, _)| *of == table).map(|(_, key)| *key);
            let wanted = WantedKeys::These(of_table.collect());
            let found = reader.keys_in(&books.files_of(table, day, owner), owner, &wanted).await?;
            for key in found.unwrap_or_default() {
                keys.remove(&(table, key));
            }
        }
        Ok(())
    }
}

impl std::fmt::Debug for Auditor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Auditor").field("audited", &self.audited).finish_non_exhaustive()
    }
}
