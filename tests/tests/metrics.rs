//! What a run says of itself to programs: a file for Prometheus, pushes to a collector, a report. All say the same, and it
//! is what the tenant was asked and what the lake holds. Nobody who does not listen stops or slows a run.
#![expect(clippy::unwrap_used, reason = "what a test does not get, fails it")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use graph_emulator::{Emulator, NO_ANSWER, RequestKind, RetryAfter, Rule, ScriptedAnswer, TenantSpec};
use promptlake_flow::Clock;
use promptlake_model::{Table, Timestamp};
use promptlake_tests::collector::{Answering, Collector};
use promptlake_tests::lake::{Lake, objects_below};
use promptlake_tests::metrics::Metrics;
use promptlake_tests::program::{Ended, command_of, finish, run_command};
use promptlake_tests::tenant::{pipeline, unlimited};
use serde_json::Value;

/// What a collector is let in by; nobody is to read it in a log.
const KEY: &str = "s3cr3t-of-the-collector";

/// So often that a run of a second pushes while it goes on.
const PUSH_EVERY_MS: &str = "100";

fn spec() -> TenantSpec {
    // 2025-01-01 to 2025-03-01.
    let spec = TenantSpec::default().with_seed(61).with_users(20).with_interactions(3_000);
    spec.with_window(1_735_689_600_000, 1_740_787_200_000)
}

/// A lake, with a file of metrics and a report beside it.
struct Place {
    lake: Lake,
    metrics: PathBuf,
    report: PathBuf,
}

impl Place {
    fn new() -> Self {
        let lake = Lake::new();
        let beside = |name: &str| lake.path().with_file_name(name);
        Self { metrics: beside("promptlake.prom"), report: beside("report.json"), lake }
    }

    fn pipeline(&self, emulator: &Emulator) -> PathBuf {
        pipeline(emulator, &self.lake, &format!("[run]\nmetrics_file = \"{}\"\n", self.metrics.display()))
    }

    fn command(&self, emulator: &Emulator) -> Command {
        let mut command = run_command(&self.pipeline(emulator), emulator.client_secret());
        command.arg("--report").arg(&self.report);
        command
    }

    fn metrics(&self) -> Metrics {
        Metrics::of_file(&self.metrics)
    }

    /// The report beside the lake, which is the one that the lake has of this run.
    fn report(&self) -> Value {
        let bytes = std::fs::read(&self.report).unwrap();
        let report: Value = serde_json::from_slice(&bytes).unwrap();
        let in_lake = format!("_promptlake/reports/{}.json", report["run_id"].as_str().unwrap());
        assert_eq!(std::fs::read(self.lake.path().join(in_lake)).unwrap(), bytes);
        report
    }

    fn reports_in_lake(&self) -> usize {
        objects_below(&self.lake.path().join("_promptlake/reports")).len()
    }

    /// Fails where anything that is written whole was left behind in parts.
    fn assert_no_parts(&self) {
        let folder = self.lake.path().parent().unwrap().to_owned();
        let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
        let parts: Vec<_> = names.filter(|name| name.to_string_lossy().ends_with(".part")).collect();
        assert!(parts.is_empty(), "{parts:?}");
    }

    async fn verified(&self, emulator: &Emulator) -> Value {
        let mut command = command_of("verify", &self.pipeline(emulator), "");
        command.arg("--json");
        let ended = to_its_end(command).await;
        serde_json::from_str(&ended.assert_code(0).printed).unwrap()
    }
}

async fn to_its_end(command: Command) -> Ended {
    tokio::task::spawn_blocking(move || finish(command)).await.unwrap()
}

fn pushing_to(command: &mut Command, url: &str) {
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", url).env("OTEL_METRIC_EXPORT_INTERVAL", PUSH_EVERY_MS);
    command.env("OTEL_EXPORTER_OTLP_HEADERS", format!("api-key={KEY}"));
}

fn micros(instant: &Value) -> i64 {
    Timestamp::parse(instant.as_str().unwrap()).unwrap().micros()
}

