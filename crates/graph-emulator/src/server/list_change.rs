//! Lists that change while they are paged through.
//!
//! Page tokens are offsets, so a list that loses or gains records before the place of a reader makes him miss some or
//! see some twice. As closed windows lie in the past, the records that come and go are those of the window that is
//! read, and everything that exists is what the tenant says: a list that is begun again is whole.
//!
//! The reader sees twice as many records as he misses wherever all of them stay in the list. Only where records are out
//! of it for a while are some missed without a sign.

use std::collections::BTreeMap;

/// A change of a user's list while it is paged through. It happens once to each user that it is for: to the first list
/// that is long enough to be asked for its page `at_page`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListChange {
    /// Only for this user (object id or sign-in name as in the request's path, in any case); none means every user.
    pub user_id: Option<String>,
    /// The place of the first page that is answered after the change, counted from 0; 0 is taken for 1.
    pub at_page: u64,
    /// How many records change their places, at most.
    pub records: u64,
    /// What happens.
    pub kind: ListChangeKind,
}

/// What happens to a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListChangeKind {
    /// The newest records of the list are not there at first, and then are, at its front: the last records of the page
    /// before repeat, and the new ones are missed.
    Arrive,
    /// The newest records of the list move to its end: as many that were not read yet are missed, and those that moved
    /// repeat.
    MoveToEnd,
    /// The newest records of the list are out of it until a list is begun again: as many that were not read yet are
    /// missed, and none repeats.
    StepOut,
}

/// How far the change of a user's list has come. The list is known by its filter.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Progress {
    Before { filter: String },
    After { filter: String },
    Over { filter: String },
}

/// All changes, and how far each user's has come.
#[derive(Debug, Default)]
pub(super) struct ListChanges {
    changes: Vec<ListChange>,
    progress: BTreeMap<u32, Progress>,
}

/// A request for a page of a list, as far as changes look at it.
#[derive(Debug, Clone, Copy)]
pub(super) struct ListRequest<'a> {
    pub(super) user: &'a str,
    pub(super) user_index: u32,
    pub(super) filter: &'a str,
    pub(super) top: u64,
    pub(super) page: u64,
    /// Records of the list before the page.
    pub(super) skip: u64,
}

/// A list as it is for a request, and what the change that just happened does to the reader.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Arranged {
    pub(super) positions: Vec<u64>,
    /// What a reader who goes on will see twice and not at all, where the change happened just now.
    pub(super) happened: Option<Toll>,
}

/// What a change costs a reader who goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Toll {
    pub(super) repeated: u64,
    pub(super) skipped: u64,
}

impl ListChange {
    fn is_for(&self, user: &str) -> bool {
        self.user_id.as_ref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(user))
    }

    fn place(&self) -> u64 {
        self.at_page.max(1)
    }

    /// Whether a list of `length` records is asked for the page at which it changes, also without what arrives later.
    fn fits(&self, length: u64, top: u64) -> bool {
        let hidden = if self.kind == ListChangeKind::Arrive { self.records } else { 0 };
        length.saturating_sub(hidden) > self.place().saturating_mul(top)
    }

    /// What the change costs a reader of a list of `length` records who has read `read` of them.
    fn toll(&self, length: u64, read: u64) -> Toll {
        let moved = self.records.min(read);
        let missed = moved.min(length - read.min(length));
        match self.kind {
            ListChangeKind::Arrive => Toll { repeated: moved, skipped: moved },
            ListChangeKind::MoveToEnd => Toll { repeated: missed, skipped: missed },
            ListChangeKind::StepOut => Toll { repeated: 0, skipped: missed },
        }
    }
}

impl ListChanges {
    pub(super) fn new(changes: Vec<ListChange>) -> Self {
        Self { changes, progress: BTreeMap::new() }
    }

    /// Whether a user's lists can change: then tokens count records of the list.
    pub(super) fn are_for(&self, user: &str) -> bool {
        self.changes.iter().any(|change| change.is_for(user))
    }

