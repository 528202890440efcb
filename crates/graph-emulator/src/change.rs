//! What becomes of a record after it was made: when it shows, and when it is edited.
//!
//! Graph gives a record as it is at the moment of asking. A record that was made can show hours later, and one that
//! was edited has a new etag and only its newest words. Both follow from the seed and the record's position, so that
//! the tenant can be seen as of any instant.

use crate::history::History;
use crate::random::{Chance, Purpose};

/// The least time from the making of a record to a change of it, milliseconds: an hour, beyond which no etag of an
/// unedited record lies.
pub(crate) const CHANGE_MS_MIN: i64 = 3_600_000;

/// How much of a history changes after it was made, and how long it goes on changing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Changes {
    pub(crate) late_share: f64,
    pub(crate) edited_share: f64,
    pub(crate) within_ms: i64,
    /// The instant as of which the history is seen, Unix milliseconds.
    pub(crate) seen_at_ms: i64,
}

/// A state of a record between two edits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Version {
    /// 0 as it was made, one more after each edit.
    pub(crate) number: u64,
    /// When the edit was made that led to it, Unix milliseconds; none of version 0.
    pub(crate) edited_ms: Option<i64>,
    /// The version whose parts it has, in number and kind. An edit changes them, links among them, or the words alone.
    pub(crate) parts_of: u64,
}

impl Changes {
    /// Nothing changes, and all is seen.
    #[cfg(test)]
    pub(crate) const NONE: Self =
        Self { late_share: 0.0, edited_share: 0.0, within_ms: CHANGE_MS_MIN, seen_at_ms: i64::MAX };

    /// Whether everything is seen as it is in the end.
    pub(crate) fn is_over(&self) -> bool {
        self.seen_at_ms == i64::MAX
    }

    /// Whether the record that was made at `made_ms` shows.
    pub(crate) fn shows(&self, history: &History, position: u64, made_ms: i64) -> bool {
        let mut chance = history.chance(Purpose::Late, position);
        let late_ms = if chance.share(self.late_share) { self.delay_ms(&mut chance) } else { 0 };
        self.is_over() || made_ms.saturating_add(late_ms) <= self.seen_at_ms
    }

    /// The version that is seen of the record that was made at `made_ms`: one in four of the edited ones are edited
    /// twice, and every other edit changes the parts.
    pub(crate) fn version(&self, history: &History, position: u64, made_ms: i64) -> Version {
        let mut chance = history.chance(Purpose::Edit, position);
        let mut version = Version::default();
        if !chance.share(self.edited_share) {
            return version;
        }
        let edits = 1 + u64::from(chance.percent(25));
        let mut instants: Vec<i64> = (0..edits).map(|_| made_ms + self.delay_ms(&mut chance)).collect();
        instants.sort_unstable();
        instants.dedup();
        for (number, edited_ms) in (1..).zip(instants) {
            let changes_parts = chance.percent(50);
            if edited_ms > self.seen_at_ms {
                break;
            }
            let parts_of = if changes_parts { number } else { version.parts_of };
            version = Version { number, edited_ms: Some(edited_ms), parts_of };
        }
        version
    }

    fn delay_ms(&self, chance: &mut Chance) -> i64 {
        let room_ms = u64::try_from(self.within_ms - CHANGE_MS_MIN).unwrap_or(0);
        CHANGE_MS_MIN + i64::try_from(chance.below(room_ms)).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::{CHANGE_MS_MIN, Changes, Version};
    use crate::history::History;

    const DAY_MS: i64 = 86_400_000;
    const MADE_MS: i64 = 1_000_000;

    fn history() -> History {
        History { seed: 5, user: 3, records: 2_000, start_ms: 0, end_ms: 90 * DAY_MS, changes: Changes::NONE }
    }

    fn seen_after(delay_ms: i64) -> Changes {
        let seen_at_ms = MADE_MS + delay_ms;
        Changes { late_share: 0.2, edited_share: 0.2, within_ms: DAY_MS, seen_at_ms }
    }

    #[test]
    fn late_records_show_within_their_time_and_the_others_at_once() {
        let count = |delay_ms| {
            let changes = seen_after(delay_ms);
            (0..2_000).filter(|position| changes.shows(&history(), *position, MADE_MS)).count()
        };
        assert_eq!(count(-1), 0);
        assert!((1_500..1_700).contains(&count(0)), "{}", count(0));
        assert_eq!(count(0), count(CHANGE_MS_MIN - 1));
        assert!((1_750..1_900).contains(&count(DAY_MS / 2)), "{}", count(DAY_MS / 2));
        assert_eq!(count(DAY_MS), 2_000);
    }

    #[test]
    fn edits_come_one_after_the_other_and_only_some_change_the_parts() {
        let at = |delay_ms, position| seen_after(delay_ms).version(&history(), position, MADE_MS);
        assert!((0..2_000).all(|position| at(CHANGE_MS_MIN - 1, position) == Version::default()));
        let last: Vec<Version> = (0..2_000).map(|position| at(DAY_MS, position)).collect();
        let of = |number| last.iter().filter(|version| version.number == number).count();
        assert!((1_500..1_700).contains(&of(0)) && of(1) > 200 && of(2) > 50 && of(3) == 0);
        let in_parts = last.iter().filter(|version| version.parts_of > 0).count();
        assert!((150..300).contains(&in_parts), "{in_parts}");
        for (position, version) in (0..).zip(&last).filter(|(_, version)| version.number > 0) {
            let edited_ms = version.edited_ms.expect("an edit has an instant");
            assert!((MADE_MS + CHANGE_MS_MIN..MADE_MS + DAY_MS).contains(&edited_ms));
            assert_eq!(at(edited_ms - MADE_MS, position), *version);
            assert_eq!(at(edited_ms - MADE_MS - 1, position).number, version.number - 1);
        }
    }
}
