//! What the ledger adds up to: coverage, touched days, what is committed and what is published. A pure fold over
//! the records, so that any two readers of one ledger agree.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use promptlake_model::{Day, Owner, PartitionDay, RunId, SavedFile, Table, TenantId, Timestamp, Window};

use crate::intervals::IntervalSet;
use crate::record::{
    Commit, DaySpan, FileEntry, LakeFacts, PartialOf, Publish, Record, SegmentEntry, Touched,
};

/// The state after a number of records.
#[derive(Debug, Clone, Default)]
pub struct Books {
    /// The sequence of the last record.
    pub(crate) head: u64,
    pub(crate) lake: Option<LakeFacts>,
    coverage: HashMap<Owner, IntervalSet>,
    /// Where the history of each user begins whom a slice was ever begun of, whatever came of it.
    begun: HashMap<Owner, Timestamp>,
    touched: HashMap<Owner, TouchedDays>,
    /// The tables that the last commit wrote.
    pub(crate) tables: Vec<Table>,
    files: BTreeSet<(TenantId, SavedFile)>,
    /// Committed, not yet used up by a publish, in the order of their commits.
    pub(crate) segments: Vec<(RunId, SegmentEntry)>,
    /// Publishes that no later record calls carried out, by sequence.
    pub(crate) open_publishes: BTreeMap<u64, (RunId, Publish)>,
    /// Published files of the two tables whose keys are looked up, by partition.
    published: BTreeMap<(Table, PartitionDay), Vec<FileEntry>>,
    pub(crate) abandoned: BTreeSet<RunId>,
}

/// The days on which rows of a user lie.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct TouchedDays {
    /// From the first day to the last: a day between two commits costs a look-up, never a row.
    span: Option<DaySpan>,
    undated: bool,
    rejects: BTreeSet<Day>,
}

/// What a source wants of a user's history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// Where the history of a new user begins.
    pub start: WantedStart,
    /// The end of every window: `now − settle_lag`.
    pub end: Timestamp,
    /// How far before the end of the newest covered window is asked again, in microseconds.
    pub lookback_micros: i64,
}

/// Where the history of a user begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WantedStart {
    /// At this instant, for everyone: an earlier one than before is a gap to be read.
    At(Timestamp),
    /// At this instant for users whom nobody asked of yet; for the others where their first slice began, so that a
    /// start relative to now is resolved once, also where that slice came to nothing.
    OfNewUsers(Timestamp),
}

impl Books {
    pub(crate) fn apply(&mut self, record: &Record) {
        self.head = record.sequence;
        if let Some(lake) = &record.lake {
            self.lake = Some(lake.clone());
        }
        if let Some(run) = &record.deed.abandoned {
            self.abandoned.insert(run.clone());
        }
        if let Some(commit) = &record.deed.commit {
            self.apply_commit(&record.run_id, commit);
        }
        if let Some(publish) = &record.deed.publish {
            self.apply_publish(record.sequence, &record.run_id, publish);
        }
        for sequence in &record.deed.carried_out {
            self.open_publishes.remove(sequence);
        }
    }

    fn apply_commit(&mut self, run: &RunId, commit: &Commit) {
        for covered in &commit.covered {
            self.coverage.entry(covered.owner).or_default().insert(covered.window);
            self.begin(covered.owner, covered.window);
        }
        for partial in &commit.partial {
            if let PartialOf::History { owner, window } = partial.of {
                self.begin(owner, window);
            }
        }
        self.tables.clone_from(&commit.tables);
        for touched in &commit.touched {
            self.touched.entry(touched.owner).or_default().add(touched);
        }
        self.files.extend(commit.files.iter().map(|covered| (covered.tenant, covered.file.clone())));
        self.segments.extend(commit.segments.iter().map(|segment| (run.clone(), segment.clone())));
    }

    fn begin(&mut self, owner: Owner, window: Window) {
        let begun = self.begun.entry(owner).or_insert(window.from);
        *begun = window.from.min(*begun);
    }

    fn apply_publish(&mut self, sequence: u64, run: &RunId, publish: &Publish) {
        let used: BTreeSet<&str> = publish.segments.iter().map(String::as_str).collect();
        self.segments.retain(|(_, segment)| !used.contains(segment.path.as_str()));
        for file in &publish.files {
            if matches!(file.table, Table::Interactions | Table::Rejects) {
                self.published.entry((file.table, file.day)).or_default().push(file.clone());
            }
        }
        self.open_publishes.insert(sequence, (run.clone(), publish.clone()));
    }

    /// The windows to ask of a user's history: what no slice covered, and the lookback before the newest end.
    #[must_use]
    pub fn windows_to_ask(&self, owner: &Owner, wanted: Wanted) -> Vec<Window> {
        let none = IntervalSet::default();
        let covered = self.coverage.get(owner).unwrap_or(&none);
        let start = match (wanted.start, self.begun.get(owner)) {
            (WantedStart::OfNewUsers(_), Some(begun)) => *begun,
            (WantedStart::At(start) | WantedStart::OfNewUsers(start), _) => start,
        };
        let Some(whole) = Window::new(start, wanted.end) else { return Vec::new() };
        let mut ask = IntervalSet::default();
        for missing in covered.missing_in(whole) {
            ask.insert(missing);
        }
        if let Some(newest) = covered.end() {
            let again_from = newest.saturating_add_micros(-wanted.lookback_micros).max(start);
            if let Some(again) = Window::new(again_from, newest.min(wanted.end)) {
                ask.insert(again);
            }
        }
        ask.into_windows()
    }

