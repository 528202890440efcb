//! What comes late: new rows in a window that was covered already. The source had them all along and gave them not, or they
//! are new versions. Counted by user and day while the user is read.

use std::collections::{BTreeMap, HashMap};

use promptlake_model::{Owner, PageBatch, PartitionDay, SliceScope};

use crate::books::Books;

/// What the lake lacks of one user, or lacked until now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lacking {
    /// The user.
    pub owner: Owner,
    /// Records, by the partition that they belong to.
    pub records: BTreeMap<PartitionDay, u64>,
    /// Things that could not be read, which should be rows of `rejects`.
    pub rejects: u64,
}

impl Lacking {
    pub(crate) const fn nothing_of(owner: Owner) -> Self {
        Self { owner, records: BTreeMap::new(), rejects: 0 }
    }
}

/// What came late of the users who are being read: as many as are under way, with a number for each day.
#[derive(Debug, Default)]
pub(crate) struct LateRows(HashMap<Owner, Lacking>);

impl LateRows {
    /// Takes a page of which only what is new is left. Gives how many of its records are late.
    ///
    /// What this run covers itself makes nothing late: its slices don't overlap, and one that is read again is not covered.
    pub(crate) fn page(&mut self, page: &PageBatch, books: &Books) -> u64 {
        let SliceScope::History { window, classes, .. } = &page.slice.scope else { return 0 };
        if page.records.is_empty() && page.rejects.is_empty() {
            return 0;
        }
        let covered = books.covered_for(&page.owner, classes);
        let is_late = |at| covered.contains(at);
        let late = page.records.iter().filter(|record| record.created_at.is_some_and(is_late));
        let days: Vec<_> = late.map(|record| record.day).collect();
        // When a reject was made, nobody knows.
        let rejects = if covered.missing_in(*window).is_empty() { page.rejects.len() as u64 } else { 0 };
        if days.is_empty() && rejects == 0 {
            return 0;
        }
        let of_user = self.0.entry(page.owner).or_insert_with(|| Lacking::nothing_of(page.owner));
        of_user.rejects += rejects;
        for day in &days {
            *of_user.records.entry(*day).or_default() += 1;
        }
        days.len() as u64
    }

    /// What came late of a user who is done.
    pub(crate) fn take(&mut self, owner: &Owner) -> Option<Lacking> {
        self.0.remove(owner)
    }
}
