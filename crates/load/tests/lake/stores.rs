//! One suite that every store runs: memory, a local directory, Azurite and S3, each as the program opens it; and what
//! becomes of a store that does not do what a lake needs.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::common;
use crate::common::faulty::{Fault, Faulty};
use crate::common::{Plan, expected, run, seen};
use bytes::Bytes;
use object_store::ObjectStore;
use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use promptlake_load::{
    Created, LoadError, Loaded, ProbeError, RemoteUrl, Store, StoreLocation, StoreSettings,
};
use promptlake_model::{RunId, Table};
use promptlake_tests::servers::{AZURITE_ACCOUNT, AZURITE_KEY, MOTO_KEY, Server};

const USERS: std::ops::Range<u128> = 1..7;
const MIB: usize = 1 << 20;
const BUCKET: &str = "conformance";

/// A store, and the same objects as a reader sees them.
struct Case {
    name: &'static str,
    store: Store,
    objects: Arc<dyn ObjectStore>,
    /// Goes with the case.
    _folder: Option<tempfile::TempDir>,
}

fn remote(url: &str, options: &[(&str, &str)]) -> Store {
    let options = options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let location = StoreLocation::Remote(RemoteUrl::parse(url).unwrap());
    Store::open(&StoreSettings { location, options: options.collect(), single_writer: false }).unwrap()
}

fn memory() -> Case {
    let objects: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    Case { name: "memory", store: Store::new(Arc::clone(&objects)), objects, _folder: None }
}

fn local() -> Case {
    let folder = tempfile::TempDir::new().unwrap();
    let location = StoreLocation::Local(folder.path().join("lake"));
    let settings = StoreSettings { location, options: BTreeMap::new(), single_writer: false };
    let store = Store::open(&settings).unwrap();
    let objects = LocalFileSystem::new_with_prefix(folder.path().join("lake")).unwrap();
    Case { name: "local", store, objects: Arc::new(objects), _folder: Some(folder) }
}

/// A prefix for every lake: the servers are shared by the tests of this file.
fn fresh_prefix() -> String {
    static LAKES: AtomicUsize = AtomicUsize::new(0);
    format!("lakes/lake-{}", LAKES.fetch_add(1, Ordering::SeqCst))
}

fn s3() -> Case {
    static MOTO: OnceLock<Server> = OnceLock::new();
    let server = MOTO.get_or_init(|| {
        let server = Server::moto();
        server.make_bucket(BUCKET);
        server
    });
    let prefix = fresh_prefix();
    let options = [
        ("aws_endpoint", server.url()),
        ("aws_allow_http", "true".into()),
        ("aws_region", "us-east-1".into()),
        ("aws_access_key_id", MOTO_KEY.into()),
        ("aws_secret_access_key", MOTO_KEY.into()),
    ];
    let store = remote(
        &format!("s3://{BUCKET}/{prefix}"),
        &options.each_ref().map(|(name, value)| (*name, value.as_str())),
    );
    let reader =
        options.into_iter().fold(AmazonS3Builder::new().with_bucket_name(BUCKET), |builder, option| {
            builder.with_config(option.0.parse().unwrap(), option.1)
        });
    let objects = Arc::new(PrefixStore::new(reader.build().unwrap(), prefix));
    Case { name: "s3", store, objects, _folder: None }
}

fn azure() -> Case {
    static AZURITE: OnceLock<Server> = OnceLock::new();
    let server = AZURITE.get_or_init(|| {
        let server = Server::azurite();
        server.make_container(BUCKET);
        server
    });
    let prefix = fresh_prefix();
    let options = [
        ("azure_storage_endpoint", server.azurite_endpoint()),
        ("azure_allow_http", "true".into()),
        ("azure_storage_account_name", AZURITE_ACCOUNT.into()),
        ("azure_storage_account_key", AZURITE_KEY.into()),
    ];
    let store = remote(
        &format!("az://{BUCKET}/{prefix}"),
        &options.each_ref().map(|(name, value)| (*name, value.as_str())),
    );
    let reader = MicrosoftAzureBuilder::new().with_container_name(BUCKET);
    let reader = options
        .into_iter()
        .fold(reader, |builder, option| builder.with_config(option.0.parse().unwrap(), option.1));
    let objects = Arc::new(PrefixStore::new(reader.build().unwrap(), prefix));
    Case { name: "azure", store, objects, _folder: None }
}

