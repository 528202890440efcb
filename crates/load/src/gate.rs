//! Known rows: the one gate before the gather stage. A record that is in the lake already, or was read earlier in
//! this run, is dropped here together with its children.

use std::collections::{BTreeSet, HashMap, HashSet};

use arrow_array::BooleanArray;
use arrow_schema::ArrowError;
use arrow_select::filter::filter_record_batch;
use promptlake_model::{Owner, PageBatch, PartitionDay, RecordId, RecordKey, RejectKey, Table, TableRows};

use crate::books::Books;

/// What a key takes in a hash set, in bytes: sixteen, a control byte, and the free places of a table that has just
/// doubled.
const KEY_BYTES: usize = 40;

/// What a user takes beside his keys: his entry, and the first places of three sets.
const USER_BYTES: usize = 400;

/// The keys of the users who are being read.
#[derive(Debug)]
pub(crate) struct Gate {
    users: HashMap<Owner, KnownUser>,
    keys: usize,
    /// What the keys may take, in bytes.
    share_bytes: usize,
    /// A look-up found no room, though it would have in an empty gate.
    crowded: bool,
}

#[derive(Debug, Default)]
struct KnownUser {
    records: HashSet<RecordId>,
    rejects: HashSet<RecordId>,
    /// Partitions whose keys are among them, where there were any.
    looked_up: HashSet<PartitionDay>,
    rejects_looked_up: bool,
    /// Partitions with more keys than there is room for: each page looks up its own there.
    too_large: BTreeSet<(Table, PartitionDay)>,
}

/// Keys of a user that must be looked up before a page may pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct LookUp {
    pub(crate) owner: Owner,
    pub(crate) table: Table,
    pub(crate) day: PartitionDay,
}

/// Which keys of a user and partition a look-up is after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum WantedKeys {
    /// All of them, as long as they are no more than this.
    All { most: usize },
    /// These, as far as they are there.
    These(HashSet<RecordId>),
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
    /// A gate whose keys take about `share_bytes`.
    pub(crate) fn new(share_bytes: usize) -> Self {
        Self { users: HashMap::new(), keys: 0, share_bytes, crowded: false }
    }

    /// What must be looked up for a page. Names each user and partition once: from then on the gate itself knows. A
    /// partition that is too large for it is named for every page.
    pub(crate) fn look_ups(&mut self, page: &PageBatch, books: &Books) -> Vec<LookUp> {
        let owner = page.owner;
        let user = self.users.entry(owner).or_default();
        let mut look_ups = BTreeSet::new();
        for record in &page.records {
            // A day that was too far ahead once lies in the undated partition.
            for day in [record.day, PartitionDay::Undated] {
                let is_first = user.looked_up.insert(day) && books.is_touched(&owner, day);
                if is_first || user.too_large.contains(&(Table::Interactions, day)) {
                    look_ups.insert(LookUp { owner, table: Table::Interactions, day });
                }
            }
        }
        if !page.rejects.is_empty() {
            let is_first = !std::mem::replace(&mut user.rejects_looked_up, true);
            let days = books.reject_days(&owner).into_iter();
            let days = days.filter(|day| is_first || user.too_large.contains(&(Table::Rejects, *day)));
            look_ups.extend(days.map(|day| LookUp { owner, table: Table::Rejects, day }));
        }
        look_ups.into_iter().collect()
    }

    /// Which keys to look up: all of the user and partition, so that the next page needs no look-up.
    pub(crate) fn wanted(&self, look_up: &LookUp, page: &PageBatch) -> WantedKeys {
        let user = self.users.get(&look_up.owner);
        if user.is_some_and(|user| user.too_large.contains(&(look_up.table, look_up.day))) {
            return WantedKeys::of_page(look_up, page);
        }
        let room_bytes = self.share_bytes.saturating_sub(self.memory_bytes());
        WantedKeys::All { most: room_bytes / KEY_BYTES }
    }

    /// There are more keys than there is room for. Where the gate was full of others, they will be forgotten; where
    /// it was not, this partition is too large for it.
    pub(crate) fn no_room(&mut self, look_up: &LookUp) {
        let is_crowded = self.memory_bytes() > self.share_bytes / 2;
        let user = self.users.entry(look_up.owner).or_default();
        self.crowded |= is_crowded;
        if is_crowded {
            user.looked_up.remove(&look_up.day);
            user.rejects_looked_up &= look_up.table != Table::Rejects;
        } else {
            user.too_large.insert((look_up.table, look_up.day));
        }
    }

    /// Whether it is time to [`Self::forget_all`].
    pub(crate) fn is_full(&self) -> bool {
        self.crowded || self.memory_bytes() > self.share_bytes
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
        *self = Self::new(self.share_bytes);
    }

    /// What the keys take, in bytes.
    fn memory_bytes(&self) -> usize {
        let looked_up: usize = self.users.values().map(|user| user.looked_up.capacity()).sum();
        self.keys * KEY_BYTES + self.users.len() * USER_BYTES + looked_up * size_of::<PartitionDay>()
    }
}

