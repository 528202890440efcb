//! What to ask of whom: a slice for every window that is missing or to be looked at again.
//!
//! Pages of a list come one after the other, so a run lasts as long as its longest list. The window of a user that would
//! take longer than everything else side by side is asked for in parts. They meet at instants, of which each belongs to
//! one part; a record without one comes with every part that gives it, and is known by its key from the second on.

use std::cmp::Reverse;
use std::sync::Arc;

use promptlake_extract::UserPlan;
use promptlake_load::{Books, Wanted, WantedStart};
use promptlake_model::{
    AppClasses, Owner, Slice, SliceIds, SliceScope, TenantId, Timestamp, UserProfile, Window,
};

use crate::settings::{GraphSource, Start};

/// A list that is shorter than this is over in seconds: parts of it would only cost a page more each.
const PART_PAGES_MIN: u64 = 20;

/// Filters on the date are compared by the millisecond.
const MICROS_PER_MILLI: i64 = 1_000;

/// A user and his windows, with the pages that are expected of them.
struct Draft {
    owner: Owner,
    profile: UserProfile,
    /// The end of what is covered of him.
    covered_until: Option<Timestamp>,
    windows: Vec<(Window, u64)>,
}

/// The plans of users of one source, in the order in which they are to be begun.
pub(crate) fn plan(
    books: &Books,
    users: impl Iterator<Item = (Owner, UserProfile)>,
    source: &GraphSource,
    wanted: Wanted,
    ids: &SliceIds,
) -> Vec<UserPlan> {
    let classes = &source.app_classes;
    let draft = |(owner, profile)| {
        let windows = books.windows_to_ask(&owner, wanted, classes).into_iter();
        let windows = windows.map(|window| (window, books.pages_to_expect(&owner, window)));
        let covered_until = books.covered_until(&owner, classes);
        Draft { owner, profile, covered_until, windows: windows.collect() }
    };
    let mut drafts: Vec<Draft> = users.map(draft).collect();
    drafts.sort_by_key(Draft::place);
    let pages: u64 = drafts.iter().map(Draft::pages).sum();
    // Lists that are read at once.
    let readers = source.concurrency.get() as u64;
    let share = (pages / readers).max(PART_PAGES_MIN);
    let plan = |draft: Draft| {
        let Draft { owner, profile, covered_until, windows } = draft;
        let parts = windows.into_iter().flat_map(|(window, pages)| parts_of(window, pages, share, readers));
        let history = |window| SliceScope::History { owner, window, classes: classes.clone() };
        let slices = parts.map(|window| slice(ids, owner.tenant, history(window))).collect();
        UserPlan { owner, profile, slices, was_read: covered_until.is_some() }
    };
    drafts.into_iter().map(plan).collect()
}

/// The plan of a user of whom these windows are asked for, each as it is.
pub(crate) fn plan_windows(
    (owner, profile, windows): (Owner, UserProfile, Vec<Window>),
    classes: &AppClasses,
    ids: &SliceIds,
) -> UserPlan {
    let history = |window| SliceScope::History { owner, window, classes: classes.clone() };
    let slices = windows.into_iter().map(|window| slice(ids, owner.tenant, history(window))).collect();
    // Only what is covered is audited.
    UserPlan { owner, profile, slices, was_read: true }
}

/// What a source wants of every history, and what of it is asked for again.
pub(crate) fn wanted(source: &GraphSource, now: Timestamp, again: Option<Window>) -> Wanted {
    let start = match source.start {
        Start::At(_) => WantedStart::At(source.start.resolve(now)),
        Start::Back(_) => WantedStart::OfNewUsers(source.start.resolve(now)),
    };
    Wanted {
        start,
        end: now.saturating_add_micros(-source.settle_lag.as_micros()),
        lookback_micros: source.lookback.as_micros(),
        again,
    }
}

