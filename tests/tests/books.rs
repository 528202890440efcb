//! What the program says of a lake: its status against what the tenant has, and every damage found.
#![expect(clippy::unwrap_used, reason = "what a test does not get, fails it")]

use std::path::{Path, PathBuf};

use graph_emulator::{Emulator, TenantSpec};
use promptlake_tests::lake::{Lake, objects_below};
use promptlake_tests::program::{Ended, bare_command, command_of, finish, run_command};
use promptlake_tests::tenant::{pipeline, unlimited};
use serde_json::Value;

fn small() -> TenantSpec {
    // Two weeks of 2025.
    TenantSpec::default()
        .with_seed(5)
        .with_users(10)
        .with_interactions(600)
        .with_window(1_735_689_600_000, 1_736_899_200_000)
}

/// A lake that one run filled from an emulator.
struct Filled {
    emulator: Emulator,
    lake: Lake,
    file: PathBuf,
}

impl Filled {
    async fn new() -> Self {
        let emulator = unlimited(small()).await;
        let lake = Lake::new();
        let file = pipeline(&emulator, &lake, "");
        ask(&["status"], &file).await.assert_code(2).assert_said("find a lake at").assert_said("hint: ");
        ask(&["verify"], &file).await.assert_code(2);
        assert!(!lake.path().exists(), "to look at a lake makes none");
        let command = run_command(&file, emulator.client_secret());
        tokio::task::spawn_blocking(move || finish(command)).await.unwrap().assert_code(0);
        Self { emulator, lake, file }
    }

    async fn json(&self, command: &[&str], code: i32) -> Value {
        let ended = ask(&[command, &["--json"]].concat(), &self.file).await;
        ended.assert_code(code);
        serde_json::from_str(&ended.printed).unwrap()
    }

    /// The first object whose path contains both.
    fn object(&self, folder: &str, containing: &str) -> PathBuf {
        let mut objects = objects_below(&self.lake.path());
        objects.sort();
        let found = objects.iter().find(|path| path.starts_with(folder) && path.contains(containing));
        self.lake.path().join(found.unwrap())
    }

    fn last_record(&self) -> PathBuf {
        let mut objects = objects_below(&self.lake.path());
        objects.retain(|path| path.starts_with("_promptlake/ledger/"));
        objects.sort();
        self.lake.path().join(objects.last().unwrap())
    }
}

/// Runs a command that looks at the lake of a pipeline file. It needs no secret.
async fn ask(words: &[&str], file: &Path) -> Ended {
    let mut command = bare_command();
    command.args(words).arg(file).env_remove("PROMPTLAKE_CLIENT_SECRET");
    tokio::task::spawn_blocking(move || finish(command)).await.unwrap()
}

