//! Metrics as others read them: a file by Prometheus' own parser, a push by the classes that are generated from the
//! protocol.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::duckdb::python;

/// Reads the text format on its standard input.
const FILE: &str = "\
import json, sys
from prometheus_client.parser import text_string_to_metric_families
read = {}
for family in text_string_to_metric_families(sys.stdin.read()):
    assert family.documentation and family.type in ('counter', 'gauge'), family
    for sample in family.samples:
        labels = dict(sample.labels)
        assert labels.pop('pipeline'), sample
        key = json.dumps([sample.name, labels], sort_keys=True)
        assert key not in read, key
        read[key] = sample.value
json.dump({'attributes': {}, 'values': read}, sys.stdout)
";

/// Reads a message on its standard input, and spells names as Prometheus does.
const PUSH: &str = "\
import json, sys
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
body = sys.stdin.buffer.read()
request = ExportMetricsServiceRequest.FromString(body)
request.DiscardUnknownFields()
assert len(request.SerializeToString()) == len(body), 'there are fields that the protocol does not know'
[resource] = request.resource_metrics
[scope] = resource.scope_metrics
assert scope.scope.name == 'promptlake', scope.scope
plain = lambda attributes: {pair.key: pair.value.string_value for pair in attributes}
read = {}
for metric in scope.metrics:
    assert metric.description, metric
    name = metric.name.replace('.', '_')
    if metric.HasField('sum'):
        assert metric.sum.is_monotonic and metric.sum.aggregation_temporality == 2, metric
        name += '_total'
    points = getattr(metric, metric.WhichOneof('data')).data_points
    for point in points:
        assert 0 < point.start_time_unix_nano <= point.time_unix_nano, point
        labels = plain(point.attributes)
        assert labels.pop('pipeline'), point
        key = json.dumps([name, labels], sort_keys=True)
        assert key not in read, key
        read[key] = float(getattr(point, point.WhichOneof('value')))
json.dump({'attributes': plain(resource.resource.attributes), 'values': read}, sys.stdout)
";

/// The values of metrics, each by its name and its labels as JSON, but for the label `pipeline`, which all must have.
#[derive(Debug, Clone, PartialEq)]
pub struct Metrics {
    values: BTreeMap<String, f64>,
    /// What the resource is, where it was pushed.
    pub attributes: BTreeMap<String, String>,
}

impl Metrics {
    /// Those of a file.
    #[must_use]
    pub fn of_file(path: &Path) -> Self {
        let text = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self::read(FILE, &text)
    }

    /// Those of the body of a push.
    #[must_use]
    pub fn of_push(body: &[u8]) -> Self {
        Self::read(PUSH, body)
    }

    fn read(script: &str, input: &[u8]) -> Self {
        let mut command = Command::new(python());
        command.args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("start python");
        let written = child.stdin.take().expect("stdin is piped").write_all(input);
        let output = child.wait_with_output().expect("wait for python");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && written.is_ok(), "it is refused:\n{error}");
        let read: Value = serde_json::from_slice(&output.stdout).expect("the script prints JSON");
        let of = |name: &str| read[name].as_object().expect("an object").clone().into_iter();
        let text = |value: Value| value.as_str().expect("a text").to_owned();
        Self {
            values: of("values").map(|(key, value)| (key, value.as_f64().expect("a number"))).collect(),
            attributes: of("attributes").map(|(key, value)| (key, text(value))).collect(),
        }
    }

    /// The values, each by its name and its labels as JSON.
    #[must_use]
    pub fn values(&self) -> &BTreeMap<String, f64> {
        &self.values
    }

    /// A value by its name and labels; `None` where there is none.
    #[must_use]
    pub fn get(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let labels: BTreeMap<&str, &str> = labels.iter().copied().collect();
        let labels: Vec<String> =
            labels.iter().map(|(label, value)| format!("{label:?}: {value:?}")).collect();
        self.values.get(&format!("[{name:?}, {{{}}}]", labels.join(", "))).copied()
    }

    /// The sum of a metric over all of its labels.
    #[must_use]
    pub fn sum(&self, name: &str) -> f64 {
        let begin = format!("[{name:?}, ");
        self.values.iter().filter(|(key, _)| key.starts_with(&begin)).map(|(_, value)| value).sum()
    }
}