impl Draft {
    /// Long histories first, the longest of all at the head, so that a run does not end with one of them alone. Then whoever
    /// is furthest behind, and before him whoever was never read: a run that is always stopped too early comes round to
    /// everybody.
    fn place(&self) -> (Reverse<u64>, Option<Timestamp>) {
        let pages = self.pages();
        (Reverse(if pages > PART_PAGES_MIN { pages } else { 0 }), self.covered_until)
    }

    fn pages(&self) -> u64 {
        self.windows.iter().map(|(_, pages)| pages).sum()
    }
}

pub(crate) fn slice(ids: &SliceIds, tenant: TenantId, scope: SliceScope) -> Arc<Slice> {
    Arc::new(Slice { id: ids.take(), tenant, scope })
}

/// A window in as many parts of equal width as it has shares of pages, and no more than are read at once.
fn parts_of(window: Window, pages: u64, share: u64, most: u64) -> Vec<Window> {
    let parts = i64::try_from(pages.div_ceil(share).clamp(1, most)).unwrap_or(1);
    let (from, width) = (window.from.micros(), window.to.micros() - window.from.micros());
    let seam = |part: i64| {
        let at = from + width / parts * part;
        Timestamp::from_micros(at.div_euclid(MICROS_PER_MILLI) * MICROS_PER_MILLI)
    };
    let seams = (1..parts).map(seam).filter(|seam| window.from < *seam && *seam < window.to);
    let bounds: Vec<Timestamp> = std::iter::once(window.from).chain(seams).chain([window.to]).collect();
    bounds.windows(2).filter_map(|pair| Window::new(pair[0], pair[1])).collect()
}

#[cfg(test)]
mod tests {
    use promptlake_model::UserId;

    use super::*;

    #[test]
    fn long_histories_are_begun_first_and_then_whoever_is_furthest_behind() {
        let guid = |number: usize| format!("00000000-0000-0000-0000-{number:012x}");
        let tenant = TenantId::parse(&guid(0)).unwrap();
        let window = Window::new(Timestamp::from_micros(0), Timestamp::from_micros(1)).unwrap();
        let draft = |(number, (pages, covered_until)): (usize, &(u64, Option<i64>))| Draft {
            owner: Owner { tenant, user: UserId::parse(&guid(number)).unwrap() },
            profile: UserProfile::default(),
            covered_until: covered_until.map(Timestamp::from_micros),
            windows: vec![(window, *pages)],
        };
        let users =
            [(1, Some(90)), (0, None), (20, Some(10)), (21, Some(95)), (900, None), (0, Some(5)), (3, None)];
        let mut drafts: Vec<Draft> = users.iter().enumerate().map(draft).collect();
        drafts.sort_by_key(Draft::place);
        let order: Vec<String> = drafts.iter().map(|draft| draft.owner.user.to_string()).collect();
        assert_eq!(order, [4, 3, 1, 6, 5, 2, 0].map(guid));
    }

    #[test]
    fn parts_meet_and_are_the_whole() {
        for (from, to, pages, share, most, expected) in [
            (0, 86_400_000_000, 0, 20, 8, 1),
            (0, 86_400_000_000, 20, 20, 8, 1),
            (0, 86_400_000_000, 21, 20, 8, 2),
            (7, 86_400_000_001, 900, 100, 8, 8),
            (7, 86_400_000_001, 900, 100, 16, 9),
            (0, 2_000, 900, 100, 8, 2),
            (100, 900, 900, 100, 8, 1),
            (-5_000_500, 4_999_999, u64::MAX, 20, 3, 3),
        ] {
            let window = Window::new(Timestamp::from_micros(from), Timestamp::from_micros(to)).unwrap();
            let parts = parts_of(window, pages, share, most);
            assert_eq!(parts.len(), expected, "{from} {to}");
            assert_eq!((parts[0].from, parts[parts.len() - 1].to), (window.from, window.to));
            assert!(parts.windows(2).all(|pair| pair[0].to == pair[1].from));
            assert!(parts[1..].iter().all(|part| part.from.micros() % MICROS_PER_MILLI == 0));
        }
    }
}