fn kinds(verification: &Value) -> Vec<&str> {
    let findings = verification["findings"].as_array().unwrap();
    findings.iter().map(|finding| finding["kind"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_is_what_the_tenant_has() {
    let filled = Filled::new().await;
    let totals = filled.emulator.tenant().totals();
    let status = filled.json(&["status"], 0).await;
    for (table, rows) in [
        ("interactions", totals.interactions),
        ("attachments", totals.attachments),
        ("card_elements", totals.card_elements),
        ("links", totals.links),
        ("contexts", totals.contexts),
        ("mentions", totals.mentions),
        ("raw", totals.raw),
        ("users", totals.users),
        ("coverage", totals.coverage),
    ] {
        let said = &status["tables"][table];
        assert_eq!(said["rows"].as_u64().unwrap_or(0), rows, "{table}");
        assert_eq!(said["unpublished_rows"].as_u64().unwrap_or(0), 0, "{table}");
    }
    assert_eq!(status["users"]["covered"], totals.coverage, "each has one window");
    assert_eq!(status["coverage"]["gaps"], 0);
    let outcomes = status["users"]["by_outcome"].as_object().unwrap();
    assert_eq!(outcomes.values().map(|users| users.as_u64().unwrap()).sum::<u64>(), totals.users);
    let runs = status["runs"].as_array().unwrap();
    assert_eq!((runs.len(), &runs[0]["state"]), (1, &Value::from("done")));
    assert!(status["lag"]["max_seconds"].as_i64().unwrap() >= 0);

    let ended = ask(&["status"], &filled.file).await;
    ended.assert_code(0);
    assert!(ended.said.is_empty(), "data goes to standard output alone, but it said:\n{}", ended.said);
    for line in ended.printed.lines().filter(|line| !line.starts_with("lake ")) {
        assert!(line.chars().count() <= 80, "too wide: {line}");
    }
    filled.emulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_is_found_and_what_no_run_wrote_stays() {
    let filled = Filled::new().await;
    assert_eq!(kinds(&filled.json(&["verify"], 0).await), [""; 0]);
    ask(&["verify"], &filled.file).await.assert_code(0);

    let path = filled.object("interactions/", ".parquet");
    let body = std::fs::read(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    let ended = ask(&["verify"], &filled.file).await;
    ended.assert_code(7);
    assert!(ended.printed.contains("is gone") && ended.printed.contains("backup"), "{}", ended.printed);
    assert_eq!(kinds(&filled.json(&["verify", "--repair"], 7).await), ["file_gone"]);
    std::fs::write(&path, &body).unwrap();

    let copy = path.with_file_name("copy.parquet");
    std::fs::write(&copy, &body).unwrap();
    assert_eq!(kinds(&filled.json(&["verify", "--repair"], 7).await), ["foreign_file", "rows_twice"]);
    assert!(copy.exists(), "nothing deletes what no run wrote");
    std::fs::remove_file(&copy).unwrap();
    ask(&["verify"], &filled.file).await.assert_code(0);
    filled.emulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publish_that_was_cut_off_is_mended() {
    let filled = Filled::new().await;
    let before = filled.json(&["status"], 0).await;
    // As if the run had died before its last file was in its place.
    std::fs::remove_file(filled.last_record()).unwrap();
    let record = std::fs::read(filled.last_record()).unwrap();
    let record: Value = serde_json::from_slice(&record).unwrap();
    let file = &record["deed"]["publish"]["files"][0];
    let at = |key: &str| filled.lake.path().join(file[key].as_str().unwrap());
    std::fs::create_dir_all(at("staged").parent().unwrap()).unwrap();
    std::fs::rename(at("path"), at("staged")).unwrap();
    // What is staged without a heartbeat is anybody's as long as it is young.
    let ended = ask(&["verify", "--repair"], &filled.file).await;
    ended.assert_code(0);
    assert!(ended.printed.contains("alive "), "{}", ended.printed);
    let staged = std::fs::File::options().write(true).open(at("staged")).unwrap();
    staged.set_modified(std::time::UNIX_EPOCH).unwrap();

    let status = filled.json(&["status"], 0).await;
    assert_eq!(status["runs"][0]["state"], "left_something");
    assert_eq!(status["unfinished_publishes"], 1);
    let found = filled.json(&["verify"], 7).await;
    assert_eq!(kinds(&found), ["publish_unfinished"]);
    assert_eq!(
        (&found["findings"][0]["files_missing"], &found["findings"][0]["repairable"]),
        (&Value::from(1), &Value::from(true))
    );
    let mended = filled.json(&["verify", "--repair"], 0).await;
    assert_eq!((kinds(&mended), &mended["repaired"]), (vec![], &Value::from(1)));
    let after = filled.json(&["status"], 0).await;
    assert_eq!(after["tables"], before["tables"]);
    assert_eq!(after["unfinished_publishes"], 0);
    filled.emulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_has_gone_is_no_failure() {
    let filled = Filled::new().await;
    for verb in ["status", "verify"] {
        let mut command = command_of(verb, &filled.file, "");
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        command.stdout(writer);
        let ended = tokio::task::spawn_blocking(move || finish(command)).await.unwrap();
        assert_eq!(ended.assert_code(0).said, "", "{verb}");
    }
    filled.emulator.shutdown().await;
}
