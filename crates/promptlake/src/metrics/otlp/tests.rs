use std::collections::BTreeMap;

use promptlake_model::Timestamp;

use super::message::{Span, encode};
use super::settings::PushSettings;
use crate::metrics::{Kind, Metric, Sample, Value};

/// What the classes of the protocol that are generated for Python make of the same metrics.
const OF_THE_PROTOCOL: &str = "\
    0ad5010a180a160a0c736572766963652e6e616d6512060a046c616b6512b8010a130a0a70726f6d70746c616b651205302e312e30125e0a1c70\
    726f6d70746c616b652e7468726f74746c65642e7365636f6e647312075761697465642e1a01733a320a2c11e80364a7b3b6e00d19e85bab9fc1\
    b6e00d21000000000000e03f3a0f0a046b696e6412070a05746f6b656e1002180112410a1070726f6d70746c616b652e75736572731206466f75\
    6e642e1a067b757365727d2a1d0a1b11e80364a7b3b6e00d19e85bab9fc1b6e00d310700000000000000";

#[test]
fn messages_are_those_of_the_protocol() {
    let waited = Metric {
        name: "promptlake_throttled_seconds_total",
        help: "Waited",
        kind: Kind::Counter,
        unit: "s",
        samples: vec![Sample { labels: vec![("kind", "token".into())], value: Value::Number(0.5) }],
    };
    let users = Metric {
        name: "promptlake_users",
        help: "Found",
        kind: Kind::Gauge,
        unit: "{user}",
        samples: vec![Sample { labels: Vec::new(), value: Value::Whole(7) }],
    };
    let silent = Metric { samples: Vec::new(), ..users.clone() };
    let at = |seconds: i64| Timestamp::from_micros(1_000_000_000_000_001 + seconds * 1_000_000);
    let attributes = [("service.name".to_owned(), "lake".to_owned())];
    let span = Span::new(at(0), at(60));
    let message = encode(&[waited, silent, users], &attributes, ("promptlake", "0.1.0"), span);
    let hex: Vec<String> = message.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex.concat(), OF_THE_PROTOCOL);
}

/// What becomes of variables.
fn read(variables: &[(&str, &str)]) -> String {
    let variables: BTreeMap<&str, &str> = variables.iter().copied().collect();
    let read = |name: &str| variables.get(name).map(|value| (*value).to_owned());
    match PushSettings::from_environment(read, "run-7") {
        Ok(None) => "nobody".to_owned(),
        Ok(Some(PushSettings { endpoint, headers, timeout, every, attributes })) => {
            let headers: Vec<String> =
                headers.iter().map(|(name, value)| format!("{name}={}", value.to_str().unwrap())).collect();
            let attributes: Vec<String> =
                attributes.iter().map(|(key, value)| format!("{key}={value}")).collect();
            format!("{endpoint} [{}] {timeout:?} {every:?} {}", headers.join(" "), attributes.join(" "))
        }
        Err(error) => error.to_string(),
    }
}

/// What is known of the program and the run.
const ITSELF: &str = concat!("service.version=", env!("CARGO_PKG_VERSION"), " service.instance.id=run-7");

const ENDPOINT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318");

#[test]
fn nobody_is_told_unless_somebody_asks() {
    for variables in [
        &[][..],
        &[("OTEL_EXPORTER_OTLP_ENDPOINT", " ")],
        &[("OTEL_EXPORTER_OTLP_HEADERS", "api-key=k")],
        &[ENDPOINT, ("OTEL_SDK_DISABLED", "TRUE")],
        &[ENDPOINT, ("OTEL_METRICS_EXPORTER", "none")],
        &[ENDPOINT, ("OTEL_METRICS_EXPORTER", "prometheus,console")],
    ] {
        assert_eq!(read(variables), "nobody", "{variables:?}");
    }
}

