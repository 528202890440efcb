//! The list of all metrics, from values to values. Their names are documented and never change.

use std::borrow::Cow;
use std::time::Duration;

use promptlake_flow::RequestKind;
use promptlake_model::{RunId, Table, Timestamp, UserStatus};

use super::{Kind, Metric, Sample, Value};
use crate::resident::Resident;
use crate::stage_waits::StageWait;
use crate::tally::{Counts, TableCounts};

/// Kinds of requests that may be repeated or held back: their sums begin at 0, so that the first one is a step that can be
/// seen.
const REPEATED_KINDS: [RequestKind; 3] =
    [RequestKind::Interactions, RequestKind::Directory, RequestKind::Token];

/// A run at a moment: what everything is computed from.
#[derive(Debug)]
pub(super) struct Moment<'a> {
    pub(super) counts: Counts,
    /// Since the start of the run.
    pub(super) elapsed: Duration,
    pub(super) waits: [StageWait; 4],
    /// `None` where the system does not say.
    pub(super) resident: Option<Resident>,
    pub(super) memory_limit_bytes: u64,
    pub(super) pipeline: &'a str,
    pub(super) run_id: &'a RunId,
    pub(super) started_at: Timestamp,
    pub(super) last_ended: LastEnded,
}

/// How runs ended: this one where it has, and else those before, as far as that is known.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct LastEnded {
    /// When a run was done last, in seconds since the epoch.
    pub(super) success_s: Option<f64>,
    /// The exit code of the run that ended last.
    pub(super) exit_code: Option<u8>,
}

/// The label that every sample has.
const PIPELINE: &str = "pipeline";

/// Names that are read back from a file, as well as written.
pub(super) const LAST_SUCCESS: &str = "promptlake_last_success_timestamp_seconds";
pub(super) const EXIT_CODE: &str = "promptlake_exit_code";

/// How a kind of request is called by people and in labels.
pub(crate) const fn kind_name(kind: RequestKind) -> &'static str {
    match kind {
        RequestKind::Token => "token",
        RequestKind::Directory => "directory",
        RequestKind::Interactions => "interactions",
        RequestKind::File => "file",
    }
}

/// How a request was answered, in a label: its status, or that no answer came.
pub(crate) fn outcome_name(status: Option<u16>) -> Cow<'static, str> {
    status.map_or(Cow::Borrowed("none"), |status| Cow::Owned(status.to_string()))
}

/// An instant as Prometheus has it.
pub(super) fn seconds_of(instant: Timestamp) -> f64 {
    Duration::from_micros(u64::try_from(instant.micros()).unwrap_or(0)).as_secs_f64()
}

