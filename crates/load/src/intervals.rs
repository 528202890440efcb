//! Sets of windows: what is covered, and what is missing. Pure.

use promptlake_model::{Timestamp, Window};

/// Disjoint windows in order. Two become one only where they touch or overlap: a gap stays a gap until it is read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct IntervalSet(Vec<Window>);

impl IntervalSet {
    pub(crate) fn insert(&mut self, window: Window) {
        let before = self.0.partition_point(|old| old.to < window.from);
        let after = self.0.partition_point(|old| old.from <= window.to);
        let merged = self.0[before..after]
            .iter()
            .fold(window, |whole, old| Window { from: whole.from.min(old.from), to: whole.to.max(old.to) });
        self.0.splice(before..after, [merged]);
    }

    /// Whether an instant lies in one of them.
    pub(crate) fn contains(&self, instant: Timestamp) -> bool {
        let after = self.0.partition_point(|window| window.to <= instant);
        self.0.get(after).is_some_and(|window| window.contains(instant))
    }

    /// The parts of a window that are not in the set, in order.
    pub(crate) fn missing_in(&self, window: Window) -> Vec<Window> {
        let mut missing = Vec::new();
        let mut from = window.from;
        for covered in &self.0 {
            missing.extend(Window::new(from, covered.from.min(window.to)));
            from = from.max(covered.to);
        }
        missing.extend(Window::new(from, window.to));
        missing
    }

    /// What is in both sets.
    pub(crate) fn common_with(&self, other: &Self) -> Self {
        let (mut common, mut mine, mut theirs) = (Vec::new(), &self.0[..], &other.0[..]);
        while let ([one, rest @ ..], [another, others @ ..]) = (mine, theirs) {
            common.extend(one.common_with(*another));
            (mine, theirs) = if one.to < another.to { (rest, theirs) } else { (mine, others) };
        }
        Self(common)
    }

    /// Takes windows that were disjoint and in order once; anything else is put in order.
    pub(crate) fn from_windows(windows: impl IntoIterator<Item = Window>) -> Self {
        let mut set = Self::default();
        for window in windows {
            set.insert(window);
        }
        set
    }

    /// The windows in order.
    pub(crate) fn windows(&self) -> &[Window] {
        &self.0
    }

    /// The end of the newest window.
    pub(crate) fn end(&self) -> Option<Timestamp> {
        self.0.last().map(|window| window.to)
    }

    pub(crate) fn into_windows(self) -> Vec<Window> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(from: i64, to: i64) -> Window {
        Window::new(Timestamp::from_micros(from), Timestamp::from_micros(to)).unwrap()
    }

    fn set(windows: &[(i64, i64)]) -> IntervalSet {
        let mut set = IntervalSet::default();
        for (from, to) in windows {
            set.insert(window(*from, *to));
        }
        set
    }

    fn pairs(windows: Vec<Window>) -> Vec<(i64, i64)> {
        windows.into_iter().map(|window| (window.from.micros(), window.to.micros())).collect()
    }

    #[test]
    fn an_instant_lies_within_or_not() {
        let set = set(&[(0, 5), (7, 9)]);
        let within: Vec<i64> =
            (-1..11).filter(|instant| set.contains(Timestamp::from_micros(*instant))).collect();
        assert_eq!(within, [0, 1, 2, 3, 4, 7, 8]);
    }

    #[test]
    fn windows_merge_only_where_they_touch_or_overlap() {
        for (inserted, expected) in [
            (vec![(0, 5), (5, 9)], vec![(0, 9)]),
            (vec![(5, 9), (0, 5)], vec![(0, 9)]),
            (vec![(0, 4), (5, 9)], vec![(0, 4), (5, 9)]),
            (vec![(0, 2), (4, 6), (8, 9), (1, 8)], vec![(0, 9)]),
            (vec![(0, 9), (3, 4)], vec![(0, 9)]),
            (vec![(6, 7), (0, 1), (3, 4)], vec![(0, 1), (3, 4), (6, 7)]),
        ] {
            assert_eq!(pairs(set(&inserted).into_windows()), expected, "{inserted:?}");
        }
    }

    #[test]
    fn what_two_sets_have_in_common() {
        for (one, another, common) in [
            (vec![(0, 10)], vec![(5, 20)], vec![(5, 10)]),
            (vec![(0, 10), (20, 30)], vec![(5, 25)], vec![(5, 10), (20, 25)]),
            (vec![(0, 10)], vec![(10, 20)], vec![]),
            (vec![(0, 2), (4, 6), (8, 10)], vec![(1, 5), (9, 12)], vec![(1, 2), (4, 5), (9, 10)]),
            (vec![], vec![(0, 1)], vec![]),
        ] {
            assert_eq!(pairs(set(&one).common_with(&set(&another)).into_windows()), common);
            assert_eq!(pairs(set(&another).common_with(&set(&one)).into_windows()), common);
        }
    }

    #[test]
    fn what_is_missing_is_what_no_window_covers() {
        let covered = set(&[(10, 20), (30, 40)]);
        for (asked, missing) in [
            ((0, 50), vec![(0, 10), (20, 30), (40, 50)]),
            ((10, 40), vec![(20, 30)]),
            ((12, 18), vec![]),
            ((15, 35), vec![(20, 30)]),
            ((40, 41), vec![(40, 41)]),
            ((0, 5), vec![(0, 5)]),
        ] {
            assert_eq!(pairs(covered.missing_in(window(asked.0, asked.1))), missing, "{asked:?}");
        }
        assert_eq!(pairs(IntervalSet::default().missing_in(window(1, 2))), [(1, 2)]);
    }
}
