//! What the ledger adds up to: coverage, touched days, what is committed and what is published. A pure fold over
//! the records, so that any two readers of one ledger agree.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use promptlake_model::{
    AppClasses, Owner, PartitionDay, RunId, SavedFile, Table, TenantId, Timestamp, Window,
};

use crate::intervals::IntervalSet;
use crate::record::{Commit, FileEntry, LakeFacts, PartialOf, Publish, Record, SegmentEntry};
use crate::user_books::{UserBooks, micros_of, pages_of_part};

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

/// What a source wants of a user's history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// Where the history of a new user begins.
    pub start: WantedStart,
    /// The end of every window: `now − settle_lag`.
    pub end: Timestamp,
    /// How far before the end of the newest covered window is asked again, in microseconds.
    pub lookback_micros: i64,
    /// What of the covered windows is asked again as well.
    pub again: Option<Window>,
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
            let covered_before = user.covered_micros();
            user.cover(&covered.classes, covered.window);
            user.begin(covered.window);
            // What is read again says nothing new of how long his history is.
            let newly_covered = user.covered_micros() - covered_before;
            user.pages = user.pages.saturating_add(pages_of_part(
                covered.page_count.into(),
                newly_covered,
                micros_of(&covered.window),
            ));
            user.pages_begun = 0;
            user.turned_away = false;
        }
        for partial in &commit.partial {
            if let PartialOf::History { owner, window } = partial.of {
                let user = self.users.entry(owner).or_default();
                user.begin(window);
                user.pages_begun = user.pages_begun.max(partial.page_count.into());
            }
        }
        for owner in &commit.turned_away {
            self.users.entry(*owner).or_default().turned_away = true;
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

    /// The windows to ask of a user's history: what no slice covered for all of these classes, the lookback before the
    /// newest end, and what is wanted again.
    #[must_use]
    pub fn windows_to_ask(&self, owner: &Owner, wanted: Wanted, classes: &AppClasses) -> Vec<Window> {
        let nothing = UserBooks::default();
        let user = self.users.get(owner).unwrap_or(&nothing);
        let start = match (wanted.start, user.begun) {
            (WantedStart::OfNewUsers(_), Some(begun)) => begun,
            (WantedStart::At(start) | WantedStart::OfNewUsers(start), _) => start,
        };
        let Some(whole) = Window::new(start, wanted.end) else { return Vec::new() };
        let covered = user.covered_for(classes);
        let mut ask = IntervalSet::default();
        for missing in covered.missing_in(whole) {
            ask.insert(missing);
        }
        let again = IntervalSet::from_windows(wanted.again.and_then(|again| whole.common_with(again)));
        for covered in covered.common_with(&again).into_windows() {
            ask.insert(covered);
        }
        if let Some(newest) = covered.end() {
            let again_from = newest.saturating_add_micros(-wanted.lookback_micros).max(start);
            if let Some(again) = Window::new(again_from, newest.min(wanted.end)) {
                ask.insert(again);
            }
        }
        ask.into_windows()
    }

    /// The windows that are covered for all of these classes, up to where the next run looks again anyway: what came late
    /// beyond that is its business.
    #[must_use]
    pub fn windows_to_audit(&self, owner: &Owner, lookback_micros: i64, classes: &AppClasses) -> Vec<Window> {
        let Some(user) = self.users.get(owner) else { return Vec::new() };
        let covered = user.covered_for(classes);
        let Some(newest) = covered.end() else { return Vec::new() };
        let until = newest.saturating_add_micros(-lookback_micros);
        let before = |window: &Window| Window::new(window.from, window.to.min(until));
        covered.windows().iter().filter_map(before).collect()
    }

    /// The records of the ledger that these books are made of; 0 where there is no lake.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.head
    }

    /// The users of a tenant whose history was begun, and of whom the source did not say last that there is none: in no
    /// order.
    pub fn users_to_ask_again(&self, tenant: TenantId) -> impl Iterator<Item = Owner> {
        let begun = |user: &UserBooks| user.begun.is_some() && !user.turned_away;
        let of_tenant = self.users.iter().filter(move |(owner, user)| owner.tenant == tenant && begun(user));
        of_tenant.map(|(owner, _)| *owner)
    }

    pub(crate) fn is_turned_away(&self, owner: &Owner) -> bool {
        self.users.get(owner).is_some_and(|user| user.turned_away)
    }

    /// The pages that a window of a user will have, if he goes on as he did, and at least as many as a list of his had that
    /// broke off; 0 where nothing of him is known. A guess, to begin with the longest.
    #[must_use]
    pub fn pages_to_expect(&self, owner: &Owner, window: Window) -> u64 {
        let Some(user) = self.users.get(owner) else { return 0 };
        let pages = i128::from(user.pages) * micros_of(&window);
        let pages = u64::try_from(pages.checked_div(user.covered_micros()).unwrap_or(0)).unwrap_or(0);
        pages.max(user.pages_begun)
    }

    /// What is complete of a user for all of these classes.
    pub(crate) fn covered_for(&self, owner: &Owner, classes: &AppClasses) -> Cow<'_, IntervalSet> {
        self.users
            .get(owner)
            .map_or_else(|| Cow::Owned(IntervalSet::default()), |user| user.covered_for(classes))
    }

    /// The end of the newest window of a user that is complete for all of these classes.
    #[must_use]
    pub fn covered_until(&self, owner: &Owner, classes: &AppClasses) -> Option<Timestamp> {
        self.covered_for(owner, classes).end()
    }

    /// The run other than `own` that committed rows of a user which are not published yet: they can't be looked up,
    /// so nobody else may add to them, nor say what is missing.
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
        let ends = self.users.iter().filter_map(|(owner, user)| Some((*owner, user.covered_until()?)));
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

