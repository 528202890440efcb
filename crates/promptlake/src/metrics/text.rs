//! The list as Prometheus reads it from a file: the text format, version 0.0.4.
//!
//! Written here, since the crates for it keep the numbers as well, and write a newer format that the collectors of such
//! files do not take: there, a counter is declared without the `_total` of its samples.

use std::fmt::{self, Write};

use super::list::{EXIT_CODE, LAST_SUCCESS, LastEnded};
use super::{Kind, Metric, Sample, Value};

/// All metrics that have a sample.
pub(super) fn encode(metrics: &[Metric]) -> String {
    let mut text = String::new();
    for metric in metrics.iter().filter(|metric| !metric.samples.is_empty()) {
        write_metric(&mut text, metric).expect("a string takes everything");
    }
    text
}

fn write_metric(text: &mut String, metric: &Metric) -> fmt::Result {
    let name = metric.name;
    let kind = match metric.kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
    };
    writeln!(text, "# HELP {name} {}.", metric.help.replace('\\', r"\\").replace('\n', r"\n"))?;
    writeln!(text, "# TYPE {name} {kind}")?;
    metric.samples.iter().try_for_each(|sample| write_sample(text, name, sample))
}

fn write_sample(text: &mut String, name: &str, sample: &Sample) -> fmt::Result {
    text.push_str(name);
    for (place, (label, value)) in sample.labels.iter().enumerate() {
        let before = if place == 0 { '{' } else { ',' };
        let value = value.replace('\\', r"\\").replace('"', r#"\""#).replace('\n', r"\n");
        write!(text, "{before}{label}=\"{value}\"")?;
    }
    let after = if sample.labels.is_empty() { "" } else { "}" };
    match sample.value {
        Value::Whole(value) => writeln!(text, "{after} {value}"),
        Value::Number(value) => writeln!(text, "{after} {value}"),
    }
}

/// What a file that was written before says of how runs ended. Of a file that somebody else wrote, nothing.
pub(super) fn last_ended(text: &str) -> LastEnded {
    let value = |name: &str| {
        let labelled = |line: &&str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with('{'));
        text.lines().find(labelled).and_then(|line| Some(line.rsplit_once("} ")?.1))
    };
    LastEnded {
        success_s: value(LAST_SUCCESS).and_then(|value| value.parse().ok()),
        exit_code: value(EXIT_CODE).and_then(|value| value.parse().ok()),
    }
}
