//! Every kind of damage is found, nothing else is, and what a run left that died is mended.

use std::sync::Arc;
use std::time::Duration;

use crate::common;
use crate::common::Plan;
use crate::common::store::Dying;
use arrow_array::RecordBatch;
use arrow_array::{ArrayRef, StringArray};
use bytes::Bytes;
use futures::TryStreamExt;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::arrow::ArrowWriter;
use parquet::file::metadata::KeyValue;
use promptlake_flow::{Clock, ComputePool, Silent};
use promptlake_load::{Finding, Means, Store, Verification, VerifySettings, verify};
use promptlake_model::RunId;

const USERS: std::ops::Range<u128> = 1..4;

/// A lake that one run filled.
struct Lake {
    objects: Arc<InMemory>,
    store: Store,
}

impl Lake {
    async fn filled() -> Self {
        let objects = Arc::new(InMemory::new());
        let store = Store::new(Arc::clone(&objects) as _);
        common::run(store.clone(), &Plan::new(1, USERS)).await.unwrap();
        Self { objects, store }
    }

    /// The paths below a folder that contain a text, in order.
    async fn paths(&self, folder: &str, containing: &str) -> Vec<Path> {
        let listed: Vec<_> = self.objects.list(Some(&Path::from(folder))).try_collect().await.unwrap();
        let mut paths: Vec<Path> = listed.into_iter().map(|object| object.location).collect();
        paths.retain(|path| path.as_ref().contains(containing));
        paths.sort();
        paths
    }

    async fn a_file_of(&self, table: &str) -> Path {
        self.paths(table, ".parquet").await[0].clone()
    }

    async fn bytes(&self, path: &Path) -> Bytes {
        self.objects.get(path).await.unwrap().bytes().await.unwrap()
    }

    async fn put(&self, path: &str, body: impl Into<Bytes>) {
        drop(self.objects.put(&Path::parse(path).unwrap(), body.into().into()).await.unwrap());
    }

    async fn delete(&self, path: &Path) {
        self.objects.delete(path).await.unwrap();
    }

    /// Changes the text of a ledger record.
    async fn change_record(&self, sequence: u64, from: &str, to: &str) {
        let path = format!("_promptlake/ledger/{sequence:020}.json");
        let body = String::from_utf8(self.bytes(&Path::from(path.as_str())).await.to_vec()).unwrap();
        let changed = body.replacen(from, to, 1);
        assert_ne!(changed, body, "there is no {from} in {body}");
        self.put(&path, changed).await;
    }

    async fn verify(&self) -> Verification {
        verify_with(&self.store, 1 << 20, Duration::ZERO).await
    }

    /// What `verify --repair` does.
    async fn repair(&self, run: u64) {
        common::open(self.store.clone(), &Plan::new(run, [])).await.unwrap().close().await.unwrap();
    }
}

async fn verify_with(store: &Store, keys_bytes: usize, stale_after: Duration) -> Verification {
    let means = Means {
        store: store.clone(),
        pool: ComputePool::new(1).unwrap(),
        clock: Clock::system(),
        observer: Arc::new(Silent),
    };
    verify(&means, VerifySettings { stale_after, keys_bytes }).await.unwrap()
}

fn kinds(verification: &Verification) -> Vec<String> {
    let kind =
        |finding: &Finding| serde_json::to_value(finding).unwrap()["kind"].as_str().unwrap().to_owned();
    let mut kinds: Vec<String> = verification.findings.iter().map(kind).collect();
    kinds.sort();
    kinds
}

#[tokio::test]
async fn a_lake_that_nobody_touched_is_clean() {
    let lake = Lake::filled().await;
    common::run(lake.store.clone(), &Plan { gather_bytes: 60_000, ..Plan::new(2, 1..6) }).await.unwrap();
    let verification = lake.verify().await;
    assert_eq!(verification.findings, []);
    let per_user = u64::from(common::PAGES_A_USER) * common::RECORDS_A_PAGE;
    // Interactions and half as many links; two runs of three and five users in users and coverage.
    assert_eq!(verification.rows, 5 * (per_user + per_user / 2) + 2 * (3 + 5));
    assert_eq!((verification.unpublished_rows, verification.more_findings), (0, 0));
    let empty = Store::new(Arc::new(InMemory::new()));
    assert_eq!(verify_with(&empty, 1 << 20, Duration::ZERO).await, Verification::default());
}

