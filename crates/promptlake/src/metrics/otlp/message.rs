//! The messages of OTLP that metrics need, as `opentelemetry/proto/metrics/v1/metrics.proto` and its neighbours declare
//! them: stable since version 1.0. Fields that are never set are left out.

use promptlake_model::Timestamp;
use prost::{Message, Oneof};

use crate::metrics::{Kind, Metric, Sample, Value};

/// Who counts, in the words of OTLP, and its version.
pub(super) const SCOPE: (&str, &str) = ("promptlake", env!("CARGO_PKG_VERSION"));

/// Sums since the start of the run: `AGGREGATION_TEMPORALITY_CUMULATIVE`.
const CUMULATIVE: i32 = 2;

#[derive(Clone, PartialEq, Message)]
struct ExportMetricsServiceRequest {
    #[prost(message, repeated, tag = "1")]
    resource_metrics: Vec<ResourceMetrics>,
}

#[derive(Clone, PartialEq, Message)]
struct ResourceMetrics {
    #[prost(message, optional, tag = "1")]
    resource: Option<Resource>,
    #[prost(message, repeated, tag = "2")]
    scope_metrics: Vec<ScopeMetrics>,
}

#[derive(Clone, PartialEq, Message)]
struct Resource {
    #[prost(message, repeated, tag = "1")]
    attributes: Vec<KeyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct ScopeMetrics {
    #[prost(message, optional, tag = "1")]
    scope: Option<InstrumentationScope>,
    #[prost(message, repeated, tag = "2")]
    metrics: Vec<OtlpMetric>,
}

#[derive(Clone, PartialEq, Message)]
struct InstrumentationScope {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    version: String,
}

/// `Metric` of the protocol.
#[derive(Clone, PartialEq, Message)]
struct OtlpMetric {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    description: String,
    #[prost(string, tag = "3")]
    unit: String,
    #[prost(oneof = "Data", tags = "5, 7")]
    data: Option<Data>,
}

#[derive(Clone, PartialEq, Oneof)]
enum Data {
    #[prost(message, tag = "5")]
    Gauge(Gauge),
    #[prost(message, tag = "7")]
    Sum(Sum),
}

#[derive(Clone, PartialEq, Message)]
struct Gauge {
    #[prost(message, repeated, tag = "1")]
    data_points: Vec<NumberDataPoint>,
}

#[derive(Clone, PartialEq, Message)]
struct Sum {
    #[prost(message, repeated, tag = "1")]
    data_points: Vec<NumberDataPoint>,
    #[prost(int32, tag = "2")]
    aggregation_temporality: i32,
    #[prost(bool, tag = "3")]
    is_monotonic: bool,
}

#[derive(Clone, PartialEq, Message)]
struct NumberDataPoint {
    #[prost(message, repeated, tag = "7")]
    attributes: Vec<KeyValue>,
    #[prost(fixed64, tag = "2")]
    start_time_unix_nano: u64,
    #[prost(fixed64, tag = "3")]
    time_unix_nano: u64,
    #[prost(oneof = "Number", tags = "4, 6")]
    value: Option<Number>,
}

#[derive(Clone, PartialEq, Oneof)]
enum Number {
    #[prost(double, tag = "4")]
    AsDouble(f64),
    #[prost(sfixed64, tag = "6")]
    AsInt(i64),
}

#[derive(Clone, PartialEq, Message)]
struct KeyValue {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(message, optional, tag = "2")]
    value: Option<AnyValue>,
}

/// Of its kinds only the one that is used.
#[derive(Clone, PartialEq, Message)]
struct AnyValue {
    #[prost(string, optional, tag = "1")]
    string_value: Option<String>,
}

/// What a collector answers.
#[derive(Clone, PartialEq, Message)]
pub(super) struct ExportMetricsServiceResponse {
    #[prost(message, optional, tag = "1")]
    pub(super) partial_success: Option<ExportMetricsPartialSuccess>,
}

/// What of it was refused, and why.
#[derive(Clone, PartialEq, Message)]
pub(super) struct ExportMetricsPartialSuccess {
    #[prost(int64, tag = "1")]
    pub(super) rejected_data_points: i64,
    #[prost(string, tag = "2")]
    pub(super) error_message: String,
}

/// When the sums began, and when they were read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    start_nanos: u64,
    end_nanos: u64,
}

impl Span {
    pub(super) fn new(start: Timestamp, end: Timestamp) -> Self {
        let nanos = |at: Timestamp| u64::try_from(at.micros()).unwrap_or(0).saturating_mul(1_000);
        Self { start_nanos: nanos(start), end_nanos: nanos(end) }
    }
}

/// All metrics that have a sample, as a scope of a resource with these attributes.
pub(super) fn encode(
    metrics: &[Metric],
    attributes: &[(String, String)],
    (name, version): (&str, &str),
    span: Span,
) -> Vec<u8> {
    let metrics = metrics.iter().filter(|metric| !metric.samples.is_empty());
    let scope = InstrumentationScope { name: name.to_owned(), version: version.to_owned() };
    let attributes = attributes.iter().map(|(key, value)| attribute(key, value)).collect();
    let request = ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            resource: Some(Resource { attributes }),
            scope_metrics: vec![ScopeMetrics {
                scope: Some(scope),
                metrics: metrics.map(|metric| metric_of(metric, span)).collect(),
            }],
        }],
    };
    request.encode_to_vec()
}

fn metric_of(metric: &Metric, span: Span) -> OtlpMetric {
    let data_points = metric.samples.iter().map(|sample| point(sample, span)).collect();
    let data = match metric.kind {
        Kind::Counter => {
            Data::Sum(Sum { data_points, aggregation_temporality: CUMULATIVE, is_monotonic: true })
        }
        Kind::Gauge => Data::Gauge(Gauge { data_points }),
    };
    OtlpMetric {
        name: name_of(metric.name),
        description: format!("{}.", metric.help),
        unit: metric.unit.to_owned(),
        data: Some(data),
    }
}

/// The name as OTLP spells it: with dots, and without what the kind says already.
fn name_of(name: &str) -> String {
    name.strip_suffix("_total").unwrap_or(name).replace('_', ".")
}

fn point(sample: &Sample, span: Span) -> NumberDataPoint {
    let value = match sample.value {
        Value::Whole(value) => Number::AsInt(i64::try_from(value).unwrap_or(i64::MAX)),
        Value::Number(value) => Number::AsDouble(value),
    };
    NumberDataPoint {
        attributes: sample.labels.iter().map(|(key, value)| attribute(key, value)).collect(),
        start_time_unix_nano: span.start_nanos,
        time_unix_nano: span.end_nanos,
        value: Some(value),
    }
}

fn attribute(key: &str, value: &str) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { string_value: Some(value.to_owned()) }) }
}
