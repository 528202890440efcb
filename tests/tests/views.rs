//! `schemas/duckdb.sql`, executed as it is: a view of every table, whether it has a file or not, and the views over
//! them. What Spark makes of `schemas/spark.sql` is in `spark.rs`.
#![expect(clippy::unwrap_used, reason = "what a test does not get, fails it")]

use graph_emulator::{Emulator, ExpectedTurn, Tenant, TenantSpec};
use promptlake_model::Table;
use promptlake_tests::duckdb::{number, query, views_prelude};
use promptlake_tests::lake::Lake;
use promptlake_tests::program::{Ended, finish, run_command};
use promptlake_tests::root;
use promptlake_tests::tenant::{pipeline, unlimited};
use serde_json::{Value, json};

const OWNER: &str = "0d9a3a86-2f57-4c0e-8a52-9a4f0c1d2e3f";

/// 2025-03-01, where the tenant's history begins, and four days later, where it ends.
const WINDOW_MS: (i64, i64) = (1_740_787_200_000, 1_740_787_200_000 + 4 * DAY_MS);
const DAY_MS: i64 = 86_400_000;

/// The views over the tables.
const JOINED: [&str; 3] = ["latest_interactions", "turns", "citations"];

/// The rows of a query over the views of a lake.
fn view(lake: &Lake, sql: &str) -> Vec<Vec<Value>> {
    query(&(views_prelude(&lake.path()) + sql))
}

fn count(lake: &Lake, sql: &str) -> u64 {
    number(&(views_prelude(&lake.path()) + "SELECT count(*) FROM " + sql))
}

async fn run_as_of(emulator: &Emulator, lake: &Lake, at_ms: i64) {
    emulator.show_as_of(at_ms);
    let mut command = run_command(&pipeline(emulator, lake, ""), emulator.client_secret());
    command.args(["--set", "source.lookback=3660d"]);
    tokio::task::spawn_blocking(move || finish(command)).await.unwrap().assert_code(0);
}

/// Two runs, between which records came late and were edited: some are there in two versions.
#[tokio::test(flavor = "multi_thread")]
async fn turns_are_those_that_the_tenant_knows() {
    let spec = TenantSpec::default().with_seed(17).with_users(25).with_interactions(4_000);
    let spec = spec.with_window(WINDOW_MS.0, WINDOW_MS.1).with_late_share(0.1).with_edited_share(0.1);
    let settled_ms = spec.end + spec.changes_within_ms;
    let emulator = unlimited(spec).await;
    let lake = Lake::new();
    run_as_of(&emulator, &lake, WINDOW_MS.0 + 3 * DAY_MS).await;
    run_as_of(&emulator, &lake, settled_ms).await;

    let tenant = emulator.tenant();
    let records = tenant.totals().interactions;
    assert_eq!(count(&lake, "latest_interactions"), records);
    assert!(count(&lake, "interactions") > records + 20, "some are there in two versions");

    let turns = expected_turns(tenant);
    assert_has_every_kind(&turns);
    let mut expected: Vec<Value> = turns.iter().map(|(user, turn)| turn_row(user, turn)).collect();
    let found = view(
        &lake,
        "SELECT user_id, session_id, request_id,
                prompt_interaction_id, epoch_us(prompt_created_at),
                response_interaction_id, epoch_us(response_created_at), response_ordinal, latency_ms
         FROM turns",
    );
    let mut found: Vec<Value> = found.into_iter().map(Value::from).collect();
    expected.sort_by_key(Value::to_string);
    found.sort_by_key(Value::to_string);
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(&expected) {
        assert_eq!(found, expected);
    }
    assert_turns_say_what_their_records_say(&lake, records);
    emulator.shutdown().await;
}

fn expected_turns(tenant: &Tenant) -> Vec<(String, ExpectedTurn)> {
    let of_user = |user: graph_emulator::User| {
        let turns = tenant.expected_turns(&user);
        turns.into_iter().map(move |turn| (user.id.clone(), turn))
    };
    tenant.users().flat_map(of_user).collect()
}