#[test]
fn endpoints() {
    let metrics = |url| ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", url);
    let everything = |url| ("OTEL_EXPORTER_OTLP_ENDPOINT", url);
    for (variables, endpoint) in [
        (&[ENDPOINT][..], "http://127.0.0.1:4318/v1/metrics"),
        (&[everything("https://collector.test/otlp/")], "https://collector.test/otlp/v1/metrics"),
        (
            &[everything("https://collector.test/otlp?tenant=1")],
            "https://collector.test/otlp/v1/metrics?tenant=1",
        ),
        (&[ENDPOINT, metrics("http://collector.test:1/as/it/is")], "http://collector.test:1/as/it/is"),
        (&[ENDPOINT, metrics("")], "http://127.0.0.1:4318/v1/metrics"),
        (&[metrics("http://collector.test")], "http://collector.test/"),
        (&[ENDPOINT, ("OTEL_SDK_DISABLED", "false")], "http://127.0.0.1:4318/v1/metrics"),
        (&[ENDPOINT, ("OTEL_METRICS_EXPORTER", "otlp")], "http://127.0.0.1:4318/v1/metrics"),
        (&[ENDPOINT, ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")], "http://127.0.0.1:4318/v1/metrics"),
    ] {
        assert_eq!(
            read(variables),
            format!("{endpoint} [] 10s 60s service.name=promptlake {ITSELF}"),
            "{variables:?}"
        );
    }
}

#[test]
fn what_else_is_set() {
    for (variables, expected) in [
        (
            &[("OTEL_EXPORTER_OTLP_HEADERS", "api-key=a%3Db%2C, X-Scope = team 1 ,")][..],
            format!("[api-key=a=b, x-scope=team 1] 10s 60s service.name=promptlake {ITSELF}"),
        ),
        (
            &[("OTEL_EXPORTER_OTLP_HEADERS", "a=1"), ("OTEL_EXPORTER_OTLP_METRICS_HEADERS", "b=2")],
            format!("[b=2] 10s 60s service.name=promptlake {ITSELF}"),
        ),
        (
            &[("OTEL_EXPORTER_OTLP_TIMEOUT", "250"), ("OTEL_METRIC_EXPORT_INTERVAL", "5000")],
            format!("[] 250ms 5s service.name=promptlake {ITSELF}"),
        ),
        (
            &[("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "1"), ("OTEL_METRIC_EXPORT_INTERVAL", "1")],
            format!("[] 1ms 100ms service.name=promptlake {ITSELF}"),
        ),
        (
            &[
                ("OTEL_SERVICE_NAME", "lake of contoso"),
                ("OTEL_RESOURCE_ATTRIBUTES", "service.name=other,team=a%20b"),
            ],
            format!("[] 10s 60s service.name=lake of contoso team=a b {ITSELF}"),
        ),
        (
            &[("OTEL_RESOURCE_ATTRIBUTES", "service.instance.id=blue,service.name=other")],
            format!(
                "[] 10s 60s service.instance.id=blue service.name=other service.version={}",
                env!("CARGO_PKG_VERSION")
            ),
        ),
    ] {
        let variables = [&[ENDPOINT], variables].concat();
        assert_eq!(read(&variables), format!("http://127.0.0.1:4318/v1/metrics {expected}"), "{variables:?}");
    }
}

#[test]
fn what_means_nothing_is_named_and_not_shown() {
    let key = "s3cr3t";
    let protocol = "this version pushes http/protobuf alone, to port 4318 of most collectors";
    let millis = "it is no number of milliseconds, such as 10000";
    let pairs = "write name=value, with commas between several and %2C for a comma in one";
    for (variable, value, wrong) in [
        (
            "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
            "s3cr3t@collector:4318",
            "it is no URL of a collector, such as http://127.0.0.1:4318",
        ),
        (
            "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
            "grpc://collector:4317",
            "it is no URL of a collector, such as http://127.0.0.1:4318",
        ),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", protocol),
        ("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "http/json", protocol),
        ("OTEL_EXPORTER_OTLP_HEADERS", "s3cr3t", pairs),
        ("OTEL_EXPORTER_OTLP_HEADERS", "=s3cr3t", pairs),
        ("OTEL_EXPORTER_OTLP_HEADERS", "api key=s3cr3t", "it names no header"),
        ("OTEL_EXPORTER_OTLP_METRICS_HEADERS", "key=s3cr3t%0A", "no header has such a value"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s", millis),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "0", millis),
        ("OTEL_METRIC_EXPORT_INTERVAL", "-1", millis),
        ("OTEL_RESOURCE_ATTRIBUTES", "team", pairs),
    ] {
        let said = read(&[ENDPOINT, (variable, value)]);
        assert_eq!(said, format!("understand the variable {variable}: {wrong}"));
        assert!(!said.contains(key));
    }
}
