//! A user's history: who speaks where in it, in which session and when, without what is said.
//!
//! A history of `n` records has `n` positions, 0 the oldest. The tenant's window is cut into `n` equal slots
//! and the record at a position is created in its slot or, for an answer, shortly after its prompt. Positions
//! are dealt out in blocks of sixteen; a block's turns (a prompt and its answers) follow from the seed, so any
//! position is computed by looking at its block alone and no index is kept.

use crate::apps::{APPS, App, EVERYDAY_APPS, Habit};
use crate::change::{Changes, Version};
use crate::instant::{TICKS_PER_MS, cut};
use crate::random::{Chance, Purpose};

/// Positions in a block.
const BLOCK: u64 = 16;
/// Blocks in an era, over which a long session stretches.
const ERA_BLOCKS: u64 = 8;
/// Answers to a prompt: so many positions a record can be made before its own slot begins.
const ANSWERS_MAX: u64 = 2;
/// How much later than its millisecond a record's created text can be: it is cut to whole seconds at worst.
const CUT_MS_MAX: i64 = 1_000;

/// The records of one user, by position.
#[derive(Debug, Clone, Copy)]
pub(crate) struct History {
    pub(crate) seed: u64,
    pub(crate) user: u32,
    pub(crate) records: u64,
    pub(crate) start_ms: i64,
    pub(crate) end_ms: i64,
    pub(crate) changes: Changes,
}

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Speaker {
    /// The user.
    Person,
    /// The app.
    Assistant,
}

/// The place of a record in its turn and session.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seat {
    /// Position in the history, 0 the oldest.
    pub(crate) position: u64,
    /// Position of the turn's first record.
    pub(crate) turn: u64,
    /// Place in the turn: 0 the first.
    pub(crate) ordinal: u64,
    /// What the session's id follows from.
    pub(crate) session: u64,
    /// The app of the session.
    pub(crate) app: &'static App,
    /// Who speaks.
    pub(crate) speaker: Speaker,
    /// The position whose words this record says: its own, or that of the answer it repeats.
    pub(crate) words_of: u64,
}

/// When a record was made, as its fields say.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stamp {
    /// `id`, epoch milliseconds.
    pub(crate) id_ms: i64,
    /// `etag`, epoch milliseconds.
    pub(crate) etag_ms: i64,
    /// `createdDateTime`, ticks since 1970, exactly as written.
    pub(crate) created: i64,
    /// Fraction digits of `createdDateTime` as written.
    pub(crate) digits: u8,
    /// The version that is seen.
    pub(crate) version: Version,
}

impl History {
    /// The place of the record at `position`.
    pub(crate) fn seat(&self, position: u64) -> Seat {
        let block = position / BLOCK;
        let mut chance = self.chance(Purpose::Block, block);
        let mut turn = block * BLOCK;
        loop {
            let size = 1 + u64::from(chance.percent(92)) + u64::from(chance.percent(14));
            let lane = chance.below(100);
            let repeats = chance.percent(25);
            let next = (turn + size).min((block + 1) * BLOCK);
            if position < next {
                return self.seat_in_turn(turn, position, lane, repeats);
            }
            turn = next;
        }
    }

    fn seat_in_turn(&self, turn: u64, position: u64, lane: u64, repeats: bool) -> Seat {
        let block = turn / BLOCK;
        let session = match lane {
            0..45 => self.chance(Purpose::SessionOfBlock, block).bits(),
            45..70 => self.chance(Purpose::SessionOfEra, block / ERA_BLOCKS).bits(),
            _ => self.chance(Purpose::SessionOfTurn, turn).bits(),
        };
        let app = app_of(session, lane >= 70);
        let ordinal = position - turn;
        let by_person = ordinal == 0 && app.habit != Habit::Proactive;
        let speaker = if by_person { Speaker::Person } else { Speaker::Assistant };
        let repeated = if repeats && ordinal == 2 { position - 1 } else { position };
        Seat { position, turn, ordinal, session, app, speaker, words_of: repeated }
    }

    /// Whether the record of a seat shows at the instant as of which the history is seen.
    pub(crate) fn shows(&self, seat: &Seat) -> bool {
        self.changes.is_over() || self.changes.shows(self, seat.position, self.made_ms(seat))
    }