fn assert_has_every_kind(turns: &[(String, ExpectedTurn)]) {
    let count = |holds: fn(&ExpectedTurn) -> bool| turns.iter().filter(|(_, turn)| holds(turn)).count();
    assert!(
        count(|turn| turn.answer.is_none() && turn.request_id.is_some()) > 50,
        "prompts without a response"
    );
    assert!(count(|turn| turn.answer.is_none() && turn.request_id.is_none()) > 10, "prompts that name none");
    assert!(
        count(|turn| turn.prompt.is_none() && turn.request_id.is_some()) > 10,
        "responses without a prompt"
    );
    assert!(
        count(|turn| turn.prompt.is_none() && turn.request_id.is_none()) > 10,
        "responses that name none"
    );
    assert!(count(|turn| turn.answer_ordinal == Some(1)) > 50, "second responses");
    assert!(
        count(|turn| turn.session_id.is_none() && turn.latency_ms.is_some()) > 2,
        "turns without a session"
    );
    assert!(
        count(|turn| turn.latency_ms.is_some_and(|latency_ms| latency_ms < 0)) > 0,
        "responses before prompts"
    );
}

fn turn_row(user_id: &str, turn: &ExpectedTurn) -> Value {
    let id = |side: &Option<graph_emulator::TurnSide>| side.as_ref().map(|side| side.interaction_id.clone());
    let at = |side: &Option<graph_emulator::TurnSide>| side.as_ref().map(|side| side.created_at_us);
    json!([
        user_id,
        turn.session_id,
        turn.request_id,
        id(&turn.prompt),
        at(&turn.prompt),
        id(&turn.answer),
        at(&turn.answer),
        turn.answer_ordinal,
        turn.latency_ms,
    ])
}

/// Each latest version is in a turn, on its own side, with its words.
fn assert_turns_say_what_their_records_say(lake: &Lake, records: u64) {
    let sides = "(SELECT prompt_record_id AS record_id, 'userPrompt' AS side, prompt_text AS words, * FROM turns
                  UNION ALL BY NAME
                  SELECT response_record_id AS record_id, 'aiResponse' AS side, response_text AS words, * FROM turns)";
    assert_eq!(
        count(lake, &format!("(SELECT DISTINCT record_id FROM {sides} WHERE record_id IS NOT NULL)")),
        records
    );
    let wrong = format!(
        "{sides} AS sides JOIN latest_interactions AS records USING (record_id)
         WHERE side != interaction_type OR words IS DISTINCT FROM records.text OR sides.app != records.app
            OR sides.date != records.date OR sides.tenant_id != records.tenant_id"
    );
    assert_eq!(count(lake, &wrong), 0);
    assert!(count(lake, "turns WHERE prompt_text != '' AND response_text != ''") > 1_000);
}

/// Every table and view can be asked, with the columns of `schemas/tables`, whether it has a file or not.
fn assert_all_can_be_asked(lake: &Lake) {
    let columns = "SELECT table_name, column_name, data_type FROM duckdb_columns()
                   WHERE NOT internal ORDER BY table_name, column_index";
    let found = view(lake, columns);
    for table in Table::ALL {
        let of_table = found.iter().filter(|row| row[0] == table.name());
        let of_table: Vec<[&str; 2]> =
            of_table.map(|row| [1, 2].map(|cell| row[cell].as_str().unwrap())).collect();
        let schema = std::fs::read_to_string(root().join(format!("schemas/tables/{table}.json"))).unwrap();
        let schema: Value = serde_json::from_str(&schema).unwrap();
        let columns = schema["columns"].as_array().unwrap().iter();
        let columns = columns
            .map(|column| [column["name"].as_str().unwrap(), duckdb_type(column["type"].as_str().unwrap())]);
        let expected: Vec<[&str; 2]> = columns.chain([["date", "DATE"]]).collect();
        assert_eq!(of_table, expected, "{table}");
        assert_eq!(count(lake, table.name()), lake.rows(table), "{table}");
    }
    for name in JOINED {
        let counts = view(lake, &format!("SELECT count(*), count(COLUMNS(*)) FROM {name}"));
        assert!(counts[0].len() > 10, "{name} has columns");
    }
}

fn duckdb_type(kind: &str) -> &'static str {
    match kind {
        "string" => "VARCHAR",
        "int32" => "INTEGER",
        "int64" => "BIGINT",
        "timestamp (µs, UTC)" => "TIMESTAMP WITH TIME ZONE",
        "boolean" => "BOOLEAN",
        "binary" => "BLOB",
        other => panic!("DuckDB has no type for {other}"),
    }
}

