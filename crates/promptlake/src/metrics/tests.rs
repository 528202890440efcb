use std::borrow::Cow;
use std::collections::BTreeSet;
use std::time::Duration;

use promptlake_model::{RunId, Timestamp};

use super::list::{LastEnded, Moment};
use super::{Kind, Metric, Sample, Value, text};
use crate::resident::Resident;
use crate::stage_waits::StageWait;
use crate::tally::Counts;

fn run_id() -> RunId {
    RunId::parse("20260102T030405Z-00000000000000ff").unwrap()
}

pub(super) fn metrics(last_ended: LastEnded) -> Vec<Metric> {
    let wait =
        |stage, waits_for, seconds| StageWait { stage, waits_for, total: Duration::from_secs(seconds) };
    let moment = Moment {
        counts: Counts::of_some_run(),
        elapsed: Duration::from_secs(8),
        waits: [
            wait("extract", "output", 0),
            wait("transform", "input", 55),
            wait("transform", "output", 1),
            wait("load", "input", 59),
        ],
        resident: Some(Resident { bytes: 200 << 20, peak_bytes: 300 << 20 }),
        memory_limit_bytes: 512 << 20,
        pipeline: "contoso",
        run_id: &run_id(),
        started_at: Timestamp::parse("2026-01-02T03:04:05.678901Z").unwrap(),
        last_ended,
    };
    moment.metrics()
}

fn at_the_end() -> LastEnded {
    LastEnded { success_s: Some(1_767_323_100.25), exit_code: Some(0) }
}

#[test]
fn the_file_of_a_run() {
    // A release changes no snapshot.
    let version = concat!("version=\"", env!("CARGO_PKG_VERSION"));
    insta::assert_snapshot!(text::encode(&metrics(at_the_end())).replace(version, "version=\"VERSION"));
}

#[test]
fn every_metric_is_named_as_prometheus_has_it() {
    let metrics = metrics(at_the_end());
    let names: BTreeSet<&str> = metrics.iter().map(|metric| metric.name).collect();
    assert_eq!((metrics.len(), names.len()), (21, 21), "each once");
    for Metric { name, help, kind, unit, samples } in metrics {
        assert!(name.starts_with("promptlake_"), "{name}");
        assert_eq!(name.ends_with("_total"), kind == Kind::Counter, "{name}");
        let base = name.trim_end_matches("_total");
        assert_eq!(base.ends_with("_seconds"), unit == "s", "{name}");
        assert_eq!(base.ends_with("_bytes"), unit == "By", "{name}");
        assert!(!help.is_empty() && !help.ends_with('.'), "{name}");
        assert!(!samples.is_empty(), "{name}");
        assert!(samples.iter().all(|sample| sample.labels[0] == ("pipeline", "contoso".into())), "{name}");
    }
}

#[test]
fn what_a_file_says_of_how_runs_ended_is_read_back() {
    let interrupted = LastEnded { exit_code: Some(130), ..at_the_end() };
    for ended in [LastEnded::default(), at_the_end(), interrupted] {
        assert_eq!(text::last_ended(&text::encode(&metrics(ended))), ended);
    }
    for foreign in ["", "promptlake_exit_code", "promptlake_exit_code many\n", "# promptlake_exit_code 3\n\0"]
    {
        assert_eq!(text::last_ended(foreign), LastEnded::default(), "{foreign:?}");
    }
}

#[test]
fn what_is_not_known_is_not_said() {
    let text = text::encode(&metrics(LastEnded::default()));
    assert!(text.contains("promptlake_run_info"));
    assert!(!text.contains("last_success") && !text.contains("exit_code"), "{text}");
}

#[test]
fn labels_and_help_are_escaped() {
    let label = |text| vec![("reason", Cow::Borrowed(text))];
    let samples = vec![Sample { labels: label("a \"b\" \\ c\nd"), value: Value::Number(0.5) }];
    let metric = Metric { name: "m", help: "one \\ two\nthree", kind: Kind::Gauge, unit: "1", samples };
    let expected = concat!(
        "# HELP m one \\\\ two\\nthree.\n",
        "# TYPE m gauge\n",
        "m{reason=\"a \\\"b\\\" \\\\ c\\nd\"} 0.5\n",
    );
    assert_eq!(text::encode(&[metric]), expected);
}
