//! The report of a run: one JSON object with the numbers that its summary says. Its fields are documented in
//! `schemas/report.md`; they are only added.

use std::borrow::Cow;
use std::collections::BTreeMap;

use promptlake_flow::RequestKind;
use promptlake_load::{Loaded, Run, Scope};
use promptlake_model::{RunId, SCHEMA_VERSION, Timestamp};
use serde::Serialize;

use crate::failure::{Failure, Outcome};
use crate::metrics::{kind_name, outcome_name};
use crate::resident::Resident;
use crate::stage_waits::StageWait;
use crate::summary::Summary;
use crate::tally::{Counts, TableCounts};

/// The version of the fields and what they mean.
const FIELDS_VERSION: u32 = 1;

/// Names and ids that are listed: a report is read by people, and must stay small whatever a run met.
const LISTED_MAX: usize = 100;

/// The most of a text that is kept: a scope may name a thousand users.
const TEXT_CHARS_MAX: usize = 2_000;

/// What is known of a run beside what was counted.
pub(crate) struct RunFacts<'a> {
    pub(crate) run: &'a Run,
    /// Where its lake is.
    pub(crate) lake: String,
    pub(crate) ended_at: Timestamp,
    pub(crate) exit_code: u8,
    pub(crate) outcome: Result<Outcome, &'a Failure>,
    pub(crate) waits: [StageWait; 4],
    pub(crate) memory_limit_bytes: u64,
    /// `None` where the system does not say.
    pub(crate) resident: Option<Resident>,
}

/// What came of a run.
#[derive(Debug, Serialize)]
pub(crate) struct Report<'a> {
    #[serde(rename = "report_version")]
    fields_version: u32,
    run_id: &'a RunId,
    version: &'static str,
    /// The commit that it was built from, where it is a release.
    commit: Option<&'static str>,
    schema_version: u32,
    command: Cow<'a, str>,
    scope: Scope,
    lake: String,
    started_at: Timestamp,
    ended_at: Timestamp,
    took_seconds: f64,
    outcome: &'static str,
    exit_code: u8,
    error: Option<ReportedFailure<'a>>,
    lake_is: Option<&'static str>,
    users: ReportedUsers<'a>,
    requests: BTreeMap<&'static str, ReportedRequests>,
    requests_per_second: f64,
    source_lost_seconds: f64,
    read_bytes: u64,
    files_read: u64,
    records: ReportedRecords,
    lists: ReportedLists,
    lost_markers: u64,
    unknown_fields: &'a BTreeMap<String, u64>,
    tables: BTreeMap<&'static str, ReportedTable>,
    recovered_runs: Listed<'a>,
    stage_wait_seconds: BTreeMap<&'static str, BTreeMap<&'static str, f64>>,
    memory: ReportedMemory,
}

#[derive(Debug, Serialize)]
struct ReportedFailure<'a> {
    text: Cow<'a, str>,
    hint: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct ReportedUsers<'a> {
    found: u64,
    by_outcome: &'a BTreeMap<&'static str, u64>,
    failure_reasons: &'a BTreeMap<String, u64>,
    not_in_directory: Listed<'a>,
}

/// So many of a list, and how many there are.
#[derive(Debug, Serialize)]
struct Listed<'a> {
    count: usize,
    first: &'a [String],
}

#[derive(Debug, Default, Serialize)]
struct ReportedRequests {
    count: u64,
    by_status: BTreeMap<Cow<'static, str>, u64>,
    repeated: u64,
    throttled_seconds: f64,
}

#[derive(Debug, Serialize)]
struct ReportedRecords {
    new: u64,
    known: u64,
    late: u64,
    rejected: u64,
    committed: u64,
}

#[derive(Debug, Serialize)]
struct ReportedLists {
    reread: u64,
    repeated_records: u64,
    halved_windows: u64,
}

#[derive(Debug, Serialize)]
struct ReportedTable {
    rows: u64,
    files: u64,
    bytes: u64,
}

#[derive(Debug, Serialize)]
struct ReportedMemory {
    limit_bytes: u64,
    peak_bytes: Option<u64>,
}