/// A record as another exporter saves it; `more` replaces its members.
fn record(session: &str, id: &str, etag: &str, text: &str, more: Value) -> Value {
    let mut record = json!({
        "id": id, "etag": etag, "sessionId": session, "requestId": null,
        "appClass": "IPM.SkypeTeams.Message.Copilot.Word", "interactionType": "userPrompt",
        "createdDateTime": "2025-01-28T08:00:00Z", "body": {"contentType": "text", "content": text},
    });
    let Value::Object(members) = more else { panic!("members are an object") };
    for (name, value) in members {
        record[name] = value;
    }
    record
}

/// Runs over these records, in a file of their own, and whatever earlier files there are.
fn run_over(lake: &Lake, file: &str, records: &[Value]) -> Ended {
    let lines: Vec<String> = records.iter().map(Value::to_string).collect();
    let file = lake.write_beside(&format!("pages/{file}"), lines.join("\n").as_bytes());
    let text = format!(
        "[source]\nkind = \"files\"\npath = \"{}\"\ntenant_id = \"7c1f3c5e-62a0-4a0e-9f0b-6f3f1a2b4c5d\"\n\
         user_id = \"{OWNER}\"\n[destination]\nurl = \"{}\"\n",
        file.parent().unwrap().display(),
        lake.path().display()
    );
    finish(run_command(&lake.write_beside("pipeline.toml", text.as_bytes()), ""))
}

#[test]
fn the_latest_version_of_each_record_is_its_newest_and_no_two_records_become_one() {
    let lake = Lake::new();
    let without_session = |app: &str| json!({"sessionId": null, "appClass": app});
    let mut first = vec![
        record("s1", "100", "1000", "edited later: old", json!({})),
        record("s1", "100", "2000", "edited later: new", json!({})),
        record("s2", "100", "1000", "the same id in another session", json!({})),
        record("s1", "", "1000", "no id: one", json!({"id": null})),
        record("s1", "", "2000", "no id: another", json!({"id": null})),
        record("", "100", "1000", "no session: old", without_session("Word")),
        record("", "100", "3000", "no session: new", without_session("Word")),
        record("", "100", "1000", "no session, another app", without_session("Excel")),
        record("s1", "200", "", "no etag", json!({"etag": null})),
        record("s1", "200", "1", "has an etag", json!({})),
    ];
    // Of etags that say no instant, the one that was read later counts, whatever its record's key.
    let unreadable = |etag: &'static str, text: &'static str| {
        (300..310).map(move |id| record("s1", &id.to_string(), etag, text, json!({})))
    };
    first.extend(unreadable("W/one", "read first"));
    run_over(&lake, "first.ndjson", &first).assert_code(0);
    run_over(&lake, "second.ndjson", &unreadable("W/two", "read later").collect::<Vec<_>>()).assert_code(0);

    let rows = view(&lake, "SELECT text, count(*) FROM latest_interactions GROUP BY text ORDER BY text");
    let expected = json!([
        ["edited later: new", 1],
        ["has an etag", 1],
        ["no id: another", 1],
        ["no id: one", 1],
        ["no session, another app", 1],
        ["no session: new", 1],
        ["read later", 10],
        ["the same id in another session", 1],
    ]);
    assert_eq!(json!(rows), expected);
    assert_eq!(count(&lake, "interactions"), 30);
    assert_all_can_be_asked(&lake);
}

