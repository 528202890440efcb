//! What to ask instead of a list that can't be had: smaller pages first, then halves of its window. Pure.
//!
//! A server that fails at one record answers 500 to the whole page, and a hundred long records may be more than a page
//! can take. Links to pages are opaque, so nothing can be left out within a list: a smaller page has to begin the list
//! again, and to get past a record that can't be had, the list is halved by time until nothing but that record is in
//! one of its parts. What was read before is known by its keys and dropped later on.

use promptlake_model::{Timestamp, Window};

use super::backoff::ATTEMPTS_MAX;
use super::filter::PAGE_RECORDS;

/// The finest that Graph is known to compare. A part as wide as this that can't be had is a gap.
pub(crate) const LEAST_WIDTH_MICROS: i64 = 1_000;

/// The sizes of pages, from what is recommended to one that holds nothing but the record at fault.
const PAGE_SIZES: [u32; 3] = [PAGE_RECORDS, 10, 1];

/// Whoever asks for a part knows already that something is wrong with the whole: waiting for as long as for a server that
/// comes back would take half an hour for one record of a year.
const PART_PROOF_FAILURES: u32 = 3;

/// A paging token lives for a time nobody knows; if it dies this often the list does not end by asking again.
pub(crate) const RESTARTS_MAX: u32 = 3;

/// How often a list that moved is read again when it moved at the end of the run as well. It should be still by then, since
/// its window is past; a source that always gives records twice is not asked for ever.
pub(crate) const REREADS_MAX: u32 = 1;

/// One list: a window, and how it is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) window: Window,
    /// Place in [`PAGE_SIZES`].
    size: usize,
    /// Smaller pages failed at the first records of a window that holds this one: it is a record that is at fault.
    is_smaller_in_vain: bool,
    /// Whether it is a planned slice, as it was planned.
    is_first: bool,
    pub(crate) restarts: u32,
    pub(crate) rereads: u32,
}

/// Where a list could not be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FailedAt {
    FirstPage,
    LaterPage,
}

/// What to ask instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Instead {
    /// The same window in smaller pages.
    SmallerPages(Part),
    /// Its halves.
    Halves([Part; 2]),
    /// Nothing: this window can't be had.
    Nothing,
}

impl Part {
    /// The whole of a planned slice.
    pub(crate) const fn whole(window: Window) -> Self {
        Self { window, size: 0, is_smaller_in_vain: false, is_first: true, restarts: 0, rereads: 0 }
    }

    /// The most records of a page.
    pub(crate) const fn page_records(&self) -> u32 {
        PAGE_SIZES[self.size]
    }

    /// How many failures prove that it can't be had. What decides on a gap is tried as often as anything.
    pub(crate) const fn proof_failures(&self) -> u32 {
        if self.is_first || self.is_of_smallest_pages() { ATTEMPTS_MAX } else { PART_PROOF_FAILURES }
    }

    /// The same once more, after its paging token died; `None` after [`RESTARTS_MAX`].
    pub(crate) fn restarted(self) -> Option<Self> {
        (self.restarts < RESTARTS_MAX).then_some(Self { restarts: self.restarts + 1, ..self })
    }

    /// The same once more, since the list moved; `None` after [`REREADS_MAX`].
    pub(crate) fn reread(self) -> Option<Self> {
        (self.rereads < REREADS_MAX).then_some(Self { rereads: self.rereads + 1, ..self })
    }

    /// What to ask instead of this. `can_halve` is whether the tenant takes a filter on the date: without one, a half of a
    /// window is the same list.
    pub(crate) fn instead(self, failed_at: FailedAt, can_halve: bool) -> Instead {
        let is_wide = can_halve && self.window.to.micros() - self.window.from.micros() > LEAST_WIDTH_MICROS;
        let smaller = Self { size: self.size + 1, is_first: false, ..self };
        if !is_wide {
            return if self.is_of_smallest_pages() {
                Instead::Nothing
            } else {
                Instead::SmallerPages(smaller)
            };
        }
        // A wide window in pages of one is as many requests as it has records: there, one smaller size is tried. It
        // is where the first page fails, since a list that can be had in pages of any size is not halved in vain.
        let at_first_page = failed_at == FailedAt::FirstPage;
        if self.size == 0 && at_first_page && !self.is_smaller_in_vain {
            return Instead::SmallerPages(smaller);
        }
        let is_smaller_in_vain = self.is_smaller_in_vain || (self.size > 0 && at_first_page);
        let middle = middle_of(self.window);
        let half = |window| Self { is_smaller_in_vain, is_first: false, ..Self::whole(window) };
        Instead::Halves([
            half(Window { to: middle, ..self.window }),
            half(Window { from: middle, ..self.window }),
        ])
    }

