//! What the ledger adds up to: coverage, touched days, what is committed and what is published. A pure fold over
//! the records, so that any two readers of one ledger agree.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use promptlake_model::{Day, Owner, PartitionDay, RunId, SavedFile, Table, TenantId, Timestamp, Window};

use crate::intervals::IntervalSet;
use crate::record::{
    Commit, DaySpan, FileEntry, LakeFacts, PartialOf, Publish, Record, SegmentEntry, Touched,
};

/// The state after a number of records.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Books {
    /// The sequence of the last record.
    pub(crate) head: u64,
    pub(crate) lake: Option<LakeFacts>,
    /// The tables that the last commit wrote.
    pub(crate) tables: Vec<Table>,
    pub(crate) users: HashMap<Owner, UserBooks>,
    pub(crate) files: BTreeSet<(TenantId, SavedFile)>,
    /// Committed, not yet used up by a publish, in the order of their commits.
    pub(crate) segments: Vec<(RunId, SegmentEntry)>,
    /// Whose rows lie in those segments, by the run that committed them.
    pub(crate) unpublished: BTreeMap<RunId, BTreeSet<Owner>>,
    /// Publishes that no later record calls carried out, by sequence.
    pub(crate) open_publishes: BTreeMap<u64, (RunId, Publish)>,
    /// Published files of the two tables whose keys are looked up, by partition.
    pub(crate) published: BTreeMap<(Table, PartitionDay), Vec<FileEntry>>,
    /// Runs that were given up, and the run that did it.
    pub(crate) abandoned: BTreeMap<RunId, RunId>,
}

/// What is known of one user.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct UserBooks {
    pub(crate) covered: IntervalSet,
    /// Where his history begins, once a slice of it was begun, whatever came of it.
    pub(crate) begun: Option<Timestamp>,
    pub(crate) touched: TouchedDays,
}

/// The days on which rows of a user lie.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct TouchedDays {
    /// From the first day to the last: a day between two commits costs a look-up, never a row.
    pub(crate) span: Option<DaySpan>,
    pub(crate) undated: bool,
    pub(crate) rejects: BTreeSet<Day>,
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
            self.abandoned.entry(run.clone()).or_insert_with(|| record.run_id.clone());
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
            let user = self.users.entry(covered.owner).or_default();
            user.covered.insert(covered.window);
            user.begin(covered.window);
        }
        for partial in &commit.partial {
            if let PartialOf::History { owner, window } = partial.of {
                self.users.entry(owner).or_default().begin(window);
            }
        }
        self.tables.clone_from(&commit.tables);
        for touched in &commit.touched {
            self.users.entry(touched.owner).or_default().touched.add(touched);
        }
        self.files.extend(commit.files.iter().map(|covered| (covered.tenant, covered.file.clone())));
        if !commit.segments.is_empty() {
            let owners = commit.touched.iter().map(|touched| touched.owner);
            self.unpublished.entry(run.clone()).or_default().extend(owners);
        }
        self.segments.extend(commit.segments.iter().map(|segment| (run.clone(), segment.clone())));
    }

    fn apply_publish(&mut self, sequence: u64, run: &RunId, publish: &Publish) {
        let used: BTreeSet<&str> = publish.segments.iter().map(String::as_str).collect();
        self.segments.retain(|(_, segment)| !used.contains(segment.path.as_str()));
        let waiting: BTreeSet<&RunId> = self.segments.iter().map(|(run, _)| run).collect();
        self.unpublished.retain(|run, _| waiting.contains(run));
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
        let nothing = UserBooks::default();
        let user = self.users.get(owner).unwrap_or(&nothing);
        let start = match (wanted.start, user.begun) {
            (WantedStart::OfNewUsers(_), Some(begun)) => begun,
            (WantedStart::At(start) | WantedStart::OfNewUsers(start), _) => start,
        };
        let Some(whole) = Window::new(start, wanted.end) else { return Vec::new() };
        let mut ask = IntervalSet::default();
        for missing in user.covered.missing_in(whole) {
            ask.insert(missing);
        }
        if let Some(newest) = user.covered.end() {
            let again_from = newest.saturating_add_micros(-wanted.lookback_micros).max(start);
            if let Some(again) = Window::new(again_from, newest.min(wanted.end)) {
                ask.insert(again);
            }
        }
        ask.into_windows()
    }

    /// The run other than `own` that committed rows of a user which are not published yet: they can't be looked up,
    /// so nobody else may add to them.
    #[must_use]
    pub fn run_with_unpublished(&self, owner: &Owner, own: &RunId) -> Option<&RunId> {
        let mut others = self.unpublished.iter().filter(|(run, _)| *run != own);
        others.find(|(_, owners)| owners.contains(owner)).map(|(run, _)| run)
    }

    /// The committed segments of runs, by run, in the order of their commits.
    pub(crate) fn segments_of(&self, is_of: impl Fn(&RunId) -> bool) -> Vec<SegmentEntry> {
        self.segments.iter().filter(|(run, _)| is_of(run)).map(|(_, entry)| entry.clone()).collect()
    }

    /// Whether a record names an object that lies in the staging folder and must still be there.
    pub(crate) fn needed_staged(&self) -> BTreeSet<&str> {
        let segments = self.segments.iter().map(|(_, entry)| entry.path.as_str());
        let publishes = self.open_publishes.values();
        let files = publishes.flat_map(|(_, publish)| publish.files.iter().map(|file| file.staged.as_str()));
        segments.chain(files).collect()
    }

    /// Whether a version of a saved file is complete.
    #[must_use]
    pub fn has_file(&self, tenant: TenantId, file: &SavedFile) -> bool {
        self.files.contains(&(tenant, file.clone()))
    }

    /// The owners of whom something is covered after an instant, which no honest clock can give.
    pub(crate) fn covered_after(&self, now: Timestamp) -> Option<(Owner, Timestamp)> {
        let ends = self.users.iter().filter_map(|(owner, user)| Some((*owner, user.covered.end()?)));
        ends.filter(|(_, end)| *end > now).min()
    }

    /// Whether rows of a user may lie in this partition.
    pub(crate) fn is_touched(&self, owner: &Owner, day: PartitionDay) -> bool {
        self.users.get(owner).is_some_and(|user| user.touched.contains(day))
    }

    /// The days on which rejects of a user lie.
    pub(crate) fn reject_days(&self, owner: &Owner) -> Vec<PartitionDay> {
        let days = self.users.get(owner).map(|user| &user.touched.rejects);
        days.into_iter().flatten().map(|day| PartitionDay::Day(*day)).collect()
    }

    /// The published files of a partition that can hold rows of a user.
    pub(crate) fn files_of(&self, table: Table, day: PartitionDay, owner: Owner) -> Vec<&FileEntry> {
        let files = self.published.get(&(table, day)).map_or(&[][..], Vec::as_slice);
        files.iter().filter(|file| file.owners[0] <= owner && owner <= file.owners[1]).collect()
    }
}

impl UserBooks {
    fn begin(&mut self, window: Window) {
        self.begun = Some(self.begun.map_or(window.from, |begun| begun.min(window.from)));
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