    /// When the record of a seat was made, and what version of it is seen.
    pub(crate) fn stamp(&self, seat: &Seat) -> Stamp {
        let made_ms = self.made_ms(seat);
        let mut chance = self.chance(Purpose::Stamp, seat.position);
        let ticks = made_ms * TICKS_PER_MS + i64::try_from(chance.below(10_000)).unwrap_or(0);
        let digits = if chance.percent(60) { 3 } else { chance.small(8) };
        let digits = if cut(ticks, digits) < self.start_ms * TICKS_PER_MS { 7 } else { digits };
        let touched_ms = if chance.percent(6) { chance.between(1, 3_600_000) } else { 0 };
        let touched_ms = made_ms + i64::try_from(touched_ms).unwrap_or(0);
        let touched_ms = if touched_ms <= self.changes.seen_at_ms { touched_ms } else { made_ms };
        let version = self.changes.version(self, seat.position, made_ms);
        Stamp {
            id_ms: self.id_ms(seat, made_ms, chance.percent(3)),
            etag_ms: version.edited_ms.unwrap_or(touched_ms),
            created: cut(ticks, digits),
            digits,
            version,
        }
    }

    /// The positions among which all records lie that were created in `[from, to)`, Unix milliseconds; some of
    /// them may lie just outside.
    pub(crate) fn positions_around(&self, from_ms: i64, to_ms: i64) -> (u64, u64) {
        let first = self.first_position(|position| self.slot_start_ms(position + 1) > from_ms);
        let latest_ms = to_ms.saturating_add(CUT_MS_MAX);
        let last_turn = self.first_position(|position| self.slot_start_ms(position) >= latest_ms);
        let last = (last_turn + ANSWERS_MAX).min(self.records);
        (first, last.max(first))
    }

    /// The draws that belong to a position of this history.
    pub(crate) fn chance(&self, purpose: Purpose, place: u64) -> Chance {
        Chance::at(self.seed, purpose, [u64::from(self.user), place])
    }

    /// The draws of one version of the record at a seat. As it was made, a record says what it repeats; edited, it
    /// says something of its own.
    pub(crate) fn chance_of_version(&self, purpose: Purpose, seat: &Seat, version: u64) -> Chance {
        if version == 0 {
            return self.chance(purpose, seat.words_of);
        }
        Chance::at(self.seed, purpose, [u64::from(self.user) | version << 32, seat.position])
    }

    /// The instant of a record: rising strictly with the position, within `[start, end)`.
    fn made_ms(&self, seat: &Seat) -> i64 {
        let slot_ms = self.slot_start_ms(seat.turn + 1) - self.slot_start_ms(seat.turn);
        let mut chance = self.chance(Purpose::Instant, seat.turn);
        let room_ms = u64::try_from(slot_ms / 2).unwrap_or(1);
        let mut made_ms = self.slot_start_ms(seat.turn) + i64::try_from(chance.below(room_ms)).unwrap_or(0);
        for position in seat.turn + 1..=seat.position {
            let latency_ms = i64::try_from(chance.between(300, 9_000)).unwrap_or(300);
            made_ms = (made_ms + latency_ms).min(self.slot_start_ms(position + 1) - 1);
        }
        made_ms
    }

    /// The id of a record: its own millisecond or, for some first records of a turn, that of the record before
    /// when it belongs to another session. No third record can have it.
    fn id_ms(&self, seat: &Seat, made_ms: i64, borrows: bool) -> i64 {
        if !borrows || seat.ordinal != 0 || seat.position == 0 {
            return made_ms;
        }
        let before = self.seat(seat.position - 1);
        let distinct = before.session != seat.session && before.app.has_session_id && seat.app.has_session_id;
        if distinct { self.made_ms(&before) } else { made_ms }
    }

    /// The first millisecond of a position's slot.
    fn slot_start_ms(&self, position: u64) -> i64 {
        let window_ms = i128::from(self.end_ms - self.start_ms);
        let offset = window_ms * i128::from(position) / i128::from(self.records.max(1));
        self.start_ms + i64::try_from(offset).expect("a part of the window fits where the window fits")
    }