    /// Whether a version of a saved file is complete.
    #[must_use]
    pub fn has_file(&self, tenant: TenantId, file: &SavedFile) -> bool {
        self.files.contains(&(tenant, file.clone()))
    }

    /// The owners of whom something is covered after an instant, which no honest clock can give.
    pub(crate) fn covered_after(&self, now: Timestamp) -> Option<(Owner, Timestamp)> {
        let ends = self.coverage.iter().filter_map(|(owner, set)| Some((*owner, set.end()?)));
        ends.filter(|(_, end)| *end > now).min()
    }

    /// Whether rows of a user may lie in this partition.
    pub(crate) fn is_touched(&self, owner: &Owner, day: PartitionDay) -> bool {
        self.touched.get(owner).is_some_and(|touched| touched.contains(day))
    }

    /// The days on which rejects of a user lie.
    pub(crate) fn reject_days(&self, owner: &Owner) -> Vec<PartitionDay> {
        let days = self.touched.get(owner).map(|touched| &touched.rejects);
        days.into_iter().flatten().map(|day| PartitionDay::Day(*day)).collect()
    }

    /// The published files of a partition that can hold rows of a user.
    pub(crate) fn files_of(&self, table: Table, day: PartitionDay, owner: Owner) -> Vec<&FileEntry> {
        let files = self.published.get(&(table, day)).map_or(&[][..], Vec::as_slice);
        files.iter().filter(|file| file.owners[0] <= owner && owner <= file.owners[1]).collect()
    }
}

impl TouchedDays {
    fn add(&mut self, touched: &Touched) {
        self.undated |= touched.undated;
        self.rejects.extend(touched.rejects);
        let Some(new) = touched.days else { return };
        let old = self.span.unwrap_or(new);
        self.span = Some(DaySpan { first: old.first.min(new.first), last: old.last.max(new.last) });
    }

    fn contains(&self, day: PartitionDay) -> bool {
        match day {
            PartitionDay::Undated => self.undated,
            PartitionDay::Day(day) => self.span.is_some_and(|span| span.first <= day && day <= span.last),
        }
    }
}

#[cfg(test)]
mod tests {
    use promptlake_model::UserId;

    use super::*;
    use crate::record::{Covered, Deed};

    const HOUR_MICROS: i64 = 3_600_000_000;

    fn owner() -> Owner {
        let guid = "4db02e4b-d144-400e-b194-53253a34c5be";
        Owner { tenant: TenantId::parse(guid).unwrap(), user: UserId::parse(guid).unwrap() }
    }

    fn hour(hour: i64) -> Timestamp {
        Timestamp::from_micros(hour * HOUR_MICROS)
    }

    fn books(covered: &[(i64, i64)]) -> Books {
        let covered = covered.iter().map(|(from, to)| Covered {
            owner: owner(),
            window: Window::new(hour(*from), hour(*to)).unwrap(),
            page_count: 1,
            record_count: 1,
        });
        let commit = Commit { covered: covered.collect(), ..Commit::default() };
        let deed = Deed { commit: Some(commit), ..Deed::default() };
        let mut books = Books::default();
        books.apply(&Record::new(1, "a".into(), RunId::parse("r").unwrap(), hour(0), deed));
        books
    }

    #[test]
    fn a_run_asks_for_gaps_and_for_the_lookback_before_the_newest_end() {
        let at = WantedStart::At(hour(0));
        let new = WantedStart::OfNewUsers(hour(50));
        for (covered, start, lookback, expected) in [
            (vec![], at, 2, vec![(0, 100)]),
            (vec![], new, 2, vec![(50, 100)]),
            (vec![(0, 90)], at, 2, vec![(88, 100)]),
            (vec![(0, 90)], at, 0, vec![(90, 100)]),
            (vec![(0, 40), (60, 90)], at, 2, vec![(40, 60), (88, 100)]),
            (vec![(20, 90)], at, 2, vec![(0, 20), (88, 100)]),
            (vec![(20, 90)], new, 2, vec![(88, 100)]),
            (vec![(0, 100)], at, 2, vec![(98, 100)]),
            (vec![(0, 100)], at, 500, vec![(0, 100)]),
        ] {
            let wanted = Wanted { start, end: hour(100), lookback_micros: lookback * HOUR_MICROS };
            let windows = books(&covered).windows_to_ask(&owner(), wanted);
            let hours = windows.iter().map(|w| (w.from.micros() / HOUR_MICROS, w.to.micros() / HOUR_MICROS));
            assert_eq!(hours.collect::<Vec<_>>(), expected, "{covered:?} {start:?} {lookback}");
        }
    }

    #[test]
    fn touched_days_stay_touched_whether_or_not_anything_is_covered() {
        let day = |text| Day::parse(text).unwrap();
        let span = |first, last| Some(DaySpan { first: day(first), last: day(last) });
        let mut touched = TouchedDays::default();
        for days in [span("2025-03-01", "2025-03-04"), None, span("2025-02-01", "2025-02-01")] {
            touched.add(&Touched { owner: owner(), days, undated: false, rejects: None });
        }
        for (asked, expected) in [("2025-01-31", false), ("2025-02-01", true), ("2025-03-04", true)] {
            assert_eq!(touched.contains(PartitionDay::Day(day(asked))), expected, "{asked}");
        }
        assert!(!touched.contains(PartitionDay::Undated));
    }
}
