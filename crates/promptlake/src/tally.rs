//! Counts what happens in a run: what the progress shows and the summary says.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use promptlake_flow::{Event, Observer, RequestKind};
use promptlake_model::UserStatus;
use tokio::time::Instant;

/// Reasons that are told apart: a person reads no more, and a reason may name what only one user has.
const REASONS_MAX: usize = 5;

/// Fields that are told apart, likewise.
const FIELDS_MAX: usize = 10;

/// What the others are counted under.
const OTHER_FIELDS: &str = "others";

/// What the others are counted under.
const OTHER_REASONS: &str = "other reasons: see the table users";

/// The counts of a run so far. Taken and read under one lock, held for an addition.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    counts: Counts,
    /// Since when the source is lost, where it is.
    lost_since: Option<Instant>,
}

/// What was counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) users_found: u64,
    pub(crate) users_settled: BTreeMap<&'static str, u64>,
    /// Why users failed, and how many for each reason.
    pub(crate) failure_reasons: BTreeMap<String, u64>,
    /// Requests by what was asked and how it was answered; `None` where no answer came.
    pub(crate) requests: BTreeMap<(RequestKind, Option<u16>), u64>,
    pub(crate) body_bytes: u64,
    pub(crate) files_read: u64,
    /// Requests that were repeated.
    pub(crate) repeated: BTreeMap<RequestKind, u64>,
    /// The time in which nothing was asked, since the source wanted everybody to wait.
    pub(crate) throttled: BTreeMap<RequestKind, Duration>,
    /// The time in which the source was lost.
    pub(crate) lost: Duration,
    pub(crate) new_records: u64,
    pub(crate) known_records: u64,
    /// New ones in windows that were covered before.
    pub(crate) late_records: u64,
    pub(crate) rejects: u64,
    /// Fields that this version does not know.
    pub(crate) unknown_fields: BTreeMap<String, u64>,
    /// Markers of bodies that name no attachment.
    pub(crate) lost_markers: u64,
    /// Records that came again within the list of a slice that counts.
    pub(crate) repeated_records: u64,
    /// Slices that are read again for that.
    pub(crate) rereads: u64,
    /// Windows that were asked for in halves, since the whole was not to be had.
    pub(crate) halved_windows: u64,
    pub(crate) committed_records: u64,
    pub(crate) merged_rows: u64,
    pub(crate) tables: BTreeMap<&'static str, TableCounts>,
    pub(crate) recovered_runs: Vec<String>,
}

/// What was published of a table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct TableCounts {
    pub(crate) files: u64,
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
}