#[test]
fn a_turn_is_of_one_session_or_of_none_and_several_prompts_of_a_request_have_a_row_each() {
    let lake = Lake::new();
    let of = |request: &str, kind: &str, second: u32| json!({"requestId": request, "interactionType": kind, "createdDateTime": format!("2025-01-28T08:00:{second:02}.5Z")});
    let without_session = |mut more: Value| {
        more["sessionId"] = Value::Null;
        more
    };
    let nothing_known = json!({"requestId": null, "interactionType": "aiResponse"});
    let (asked, answered) = ("userPrompt", "aiResponse");
    let records = [
        record("s1", "1", "1", "edited: old", of("a", asked, 1)),
        record("s1", "1", "2", "edited", of("a", asked, 1)),
        record("s1", "2", "2", "late answer", of("a", answered, 9)),
        record("s1", "3", "3", "early answer", of("a", answered, 3)),
        record("s2", "4", "4", "answer in another session", of("a", answered, 4)),
        record("", "5", "5", "no session", without_session(of("a", asked, 10))),
        record("", "6", "6", "answer without a session", without_session(of("a", answered, 8))),
        record("s1", "7", "7", "one of two", of("b", asked, 1)),
        record("s1", "8", "8", "two of two", of("b", asked, 2)),
        record("s1", "9", "9", "answer to either", of("b", answered, 3)),
        record("s1", "10", "10", "unanswered", of("c", asked, 1)),
        record("s1", "11", "11", "names no request", json!({})),
        record("s1", "12", "12", "answer that names no request", nothing_known.clone()),
        record("s1", "13", "13", "another that names no request", nothing_known),
        record("s1", "14", "14", "no instant", {
            let mut more = of("d", asked, 1);
            more["createdDateTime"] = Value::Null;
            more
        }),
        record("s1", "15", "15", "answer to no instant", of("d", answered, 1)),
        record("s1", "16", "16", "neither", of("a", "somethingNew", 1)),
    ];
    run_over(&lake, "records.ndjson", &records).assert_code(0);
    let columns = "prompt_text, response_text, response_ordinal, latency_ms";
    let rows = view(&lake, &format!("SELECT {columns} FROM turns ORDER BY ALL NULLS FIRST"));
    let expected = json!([
        [null, "another that names no request", null, null],
        [null, "answer in another session", null, null],
        [null, "answer that names no request", null, null],
        ["edited", "early answer", 0, 2_000],
        ["edited", "late answer", 1, 8_000],
        ["names no request", null, null, null],
        ["no instant", "answer to no instant", 0, null],
        ["no session", "answer without a session", 0, -2_000],
        ["one of two", "answer to either", 0, 2_000],
        ["two of two", "answer to either", 0, 1_000],
        ["unanswered", null, null, null],
    ]);
    assert_eq!(json!(rows), expected);
    assert_all_can_be_asked(&lake);
}

#[test]
fn a_citation_has_what_it_points_to() {
    let lake = Lake::new();
    let shown = "Moved[1](https://a.example/review). See[2](https://a.example/plan)[3](https://a.example/none).\n\n\
                 [no citation](https://a.example/plan)";
    let card = json!({"type": "AdaptiveCard", "version": "1.0", "body": [
        {"type": "TextBlock", "text": shown},
        {"type": "TextBlock", "id": "MessageTextField", "text": "Moved[^2^]. See[^1^][^3^]."},
    ]});
    let link =
        |url: &str, name: &str, kind: &str| json!({"linkUrl": url, "displayName": name, "linkType": kind});
    let answer = record(
        "s1",
        "1",
        "1",
        "<attachment id=\"c\"></attachment>",
        json!({
            "interactionType": "aiResponse", "requestId": "a",
            "attachments": [{"attachmentId": "c", "contentType": "application/vnd.microsoft.card.adaptive", "content": card.to_string()}],
            "links": [
                link("https://a.example/plan?EntityRepresentationId=1", "Launch plan", "File"),
                link("https://a.example/review?EntityRepresentationId=2", "Review, the event", "Event"),
                link("https://a.example/review", "Review, the meeting", "Meeting"),
            ],
        }),
    );
    // Another record with the same URLs lends this one nothing.
    let other =
        record("s1", "2", "2", "…", json!({"links": [link("https://a.example/none", "Elsewhere", "File")]}));
    run_over(&lake, "records.ndjson", &[answer, other]).assert_code(0);
    let columns = "citation_number, footnote_number, url, label, link_type, entry_ordinal, app, request_id, interaction_id";
    let rows = view(&lake, &format!("SELECT {columns} FROM citations ORDER BY citation_number"));
    let expected = json!([
        [1, 2, "https://a.example/review", "Review, the event", "Event", 1, "word", "a", "1"],
        [2, 1, "https://a.example/plan", "Launch plan", "File", 0, "word", "a", "1"],
        [3, 3, "https://a.example/none", null, null, null, "word", "a", "1"],
    ]);
    assert_eq!(json!(rows), expected);
    assert_all_can_be_asked(&lake);
}

#[test]
fn a_lake_without_a_file_has_its_views() {
    let lake = Lake::new();
    assert_all_can_be_asked(&lake);
    for name in JOINED {
        assert_eq!(count(&lake, name), 0, "{name}");
    }
}
