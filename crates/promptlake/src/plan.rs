//! What to ask of whom: a slice for every window that is missing or to be looked at again.
//!
//! Pages of a list come one after the other, so a run lasts as long as its longest list. The window of a user that would
//! take longer than everything else side by side is asked for in parts. They meet at instants, of which each belongs to
//! one part; a record without one comes with every part that gives it, and is known by its key from the second on.

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
    windows: Vec<(Window, u64)>,
}

/// The plans of users of one source, in their order.
pub(crate) fn plan(
    books: &Books,
    users: impl Iterator<Item = (Owner, UserProfile)>,
    source: &GraphSource,
    now: Timestamp,
    ids: &SliceIds,
) -> Vec<UserPlan> {
    let (wanted, classes) = (wanted(source, now), &source.app_classes);
    let draft = |(owner, profile)| {
        let windows = books.windows_to_ask(&owner, wanted, classes).into_iter();
        let windows = windows.map(|window| (window, books.pages_to_expect(&owner, window)));
        Draft { owner, profile, windows: windows.collect() }
    };
    let drafts: Vec<Draft> = users.map(draft).collect();
    let pages: u64 = drafts.iter().map(Draft::pages).sum();
    // Lists that are read at once.
    let readers = source.concurrency.get() as u64;
    let share = (pages / readers).max(PART_PAGES_MIN);
    let plan = |draft: Draft| {
        let (pages_expected, Draft { owner, profile, windows }) = (draft.pages(), draft);
        let parts = windows.into_iter().flat_map(|(window, pages)| parts_of(window, pages, share, readers));
        let history = |window| SliceScope::History { owner, window, classes: classes.clone() };
        let slices = parts.map(|window| slice(ids, owner.tenant, history(window))).collect();
        UserPlan { owner, profile, slices, pages_expected }
    };
    drafts.into_iter().map(plan).collect()
}

/// The plan of a user of whom these windows are asked for, each as it is.
pub(crate) fn plan_windows(
    books: &Books,
    (owner, profile, windows): (Owner, UserProfile, Vec<Window>),
    classes: &AppClasses,
    ids: &SliceIds,
) -> UserPlan {
    let pages_expected = windows.iter().map(|window| books.pages_to_expect(&owner, *window)).sum();
    let history = |window| SliceScope::History { owner, window, classes: classes.clone() };
    let slices = windows.into_iter().map(|window| slice(ids, owner.tenant, history(window))).collect();
    UserPlan { owner, profile, slices, pages_expected }
}

fn wanted(source: &GraphSource, now: Timestamp) -> Wanted {
    let start = match source.start {
        Start::At(_) => WantedStart::At(source.start.resolve(now)),
        Start::Back(_) => WantedStart::OfNewUsers(source.start.resolve(now)),
    };
    Wanted {
        start,
        end: now.saturating_add_micros(-source.settle_lag.as_micros()),
        lookback_micros: source.lookback.as_micros(),
    }
}

impl Draft {
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
    use super::*;

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
