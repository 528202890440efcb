//! Totals: the rows that a complete export must have, counted from the tenant and not from its pages.

use std::ops::AddAssign;

use crate::compose::{session_id, words_of_session};
use crate::history::{History, Seat};
use crate::instant::{self, TICKS_PER_MS};
use crate::outline::Outline;

/// Rows of each table of a complete export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TableTotals {
    /// Records.
    pub interactions: u64,
    /// Entries of the records' `attachments`.
    pub attachments: u64,
    /// Text blocks of cards; of one that holds reasoned JSON, the answer and the reasons.
    pub card_elements: u64,
    /// Entries of `links`, attachments with a `contentUrl`, contexts with a `contextReference`, markdown links
    /// in the shown text block of a card (each occurrence), and `<a href>` in html bodies.
    pub links: u64,
    /// Entries of the records' `contexts`.
    pub contexts: u64,
    /// Entries of the records' `mentions`.
    pub mentions: u64,
    /// Records, once more: each is kept as received.
    pub raw: u64,
    /// Users that a discovery by licence finds, also those who then answer 403 or 404.
    pub users: u64,
    /// Users among them who answer 200, with or without records.
    pub coverage: u64,
}

impl AddAssign for TableTotals {
    fn add_assign(&mut self, other: Self) {
        self.interactions += other.interactions;
        self.attachments += other.attachments;
        self.card_elements += other.card_elements;
        self.links += other.links;
        self.contexts += other.contexts;
        self.mentions += other.mentions;
        self.raw += other.raw;
        self.users += other.users;
        self.coverage += other.coverage;
    }
}

/// What an export must say about one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpectedRecord {
    /// The record's `sessionId`; none in some apps.
    pub session_id: Option<String>,
    /// The record's `id`.
    pub interaction_id: String,
    /// The record's `etag`.
    pub etag: String,
    /// The instant that `createdDateTime` names, Unix microseconds, finer digits cut.
    pub created_at_us: i64,
    /// The UTC day of that instant, `YYYY-MM-DD`.
    pub day: String,
    /// Rows it gives to `attachments`.
    pub attachments: u32,
    /// Rows it gives to `links`, of every origin.
    pub links: u32,
    /// Rows it gives to `contexts`.
    pub contexts: u32,
    /// Rows it gives to `mentions`.
    pub mentions: u32,
}

/// The rows of a history's records that were created in `[from, to)`, Unix milliseconds.
pub(crate) fn of_history(history: &History, from_ms: i64, to_ms: i64) -> TableTotals {
    of_records(history, (from_ms, to_ms), |_| true)
}

/// The same of those records alone whose positions are to be kept.
pub(crate) fn of_records(
    history: &History,
    (from_ms, to_ms): (i64, i64),
    keeps: impl Fn(u64) -> bool,
) -> TableTotals {
    let mut totals = TableTotals::default();
    let (first, last) = history.positions_around(from_ms, to_ms);
    let (from, to) = (from_ms.saturating_mul(TICKS_PER_MS), to_ms.saturating_mul(TICKS_PER_MS));
    let kept = (first..last).filter(|position| keeps(*position));
    let shown = kept.map(|position| history.seat(position)).filter(|seat| history.shows(seat));
    for outline in shown.map(|seat| Outline::of(history, seat)) {
        if !(from..to).contains(&outline.stamp.created) {
            continue;
        }
        let counts = outline.counts();
        totals.interactions += 1;
        totals.raw += 1;
        totals.attachments += u64::from(counts.attachments);
        totals.card_elements += u64::from(counts.card_elements);
        totals.links += u64::from(counts.links);
        totals.contexts += u64::from(counts.contexts);
        totals.mentions += u64::from(counts.mentions);
    }
    totals
}

/// What an export must say about the record at a seat.
pub(crate) fn expected(history: &History, seat: Seat) -> ExpectedRecord {
    let outline = Outline::of(history, seat);
    let counts = outline.counts();
    let stamp = &outline.stamp;
    ExpectedRecord {
        session_id: session_id(&outline.seat, &mut words_of_session(&outline.seat)),
        interaction_id: stamp.id_ms.to_string(),
        etag: stamp.etag_ms.to_string(),
        created_at_us: stamp.created.div_euclid(10),
        day: instant::day_text(stamp.created),
        attachments: counts.attachments,
        links: counts.links,
        contexts: counts.contexts,
        mentions: counts.mentions,
    }
}