    const fn is_of_smallest_pages(&self) -> bool {
        self.size + 1 == PAGE_SIZES.len()
    }
}

/// The whole millisecond at about half of a window that is wider than one: an instant within it that a filter can name.
fn middle_of(Window { from, to }: Window) -> Timestamp {
    let half = from.micros() + (to.micros() - from.micros()) / 2;
    let below = half.div_euclid(LEAST_WIDTH_MICROS) * LEAST_WIDTH_MICROS;
    Timestamp::from_micros(if below > from.micros() { below } else { below + LEAST_WIDTH_MICROS })
}

/// Windows in order, with those that touch joined to one.
pub(crate) fn joined(mut windows: Vec<Window>) -> Vec<Window> {
    windows.sort_unstable_by_key(|window| window.from);
    let mut joined: Vec<Window> = Vec::new();
    for window in windows {
        match joined.last_mut() {
            Some(last) if last.to >= window.from => last.to = last.to.max(window.to),
            _ => joined.push(window),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(from: i64, to: i64) -> Window {
        Window::new(Timestamp::from_micros(from), Timestamp::from_micros(to)).unwrap()
    }

    /// The parts that are asked for, with the size of their pages, where one instant fails at the first page of any list
    /// that holds it.
    fn asked(whole: Window, bad: i64, can_halve: bool) -> (Vec<(Window, u32)>, Vec<Window>) {
        let (mut waiting, mut asked, mut gaps) = (vec![Part::whole(whole)], Vec::new(), Vec::new());
        while let Some(part) = waiting.pop() {
            asked.push((part.window, part.page_records()));
            if !part.window.contains(Timestamp::from_micros(bad)) {
                continue;
            }
            match part.instead(FailedAt::FirstPage, can_halve) {
                Instead::SmallerPages(part) => waiting.push(part),
                Instead::Halves(halves) => waiting.extend(halves),
                Instead::Nothing => gaps.push(part.window),
            }
        }
        (asked, gaps)
    }

    #[test]
    fn only_a_millisecond_is_left_of_ten_years() {
        let years = window(0, 10 * 366 * 86_400_000_000);
        for bad in [0, 1, 777_777_777_777, years.to.micros() - 1] {
            let (asked, gaps) = asked(years, bad, true);
            let at = bad.div_euclid(1_000) * 1_000;
            assert_eq!(gaps, [window(at, at + 1_000)]);
            assert!(asked.len() < 90, "{}", asked.len());
            // Pages of one record are for the very last.
            let single = asked.iter().filter(|(_, page_records)| *page_records == 1);
            assert_eq!(single.count(), 1);
        }
    }

    #[test]
    fn halves_meet_at_a_whole_millisecond_within() {
        for (from, to) in
            [(0, 1_001), (200, 1_400), (999, 2_001), (-1_500, 3), (-2_000, -999), (1, 9_999_999)]
        {
            let Instead::Halves([first, second]) =
                Part { size: 1, ..Part::whole(window(from, to)) }.instead(FailedAt::FirstPage, true)
            else {
                panic!("not halved: {from} {to}");
            };
            assert_eq!((first.window.from.micros(), second.window.to.micros()), (from, to));
            let middle = first.window.to;
            assert_eq!(middle, second.window.from);
            assert!(from < middle.micros() && middle.micros() < to && middle.micros() % 1_000 == 0);
        }
    }

    #[test]
    fn without_a_date_filter_only_pages_get_smaller() {
        let day = window(0, 86_400_000_000);
        assert_eq!(asked(day, 5, false), (vec![(day, 100), (day, 10), (day, 1)], vec![day]));
    }

    #[test]
    fn a_list_that_fails_later_is_halved_at_once() {
        let part = Part::whole(window(0, 86_400_000_000));
        assert!(matches!(part.instead(FailedAt::LaterPage, true), Instead::Halves(_)));
        let Instead::SmallerPages(smaller) = part.instead(FailedAt::FirstPage, true) else { panic!() };
        assert_eq!(smaller.page_records(), 10);
        assert!(matches!(smaller.instead(FailedAt::LaterPage, true), Instead::Halves(_)));
    }

    #[test]
    fn windows_that_touch_are_joined() {
        let unjoined = vec![window(5, 9), window(0, 5), window(20, 30), window(8, 10)];
        assert_eq!(joined(unjoined), [window(0, 10), window(20, 30)]);
    }
}