impl<'a> Report<'a> {
    pub(crate) fn new(facts: RunFacts<'a>, summary: &'a Summary) -> Self {
        let (counts, run) = (&summary.counts, facts.run);
        let commit = env!("PROMPTLAKE_BUILT_FROM");
        Self {
            fields_version: FIELDS_VERSION,
            run_id: &run.id,
            version: env!("CARGO_PKG_VERSION"),
            commit: (!commit.is_empty()).then_some(commit),
            schema_version: SCHEMA_VERSION,
            command: cut(&summary.command),
            scope: Scope { selection: cut(&run.scope.selection).into_owned(), shard: run.scope.shard },
            lake: facts.lake,
            started_at: run.started_at,
            ended_at: facts.ended_at,
            took_seconds: summary.took.as_secs_f64(),
            outcome: outcome_text(facts.outcome),
            exit_code: facts.exit_code,
            error: facts.outcome.err().map(ReportedFailure::from),
            lake_is: summary.loaded.map(lake_text),
            users: ReportedUsers {
                found: counts.users_found,
                by_outcome: &counts.users_settled,
                failure_reasons: &counts.failure_reasons,
                not_in_directory: Listed::of(&summary.unresolved),
            },
            requests: requests(counts),
            requests_per_second: counts.rate(summary.took),
            source_lost_seconds: counts.lost.as_secs_f64(),
            read_bytes: counts.body_bytes,
            files_read: counts.files_read,
            records: ReportedRecords::from(counts),
            lists: ReportedLists::from(counts),
            lost_markers: counts.lost_markers,
            unknown_fields: &counts.unknown_fields,
            tables: counts.tables.iter().map(|(name, table)| (*name, ReportedTable::from(*table))).collect(),
            recovered_runs: Listed::of(&counts.recovered_runs),
            stage_wait_seconds: waits(&facts.waits),
            memory: ReportedMemory {
                limit_bytes: facts.memory_limit_bytes,
                peak_bytes: facts.resident.map(|resident| resident.peak_bytes),
            },
        }
    }

    /// The report as it lies in the lake and in a file: for people as well.
    pub(crate) fn to_json(&self) -> Vec<u8> {
        let mut text = serde_json::to_vec_pretty(self).expect("a report holds texts and numbers by names");
        text.push(b'\n');
        text
    }
}

fn outcome_text(outcome: Result<Outcome, &Failure>) -> &'static str {
    match outcome {
        Ok(Outcome::Done) => "done",
        Ok(Outcome::DoneWithFailures) => "done_with_failures",
        Ok(Outcome::Found) => "found",
        Ok(Outcome::Interrupted) => "interrupted",
        Ok(Outcome::WouldFail(_)) | Err(_) => "failed",
    }
}

const fn lake_text(loaded: Loaded) -> &'static str {
    match loaded {
        Loaded::Published => "published",
        Loaded::Committed => "committed",
    }
}

fn cut(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(TEXT_CHARS_MAX) {
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
        None => Cow::Borrowed(text),
    }
}

/// Kinds of which anything was asked, or was to be.
fn requests(counts: &Counts) -> BTreeMap<&'static str, ReportedRequests> {
    let mut requests: BTreeMap<&'static str, ReportedRequests> = BTreeMap::new();
    for ((kind, status), answered) in &counts.requests {
        let of_kind = requests.entry(kind_name(*kind)).or_default();
        of_kind.count += answered;
        of_kind.by_status.insert(outcome_name(*status), *answered);
    }
    for kind in [RequestKind::Token, RequestKind::Directory, RequestKind::Interactions, RequestKind::File] {
        if let Some(of_kind) = requests.get_mut(kind_name(kind)) {
            of_kind.repeated = counts.repeated.get(&kind).copied().unwrap_or(0);
            of_kind.throttled_seconds = counts.throttled(kind).as_secs_f64();
        }
    }
    requests
}

fn waits(waits: &[StageWait]) -> BTreeMap<&'static str, BTreeMap<&'static str, f64>> {
    let mut by_stage: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
    for wait in waits {
        by_stage.entry(wait.stage).or_default().insert(wait.waits_for, wait.total.as_secs_f64());
    }
    by_stage
}

impl<'a> Listed<'a> {
    fn of(all: &'a [String]) -> Self {
        Self { count: all.len(), first: &all[..all.len().min(LISTED_MAX)] }
    }
}

impl<'a> From<&'a Failure> for ReportedFailure<'a> {
    fn from(failure: &'a Failure) -> Self {
        Self { text: Cow::Owned(cut(&failure.in_a_line()).into_owned()), hint: failure.hint() }
    }
}

impl From<&Counts> for ReportedRecords {
    fn from(counts: &Counts) -> Self {
        Self {
            new: counts.new_records,
            known: counts.known_records,
            late: counts.late_records,
            rejected: counts.rejects,
            committed: counts.committed_records,
        }
    }
}

impl From<&Counts> for ReportedLists {
    fn from(counts: &Counts) -> Self {
        Self {
            reread: counts.rereads,
            repeated_records: counts.repeated_records,
            halved_windows: counts.halved_windows,
        }
    }
}

impl From<TableCounts> for ReportedTable {
    fn from(TableCounts { files, rows, bytes }: TableCounts) -> Self {
        Self { rows, files, bytes }
    }
}

#[cfg(test)]
mod tests;