impl Tally {
    pub(crate) fn counts(&self) -> Counts {
        let state = self.lock();
        let mut counts = state.counts.clone();
        // An outage counts while it lasts: the run may end in it.
        counts.lost += state.lost_since.map(|since| since.elapsed()).unwrap_or_default();
        counts
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic between two additions leaves counts that are still counts.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    pub(crate) fn settled(&self) -> u64 {
        self.users_settled.values().sum()
    }

    pub(crate) fn requests_of(&self, kind: RequestKind) -> u64 {
        self.requests.iter().filter(|((of, _), _)| *of == kind).map(|(_, count)| count).sum()
    }

    /// How often such a request was answered 429.
    pub(crate) fn throttled_requests(&self, kind: RequestKind) -> u64 {
        self.requests.get(&(kind, Some(429))).copied().unwrap_or(0)
    }

    /// How long such requests were held back.
    pub(crate) fn throttled(&self, kind: RequestKind) -> Duration {
        self.throttled.get(&kind).copied().unwrap_or_default()
    }

    /// Requests for interactions in a second of `elapsed`.
    pub(crate) fn rate(&self, elapsed: Duration) -> f64 {
        let requests = u32::try_from(self.requests_of(RequestKind::Interactions)).unwrap_or(u32::MAX);
        if elapsed.is_zero() { 0.0 } else { f64::from(requests) / elapsed.as_secs_f64() }
    }

    fn failed_because(&mut self, reason: &str) {
        let known = self.failure_reasons.contains_key(reason);
        let reason = if known || self.failure_reasons.len() < REASONS_MAX { reason } else { OTHER_REASONS };
        *self.failure_reasons.entry(reason.to_owned()).or_default() += 1;
    }

    fn met_unknown(&mut self, name: &str, count: u64) {
        let has_room = self.unknown_fields.len() < FIELDS_MAX || self.unknown_fields.contains_key(name);
        let name = if has_room { name } else { OTHER_FIELDS };
        *self.unknown_fields.entry(name.to_owned()).or_default() += count;
    }

    fn add(&mut self, event: &Event) {
        match event {
            Event::UsersFound { users } => self.users_found += users,
            Event::Answered { kind, status, body_bytes } => {
                *self.requests.entry((*kind, *status)).or_default() += 1;
                self.body_bytes += body_bytes;
            }
            Event::FileRead => self.files_read += 1,
            Event::Retried { kind } => *self.repeated.entry(*kind).or_default() += 1,
            Event::Throttled { kind, wait } => *self.throttled.entry(*kind).or_default() += *wait,
            Event::SourceBack { lost_for, .. } => self.lost += *lost_for,
            Event::UserSettled { status, reason } => {
                *self.users_settled.entry(status).or_default() += 1;
                if *status == UserStatus::Failed.as_str() {
                    self.failed_because(reason.as_deref().unwrap_or("no reason given"));
                }
            }
            Event::PagePassed { new_records, known_records, late_records, rejects } => {
                self.new_records += new_records;
                self.known_records += known_records;
                self.late_records += late_records;
                self.rejects += rejects;
            }
            Event::LostMarkers { count } => self.lost_markers += count,
            Event::UnknownField { name, count } => self.met_unknown(name, *count),
            Event::Split => self.halved_windows += 1,
            Event::Repeated { reread: true, .. } => self.rereads += 1,
            Event::Repeated { records, reread: false } => self.repeated_records += records,
            Event::Committed { interactions, .. } => self.committed_records += interactions,
            Event::Merged { rows, .. } => self.merged_rows += rows,
            Event::Published { table, files, rows, bytes } => {
                let counts = self.tables.entry(table).or_default();
                counts.files += files;
                counts.rows += rows;
                counts.bytes += bytes;
            }
            Event::Recovered { run_id } => self.recovered_runs.push(run_id.clone()),
            // Newer than this count: nothing that a person misses.
            _ => {}
        }
    }
}

impl Observer for Tally {
    fn observe(&self, event: &Event) {
        let mut state = self.lock();
        match event {
            Event::SourceLost { .. } => drop(state.lost_since.get_or_insert_with(Instant::now)),
            Event::SourceBack { .. } => state.lost_since = None,
            _ => {}
        }
        state.counts.add(event);
    }
}

#[cfg(test)]
impl Counts {
    /// Counts in which hardly anything is 0.
    pub(crate) fn of_some_run() -> Self {
        let mut counts = Self {
            users_found: 34,
            body_bytes: 123_456_789,
            lost: Duration::from_millis(12_500),
            new_records: 10_000,
            known_records: 250,
            late_records: 12,
            rejects: 3,
            committed_records: 9_000,
            ..Counts::default()
        };
        counts.users_settled.extend([("extracted", 30), ("failed", 2)]);
        counts.requests.extend([
            ((RequestKind::Token, Some(200)), 1),
            ((RequestKind::Interactions, None), 2),
            ((RequestKind::Interactions, Some(200)), 150),
            ((RequestKind::Interactions, Some(429)), 4),
        ]);
        counts.repeated.insert(RequestKind::Interactions, 6);
        counts.throttled.insert(RequestKind::Interactions, Duration::from_millis(1_250));
        counts.tables.insert("interactions", TableCounts { files: 7, rows: 9_000, bytes: 5_000_000 });
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_outage_counts_while_it_lasts_and_once() {
        const SECOND: Duration = Duration::from_secs(1);
        let (tally, kind) = (Tally::default(), RequestKind::Interactions);
        tally.observe(&Event::SourceLost { kind });
        tokio::time::advance(5 * SECOND).await;
        assert_eq!(tally.counts().lost, 5 * SECOND);
        // It counts from the last answer.
        tally.observe(&Event::SourceBack { kind, lost_for: 7 * SECOND });
        tokio::time::advance(SECOND).await;
        assert_eq!(tally.counts().lost, 7 * SECOND);
    }
}