impl WantedKeys {
    /// The page's own.
    pub(crate) fn of_page(look_up: &LookUp, page: &PageBatch) -> Self {
        Self::These(match look_up.table {
            Table::Rejects => page.rejects.iter().map(|reject| reject.id).collect(),
            _ => page.records.iter().map(|record| record.id).collect(),
        })
    }
}

impl Admission {
    /// The records of the page that are new.
    pub(crate) fn new_records<'a>(&'a self, page: &'a PageBatch) -> impl Iterator<Item = &'a RecordKey> {
        page.records.iter().zip(&self.new_records).filter(|(_, new)| **new).map(|(record, _)| record)
    }

    /// The rejects of the page that are new.
    pub(crate) fn new_rejects<'a>(&'a self, page: &'a PageBatch) -> impl Iterator<Item = &'a RejectKey> {
        page.rejects.iter().zip(&self.new_rejects).filter(|(_, new)| **new).map(|(reject, _)| reject)
    }

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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use promptlake_model::{
        AppClasses, Day, PageReading, Slice, SliceId, SliceScope, TenantId, Timestamp, UserId, Window,
    };

    use super::*;
    use crate::record::{Commit, DaySpan, Deed, Record, Touched};

    const DAY: PartitionDay = PartitionDay::Day(Day(20_000));

    fn owner() -> Owner {
        let guid = "00000000-0000-0000-0000-000000000001";
        Owner { tenant: TenantId::parse(guid).unwrap(), user: UserId::parse(guid).unwrap() }
    }

    fn page(ids: std::ops::Range<u128>) -> PageBatch {
        let window = Window::new(Timestamp::from_micros(0), Timestamp::from_micros(1)).unwrap();
        let scope = SliceScope::History { owner: owner(), window, classes: AppClasses::default() };
        PageBatch {
            slice: Arc::new(Slice { id: SliceId(0), tenant: owner().tenant, scope }),
            owner: owner(),
            index: 0,
            reading: PageReading::Read,
            records: ids.map(|id| RecordKey { id: RecordId(id), day: DAY, created_at: None }).collect(),
            rejects: Vec::new(),
            unknown_fields: promptlake_model::UnknownFields::default(),
            lost_markers: 0,
            tables: Vec::new(),
        }
    }

    fn books_with_the_day_touched() -> Books {
        let days = Some(DaySpan { first: Day(20_000), last: Day(20_000) });
        let touched = Touched { owner: owner(), days, undated: false, rejects: None };
        let commit = Commit { touched: vec![touched], ..Commit::default() };
        let deed = Deed { commit: Some(commit), ..Deed::default() };
        let run = promptlake_model::RunId::parse("r").unwrap();
        let mut books = Books::default();
        books.apply(&Record::new(1, "id".into(), run, Timestamp::from_micros(0), deed));
        books
    }

    #[test]
    fn a_day_that_fits_is_looked_up_once_and_whole() {
        let (mut gate, books) = (Gate::new(100_000), books_with_the_day_touched());
        let look_ups = gate.look_ups(&page(0..3), &books);
        let [look_up] = look_ups.as_slice() else { panic!("{look_ups:?}") };
        assert!(matches!(gate.wanted(look_up, &page(0..3)), WantedKeys::All { most } if most > 2_000));
        gate.learn(look_up, [RecordId(1)]);
        assert_eq!(gate.admit(&page(0..3)).new_records, [true, false, true]);
        assert_eq!(gate.look_ups(&page(3..6), &books), []);
    }

    #[test]
    fn a_day_too_large_for_an_empty_gate_is_looked_up_page_by_page() {
        let (mut gate, books) = (Gate::new(4_000), books_with_the_day_touched());
        for (ids, known) in [(0..3, 1), (3..6, 4)] {
            let look_ups = gate.look_ups(&page(ids.clone()), &books);
            let [look_up] = look_ups.as_slice() else { panic!("{look_ups:?}") };
            if known == 1 {
                gate.no_room(look_up);
            }
            let expected = ids.clone().map(RecordId).collect();
            assert_eq!(gate.wanted(look_up, &page(ids.clone())), WantedKeys::These(expected));
            gate.learn(look_up, [RecordId(known)]);
            assert_eq!(gate.admit(&page(ids)).known_records, 1);
            assert!(!gate.is_full());
        }
    }

    #[test]
    fn a_gate_full_of_other_keys_asks_to_forget_and_tries_again() {
        let (mut gate, books) = (Gate::new(4_000), books_with_the_day_touched());
        let look_up = gate.look_ups(&page(0..3), &books)[0];
        gate.learn(&look_up, (100..160).map(RecordId));
        assert!(!gate.is_full());
        gate.no_room(&look_up);
        assert!(gate.is_full());
        gate.forget_all();
        assert!(!gate.is_full());
        assert_eq!(gate.look_ups(&page(0..3), &books), [look_up]);
        assert!(matches!(gate.wanted(&look_up, &page(0..3)), WantedKeys::All { .. }));
    }
}
