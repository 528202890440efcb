//! Known rows: the one gate before the gather stage. A record that is in the lake already, or was read earlier in
//! this run, is dropped here together with its children.

use std::collections::{HashMap, HashSet};

use arrow::array::BooleanArray;
use arrow::compute::filter_record_batch;
use arrow::error::ArrowError;
use promptlake_model::{Owner, PageBatch, PartitionDay, RecordId, Table, TableRows};

use crate::books::Books;

/// What a key takes in a hash set, in bytes: sixteen, a control byte, and the free places of a table that has just
/// doubled.
const KEY_BYTES: usize = 40;

/// What a user takes beside his keys: his entry, and the first places of three sets.
const USER_BYTES: usize = 400;

/// The keys of the users who are being read.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    users: HashMap<Owner, KnownUser>,
    keys: usize,
}

#[derive(Debug, Default)]
struct KnownUser {
    records: HashSet<RecordId>,
    rejects: HashSet<RecordId>,
    /// Partitions whose keys are among them, where there were any.
    looked_up: HashSet<PartitionDay>,
    rejects_looked_up: bool,
}

/// Keys of a user that must be looked up before a page may pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct LookUp {
    pub(crate) owner: Owner,
    pub(crate) table: Table,
    pub(crate) day: PartitionDay,
}

/// Which records and rejects of a page are new.
#[derive(Debug)]
pub(crate) struct Admission {
    new_records: Vec<bool>,
    new_rejects: Vec<bool>,
    /// Records that were there already.
    pub(crate) known_records: usize,
    known_rejects: usize,
}

impl Gate {
    /// What must be looked up for a page. Names each user and partition once: from then on the gate itself knows.
    pub(crate) fn look_ups(&mut self, page: &PageBatch, books: &Books) -> Vec<LookUp> {
        let owner = page.owner;
        let user = self.users.entry(owner).or_default();
        let mut look_ups = Vec::new();
        for record in &page.records {
            // A day that was too far ahead once lies in the undated partition.
            for day in [record.day, PartitionDay::Undated] {
                if user.looked_up.insert(day) && books.is_touched(&owner, day) {
                    look_ups.push(LookUp { owner, table: Table::Interactions, day });
                }
            }
        }
        if !page.rejects.is_empty() && !user.rejects_looked_up {
            user.rejects_looked_up = true;
            let days = books.reject_days(&owner).into_iter();
            look_ups.extend(days.map(|day| LookUp { owner, table: Table::Rejects, day }));
        }
        look_ups
    }

    /// Takes the keys that a look-up found.
    pub(crate) fn learn(&mut self, look_up: &LookUp, keys: impl IntoIterator<Item = RecordId>) {
        let user = self.users.entry(look_up.owner).or_default();
        let known = if look_up.table == Table::Rejects { &mut user.rejects } else { &mut user.records };
        let before = known.len();
        known.extend(keys);
        self.keys += known.len() - before;
    }

    /// Says what of a page is new, and knows it from now on. Look up first what [`Self::look_ups`] names.
    pub(crate) fn admit(&mut self, page: &PageBatch) -> Admission {
        let user = self.users.entry(page.owner).or_default();
        let new_records: Vec<bool> =
            page.records.iter().map(|record| user.records.insert(record.id)).collect();
        let new_rejects: Vec<bool> =
            page.rejects.iter().map(|reject| user.rejects.insert(reject.id)).collect();
        let (known_records, known_rejects) = (count_false(&new_records), count_false(&new_rejects));
        self.keys += new_records.len() + new_rejects.len() - known_records - known_rejects;
        Admission { new_records, new_rejects, known_records, known_rejects }
    }

    /// A user is done: he is not read again in this run.
    pub(crate) fn forget(&mut self, owner: &Owner) {
        if let Some(user) = self.users.remove(owner) {
            self.keys -= user.records.len() + user.rejects.len();
        }
    }

    /// Forgets everyone. Only when all that passed is published: then it can be looked up again.
    pub(crate) fn forget_all(&mut self) {
        self.users = HashMap::new();
        self.keys = 0;
    }

    /// What the keys take, in bytes.
    pub(crate) fn memory_bytes(&self) -> usize {
        let looked_up: usize = self.users.values().map(|user| user.looked_up.capacity()).sum();
        self.keys * KEY_BYTES + self.users.len() * USER_BYTES + looked_up * size_of::<PartitionDay>()
    }
}

impl Admission {
    /// The page without what was there already. Copies what stays, unless all of it does.
    pub(crate) fn apply(&self, mut page: PageBatch) -> Result<PageBatch, ArrowError> {
        if self.known_records + self.known_rejects == 0 {
            return Ok(page);
        }
        let kept = page.tables.iter().map(|rows| {
            let new = if rows.table == Table::Rejects { &self.new_rejects } else { &self.new_records };
            keep(rows, new)
        });
        page.tables = kept.collect::<Result<_, _>>()?;
        page.tables.retain(|rows| rows.batch.num_rows() > 0);
        retain(&mut page.records, &self.new_records);
        retain(&mut page.rejects, &self.new_rejects);
        Ok(page)
    }
}

fn count_false(flags: &[bool]) -> usize {
    flags.iter().filter(|flag| !**flag).count()
}

fn retain<T>(items: &mut Vec<T>, flags: &[bool]) {
    let mut flags = flags.iter();
    items.retain(|_| flags.next().copied().unwrap_or(false));
}

/// The rows of the records that are new.
fn keep(rows: &TableRows, new: &[bool]) -> Result<TableRows, ArrowError> {
    let mut mask = Vec::with_capacity(rows.batch.num_rows());
    let mut ends = Vec::with_capacity(rows.ends.len());
    let (mut from, mut kept) = (0, 0);
    for (end, new) in rows.ends.iter().zip(new) {
        mask.extend(std::iter::repeat_n(*new, (end - from) as usize));
        if *new {
            kept += end - from;
            ends.push(kept);
        }
        from = *end;
    }
    let batch = filter_record_batch(&rows.batch, &BooleanArray::from(mask))?;
    Ok(TableRows { table: rows.table, batch, ends })
}
