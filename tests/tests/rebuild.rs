//! `source.kind = "lake"`: every table made again from `raw`, without Graph, row by row and column by column as it was.

use std::path::Path;

use promptlake_model::Table;
use promptlake_tests::duckdb::{files_of, number, query};
use promptlake_tests::lake::Lake;
use promptlake_tests::program::{Ended, finish, run_command};

/// What is made of records. `users` and `coverage` tell of runs, and a rebuild is one of its own.
const RECORD_TABLES: [Table; 7] = [
    Table::Interactions,
    Table::Attachments,
    Table::CardElements,
    Table::Links,
    Table::Contexts,
    Table::Mentions,
    Table::Raw,
];

const DEMO: &str = "[source]\ncloud = \"emulator\"\nemulator = { users = 40, interactions = 4_000, requests_per_second = 1_000 }\n\
    requests_per_second = 500\n";

fn run_source(lake: &Lake, source: &str, more: &str) -> Ended {
    let text = format!("{source}\n[destination]\nurl = \"{}\"\n{more}\n", lake.path().display());
    finish(run_command(&lake.write_beside("pipeline.toml", text.as_bytes()), ""))
}

fn of_lake(lake: &Lake) -> String {
    format!("[source]\nkind = \"lake\"\nurl = \"{}\"\n", lake.path().display())
}

/// Fails where a table of the two lakes differs in a row, a column or a day.
fn assert_same(table: Table, one: &Path, other: &Path) {
    let rows = |lake: &Path| format!("SELECT * FROM {}", files_of(lake, table.name()));
    let (one, other) = (rows(one), rows(other));
    let differing = format!(
        "SELECT (SELECT count(*) FROM ({one} EXCEPT ALL {other})) + (SELECT count(*) FROM ({other} EXCEPT ALL {one}))"
    );
    assert_eq!(number(&differing), 0, "{table}");
}

#[test]
fn a_lake_is_made_again_from_its_records() {
    let (first, second) = (Lake::new(), Lake::new());
    run_source(&first, DEMO, "").assert_code(0);
    run_source(&second, &of_lake(&first), "").assert_code(0);
    for table in RECORD_TABLES {
        assert!(first.rows(table) > 50, "{table} says little");
        assert_same(table, &first.path(), &second.path());
    }
    assert_eq!(second.rows(Table::Coverage), 0, "nobody was asked for anything");
    let users = format!(
        "SELECT count(*) FROM {} WHERE status = 'extracted' AND interaction_count > 0",
        files_of(&second.path(), "users")
    );
    let owners = format!("SELECT count(DISTINCT user_id) FROM {}", files_of(&first.path(), "raw"));
    assert_eq!(number(&users), number(&owners));

    let before = second.all_rows();
    run_source(&second, &of_lake(&first), "").assert_code(0);
    assert_eq!(second.all_rows(), before, "files that are complete are not read again");

    // What the first lake got since then is all that is added.
    run_source(&first, &DEMO.replace("emulator = {", "emulator = { seed = 2,"), "").assert_code(0);
    run_source(&second, &of_lake(&first), "").assert_code(0);
    for table in RECORD_TABLES {
        assert_same(table, &first.path(), &second.path());
    }
    let tenants = format!("SELECT count(DISTINCT tenant_id) FROM {}", files_of(&second.path(), "raw"));
    assert_eq!(number(&tenants), 2);
}

#[test]
fn only_the_tables_that_are_asked_for_are_made() {
    let (first, second) = (Lake::new(), Lake::new());
    run_source(&first, DEMO, "[transform]\ntables = [\"raw\"]").assert_code(0);
    assert_eq!((first.rows(Table::Links), first.rows(Table::CardElements)), (0, 0));
    run_source(&second, &of_lake(&first), "[transform]\ntables = [\"links\", \"card_elements\"]")
        .assert_code(0);
    assert!(second.rows(Table::Links) > 100 && second.rows(Table::CardElements) > 100);
    assert_eq!((second.rows(Table::Raw), second.rows(Table::Attachments)), (0, 0));
    assert_same(Table::Interactions, &first.path(), &second.path());
}

/// Records that no line and no array of JSON could carry: over several lines, with bytes that are no UTF-8, with what
/// a strict parser refuses.
#[test]
fn records_keep_their_bytes() {
    let (first, second) = (Lake::new(), Lake::new());
    let page = br#"{"value":[{
        "id": "1",
        "etag": "1"
    },{"id":"3","locale":"\ud83d"},{"id":"4","x":1e999}]}"#;
    first.write_beside("pages/page.json", page);
    first.write_beside(
        "pages/lines.ndjson",
        b"{\"id\":\"2\",\"locale\":\"\xe9\"}\n{\"id\":\"5\",\"locale\":\"a\tb\"}\n",
    );
    let files = format!(
        "[source]\nkind = \"files\"\npath = \"{}\"\ntenant_id = \"7c1f3c5e-62a0-4a0e-9f0b-6f3f1a2b4c5d\"\n\
         user_id = \"0d9a3a86-2f57-4c0e-8a52-9a4f0c1d2e3f\"\n",
        first.path().with_file_name("pages").display()
    );
    run_source(&first, &files, "").assert_code(0);
    run_source(&second, &of_lake(&first), "").assert_code(0);
    assert_eq!(second.rows(Table::Raw), 5);
    for table in [Table::Interactions, Table::Raw] {
        assert_same(table, &first.path(), &second.path());
    }
    let bytes = query(&format!(
        "SELECT hex(json_bytes) FROM {} WHERE json_bytes IS NOT NULL",
        files_of(&second.path(), "raw")
    ));
    assert_eq!(bytes, [[serde_json::json!("7B226964223A2232222C226C6F63616C65223A22E9227D")]]);
}

#[test]
fn what_is_no_source_is_refused_by_name() {
    let (empty, lake) = (Lake::new(), Lake::new());
    run_source(&lake, &of_lake(&empty), "").assert_code(2).assert_said("raw").assert_said("source.url");
    run_source(&lake, &of_lake(&lake), "").assert_code(2).assert_said("destination.url");
    run_source(&empty, DEMO, "[transform]\ntables = [\"links\"]").assert_code(0);
    run_source(&lake, &of_lake(&empty), "").assert_code(2).assert_said("raw");
    assert_eq!(lake.rows(Table::Interactions), 0);
}