#[tokio::test]
async fn a_file_that_is_gone_cut_short_or_changed_is_found() {
    for (name, expected) in [
        ("gone", vec!["file_gone"]),
        ("cut short", vec!["file_size", "file_unreadable"]),
        ("a byte flipped", vec!["file_checksum"]),
        ("emptied", vec!["file_size", "file_unreadable"]),
    ] {
        let lake = Lake::filled().await;
        let path = lake.a_file_of("interactions").await;
        let mut body = lake.bytes(&path).await.to_vec();
        match name {
            "gone" => lake.delete(&path).await,
            "cut short" => lake.put(path.as_ref(), body[..body.len() / 2].to_vec()).await,
            "emptied" => lake.put(path.as_ref(), Vec::new()).await,
            _ => {
                body[100] ^= 1;
                lake.put(path.as_ref(), body).await;
            }
        }
        let verification = lake.verify().await;
        assert_eq!(kinds(&verification), expected, "{name}: {:?}", verification.findings);
        assert!(verification.findings.iter().all(|finding| !finding.is_repairable()));
        assert!(verification.findings[0].to_string().contains(path.as_ref()));
    }
}

#[tokio::test]
async fn what_no_record_names_is_foreign_and_stays_where_it_is() {
    let lake = Lake::filled().await;
    let folder = folder_of(&lake.a_file_of("links").await);
    for (name, body, expected) in [
        ("notes.txt", "x", vec!["foreign_file"]),
        ("x.parquet", "x", vec!["file_unreadable", "foreign_file"]),
    ] {
        let path = format!("{folder}/{name}");
        lake.put(&path, body).await;
        assert_eq!(kinds(&lake.verify().await), expected, "{name}");
        lake.repair(20).await;
        assert_eq!(kinds(&lake.verify().await), expected, "{name} after a repair");
        lake.delete(&Path::parse(&path).unwrap()).await;
    }
}

fn folder_of(path: &Path) -> String {
    path.as_ref().rsplit_once('/').unwrap().0.to_owned()
}

#[tokio::test]
async fn rows_that_are_there_twice_are_counted_however_little_memory_there_is() {
    let lake = Lake::filled().await;
    for table in ["interactions", "links", "users", "coverage"] {
        let original = lake.a_file_of(table).await;
        let copy = format!("{}/copy.parquet", folder_of(&original));
        lake.put(&copy, lake.bytes(&original).await).await;
        let roomy = lake.verify().await;
        let cramped = verify_with(&lake.store, 300, Duration::ZERO).await;
        assert_eq!(roomy, cramped, "{table}");
        assert_eq!(kinds(&roomy), ["foreign_file", "rows_twice"], "{table}");
        let twice = roomy.findings.iter().find_map(|finding| match finding {
            Finding::RowsTwice { rows, paths, .. } => Some((*rows, paths.clone())),
            _ => None,
        });
        let (rows, paths) = twice.unwrap();
        assert!(rows > 0 && paths.contains(&copy) && paths.contains(&original.to_string()), "{paths:?}");
        lake.delete(&Path::parse(copy).unwrap()).await;
    }
    assert_eq!(lake.verify().await.findings, []);
}

#[tokio::test]
async fn rows_of_another_day_are_found() {
    let lake = Lake::filled().await;
    let original = lake.a_file_of("interactions").await;
    lake.put("interactions/date=2025-05-05/copy.parquet", lake.bytes(&original).await).await;
    assert_eq!(kinds(&lake.verify().await), ["foreign_file", "rows_misplaced"]);
}

#[tokio::test]
async fn other_columns_are_found_and_so_is_a_file_that_does_not_say_its_version() {
    for (version, reason) in [
        (None, "does not say promptlake.schema_version"),
        (Some("one"), "promptlake.schema_version = \"one\""),
        (Some("2"), "schema version 2, the ledger says 1"),
        (Some("1"), "1 columns of"),
    ] {
        let lake = Lake::filled().await;
        let path = lake.a_file_of("links").await;
        let column: ArrayRef = Arc::new(StringArray::from(vec!["x"]));
        let rows = RecordBatch::try_from_iter([("tenant_id", column)]).unwrap();
        let mut writer = ArrowWriter::try_new(Vec::new(), rows.schema(), None).unwrap();
        writer.write(&rows).unwrap();
        if let Some(version) = version {
            let pair = KeyValue::new("promptlake.schema_version".into(), version.to_owned());
            writer.append_key_value_metadata(pair);
        }
        lake.put(path.as_ref(), writer.into_inner().unwrap()).await;
        let verification = lake.verify().await;
        assert_eq!(kinds(&verification), ["file_rows", "file_schema", "file_size"]);
        let said: String = verification.findings.iter().map(ToString::to_string).collect();
        assert!(said.contains(reason), "{version:?}: {said}");
    }
}

