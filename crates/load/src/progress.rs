//! What the run has taken so far of each slice and user: when a slice is whole, and a user settled.
//!
//! Pages may come in any order, and an end marker before the last of its pages: only counts decide.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use promptlake_model::{
    Day, Owner, PageBatch, PageReading, PartitionDay, Slice, SliceEnd, SliceId, SliceOutcome, SliceScope,
    TenantId, UserEnd, UserStatus,
};

use crate::book_rows::SettledUser;
use crate::record::{Commit, Covered, CoveredFile, DaySpan, Partial, PartialOf, Touched};

/// Slices and users of which something came, and is not settled or not committed.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    slices: BTreeMap<SliceId, SliceProgress>,
    users: HashMap<Owner, UserProgress>,
    touched: BTreeMap<Owner, Touched>,
    settled: Vec<SettledUser>,
    turned_away: BTreeSet<Owner>,
}

#[derive(Debug)]
struct SliceProgress {
    slice: Arc<Slice>,
    pages: u32,
    pages_since_commit: u32,
    records: u64,
    readable: bool,
    end: Option<(u32, SliceOutcome)>,
}

#[derive(Debug, Default)]
struct UserProgress {
    pages: u32,
    unreadable_pages: u32,
    added_records: u64,
    end: Option<UserEnd>,
}

impl Progress {
    /// Takes note of a page that passed the gate. `known_records` are those that did not.
    pub(crate) fn page(&mut self, page: &PageBatch, known_records: u64) {
        let slice = self.slice(&page.slice);
        slice.pages += 1;
        slice.pages_since_commit += 1;
        slice.records += page.records.len() as u64 + known_records;
        slice.readable &= page.reading == PageReading::Read;
        let user = self.users.entry(page.owner).or_default();
        user.pages += 1;
        user.unreadable_pages += u32::from(page.reading == PageReading::Unreadable);
        user.added_records += page.records.len() as u64;
        self.touch(page);
        self.settle(page.owner);
    }

    pub(crate) fn slice_end(&mut self, end: &SliceEnd) {
        self.slice(&end.slice).end = Some((end.page_count, end.outcome));
    }

    pub(crate) fn user_end(&mut self, end: UserEnd) {
        let owner = end.owner;
        self.users.entry(owner).or_default().end = Some(end);
        self.settle(owner);
    }

    /// The users settled since the last call.
    pub(crate) fn take_settled(&mut self) -> Vec<SettledUser> {
        std::mem::take(&mut self.settled)
    }

    /// Takes note of a user of whom the source said for the first time that there is nothing to be had.
    pub(crate) fn turn_away(&mut self, owner: Owner) {
        self.turned_away.insert(owner);
    }

    /// The users of whom something is uncommitted or under way.
    pub(crate) fn owners(&self) -> HashSet<Owner> {
        let slices = self.slices.values().filter_map(|slice| match &slice.slice.scope {
            SliceScope::History { owner, .. } => Some(*owner),
            SliceScope::File(_) => None,
        });
        self.users.keys().chain(self.touched.keys()).copied().chain(slices).collect()
    }

    /// Whether a commit would say anything.
    pub(crate) fn has_news(&self) -> bool {
        let news = |slice: &SliceProgress| slice.pages_since_commit > 0 || slice.is_over();
        let of_users = !self.touched.is_empty() || !self.settled.is_empty() || !self.turned_away.is_empty();
        of_users || self.slices.values().any(news)
    }

    /// What the next commit says of slices and days. Rows and segments are not its business.
    pub(crate) fn draft_commit(&self) -> Commit {
        let mut commit = Commit {
            touched: self.touched.values().copied().collect(),
            turned_away: self.turned_away.iter().copied().collect(),
            ..Commit::default()
        };
        for slice in self.slices.values() {
            match (&slice.slice.scope, slice.is_whole()) {
                (SliceScope::History { owner, window, classes }, true) => commit.covered.push(Covered {
                    owner: *owner,
                    window: *window,
                    classes: classes.clone(),
                    page_count: slice.pages,
                    record_count: slice.records,
                }),
                (SliceScope::File(file), true) => {
                    commit.files.push(CoveredFile { tenant: slice.slice.tenant, file: file.clone() });
                }
                // Also one that was begun in vain: where the history of its user begins is settled by it.
                (scope, false) if slice.pages_since_commit > 0 || slice.is_over() => {
                    let of = partial_of(slice.slice.tenant, scope);
                    commit.partial.push(Partial { of, page_count: slice.pages_since_commit });
                }
                (_, false) => {}
            }
        }
        commit
    }

    /// What was drafted is committed.
    pub(crate) fn committed(&mut self) {
        self.touched.clear();
        self.turned_away.clear();
        self.slices.retain(|_, slice| !slice.is_over());
        for slice in self.slices.values_mut() {
            slice.pages_since_commit = 0;
        }
    }

    fn slice(&mut self, slice: &Arc<Slice>) -> &mut SliceProgress {
        self.slices.entry(slice.id).or_insert_with(|| SliceProgress {
            slice: Arc::clone(slice),
            pages: 0,
            pages_since_commit: 0,
            records: 0,
            readable: true,
            end: None,
        })
    }

    fn touch(&mut self, page: &PageBatch) {
        if page.records.is_empty() && page.rejects.is_empty() {
            return;
        }
        let nothing = Touched { owner: page.owner, days: None, undated: false, rejects: None };
        let touched = self.touched.entry(page.owner).or_insert(nothing);
        for record in &page.records {
            match record.day {
                PartitionDay::Undated => touched.undated = true,
                PartitionDay::Day(day) => touched.days = Some(widen(touched.days, day)),
            }
        }
        for reject in &page.rejects {
            if let PartitionDay::Day(day) = reject.day {
                touched.rejects = Some(day);
            }
        }
    }

    fn settle(&mut self, owner: Owner) {
        let user = self.users.entry(owner).or_default();
        let pages = user.pages;
        let Some(mut end) = user.end.take_if(|end| end.page_count == pages) else { return };
        // The source took its pages for read: that they were none is only known here.
        if user.unreadable_pages > 0 && matches!(end.status, UserStatus::Extracted | UserStatus::Empty) {
            end.status = UserStatus::Failed;
            end.reason =
                Some(format!("{} of his pages could not be read: see rejects", user.unreadable_pages));
        }
        let added_records = user.added_records;
        self.users.remove(&owner);
        self.settled.push(SettledUser { end, added_records });
    }
}

impl SliceProgress {
    /// As many pages came as its end marker says.
    fn is_over(&self) -> bool {
        self.end.is_some_and(|(pages, _)| pages == self.pages)
    }

    fn is_whole(&self) -> bool {
        self.is_over() && self.readable && self.end.is_some_and(|(_, outcome)| outcome == SliceOutcome::Whole)
    }
}

fn partial_of(tenant: TenantId, scope: &SliceScope) -> PartialOf {
    match scope {
        SliceScope::History { owner, window, .. } => PartialOf::History { owner: *owner, window: *window },
        SliceScope::File(file) => PartialOf::File { tenant, file: file.clone() },
    }
}

fn widen(span: Option<DaySpan>, day: Day) -> DaySpan {
    span.map_or(DaySpan { first: day, last: day }, |span| DaySpan {
        first: span.first.min(day),
        last: span.last.max(day),
    })
}
