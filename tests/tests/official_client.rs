//! Microsoft's own client library sees in the emulator what the emulator says that it holds: it speaks Graph, and not
//! only our reading of it.
#![expect(clippy::unwrap_used, reason = "what a test does not get, fails it")]

use std::path::{Path, PathBuf};
use std::process::Command;

use graph_emulator::{Access, Emulator, TenantSpec, User};
use promptlake_tests::tenant::unlimited;
use serde_json::Value;

const SCRIPT: &str = include_str!("../src/official_client.py");

/// A record by user, session, id, etag, instant, and the lengths of its lists of attachments, contexts and mentions.
type Record = (String, Option<String>, String, String, i64, [u64; 3]);

/// Python with Microsoft's library: what `cargo ci` installs.
fn python() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let installed = || root.join("target/graph-client/bin/python");
    let python = std::env::var_os("PROMPTLAKE_GRAPH_CLIENT_PYTHON").map_or_else(installed, PathBuf::from);
    assert!(python.exists(), "{} is missing: run `cargo ci` once, which installs it", python.display());
    python
}

fn ask(emulator: &Emulator) -> Vec<Value> {
    let mut command = Command::new(python());
    command.args(["-c", SCRIPT, &emulator.graph_url(), emulator.tenant_id(), emulator.client_id()]);
    let output = command.arg(emulator.client_secret()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn record(line: &Value) -> Record {
    let text = |key: &str| line[key].as_str().map(str::to_owned);
    let lengths = ["attachments", "contexts", "mentions"].map(|list| line[list].as_u64().unwrap());
    let created_us = line["created_us"].as_i64().unwrap();
    (text("user").unwrap(), text("session"), text("id").unwrap(), text("etag").unwrap(), created_us, lengths)
}

fn expected(emulator: &Emulator) -> Vec<Record> {
    let of_user = |user: User| {
        let records: Vec<_> = emulator.tenant().expected_records(&user).collect();
        records.into_iter().map(move |record| {
            let lengths = [record.attachments, record.contexts, record.mentions].map(u64::from);
            let created_us = record.created_at_us;
            (user.id.clone(), record.session_id, record.interaction_id, record.etag, created_us, lengths)
        })
    };
    emulator.tenant().users().flat_map(of_user).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn microsofts_client_sees_every_record_of_the_emulator() {
    let emulator =
        unlimited(TenantSpec::default().with_seed(5).with_users(20).with_interactions(1_500)).await;
    let lines = tokio::task::block_in_place(|| ask(&emulator));
    let (refused, records): (Vec<&Value>, Vec<&Value>) =
        lines.iter().partition(|line| line.get("refused").is_some());
    let mut seen: Vec<Record> = records.into_iter().map(record).collect();
    let mut expected = expected(&emulator);
    assert_eq!(seen.len(), 1_500);
    seen.sort();
    expected.sort();
    assert_eq!(seen, expected);

    // Errors are errors of Graph to it as well.
    let closed = emulator.tenant().users().filter(|user| user.access != Access::Open).count();
    assert_eq!(refused.len(), closed);
    for line in refused {
        assert!(matches!(line["refused"].as_u64(), Some(403 | 404)) && line["code"].is_string(), "{line}");
    }
    emulator.shutdown().await;
}