impl Moment<'_> {
    /// All metrics, in the order in which they are read. Each sample says which pipeline it is of: files of several lie in one
    /// folder, and what is the same by all its labels is there once.
    pub(super) fn metrics(&self) -> Vec<Metric> {
        let parts = [self.of_requests(), self.of_records(), self.of_tables(), self.of_users()];
        let mut metrics: Vec<Metric> =
            parts.into_iter().chain([self.of_process(), self.of_runs()]).flatten().collect();
        for sample in metrics.iter_mut().flat_map(|metric| &mut metric.samples) {
            sample.labels.insert(0, (PIPELINE, self.pipeline.to_owned().into()));
        }
        metrics
    }

    fn of_requests(&self) -> Vec<Metric> {
        let counts = &self.counts;
        let answered = counts.requests.iter().map(|((kind, status), requests)| Sample {
            labels: vec![("kind", kind_name(*kind).into()), ("outcome", outcome_name(*status))],
            value: Value::Whole(*requests),
        });
        let of_kinds = |value: &dyn Fn(RequestKind) -> Value| {
            REPEATED_KINDS.map(|kind| labelled("kind", kind_name(kind), value(kind))).to_vec()
        };
        vec![
            counter("promptlake_requests_total", "{request}", answered.collect())
                .help("Requests by what was asked and the HTTP status of the answer; none where none came"),
            counter(
                "promptlake_request_repeats_total",
                "{request}",
                of_kinds(&|kind| Value::Whole(counts.repeated.get(&kind).copied().unwrap_or(0))),
            )
            .help("Requests that were repeated"),
            counter(
                "promptlake_throttled_seconds_total",
                "s",
                of_kinds(&|kind| seconds(counts.throttled(kind))),
            )
            .help("Time in which nothing was asked, since the source wanted everybody to wait"),
            counter("promptlake_source_lost_seconds_total", "s", vec![alone(seconds(counts.lost))])
                .help("Time in which nobody reached the source"),
            gauge(
                "promptlake_requests_per_second",
                "{request}/s",
                vec![alone(Value::Number(counts.rate(self.elapsed)))],
            )
            .help("Requests for interactions in a second, over the run so far"),
            counter("promptlake_read_bytes_total", "By", vec![alone(Value::Whole(counts.body_bytes))])
                .help("Bytes of all answers, after decompression"),
        ]
    }

    fn of_records(&self) -> Vec<Metric> {
        let counts = &self.counts;
        let records = [
            ("new", counts.new_records),
            ("known", counts.known_records),
            ("late", counts.late_records),
            ("rejected", counts.rejects),
        ];
        let records = records.map(|(outcome, records)| labelled("outcome", outcome, Value::Whole(records)));
        vec![
            counter("promptlake_records_total", "{record}", records.to_vec()).help(
                "Records by what came of them: new, known (in the lake already), rejected (could not be read); late are \
                 those of the new ones whose day was covered before",
            ),
            counter(
                "promptlake_committed_records_total",
                "{record}",
                vec![alone(Value::Whole(counts.committed_records))],
            )
            .help("Records that count, whatever becomes of the run"),
        ]
    }

    fn of_tables(&self) -> Vec<Metric> {
        let of_each = |value: fn(TableCounts) -> u64| {
            let of_table = |table: Table| {
                let counts = self.counts.tables.get(table.name()).copied().unwrap_or_default();
                labelled("table", table.name(), Value::Whole(value(counts)))
            };
            Table::ALL.map(of_table).to_vec()
        };
        vec![
            counter("promptlake_published_rows_total", "{row}", of_each(|counts| counts.rows))
                .help("Rows that became visible"),
            counter("promptlake_published_files_total", "{file}", of_each(|counts| counts.files))
                .help("Files that became visible"),
            counter("promptlake_published_bytes_total", "By", of_each(|counts| counts.bytes))
                .help("Bytes of the files that became visible"),
        ]
    }

    fn of_users(&self) -> Vec<Metric> {
        let settled = |status: UserStatus| {
            let users = self.counts.users_settled.get(status.as_str()).copied().unwrap_or(0);
            labelled("outcome", status.as_str(), Value::Whole(users))
        };
        vec![
            gauge("promptlake_users", "{user}", UserStatus::ALL.map(settled).to_vec())
                .help("Users who are settled, by how it went"),
            gauge("promptlake_users_found", "{user}", vec![alone(Value::Whole(self.counts.users_found))])
                .help("Users whom this run asks for"),
        ]
    }

    fn of_process(&self) -> Vec<Metric> {
        let waits = self.waits.map(|wait| Sample {
            labels: vec![("stage", wait.stage.into()), ("for", wait.waits_for.into())],
            value: seconds(wait.total),
        });
        let resident = |value: fn(Resident) -> u64| {
            self.resident.map(|resident| alone(Value::Whole(value(resident)))).into_iter().collect()
        };
        vec![
            counter("promptlake_stage_wait_seconds_total", "s", waits.to_vec()).help(
                "Time in which a stage waited: for its input, since the stage before is slower, or for its output, since \
                 the one behind is",
            ),
            gauge("promptlake_memory_bytes", "By", resident(|resident| resident.bytes))
                .help("Resident memory of the process"),
            gauge("promptlake_memory_peak_bytes", "By", resident(|resident| resident.peak_bytes))
                .help("The most resident memory that the process had"),
            gauge(
                "promptlake_memory_limit_bytes",
                "By",
                vec![alone(Value::Whole(self.memory_limit_bytes))],
            )
            .help("The setting run.memory_limit"),
        ]
    }

    fn of_runs(&self) -> Vec<Metric> {
        let LastEnded { success_s, exit_code } = self.last_ended;
        let run = Sample {
            labels: vec![
                ("run_id", self.run_id.as_str().to_owned().into()),
                ("version", env!("CARGO_PKG_VERSION").into()),
            ],
            value: Value::Whole(1),
        };
        let started = alone(Value::Number(seconds_of(self.started_at)));
        let success = success_s.map(|seconds| alone(Value::Number(seconds)));
        let exit_code = exit_code.map(|code| alone(Value::Whole(code.into())));
        vec![
            gauge("promptlake_run_info", "", vec![run]).help("The run that all this is of, as labels"),
            gauge("promptlake_run_started_timestamp_seconds", "s", vec![started])
                .help("When the run started"),
            gauge(LAST_SUCCESS, "s", success.into_iter().collect())
                .help("When a run was last done: with exit code 0, or with 3, where some users failed"),
            gauge(EXIT_CODE, "", exit_code.into_iter().collect())
                .help("Exit code of the run that ended last"),
        ]
    }
}

fn counter(name: &'static str, unit: &'static str, samples: Vec<Sample>) -> Metric {
    Metric { name, help: "", kind: Kind::Counter, unit, samples }
}

fn gauge(name: &'static str, unit: &'static str, samples: Vec<Sample>) -> Metric {
    Metric { kind: Kind::Gauge, ..counter(name, unit, samples) }
}

impl Metric {
    fn help(self, help: &'static str) -> Self {
        Self { help, ..self }
    }
}

fn alone(value: Value) -> Sample {
    Sample { labels: Vec::new(), value }
}

fn labelled(label: &'static str, text: &'static str, value: Value) -> Sample {
    Sample { labels: vec![(label, text.into())], value }
}

fn seconds(time: Duration) -> Value {
    Value::Number(time.as_secs_f64())
}