    /// The first position for which a condition holds that, once true, stays true.
    fn first_position(&self, holds: impl Fn(u64) -> bool) -> u64 {
        let (mut low, mut high) = (0, self.records);
        while low < high {
            let middle = low + (high - low) / 2;
            if holds(middle) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        low
    }
}

/// The app of a session: an everyday one for sessions that go on, any one for sessions of a single turn.
fn app_of(session: u64, single: bool) -> &'static App {
    let mut chance = Chance::from_state(session);
    let among = if single { APPS.len() as u64 } else { EVERYDAY_APPS };
    let everyday = chance.below(among).min(chance.below(among));
    let any = chance.below(among);
    let index = if single { any } else { everyday };
    &APPS[usize::try_from(index).unwrap_or(0)]
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::{History, Seat, Speaker, Stamp};
    use crate::change::Changes;
    use crate::instant::TICKS_PER_MS;

    fn history(records: u64, window_ms: i64) -> History {
        let start_ms = 1_756_684_800_000;
        let end_ms = start_ms + window_ms;
        History { seed: 5, user: 3, records, start_ms, end_ms, changes: Changes::NONE }
    }

    fn all(history: &History) -> Vec<(Seat, Stamp)> {
        (0..history.records)
            .map(|position| {
                let seat = history.seat(position);
                (seat, history.stamp(&seat))
            })
            .collect()
    }

    #[test]
    fn ids_are_unique_within_a_session_and_some_are_shared_between_two() {
        for window_ms in [16_000, 7_776_000_000] {
            let records = all(&history(2_000, window_ms));
            let keys: BTreeSet<_> = records.iter().map(|(seat, stamp)| (seat.session, stamp.id_ms)).collect();
            assert_eq!(keys.len(), records.len());
            let mut ids: BTreeMap<i64, u32> = BTreeMap::new();
            for (_, stamp) in &records {
                *ids.entry(stamp.id_ms).or_default() += 1;
            }
            assert!(ids.values().any(|count| *count == 2));
            assert!(ids.values().all(|count| *count <= 2));
        }
    }

    #[test]
    fn every_record_lies_in_the_window_and_time_goes_on() {
        let history = history(2_000, 7_776_000_000);
        let mut before_ms = 0;
        for (seat, stamp) in all(&history) {
            assert!(stamp.created >= history.start_ms * TICKS_PER_MS);
            assert!(stamp.created < history.end_ms * TICKS_PER_MS);
            let made_ms = history.made_ms(&seat);
            assert!(made_ms > before_ms);
            before_ms = made_ms;
        }
    }

    #[test]
    fn turns_have_none_one_or_two_answers() {
        let history = history(3_000, 7_776_000_000);
        let mut sizes: BTreeMap<u64, u64> = BTreeMap::new();
        for (seat, _) in all(&history) {
            let size = sizes.entry(seat.turn).or_default();
            *size = (*size).max(seat.ordinal + 1);
            assert!(
                seat.ordinal > 0 || seat.speaker == Speaker::Person || seat.app.conversation_type.is_none()
            );
        }
        let counted: BTreeSet<u64> = sizes.values().copied().collect();
        assert_eq!(counted, [1, 2, 3].into());
        assert_eq!(sizes.values().sum::<u64>(), 3_000);
    }

    #[test]
    fn positions_around_a_window_hold_all_of_it() {
        let history = history(500, 7_776_000_000);
        let records = all(&history);
        for (from, to) in [(0, 10), (100, 101), (250, 400), (499, 500)] {
            let bound =
                |index: usize| records.get(index).map_or(history.end_ms, |it| it.1.created / TICKS_PER_MS);
            let (first, last) = history.positions_around(bound(from), bound(to));
            assert!(first <= from as u64 && last >= to as u64, "{first}..{last} for {from}..{to}");
            assert!(last - first <= (to - from) as u64 + 6);
        }
        assert_eq!(history.positions_around(i64::MIN, i64::MAX), (0, 500));
        assert_eq!(history.positions_around(0, 1), (0, 2));
    }
}