#[tokio::test]
async fn a_ledger_that_says_otherwise_or_contradicts_itself_is_found() {
    for (from, to, expected) in [
        ("\"schema_version\":1", "\"schema_version\":2", "file_schema"),
        ("\"rows\":", "\"rows\":1", "file_rows"),
        ("\"segments\":[],\"files\":[{", "\"segments\":[\"no/such\"],\"files\":[{", "ledger_contradiction"),
    ] {
        let lake = Lake::filled().await;
        lake.change_record(1, from, to).await;
        let kinds = kinds(&lake.verify().await);
        assert!(kinds.iter().all(|kind| kind == expected) && !kinds.is_empty(), "{to}: {kinds:?}");
    }
}

#[tokio::test]
async fn whatever_a_run_leaves_that_dies_is_found_and_mended() {
    let mut found = std::collections::BTreeSet::new();
    let plan = Plan { gather_bytes: 60_000, ..Plan::new(1, 1..3) };
    for changes in 0.. {
        let objects = Arc::new(InMemory::new());
        let dying = Dying::after(changes, Arc::clone(&objects) as _);
        let ran = common::run(Store::new(Arc::new(dying)), &plan).await;
        let lake = Lake { store: Store::new(Arc::clone(&objects) as _), objects };
        let verification = lake.verify().await;
        assert!(verification.findings.iter().all(Finding::is_repairable), "{changes}: {verification:?}");
        found.extend(kinds(&verification));
        lake.repair(2).await;
        let mended = lake.verify().await;
        assert_eq!((mended.findings, mended.unpublished_rows), (vec![], 0), "after {changes} changes");
        if ran.is_ok() {
            break;
        }
    }
    assert_eq!(found.into_iter().collect::<Vec<_>>(), ["publish_unfinished", "staged_leftover"]);
}

#[tokio::test]
async fn a_segment_or_staged_file_that_is_gone_is_found_and_nobody_can_mend_it() {
    for (name, expected) in [("gone", "segment_gone"), ("cut short", "segment_size")] {
        let objects = Arc::new(InMemory::new());
        let lake = Lake { store: Store::new(Arc::clone(&objects) as _), objects };
        let plan = Plan { gather_bytes: 60_000, ..Plan::new(1, USERS) };
        common::run_and_stop(lake.store.clone(), &plan).await.unwrap();
        let clean = lake.verify().await;
        assert_eq!(clean.findings, [], "committed and not published is no damage");
        assert!(clean.unpublished_rows > 0);
        let path = lake.paths("_promptlake/staging", ".segment").await[0].clone();
        match name {
            "gone" => lake.delete(&path).await,
            _ => lake.put(path.as_ref(), "x").await,
        }
        let verification = lake.verify().await;
        assert_eq!(kinds(&verification), [expected]);
        assert!(!verification.findings[0].is_repairable());
        drop(common::open(lake.store.clone(), &Plan::new(2, [])).await.unwrap_err());
    }
}

#[tokio::test]
async fn a_staged_file_that_is_gone_before_it_was_published_is_found() {
    let plan = Plan { gather_bytes: 60_000, ..Plan::new(1, 1..3) };
    for changes in 0.. {
        let objects = Arc::new(InMemory::new());
        let dying = Dying::after(changes, Arc::clone(&objects) as _);
        common::run(Store::new(Arc::new(dying)), &plan).await.unwrap_err();
        let lake = Lake { store: Store::new(Arc::clone(&objects) as _), objects };
        if kinds(&lake.verify().await) == ["publish_unfinished"] {
            lake.delete(&lake.paths("_promptlake/staging", ".staged").await[0]).await;
            let verification = lake.verify().await;
            assert_eq!(kinds(&verification), ["publish_unfinished", "staged_file_gone"]);
            return;
        }
    }
}

#[tokio::test]
async fn what_is_on_its_way_in_a_run_that_lives_is_no_finding() {
    let lake = Lake::filled().await;
    let stale_after = Duration::from_mins(10);
    let loader =
        common::open_with_stale_after(lake.store.clone(), &Plan::new(2, []), stale_after).await.unwrap();
    let heartbeat = lake.paths("_promptlake/runs", ".json").await[0].clone();
    let run = RunId::parse(heartbeat.filename().unwrap().strip_suffix(".json").unwrap()).unwrap();
    lake.put(&format!("_promptlake/staging/{run}/1.segment"), "x").await;
    let alive = verify_with(&lake.store, 1 << 20, stale_after).await;
    assert_eq!((alive.findings, alive.runs_that_may_live.into_iter().collect()), (vec![], vec![run.clone()]));
    let dead = verify_with(&lake.store, 1 << 20, Duration::ZERO).await;
    assert_eq!(dead.findings, [Finding::StagedLeftover { run_id: run, objects: 1, bytes: 1 }]);
    drop(loader);
}