#[cfg(test)]
mod tests {
    use promptlake_model::UserId;

    use super::*;
    use crate::record::{Covered, Deed, Partial};

    const HOUR_MICROS: i64 = 3_600_000_000;

    fn owner() -> Owner {
        let guid = "4db02e4b-d144-400e-b194-53253a34c5be";
        Owner { tenant: TenantId::parse(guid).unwrap(), user: UserId::parse(guid).unwrap() }
    }

    fn hour(hour: i64) -> Timestamp {
        Timestamp::from_micros(hour * HOUR_MICROS)
    }

    fn books(covered: &[(i64, i64)]) -> Books {
        books_of_classes(&covered.iter().map(|window| (&[][..], *window)).collect::<Vec<_>>())
    }

    /// Windows in hours, each covered for some classes.
    fn books_of_classes(covered: &[(&[&str], (i64, i64))]) -> Books {
        let covered = covered.iter().map(|(classes, (from, to))| Covered {
            owner: owner(),
            window: Window::new(hour(*from), hour(*to)).unwrap(),
            classes: AppClasses::of(*classes),
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
            let lookback_micros = lookback * HOUR_MICROS;
            let wanted = Wanted { start, end: hour(100), lookback_micros, again: None };
            let windows = books(&covered).windows_to_ask(&owner(), wanted, &AppClasses::default());
            let hours = windows.iter().map(|w| (w.from.micros() / HOUR_MICROS, w.to.micros() / HOUR_MICROS));
            assert_eq!(hours.collect::<Vec<_>>(), expected, "{covered:?} {start:?} {lookback}");
        }
    }

    #[test]
    fn what_is_wanted_again_is_asked_as_far_as_it_is_covered() {
        for (covered, again, expected) in [
            (vec![(0, 100)], (20, 30), vec![(20, 30)]),
            (vec![(0, 90)], (20, 30), vec![(20, 30), (90, 100)]),
            (vec![(0, 25), (28, 90)], (20, 30), vec![(20, 30), (90, 100)]),
            (vec![(5, 90)], (-50, 10), vec![(0, 10), (90, 100)]),
            (vec![(5, 90)], (80, 500), vec![(0, 5), (80, 100)]),
            (vec![(0, 90)], (100, 500), vec![(90, 100)]),
        ] {
            let again = Window::new(hour(again.0), hour(again.1));
            let start = WantedStart::At(hour(0));
            let wanted = Wanted { start, end: hour(100), lookback_micros: 0, again };
            let windows = books(&covered).windows_to_ask(&owner(), wanted, &AppClasses::default());
            let hours = windows.iter().map(|w| (w.from.micros() / HOUR_MICROS, w.to.micros() / HOUR_MICROS));
            assert_eq!(hours.collect::<Vec<_>>(), expected, "{covered:?} {again:?}");
        }
    }

    #[test]
    fn what_is_covered_for_some_classes_is_not_for_others() {
        let (all, a, b): (&[&str], &[&str], &[&str]) = (&[], &["A"], &["B"]);
        let both: &[&str] = &["A", "B"];
        for (covered, asked, expected) in [
            (vec![(a, (0, 90))], a, vec![(90, 100)]),
            (vec![(a, (0, 90))], b, vec![(0, 100)]),
            (vec![(a, (0, 90))], all, vec![(0, 100)]),
            (vec![(a, (0, 90))], both, vec![(0, 100)]),
            (vec![(a, (0, 90)), (b, (10, 95))], both, vec![(0, 10), (90, 100)]),
            (vec![(both, (0, 90))], a, vec![(90, 100)]),
            (vec![(both, (0, 90))], all, vec![(0, 100)]),
            (vec![(all, (0, 90))], both, vec![(90, 100)]),
            (vec![(all, (0, 50)), (a, (50, 90))], a, vec![(90, 100)]),
            (vec![(all, (0, 50)), (a, (50, 90))], all, vec![(50, 100)]),
            // Perhaps another spelling is another class to Graph.
            (vec![(a, (0, 95))], &["a"], vec![(0, 100)]),
        ] {
            let start = WantedStart::At(hour(0));
            let wanted = Wanted { start, end: hour(100), lookback_micros: 0, again: None };
            let books = books_of_classes(&covered);
            let windows = books.windows_to_ask(&owner(), wanted, &AppClasses::of(asked));
            let hours = windows.iter().map(|w| (w.from.micros() / HOUR_MICROS, w.to.micros() / HOUR_MICROS));
            assert_eq!(hours.collect::<Vec<_>>(), expected, "{covered:?} {asked:?}");
            assert!(books.covered_after(hour(60)).is_some() && books.covered_after(hour(95)).is_none());
        }
    }

    #[test]
    fn what_is_covered_for_all_chosen_classes_is_audited_up_to_the_lookback() {
        let (all, a, b): (&[&str], &[&str], &[&str]) = (&[], &["A"], &["B"]);
        let both: &[&str] = &["A", "B"];
        for (covered, chosen, lookback, expected) in [
            (vec![], all, 0, vec![]),
            (vec![(all, (0, 90))], all, 0, vec![(0, 90)]),
            (vec![(all, (0, 90))], all, 2, vec![(0, 88)]),
            (vec![(all, (0, 40)), (all, (60, 90))], both, 2, vec![(0, 40), (60, 88)]),
            (vec![(all, (0, 40)), (all, (60, 90))], all, 35, vec![(0, 40)]),
            (vec![(all, (0, 90))], all, 90, vec![]),
            (vec![(a, (0, 90))], all, 0, vec![]),
            (vec![(a, (0, 90)), (b, (10, 95))], both, 1, vec![(10, 89)]),
            (vec![(all, (0, 50)), (a, (50, 90))], a, 0, vec![(0, 90)]),
            (vec![(all, (0, 50)), (a, (50, 90))], b, 0, vec![(0, 50)]),
        ] {
            let books = books_of_classes(&covered);
            let (owner, classes) = (owner(), AppClasses::of(chosen));
            let windows = books.windows_to_audit(&owner, lookback * HOUR_MICROS, &classes);
            let hours = windows.iter().map(|w| (w.from.micros() / HOUR_MICROS, w.to.micros() / HOUR_MICROS));
            assert_eq!(hours.collect::<Vec<_>>(), expected, "{covered:?} {chosen:?} {lookback}");
        }
    }

    #[test]
    fn what_is_read_again_makes_no_history_longer() {
        let once = books(&[(0, 30)]).users[&owner()].pages;
        assert_eq!(books(&[(0, 30), (0, 30), (10, 20)]).users[&owner()].pages, once);
    }

    #[test]
    fn who_had_many_pages_is_expected_to_have_many() {
        let mut books = books(&[(0, 10), (20, 30)]);
        assert_eq!(books.users[&owner()].pages, 2, "one page each");
        books.users.get_mut(&owner()).unwrap().pages = 40;
        let pages = |books: &Books, from, to| {
            books.pages_to_expect(&owner(), Window::new(hour(from), hour(to)).unwrap())
        };
        assert_eq!([pages(&books, 30, 40), pages(&books, 0, 100), pages(&books, 30, 31)], [20, 200, 2]);
        assert_eq!(pages(&Books::default(), 0, 100), 0);
    }

    #[test]
    fn a_list_that_broke_off_is_expected_to_be_as_long_until_it_is_complete() {
        let (mut books, window) = (books(&[(0, 10)]), Window::new(hour(10), hour(20)).unwrap());
        let commit = |pages: &[u32]| Commit {
            partial: pages
                .iter()
                .map(|pages| Partial {
                    of: PartialOf::History { owner: owner(), window },
                    page_count: *pages,
                })
                .collect(),
            ..Commit::default()
        };
        let run = RunId::parse("r").unwrap();
        books.apply_commit(&run, &commit(&[30, 1_200]));
        books.apply_commit(&run, &commit(&[700]));
        assert_eq!(books.pages_to_expect(&owner(), window), 1_200);
        let covered = Covered {
            owner: owner(),
            window,
            classes: AppClasses::default(),
            page_count: 3,
            record_count: 1,
        };
        books.apply_commit(&run, &Commit { covered: vec![covered], ..Commit::default() });
        assert_eq!(books.pages_to_expect(&owner(), window), 2);
    }
}