/// The same instant, as a metric has it: a double tells microseconds apart, and rounds beyond.
fn assert_at(seconds: Option<f64>, instant: &Value) {
    let expected = Duration::from_micros(micros(instant).unsigned_abs()).as_secs_f64();
    assert_eq!(seconds, Some(expected), "{instant}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_pushes_and_a_report_say_the_same_and_what_the_tenant_has() {
    let emulator = unlimited(spec()).await;
    emulator.replace_script(vec![
        Rule::always(ScriptedAnswer::Status { status: 503, headers: Vec::new(), body: String::new() }, 2),
        Rule::always(ScriptedAnswer::NotNow { status: 429, wait: RetryAfter::Seconds(1) }, 1),
        Rule::always(ScriptedAnswer::Reset, 1),
    ]);
    let collector = Collector::start(Answering::Well).await;
    let place = Place::new();
    let mut command = place.command(&emulator);
    pushing_to(&mut command, collector.url());
    command.env("PROMPTLAKE_LOG", "trace").env("OTEL_SERVICE_NAME", "contoso");
    let ended = to_its_end(command).await;
    ended.assert_code(0);
    assert!(!ended.said.contains(KEY), "{}", ended.said);

    let (metrics, report) = (place.metrics(), place.report());
    let pushed = collector.pushed();
    let last = pushed.last().unwrap();
    assert!(pushed.len() > 1, "nothing was pushed before the end");
    assert_eq!((last.uri.as_str(), last.headers["api-key"].as_str()), ("/v1/metrics", KEY));
    assert_eq!(last.headers["content-type"], "application/x-protobuf");
    let told = Metrics::of_push(&last.body);
    assert_eq!(told.values(), metrics.values());
    assert_eq!(told.attributes["service.name"], "contoso");
    assert_eq!(told.attributes["service.instance.id"], report["run_id"]);

    assert_requests(&metrics, &report, &emulator);
    assert_rows(&metrics, &report, &place, &emulator).await;
    assert_run(&metrics, &report);
    assert_summary(&ended, &report);
    place.assert_no_parts();
    emulator.shutdown().await;
}

/// Each request is counted as the server answered it.
fn assert_requests(metrics: &Metrics, report: &Value, emulator: &Emulator) {
    let served = emulator.report();
    let mut all = 0;
    for ((kind, status), count) in &served.counts {
        let kind = match kind {
            RequestKind::Token => "token",
            RequestKind::Interactions => "interactions",
            _ => continue,
        };
        let outcome = if *status == NO_ANSWER { "none".to_owned() } else { status.to_string() };
        let labels = [("kind", kind), ("outcome", outcome.as_str())];
        #[expect(clippy::cast_precision_loss, reason = "some hundreds")]
        let count_f64 = *count as f64;
        assert_eq!(metrics.get("promptlake_requests_total", &labels), Some(count_f64), "{labels:?}");
        assert_eq!(report["requests"][kind]["by_status"][&outcome], *count, "{labels:?}");
        all += count;
    }
    let directory = report["requests"]["directory"]["count"].as_u64().unwrap();
    let directory_kinds =
        [RequestKind::Users, RequestKind::User, RequestKind::GroupMembers, RequestKind::SubscribedSkus];
    assert_eq!(directory, directory_kinds.map(|kind| served.requests(kind)).iter().sum::<u64>());
    assert_same(metrics.sum("promptlake_requests_total"), &Value::from(all + directory));
    let of_interactions = [("kind", "interactions")];
    let interactions = &report["requests"]["interactions"];
    let repeats = metrics.get("promptlake_request_repeats_total", &of_interactions).unwrap();
    assert_same(repeats, &interactions["repeated"]);
    assert!(repeats >= 4.0, "503 twice, 429, and a reset");
    let throttled = metrics.get("promptlake_throttled_seconds_total", &of_interactions).unwrap();
    assert_same(throttled, &interactions["throttled_seconds"]);
    assert!((0.5..=2.0).contains(&throttled), "it was told to wait a second: {throttled}");
    assert_same(metrics.get("promptlake_read_bytes_total", &[]).unwrap(), &report["read_bytes"]);
}

/// Rows are those of the tenant, and files those that the ledger names.
async fn assert_rows(metrics: &Metrics, report: &Value, place: &Place, emulator: &Emulator) {
    let totals = emulator.tenant().totals();
    place.lake.assert_holds(emulator.tenant());
    for (table, rows) in place.lake.all_rows() {
        let of_table = [("table", table)];
        let published = |what: &str| metrics.get(&format!("promptlake_published_{what}_total"), &of_table);
        assert_same(published("rows").unwrap(), &Value::from(rows));
        for what in ["rows", "files", "bytes"] {
            assert_same(published(what).unwrap(), &report["tables"][table][what]);
        }
    }
    let verified = place.verified(emulator).await;
    for what in ["rows", "files", "bytes"] {
        assert_same(metrics.sum(&format!("promptlake_published_{what}_total")), &verified[what]);
    }
    let records = |outcome| metrics.get("promptlake_records_total", &[("outcome", outcome)]);
    assert_same(records("new").unwrap(), &Value::from(totals.interactions));
    for (outcome, name) in [("new", "new"), ("known", "known"), ("late", "late"), ("rejected", "rejected")] {
        assert_same(records(outcome).unwrap(), &report["records"][name]);
    }
    assert_same(metrics.get("promptlake_committed_records_total", &[]).unwrap(), &totals.interactions.into());
    assert_eq!(report["records"]["committed"], totals.interactions);
    assert_same(metrics.sum("promptlake_users"), &Value::from(totals.users));
    assert_same(metrics.get("promptlake_users_found", &[]).unwrap(), &report["users"]["found"]);
    assert_eq!(report["users"]["found"], totals.users);
    for (outcome, users) in report["users"]["by_outcome"].as_object().unwrap() {
        assert_same(metrics.get("promptlake_users", &[("outcome", outcome)]).unwrap(), users);
    }
}

/// What the run is, how it ended, and what it took.
fn assert_run(metrics: &Metrics, report: &Value) {
    let info =
        [("run_id", report["run_id"].as_str().unwrap()), ("version", report["version"].as_str().unwrap())];
    assert_eq!(metrics.get("promptlake_run_info", &info), Some(1.0));
    assert_eq!(metrics.get("promptlake_exit_code", &[]), Some(0.0));
    assert_eq!((&report["outcome"], &report["exit_code"]), (&Value::from("done"), &Value::from(0)));
    assert_at(metrics.get("promptlake_run_started_timestamp_seconds", &[]), &report["started_at"]);
    assert_at(metrics.get("promptlake_last_success_timestamp_seconds", &[]), &report["ended_at"]);
    let took = report["took_seconds"].as_f64().unwrap();
    let mut waited = 0.0;
    for (stage, waits) in report["stage_wait_seconds"].as_object().unwrap() {
        for (waits_for, seconds) in waits.as_object().unwrap() {
            let labels = [("stage", stage.as_str()), ("for", waits_for.as_str())];
            assert_same(metrics.get("promptlake_stage_wait_seconds_total", &labels).unwrap(), seconds);
            assert!((0.0..=took).contains(&seconds.as_f64().unwrap()), "{labels:?}: {seconds} of {took}");
            waited += seconds.as_f64().unwrap();
        }
    }
    assert!(waited > 0.0, "the loader waits for the first page at least");
    let limit = metrics.get("promptlake_memory_limit_bytes", &[]).unwrap();
    assert_same(limit, &report["memory"]["limit_bytes"]);
    let now = metrics.get("promptlake_memory_bytes", &[]).unwrap();
    let peak = metrics.get("promptlake_memory_peak_bytes", &[]).unwrap();
    assert!(0.0 < now && now <= peak && peak < limit, "{now} {peak} {limit}");
}

/// The summary that a person reads has the numbers of the report.
fn assert_summary(ended: &Ended, report: &Value) {
    let pages = report["requests"]["interactions"]["count"].as_u64().unwrap();
    let rate = report["requests_per_second"].as_f64().unwrap();
    ended.assert_said(&format!("requests  {pages} for interactions ({rate:.1} a second)"));
    ended.assert_said(&format!("in {:.1} s", report["took_seconds"].as_f64().unwrap()));
    for (outcome, users) in report["users"]["by_outcome"].as_object().unwrap() {
        ended.assert_said(&format!("{users} {}", outcome.replace('_', " ")));
    }
}

fn assert_same(metric: f64, number: &Value) {
    assert_eq!(Some(metric), number.as_f64(), "{number}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_does_not_listen_costs_a_warning_and_a_few_seconds_at_most() {
    /// The last push is given three seconds; the rest is for starting the program on a machine that is busy.
    const LONGER_MAX: Duration = Duration::from_secs(9);
    let emulator = unlimited(spec()).await;
    for (answering, said) in [
        (None, "reach the collector"),
        (Some(Answering::Never), "get an answer of the collector within 3s"),
        (Some(Answering::With(503)), "answers with status 503"),
        (Some(Answering::With(400)), "answers with status 400"),
        (Some(Answering::InPart), "refused 3 values (too old)"),
    ] {
        let collector = Collector::start(answering.unwrap_or(Answering::Well)).await;
        let url = collector.url().to_owned();
        let _listening = answering.map(|_| collector);
        let place = Place::new();
        let mut command = place.command(&emulator);
        pushing_to(&mut command, &url);
        let clock = Clock::system();
        let ended = to_its_end(command).await;
        let took = clock.elapsed();
        ended.assert_code(0).assert_said(said);
        let warnings = ended.said.lines().filter(|line| line.contains("WARN")).count();
        assert_eq!(warnings, 1, "{answering:?}: {}", ended.said);
        assert!(!ended.said.contains(KEY), "{}", ended.said);
        place.lake.assert_holds(emulator.tenant());
        let alone = Duration::from_secs_f64(place.report()["took_seconds"].as_f64().unwrap());
        assert!(took < alone + LONGER_MAX, "{answering:?}: {took:?}, of which the run took {alone:?}");
    }
    emulator.shutdown().await;
}

/// A file system that is gone: whoever opens something there waits for ever.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_system_that_does_not_answer_keeps_no_run_from_its_end() {
    let emulator = unlimited(spec()).await;
    let place = Place::new();
    assert!(Command::new("mkfifo").arg(&place.metrics).status().unwrap().success());
    let ended = to_its_end(place.command(&emulator)).await;
    ended.assert_code(0).assert_said("the last metrics are not told");
    place.lake.assert_holds(emulator.tenant());
    emulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_environment_says_wrongly_is_named_and_the_run_goes_on() {
    let emulator = unlimited(spec()).await;
    let collector = Collector::start(Answering::Well).await;
    let place = Place::new();
    let mut command = place.command(&emulator);
    pushing_to(&mut command, collector.url());
    command.env("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
    let ended = to_its_end(command).await;
    ended.assert_code(0).assert_said("OTEL_EXPORTER_OTLP_PROTOCOL").assert_said("http/protobuf");
    assert!(collector.pushed().is_empty());
    emulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_or_report_that_can_not_be_written_costs_a_warning() {
    let emulator = unlimited(spec()).await;
    let lake = Lake::new();
    let nowhere = lake.path().with_file_name("no").join("folder");
    let file = pipeline(&emulator, &lake, &format!("[run]\nmetrics_file = \"{}/a.prom\"", nowhere.display()));
    let reporting = |report: PathBuf| {
        let mut command = run_command(&file, emulator.client_secret());
        command.arg("--report").arg(report);
        command
    };
    // A slip of the keyboard is said before a run of hours, and not after it.
    to_its_end(reporting(nowhere.join("report.json")))
        .await
        .assert_code(2)
        .assert_said("make its folder first");
    // A folder where the report would be.
    let command = reporting(lake.path().with_file_name("."));
    // A file where the folder of reports would be.
    lake.write_beside("lake/_promptlake/reports", b"");
    let ended = to_its_end(command).await;
    ended.assert_code(0);
    for said in ["can't write run.metrics_file", "can't write the report", "keep the report of this run"] {
        let lines = ended.said.lines().filter(|line| line.contains("WARN") && line.contains(said)).count();
        assert_eq!(lines, 1, "{said}: {}", ended.said);
    }
    lake.assert_holds(emulator.tenant());
    emulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_fails_has_a_report_and_the_last_success_stays() {
    let emulator = unlimited(spec()).await;
    let place = Place::new();
    // Before there is a lake: none is made for a report.
    let failing = |place: &Place| {
        let mut command = run_command(&place.pipeline(&emulator), "not-the-secret");
        command.arg("--report").arg(&place.report);
        command
    };
    to_its_end(failing(&place)).await.assert_code(4);
    assert!(!place.lake.path().exists());
    let alone: Value = serde_json::from_slice(&std::fs::read(&place.report).unwrap()).unwrap();
    assert_failed(&alone);
    assert_eq!(place.metrics().get("promptlake_last_success_timestamp_seconds", &[]), None);
    assert_eq!(place.metrics().get("promptlake_exit_code", &[]), Some(4.0));

    to_its_end(place.command(&emulator)).await.assert_code(0);
    let done = place.report();
    to_its_end(failing(&place)).await.assert_code(4);
    assert_failed(&place.report());
    let metrics = place.metrics();
    assert_at(metrics.get("promptlake_last_success_timestamp_seconds", &[]), &done["ended_at"]);
    assert_eq!(metrics.get("promptlake_exit_code", &[]), Some(4.0));

    // Recovery spares the reports of others, and they are nothing that should not be there.
    to_its_end(place.command(&emulator)).await.assert_code(0);
    assert_eq!(place.reports_in_lake(), 3);
    let verified = place.verified(&emulator).await;
    assert_eq!(verified["findings"].as_array().unwrap().len(), 0, "{verified}");
    place.assert_no_parts();
    emulator.shutdown().await;
}

fn assert_failed(report: &Value) {
    assert_eq!((&report["outcome"], &report["exit_code"]), (&Value::from("failed"), &Value::from(4)));
    let error = &report["error"];
    assert!(error["text"].as_str().unwrap().contains("AADSTS7000215"), "{error}");
    assert!(!error["hint"].as_str().unwrap().is_empty());
    assert!(!report.to_string().contains("not-the-secret"));
    assert!(report["lake_is"].is_null());
}

/// How often a file is looked for that is awaited.
const LOOK_EVERY: Duration = Duration::from_millis(5);

async fn wait_for_metrics(file: &Path) {
    while !file.exists() {
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_interrupted_has_a_report_and_metrics_from_its_beginning_on() {
    let emulator = unlimited(spec().with_interactions(20_000)).await;
    let place = Place::new();
    let mut command = place.command(&emulator);
    // Two hundred pages, so that it is far from its end on a machine that is busy with others as well.
    command.args(["--set", "source.requests_per_second=4"]);
    let child = command.spawn().unwrap();
    emulator.wait_for_pages(12).await;
    wait_for_metrics(&place.metrics).await;
    let metrics = place.metrics();
    assert_eq!(Some(metrics.sum("promptlake_run_info")), Some(1.0));
    assert_eq!(metrics.get("promptlake_exit_code", &[]), None, "no run has ended yet");
    let stop = ["-TERM".to_owned(), child.id().to_string()];
    assert!(Command::new("kill").args(stop).status().unwrap().success());
    let ended: Ended =
        tokio::task::spawn_blocking(|| child.wait_with_output().unwrap()).await.unwrap().into();
    ended.assert_code(130);
    let (metrics, report) = (place.metrics(), place.report());
    assert_eq!(metrics.get("promptlake_exit_code", &[]), Some(130.0));
    assert_eq!(metrics.get("promptlake_last_success_timestamp_seconds", &[]), None);
    assert_eq!(report["outcome"], "interrupted");
    assert_eq!(report["lake_is"], "committed");
    let committed = metrics.get("promptlake_committed_records_total", &[]).unwrap();
    assert!(committed > 0.0);
    assert_same(committed, &report["records"]["committed"]);
    assert_eq!(place.lake.rows(Table::Interactions), 0, "the next run publishes");
    let (waits, took) = (&report["stage_wait_seconds"], report["took_seconds"].as_f64().unwrap());
    let waited = |stage: &str, waits_for: &str| waits[stage][waits_for].as_f64().unwrap();
    assert!(waited("load", "input") > took / 3.0, "it was the source that was slow: {waits}");
    assert!(waited("extract", "output") + waited("transform", "output") < took / 4.0, "{waits}");

    to_its_end(place.command(&emulator)).await.assert_code(0);
    let report = place.report();
    assert_eq!(report["recovered_runs"]["count"], 1);
    assert_same(place.metrics().get("promptlake_exit_code", &[]).unwrap(), &report["exit_code"]);
    assert_eq!(place.reports_in_lake(), 2);
    place.lake.assert_holds(emulator.tenant());
    emulator.shutdown().await;
}