    /// The list of a request, whose records are `positions` when it is whole and at rest.
    pub(super) fn arrange(&mut self, request: &ListRequest<'_>, positions: Vec<u64>) -> Arranged {
        let whole = Arranged { positions, happened: None };
        let Some(change) = self.changes.iter().find(|change| change.is_for(request.user)) else {
            return whole;
        };
        let length = whole.positions.len() as u64;
        let filter = || request.filter.to_owned();
        let (next, happened) = match self.progress.get(&request.user_index) {
            None if request.page == 0 && change.fits(length, request.top) => {
                (Progress::Before { filter: filter() }, None)
            }
            None => return whole,
            Some(
                Progress::Before { filter: of }
                | Progress::After { filter: of }
                | Progress::Over { filter: of },
            ) if of != request.filter => {
                return whole;
            }
            Some(Progress::Before { .. }) if request.page >= change.place() => {
                (Progress::After { filter: filter() }, Some(change.toll(length, request.skip)))
            }
            Some(Progress::After { .. }) if request.page == 0 => (Progress::Over { filter: filter() }, None),
            Some(progress) => (progress.clone(), None),
        };
        let positions = arrangement(change, &next, whole.positions);
        self.progress.insert(request.user_index, next);
        Arranged { positions, happened }
    }
}

/// The order of a list in a stage of its change.
fn arrangement(change: &ListChange, progress: &Progress, mut positions: Vec<u64>) -> Vec<u64> {
    let moved = usize::try_from(change.records).unwrap_or(usize::MAX).min(positions.len());
    match (change.kind, progress) {
        (ListChangeKind::Arrive, Progress::Before { .. })
        | (ListChangeKind::StepOut, Progress::After { .. }) => positions.split_off(moved),
        (ListChangeKind::MoveToEnd, Progress::After { .. } | Progress::Over { .. }) => {
            positions.rotate_left(moved);
            positions
        }
        _ => positions,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{ListChange, ListChangeKind, ListChanges, ListRequest, Toll};

    /// Reads a list of `length` records in pages of ten from its beginning to its end.
    fn read(changes: &mut ListChanges, filter: &str, length: u64) -> (Vec<u64>, Option<Toll>) {
        let (mut seen, mut toll, mut page) = (Vec::new(), None, 0);
        loop {
            let skip = page * 10;
            let request = ListRequest { user: "A", user_index: 3, filter, top: 10, page, skip };
            let arranged = changes.arrange(&request, (0..length).rev().collect());
            toll = toll.or(arranged.happened);
            let rest = arranged.positions.get(usize::try_from(skip).unwrap()..).unwrap_or_default();
            seen.extend(rest.iter().take(10));
            if rest.len() <= 10 {
                return (seen, toll);
            }
            page += 1;
        }
    }

    fn count(seen: &[u64], length: u64) -> Toll {
        let mut times = BTreeMap::<u64, u64>::new();
        for position in seen {
            *times.entry(*position).or_default() += 1;
        }
        let repeated = times.values().map(|times| times - 1).sum();
        Toll { repeated, skipped: length - times.len() as u64 }
    }

    #[test]
    fn a_reader_pays_what_the_report_says_and_reads_all_the_second_time() {
        for (kind, records, at_page, expected) in [
            (ListChangeKind::Arrive, 4, 2, (4, 4)),
            (ListChangeKind::Arrive, 25, 1, (10, 10)),
            (ListChangeKind::MoveToEnd, 4, 2, (4, 4)),
            (ListChangeKind::MoveToEnd, 4, 5, (4, 4)),
            (ListChangeKind::StepOut, 7, 3, (0, 7)),
            (ListChangeKind::StepOut, 7, 0, (0, 7)),
        ] {
            let change = ListChange { user_id: Some("a".to_owned()), at_page, records, kind };
            let mut changes = ListChanges::new(vec![change.clone()]);
            assert_eq!(read(&mut changes, "short", 9), ((0..9).rev().collect(), None));
            let (seen, toll) = read(&mut changes, "long", 57);
            let expected = Toll { repeated: expected.0, skipped: expected.1 };
            assert_eq!((toll, count(&seen, 57)), (Some(expected), expected), "{change:?}");
            for filter in ["long", "long", "other"] {
                let (again, toll) = read(&mut changes, filter, 57);
                assert_eq!((toll, count(&again, 57)), (None, Toll::default()), "{change:?} {filter}");
            }
        }
    }

    #[test]
    fn others_are_left_alone() {
        let change = ListChange {
            user_id: Some("b".to_owned()),
            at_page: 1,
            records: 3,
            kind: ListChangeKind::Arrive,
        };
        let mut changes = ListChanges::new(vec![change]);
        assert!(changes.are_for("B") && !changes.are_for("a"));
        assert_eq!(count(&read(&mut changes, "", 57).0, 57), Toll::default());
    }
}