fn cases() -> [Case; 4] {
    [memory(), local(), s3(), azure()]
}

fn path(text: &str) -> Path {
    Path::parse(text).unwrap()
}

/// Bytes that tell where they stand.
fn bytes(length: usize) -> Bytes {
    (0..length).map(|at| u8::try_from(at * 31 % 251).unwrap()).collect()
}

async fn names(store: &Store, below: &str) -> Vec<String> {
    let listed = store.list(&path(below)).await.unwrap();
    let mut names: Vec<String> = listed.into_iter().map(|object| object.location.to_string()).collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_are_made_once_replaced_read_and_listed() {
    for Case { name, store, .. } in cases() {
        let (first, second) = (bytes(1000), bytes(10));
        let at = path("a/date=2025-01-01/1.json");
        assert_eq!(store.get(&at).await.unwrap(), None, "{name}");
        assert!(store.head(&at).await.unwrap().is_none(), "{name}");
        assert_eq!(store.create(&at, first.clone()).await.unwrap(), Created::Made, "{name}");
        assert_eq!(store.create(&at, second.clone()).await.unwrap(), Created::Existed, "{name}");
        assert_eq!(store.get(&at).await.unwrap(), Some(first.clone()), "{name}");
        assert_eq!(store.head(&at).await.unwrap().unwrap().size, 1000, "{name}");
        assert_eq!(store.get_range(&at, 10..20).await.unwrap(), first.slice(10..20), "{name}");
        let ranges = store.get_ranges(&at, &[900..1000, 0..1]).await.unwrap();
        assert_eq!(ranges, [first.slice(900..), first.slice(..1)], "{name}");
        store.replace(&at, second.clone()).await.unwrap();
        assert_eq!(store.get(&at).await.unwrap(), Some(second), "{name}");
        for other in ["a/2.json", "ab/3.json", "b/4.json"] {
            store.replace(&path(other), bytes(1)).await.unwrap();
        }
        assert_eq!(names(&store, "a").await, ["a/2.json", "a/date=2025-01-01/1.json"], "{name}");
        assert_eq!(names(&store, "nowhere").await, [""; 0], "{name}");
        store.delete(&at).await.unwrap();
        store.delete(&at).await.unwrap();
        store.delete_below(&path("a")).await.unwrap();
        store.delete_below(&path("nowhere")).await.unwrap();
        assert_eq!(names(&store, "").await, ["ab/3.json", "b/4.json"], "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_make_an_object_one_does() {
    for Case { name, store, .. } in cases() {
        let at = path("_promptlake/ledger/1.json");
        let tries = (0..8).map(|number| store.create(&at, Bytes::from(format!("{number}"))));
        let made = futures::future::join_all(tries).await;
        let winners: Vec<usize> =
            (0..8).filter(|number| matches!(made[*number], Ok(Created::Made))).collect();
        assert_eq!(winners.len(), 1, "{name}: {made:?}");
        let there = store.get(&at).await.unwrap().unwrap();
        assert_eq!(there, Bytes::from(winners[0].to_string()), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_staged_object_is_placed_whole() {
    for Case { name, store, .. } in cases() {
        let (staged, target) =
            (path("_promptlake/staging/r/1.staged"), path("t/date=2025-01-01/r-1.parquet"));
        for length in [0, 1, 5 * MIB, 12 * MIB + 7] {
            let body = bytes(length);
            // Over nothing, over what is there, and again.
            for _ in 0..2 {
                store.replace(&staged, body.clone()).await.unwrap();
                store.place(&staged, &target, length as u64).await.unwrap();
                assert_eq!(store.get(&target).await.unwrap(), Some(body.clone()), "{name} {length}");
            }
            assert_eq!(names(&store, "t").await, ["t/date=2025-01-01/r-1.parquet"], "{name}");
        }
        store.delete(&staged).await.unwrap();
        let gone = store.place(&staged, &target, 5).await;
        assert!(gone.is_err(), "{name}");
        assert_eq!(store.head(&target).await.unwrap().unwrap().size, 12 * MIB as u64 + 7, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_writes_whole_objects_in_parts_or_nothing() {
    for Case { name, store, .. } in cases() {
        for pieces in [&[][..], &[10], &[5 * MIB - 1, 1], &[3 * MIB, 3 * MIB], &[1, 16 * MIB, 1], &[10 * MIB]]
        {
            let whole = bytes(pieces.iter().sum());
            let mut writer = store.writer(path("w/object"));
            let mut rest = whole.clone();
            for piece in pieces {
                writer.write(rest.split_to(*piece)).await.unwrap();
            }
            writer.finish().await.unwrap();
            assert_eq!(store.get(&path("w/object")).await.unwrap(), Some(whole), "{name} {pieces:?}");
        }
        let mut dropped = store.writer(path("w/dropped"));
        dropped.write(bytes(11 * MIB)).await.unwrap();
        drop(dropped);
        assert_eq!(names(&store, "w").await, ["w/object"], "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_fails_or_is_dropped_is_aborted() {
    for (fault, written) in [(Fault::NoSecondPart, 11 * MIB), (Fault::NoSecondPart, 6 * MIB)] {
        let objects: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let faulty = Faulty::new(fault, objects);
        let mut writer = Store::new(Arc::new(faulty.clone())).writer(path("w/object"));
        // The second part is sent by the write, or at the end.
        let failed = match writer.write(bytes(written)).await {
            Err(error) => error,
            Ok(()) => writer.finish().await.unwrap_err(),
        };
        assert_eq!(failed.to_string(), "write w/object in the lake");
        assert_eq!(faulty.aborted.load(Ordering::SeqCst), 1, "{written}");
    }
    let faulty = Faulty::new(Fault::NoCopies, Arc::new(InMemory::new()));
    let mut writer = Store::new(Arc::new(faulty.clone())).writer(path("w/object"));
    writer.write(bytes(6 * MIB)).await.unwrap();
    drop(writer);
    let aborted = async {
        while faulty.aborted.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), aborted).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_probe_passes_and_leaves_nothing() {
    let (run, cut_off) = (RunId::parse("probing").unwrap(), path("_promptlake/probe/cut-off/made"));
    for Case { name, store, .. } in cases() {
        store.replace(&cut_off, bytes(1)).await.unwrap();
        store.probe(&run, Duration::from_hours(1)).await.unwrap();
        assert_eq!(names(&store, "").await, [cut_off.to_string()], "{name}: it may still be at it");
        store.probe(&run, Duration::ZERO).await.unwrap();
        assert_eq!(names(&store, "").await, [""; 0], "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lake_holds_each_record_once_over_every_store() {
    for Case { name, store, objects, .. } in cases() {
        let plan = Plan { gather_bytes: 60_000, ..Plan::new(1, USERS) };
        assert_eq!(common::run_and_stop(store.clone(), &plan).await.unwrap(), Loaded::Committed, "{name}");
        for number in 2..4 {
            let plan = Plan { run: number, ..plan.clone() };
            assert_eq!(run(store.clone(), &plan).await.unwrap(), Loaded::Published, "{name}");
            for table in [Table::Interactions, Table::Links] {
                assert_eq!(seen(&*objects, table).await, expected(USERS, table), "{name} {table}");
            }
        }
        let left = names(&store, "_promptlake").await;
        assert!(left.iter().all(|path| path.starts_with("_promptlake/ledger/")), "{name}: {left:?}");
    }
}

fn faulty(fault: Fault) -> (Arc<dyn ObjectStore>, Store) {
    let objects: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    (Arc::clone(&objects), Store::new(Arc::new(Faulty::new(fault, objects))))
}

#[tokio::test]
async fn a_store_that_does_not_do_what_a_lake_needs_is_refused_at_the_start() {
    for (fault, message, hint) in [
        (Fault::IgnoresConditions, "it ignores conditional puts", "destination.single_writer = true"),
        (Fault::NoConditions, "make an object at the destination only where none is", "If-None-Match"),
        (Fault::NoWrites, "write to the destination", "can be reached and written"),
        (Fault::NoCopies, "put a file in its place", "copies within the bucket"),
        (Fault::NoDeletes, "read back _promptlake/probe/", "consistent"),
    ] {
        let (_, store) = faulty(fault);
        let refused = run(store, &Plan::new(1, USERS)).await.unwrap_err();
        let LoadError::Probe(error) = &refused else { panic!("{fault:?}: {refused}") };
        assert!(error.to_string().contains(message), "{fault:?}: {error}");
        assert!(refused.hint().contains(hint), "{fault:?}: {}", refused.hint());
    }
}

#[tokio::test]
async fn for_a_single_writer_a_store_without_conditions_is_taken() {
    for fault in [Fault::IgnoresConditions, Fault::NoConditions] {
        let (objects, store) = faulty(fault);
        let store = store.with_single_writer(true);
        for number in 1..3 {
            run(store.clone(), &Plan::new(number, USERS)).await.unwrap();
            assert_eq!(seen(&*objects, Table::Interactions).await, expected(USERS, Table::Interactions));
        }
        assert_eq!(store.create(&path("x"), bytes(1)).await.unwrap(), Created::Made);
        assert_eq!(store.create(&path("x"), bytes(2)).await.unwrap(), Created::Existed, "{fault:?}");
    }
    let (_, store) = faulty(Fault::NoCopies);
    let refused = store.with_single_writer(true).probe(&RunId::parse("r").unwrap(), Duration::ZERO).await;
    assert!(matches!(refused, Err(ProbeError::Place(_))), "it must still copy");
}

#[tokio::test]
async fn a_copy_that_answers_early_is_waited_for_before_what_it_was_made_of_goes() {
    let (objects, store) = faulty(Fault::CopiesLate);
    run(store, &Plan::new(1, USERS)).await.unwrap();
    for table in [Table::Interactions, Table::Links] {
        assert_eq!(seen(&*objects, table).await, expected(USERS, table), "{table}");
    }
}

#[tokio::test]
async fn whatever_a_store_answers_a_record_is_there_once_after_a_run_that_goes_through() {
    let odd = [2, 3, 5, 7, 11];
    let faults = odd.map(Fault::FailsEvery).into_iter().chain(odd.map(Fault::ForgetsEvery));
    for fault in faults.chain([Fault::Conflicts]) {
        let (objects, store) = faulty(fault);
        let plan = Plan { gather_bytes: 60_000, ..Plan::new(1, USERS) };
        // Each goes as far as it can; what readers see is true at any moment.
        for number in 1..4 {
            drop(run(store.clone(), &Plan { run: number, ..plan.clone() }).await);
            let expected = expected(USERS, Table::Interactions);
            for (id, times) in seen(&*objects, Table::Interactions).await {
                assert_eq!(Some(&times), expected.get(&id), "{fault:?} {id}");
            }
        }
        let last = Plan { run: 9, ..plan };
        run(Store::new(Arc::clone(&objects)), &last).await.unwrap_or_else(|e| panic!("{fault:?}: {e:?}"));
        for table in [Table::Interactions, Table::Links] {
            assert_eq!(seen(&*objects, table).await, expected(USERS, table), "{fault:?} {table}");
        }
    }
}
