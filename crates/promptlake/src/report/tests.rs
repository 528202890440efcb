use std::time::Duration;

use promptlake_load::Shard;

use super::*;

fn run() -> Run {
    Run {
        id: RunId::parse("20260102T030405Z-00000000000000ff").unwrap(),
        started_at: Timestamp::parse("2026-01-02T03:04:05Z").unwrap(),
        scope: Scope {
            selection: "a tenant Licensed".to_owned(),
            shard: Some("0/3".parse::<Shard>().unwrap()),
        },
    }
}

fn summary() -> Summary {
    let mut counts = Counts {
        lost_markers: 1,
        repeated_records: 17,
        rereads: 2,
        halved_windows: 4,
        recovered_runs: vec!["20260101T030405Z-00000000000000aa".to_owned()],
        ..Counts::of_some_run()
    };
    counts.failure_reasons.insert("Graph answers 500".to_owned(), 2);
    counts.unknown_fields.insert("aiInteraction.mood".to_owned(), 5);
    Summary {
        counts,
        took: Duration::from_millis(60_500),
        lake: "./lake".to_owned(),
        command: "promptlake run tenant.toml".to_owned(),
        loaded: Some(Loaded::Published),
        unresolved: vec!["jo@contoso.com (HTTP 404)".to_owned()],
    }
}

fn report(run: &Run, summary: &Summary, outcome: Result<Outcome, &Failure>) -> serde_json::Value {
    let wait =
        |stage, waits_for, seconds| StageWait { stage, waits_for, total: Duration::from_secs(seconds) };
    let facts = RunFacts {
        run,
        lake: "./lake".to_owned(),
        ended_at: Timestamp::parse("2026-01-02T03:05:05.5Z").unwrap(),
        exit_code: outcome.map_or_else(Failure::code, Outcome::code),
        outcome,
        waits: [
            wait("extract", "output", 0),
            wait("transform", "input", 55),
            wait("transform", "output", 1),
            wait("load", "input", 59),
        ],
        memory_limit_bytes: 512 << 20,
        resident: Some(Resident { bytes: 200 << 20, peak_bytes: 300 << 20 }),
    };
    let report = serde_json::from_slice(&Report::new(facts, summary).to_json()).unwrap();
    without_version(report)
}

/// A release changes no snapshot.
fn without_version(mut report: serde_json::Value) -> serde_json::Value {
    assert_eq!(report["version"], env!("CARGO_PKG_VERSION"));
    report["version"] = "VERSION".into();
    report
}

#[test]
fn the_report_of_a_run() {
    let report = report(&run(), &summary(), Ok(Outcome::DoneWithFailures));
    insta::assert_snapshot!(format!("{report:#}"));
}

#[test]
fn each_outcome_has_its_word_and_its_exit_code() {
    let refused = std::io::Error::other("no such host");
    let failure = Failure::source(&refused, "ask Graph", "look at the network");
    for (outcome, word, exit_code) in [
        (Ok(Outcome::Done), "done", 0),
        (Ok(Outcome::DoneWithFailures), "done_with_failures", 3),
        (Ok(Outcome::Found), "found", 7),
        (Ok(Outcome::Interrupted), "interrupted", 130),
        (Err(&failure), "failed", 5),
    ] {
        let report = report(&run(), &summary(), outcome);
        assert_eq!((&report["outcome"], &report["exit_code"]), (&word.into(), &exit_code.into()));
        assert_eq!(report["error"].is_null(), outcome.is_ok());
    }
    let failed = report(&run(), &Summary { loaded: None, ..summary() }, Err(&failure));
    assert_eq!(failed["error"]["text"], "failed to ask Graph: no such host");
    assert_eq!(failed["error"]["hint"], "look at the network");
    assert!(failed["lake_is"].is_null());
}

#[test]
fn a_report_stays_small_whatever_a_run_met() {
    let long = "ü".repeat(1_000_000);
    let many: Vec<String> = (0..100_000).map(|user| format!("user {user}")).collect();
    let mut run = run();
    run.scope.selection.clone_from(&long);
    let mut summary = Summary { unresolved: many.clone(), command: long.clone(), ..summary() };
    summary.counts.recovered_runs = many;
    let error = std::io::Error::other(long);
    let failure = Failure::source(&error, "ask Graph", "look at the network");
    let report = report(&run, &summary, Err(&failure));
    assert!(report.to_string().len() < 32_000);
    assert_eq!(report["users"]["not_in_directory"]["count"], 100_000);
    assert_eq!(report["users"]["not_in_directory"]["first"][99], "user 99");
    assert!(report["scope"]["selection"].as_str().unwrap().ends_with("ü…"));
}
