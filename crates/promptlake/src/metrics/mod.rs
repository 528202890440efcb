//! Metrics of a run: one list, computed from what was counted, and told in two ways.
//!
//! ```text
//! counts, waits, memory ─▶ list ─┬─▶ text ─▶ file, for Prometheus
//!                                └─▶ otlp ─▶ push, for a collector
//! ```
//!
//! Neither way ever stops a run or slows it down: what can't be told is one warning.

mod file;
mod list;
mod otlp;
mod tell;
mod text;

use std::borrow::Cow;

pub(crate) use file::write_beside;
pub(crate) use list::{kind_name, outcome_name};
pub(crate) use tell::{Meter, Telling};

/// A metric with all its samples at one moment.
#[derive(Debug, Clone, PartialEq)]
struct Metric {
    /// As Prometheus spells it: `promptlake_requests_total`.
    name: &'static str,
    /// What it counts, in a sentence without its full stop.
    help: &'static str,
    kind: Kind,
    /// Of one, in the Unified Code for Units of Measure, as OTLP wants it: `s`, `By`, `{record}`. Empty where it counts nothing:
    /// of `1`, Prometheus would make a ratio.
    unit: &'static str,
    /// None where nothing is known.
    samples: Vec<Sample>,
}

/// How the values of a metric go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A sum that only grows while the run lasts, and begins at 0 with each run.
    Counter,
    /// What is the case at the moment.
    Gauge,
}

/// One value, and of what.
#[derive(Debug, Clone, PartialEq)]
struct Sample {
    labels: Vec<(&'static str, Cow<'static, str>)>,
    value: Value,
}

/// A value as it was counted: the same number in every encoding.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Value {
    Whole(u64),
    Number(f64),
}

#[cfg(test)]
mod tests;
