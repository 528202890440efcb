//! The memory law: the process stays below `run.memory_limit` + 96 MiB, whatever it reads.
#![expect(clippy::unwrap_used, reason = "what a test does not get, fails it")]

use std::io::Write;
use std::path::Path;

use graph_emulator::{ServerOptions, TenantSpec};
use promptlake_model::Table;
use promptlake_tests::is_full;
use promptlake_tests::lake::Lake;
use promptlake_tests::memory::assert_stays_within;
use promptlake_tests::program::run_command;
use promptlake_tests::tenant::{pipeline, serve};

async fn check_tenant(limit_mib: u64, users: u32, interactions: u64) {
    check_pages(limit_mib, users, interactions, None).await;
}

async fn check_pages(limit_mib: u64, users: u32, interactions: u64, page_records_max: Option<u32>) {
    // 2025-01-01 to 2026-01-01.
    let spec = TenantSpec::default().with_seed(5).with_users(users).with_interactions(interactions);
    let options = ServerOptions { requests_per_second: None, page_records_max, ..ServerOptions::default() };
    let emulator = serve(spec.with_window(1_735_689_600_000, 1_767_225_600_000), options).await;
    let lake = Lake::new();
    let file = pipeline(&emulator, &lake, &format!("[run]\nmemory_limit = \"{limit_mib}MiB\""));
    let (what, secret) =
        (format!("{interactions} interactions of {users} users"), emulator.client_secret().to_owned());
    tokio::task::spawn_blocking(move || assert_stays_within(limit_mib, &what, run_command(&file, &secret)))
        .await
        .unwrap();
    assert_eq!(lake.rows(Table::Interactions), interactions);
    emulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_stays_within_its_memory() {
    let runs = if is_full() { vec![(128, 300_000)] } else { vec![(128, 60_000)] };
    for (limit_mib, interactions) in runs {
        check_tenant(limit_mib, 200, interactions).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_user_whose_history_is_the_whole_tenant_takes_no_more() {
    check_tenant(128, 1, if is_full() { 200_000 } else { 40_000 }).await;
}

/// What a page weighs beside its rows counts as well.
#[tokio::test(flavor = "multi_thread")]
async fn pages_of_one_record_take_no_more() {
    let runs = if is_full() { vec![(128, 30_000), (512, 30_000)] } else { vec![(128, 10_000)] };
    for (limit_mib, interactions) in runs {
        check_pages(limit_mib, 200, interactions, Some(1)).await;
    }
}

/// Lines of one record each, with a text that hardly compresses.
fn write_records(file: &Path, records: u32, text_bytes: usize) {
    let mut file = std::io::BufWriter::new(std::fs::File::create(file).unwrap());
    let mut state = 1_u64;
    for record in 0..records {
        let letters = std::iter::repeat_with(|| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            char::from(b'0' + u8::try_from(state >> 58).unwrap())
        });
        let text: String = letters.filter(|letter| *letter != '\\').take(text_bytes).collect();
        let id = 1_738_000_000_000_u64 + u64::from(record);
        writeln!(
            file,
            r#"{{"id":"{id}","etag":"{id}","sessionId":"s","appClass":"IPM.SkypeTeams.Message.Copilot.BizChat","interactionType":"aiResponse","createdDateTime":"2025-01-27T17:46:40Z","body":{{"contentType":"text","content":"{text}"}}}}"#
        )
        .unwrap();
    }
    file.flush().unwrap();
}

#[test]
fn records_of_ten_megabytes_take_no_more() {
    let lake = Lake::new();
    let records = if is_full() { 60 } else { 12 };
    write_records(&lake.write_beside("pages/records.ndjson", b""), records, 10_000_000);
    let text = format!(
        r#"[source]
kind = "files"
path = "{}"
tenant_id = "7c1f3c5e-62a0-4a0e-9f0b-6f3f1a2b4c5d"
user_id = "0d9a3a86-2f57-4c0e-8a52-9a4f0c1d2e3f"
[destination]
url = "{}"
[run]
memory_limit = "128MiB"
"#,
        lake.path().with_file_name("pages").display(),
        lake.path().display()
    );
    let file = lake.write_beside("pipeline.toml", text.as_bytes());
    assert_stays_within(128, &format!("{records} records of 10 MB"), run_command(&file, ""));
    assert_eq!(lake.rows(Table::Interactions), u64::from(records));
}
