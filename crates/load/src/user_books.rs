//! What the ledger adds up to for one user: what is complete, how long his history is, where his rows lie.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use promptlake_model::{AppClasses, Day, PartitionDay, Timestamp, Window};

use crate::intervals::IntervalSet;
use crate::record::{DaySpan, Touched};

/// What is known of one user.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct UserBooks {
    /// Complete for every app class.
    pub(crate) covered: IntervalSet,
    /// Complete for one class, beside what is for every one. Each class stands alone: a run that asks for other classes
    /// than the one before asks for what each of them lacks.
    pub(crate) covered_classes: BTreeMap<String, IntervalSet>,
    /// Where his history begins, once a slice of it was begun, whatever came of it.
    pub(crate) begun: Option<Timestamp>,
    pub(crate) touched: TouchedDays,
    /// The pages of his complete windows, over all runs.
    pub(crate) pages: u64,
    /// The most pages that one commit had of a list of his which is not complete, since the last that is: so long it is at
    /// least.
    pub(crate) pages_begun: u64,
    /// The last that the source said of him was that he has no licence or no history.
    pub(crate) turned_away: bool,
}

/// The days on which rows of a user lie.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct TouchedDays {
    /// From the first day to the last: a day between two commits costs a look-up, never a row.
    pub(crate) span: Option<DaySpan>,
    pub(crate) undated: bool,
    pub(crate) rejects: BTreeSet<Day>,
}

pub(crate) fn micros_of(window: &Window) -> i128 {
    i128::from(window.to.micros()) - i128::from(window.from.micros())
}

/// The pages of a part of a window, at least one where there is any.
pub(crate) fn pages_of_part(pages: u64, part_micros: i128, whole_micros: i128) -> u64 {
    let part = i128::from(pages) * part_micros;
    let rounded_up = (part + whole_micros - 1).checked_div(whole_micros).unwrap_or(0);
    u64::try_from(rounded_up).unwrap_or(0).min(pages)
}

impl UserBooks {
    pub(crate) fn cover(&mut self, classes: &AppClasses, window: Window) {
        if classes.is_all() {
            self.covered.insert(window);
        }
        for class in classes.iter() {
            self.covered_classes.entry(class.to_owned()).or_default().insert(window);
        }
    }

    /// What is complete for all of these classes.
    pub(crate) fn covered_for(&self, classes: &AppClasses) -> Cow<'_, IntervalSet> {
        let of_class = |class| {
            let mut covered = self.covered.clone();
            for window in self.covered_classes.get(class).map_or(&[][..], IntervalSet::windows) {
                covered.insert(*window);
            }
            covered
        };
        let of_classes = classes.iter().map(of_class).reduce(|one, another| one.common_with(&another));
        of_classes.map_or(Cow::Borrowed(&self.covered), Cow::Owned)
    }

    /// How much is covered, for the class of which most is.
    pub(crate) fn covered_micros(&self) -> i128 {
        let sets = self.covered_classes.values().chain([&self.covered]);
        sets.map(|set| set.windows().iter().map(micros_of).sum()).max().unwrap_or(0)
    }

    /// The end of the newest window that is complete for any class.
    pub(crate) fn covered_until(&self) -> Option<Timestamp> {
        let ends = self.covered_classes.values().filter_map(IntervalSet::end);
        ends.chain(self.covered.end()).max()
    }

    pub(crate) fn begin(&mut self, window: Window) {
        self.begun = Some(self.begun.map_or(window.from, |begun| begun.min(window.from)));
    }
}

impl TouchedDays {
    pub(crate) fn add(&mut self, touched: &Touched) {
        self.undated |= touched.undated;
        self.rejects.extend(touched.rejects);
        let Some(new) = touched.days else { return };
        let old = self.span.unwrap_or(new);
        self.span = Some(DaySpan { first: old.first.min(new.first), last: old.last.max(new.last) });
    }

    pub(crate) fn contains(&self, day: PartitionDay) -> bool {
        match day {
            PartitionDay::Undated => self.undated,
            PartitionDay::Day(day) => self.span.is_some_and(|span| span.first <= day && day <= span.last),
        }
    }
}

#[cfg(test)]
mod tests {
    use promptlake_model::{Owner, TenantId, UserId};

    use super::*;

    fn owner() -> Owner {
        let guid = "4db02e4b-d144-400e-b194-53253a34c5be";
        Owner { tenant: TenantId::parse(guid).unwrap(), user: UserId::parse(guid).unwrap() }
    }

    #[test]
    fn the_pages_of_a_part_are_rounded_up() {
        for (pages, part, whole, expected) in
            [(30, 0, 3, 0), (30, 1, 3, 10), (30, 3, 3, 30), (1, 1, 3, 1), (0, 3, 3, 0), (30, 3, 0, 0)]
        {
            assert_eq!(pages_of_part(pages, part, whole), expected, "{pages} {part}/{whole}");
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
