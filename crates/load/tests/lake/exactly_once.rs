//! Runs that die at every change they make to the store, runs that meet what is there already, lakes that are not
//! what they should be: each record once, or a refusal.

use std::sync::Arc;
use std::time::Duration;

use crate::common;
use crate::common::store::{Dying, Forgetful, Lost};
use crate::common::{Plan, expected, row_count, run, seen};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};
use promptlake_load::{LoadError, Loaded, Store};
use promptlake_model::{AppClasses, Table, Timestamp, Window};

const USERS: std::ops::Range<u128> = 1..7;

fn memory() -> (Arc<InMemory>, Store) {
    let objects = Arc::new(InMemory::new());
    (Arc::clone(&objects), Store::new(objects))
}

async fn assert_whole(objects: &dyn ObjectStore, users: impl Iterator<Item = u128> + Clone) {
    for table in [Table::Interactions, Table::Links] {
        assert_eq!(seen(objects, table).await, expected(users.clone(), table), "{table}");
    }
}

/// No double and nothing that no run read, at any moment.
async fn assert_no_double(objects: &dyn ObjectStore) {
    for table in [Table::Interactions, Table::Links] {
        let expected = expected(USERS, table);
        for (id, times) in seen(objects, table).await {
            assert_eq!(Some(&times), expected.get(&id), "{table} {id}");
        }
    }
}

#[tokio::test]
async fn a_run_publishes_every_row_once_and_leaves_nothing_behind() {
    let (objects, store) = memory();
    assert_eq!(run(store, &Plan::new(1, USERS)).await.unwrap(), Loaded::Published);
    assert_whole(&*objects, USERS).await;
    assert_eq!(row_count(&*objects, Table::Users).await, USERS.count());
    assert_eq!(row_count(&*objects, Table::Coverage).await, USERS.count());
    let listed = objects.list_with_delimiter(Some(&Path::from("_promptlake"))).await.unwrap();
    let below: Vec<&str> = listed.common_prefixes.iter().map(AsRef::as_ref).collect();
    assert_eq!(below, ["_promptlake/ledger"]);
}

#[tokio::test]
async fn what_fits_in_memory_is_committed_and_published_by_one_record() {
    let (objects, store) = memory();
    run(store, &Plan::new(1, USERS)).await.unwrap();
    let first = objects.get(&Path::from("_promptlake/ledger/00000000000000000001.json")).await.unwrap();
    let first: serde_json::Value = serde_json::from_slice(&first.bytes().await.unwrap()).unwrap();
    assert_eq!(first["deed"]["commit"]["segments"], serde_json::json!([]));
    assert!(first["deed"]["publish"]["files"].as_array().is_some_and(|files| !files.is_empty()));
}

#[tokio::test]
async fn read_again_known_rows_are_dropped_and_only_the_books_grow() {
    // With room for all keys, for those of one page but not of a user's day, and for none.
    for known_bytes in [1 << 20, 1_200, 1] {
        let (objects, store) = memory();
        run(store.clone(), &Plan::new(1, USERS)).await.unwrap();
        // A second run that reads everything again, in small segments, and looks keys up in published files.
        let again = Plan { gather_bytes: 1, known_bytes, ..Plan::new(2, USERS) };
        run(store, &again).await.unwrap();
        assert_whole(&*objects, USERS).await;
        assert_eq!(row_count(&*objects, Table::Users).await, 2 * USERS.count());
        assert_eq!(row_count(&*objects, Table::Coverage).await, 2 * USERS.count());
    }
}

#[tokio::test]
async fn doubles_within_a_run_are_dropped_across_commits_and_when_keys_outgrow_their_memory() {
    for known_bytes in [1, 1 << 20] {
        let (objects, store) = memory();
        let twice = USERS.flat_map(|user| [user, user]).chain(USERS);
        let plan = Plan { gather_bytes: 1, known_bytes, ..Plan::new(1, twice) };
        // Users who come again in one run are known as long as their rows are not published, or can be looked up.
        let plan = Plan { publish_after: Duration::ZERO, ..plan };
        run(store, &plan).await.unwrap();
        assert_whole(&*objects, USERS).await;
    }
}

/// A run dies at its n-th change to the store, the next at a later one of its own, the third goes through; for every
/// n until a run no longer dies.
async fn die_everywhere(plan: Plan, changes_of_second: usize) {
    let users = || plan.users.iter().copied();
    for changes in 0.. {
        let objects: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let dying = Dying::after(changes, Arc::clone(&objects));
        let first = run(Store::new(Arc::new(dying.clone())), &plan).await;
        assert_no_double(&*objects).await;
        let second = Dying::after(changes_of_second, Arc::clone(&objects));
        let again = Plan { run: 2, ..plan.clone() };
        // Whether it dies or not: what readers see is true.
        drop(run(Store::new(Arc::new(second)), &again).await);
        assert_no_double(&*objects).await;
        let last = Plan { run: 3, ..plan.clone() };
        assert_eq!(run(Store::new(Arc::clone(&objects)), &last).await.unwrap(), Loaded::Published);
        assert_whole(&*objects, users()).await;
        let left: Vec<_> =
            objects.list_with_delimiter(Some(&Path::from("_promptlake"))).await.unwrap().common_prefixes;
        let expected = [Path::from("_promptlake/ledger")];
        assert_eq!(left, expected, "after {changes} changes");
        if first.is_ok() && !dying.is_dead() {
            assert!(changes > 10, "a run changes the store more often than that");
            return;
        }
    }
}

#[tokio::test]
async fn a_run_that_dies_at_any_change_loses_and_doubles_nothing_with_segments() {
    for changes_of_second in [3, 8, 17] {
        die_everywhere(Plan { gather_bytes: 60_000, ..Plan::new(1, USERS) }, changes_of_second).await;
    }
}

#[tokio::test]
async fn a_run_that_dies_at_any_change_loses_and_doubles_nothing_when_it_publishes_directly() {
    for changes_of_second in [2, 5, 11] {
        die_everywhere(Plan::new(1, USERS), changes_of_second).await;
    }
}

#[tokio::test]
async fn a_run_that_dies_at_any_change_loses_and_doubles_nothing_when_it_publishes_on_the_way() {
    // Every item that comes is committed and published by itself.
    let plan = Plan { gather_bytes: 60_000, publish_after: Duration::ZERO, ..Plan::new(1, 1..3) };
    die_everywhere(plan, 20).await;
}

#[tokio::test]
async fn a_run_that_dies_at_any_change_loses_and_doubles_nothing_when_segments_do_not_fit_one_merge() {
    // Two at a time: the others are first merged into longer ones.
    let plan = Plan { gather_bytes: 60_000, merge_bytes: 64 << 10, ..Plan::new(1, USERS) };
    die_everywhere(plan, 25).await;
}

#[tokio::test]
async fn a_commit_whose_answer_was_lost_counts_once() {
    let (objects, _) = memory();
    let forgetful = Forgetful::new(Arc::clone(&objects) as _, Lost::Answer);
    let plan = Plan { gather_bytes: 60_000, ..Plan::new(1, USERS) };
    assert_eq!(run(Store::new(Arc::new(forgetful)), &plan).await.unwrap(), Loaded::Published);
    assert_whole(&*objects, USERS).await;
}

#[tokio::test]
async fn a_commit_that_never_arrived_is_given_up_at_its_number_and_the_next_run_goes_on() {
    let (objects, store) = memory();
    let forgetful = Forgetful::new(Arc::clone(&objects) as _, Lost::Request);
    let plan = Plan { gather_bytes: 60_000, ..Plan::new(1, USERS) };
    let failed = run(Store::new(Arc::new(forgetful)), &plan).await.unwrap_err();
    let LoadError::Ledger(error) = failed else { panic!("{failed}") };
    assert!(matches!(error, promptlake_load::LedgerError::InDoubt { sequence: 1, .. }), "{error}");
    let first = objects.get(&Path::from("_promptlake/ledger/00000000000000000001.json")).await.unwrap();
    let first: serde_json::Value = serde_json::from_slice(&first.bytes().await.unwrap()).unwrap();
    assert_eq!(
        first["deed"]["abandoned"], first["run_id"],
        "the number is taken, so the late put can't land"
    );
    run(store, &Plan { run: 2, ..plan }).await.unwrap();
    assert_whole(&*objects, USERS).await;
}

#[tokio::test]
async fn a_start_that_fails_while_it_recovers_does_not_lock_the_lake() {
    let objects: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let plan = Plan { gather_bytes: 60_000, ..Plan::new(1, USERS) };
    let killed = Dying::after(25, Arc::clone(&objects));
    run(Store::new(Arc::new(killed)), &plan).await.unwrap_err();
    for changes in 1..25_u64 {
        let full = Dying::after(usize::try_from(changes).unwrap(), Arc::clone(&objects));
        let again = Plan { run: 10 + changes, ..plan.clone() };
        drop(common::open(Store::new(Arc::new(full)), &again).await);
    }
    run(Store::new(Arc::clone(&objects)), &Plan { run: 99, ..plan }).await.unwrap();
    assert_whole(&*objects, USERS).await;
}

#[tokio::test]
async fn a_run_that_is_stopped_gives_itself_up_and_nobody_waits_for_it() {
    let (objects, store) = memory();
    let plan = Plan { gather_bytes: 60_000, ..Plan::new(1, USERS) };
    assert_eq!(common::run_and_stop(store.clone(), &plan).await.unwrap(), Loaded::Committed);
    assert_eq!(seen(&*objects, Table::Interactions).await.len(), 0, "a stop publishes nothing");
    // No heartbeat of another is stale for ten minutes, and its process lives: it is this one.
    let next = Plan::new(2, USERS);
    common::open_with_stale_after(store, &next, Duration::from_mins(10)).await.unwrap();
    assert_whole(&*objects, USERS).await;
}

#[tokio::test]
async fn the_start_of_a_user_who_failed_stays_where_it_was_first() {
    let (_, store) = memory();
    common::run_cut_off(store.clone(), &Plan::new(1, 1..2)).await.unwrap();
    let loader = common::open(store, &Plan::new(2, 1..2)).await.unwrap();
    let at = |days: i64| Timestamp::from_micros(common::START_MICROS + days * common::DAY_MICROS);
    let wanted = promptlake_load::Wanted {
        start: promptlake_load::WantedStart::OfNewUsers(at(9)),
        end: at(20),
        lookback_micros: 0,
        again: None,
    };
    let known = loader.books().windows_to_ask(&common::owner(1), wanted, &AppClasses::default());
    assert_eq!(known, [Window::new(at(0), at(20)).unwrap()]);
    let new = loader.books().windows_to_ask(&common::owner(2), wanted, &AppClasses::default());
    assert_eq!(new, [Window::new(at(9), at(20)).unwrap()]);
}

#[tokio::test]
async fn undated_rows_and_rejects_are_known_to_later_runs() {
    let (objects, store) = memory();
    for run in 1..=3 {
        // Each run is a day after the one before, so that the rejects of each would lie under another day.
        common::run_undated_and_reject(store.clone(), &Plan::new(run, 1..2)).await.unwrap();
    }
    assert_eq!(row_count(&*objects, Table::Interactions).await, 7);
    assert_eq!(row_count(&*objects, Table::Rejects).await, 1);
    let listed = objects.list_with_delimiter(Some(&Path::from("interactions"))).await.unwrap();
    let days: Vec<&str> = listed.common_prefixes.iter().map(AsRef::as_ref).collect();
    assert_eq!(days, ["interactions/date=__HIVE_DEFAULT_PARTITION__"]);
}

#[tokio::test]
async fn a_second_run_is_refused_while_another_may_live() {
    let (_, store) = memory();
    let first = common::open(store.clone(), &Plan::new(1, USERS)).await.unwrap();
    let mut other = Plan::new(2, USERS);
    other.publish_after = Duration::from_hours(1);
    let refused = common::open_with_stale_after(store, &other, Duration::from_mins(10)).await.unwrap_err();
    assert!(matches!(refused, LoadError::OtherRun { .. }), "{refused}");
    drop(first);
}

#[tokio::test]
async fn a_gap_a_broken_record_and_a_newer_one_stop_the_start_and_are_named() {
    let record = |number: u32| Path::from(format!("_promptlake/ledger/{number:020}.json"));
    for (name, change) in [
        ("gap", None),
        ("cut short", Some("{\"ledger_version\":1,")),
        ("newer", Some("{\"ledger_version\":99}")),
    ] {
        let (objects, store) = memory();
        run(store.clone(), &Plan::new(1, USERS)).await.unwrap();
        match change {
            None => objects.delete(&record(1)).await.unwrap(),
            Some(body) => {
                drop(objects.put(&record(1), PutPayload::from_static(body.as_bytes())).await.unwrap());
            }
        }
        let refused = run(store, &Plan::new(2, USERS)).await.unwrap_err();
        let LoadError::Ledger(error) = refused else { panic!("{name}: {refused}") };
        assert!(error.to_string().contains(record(1).as_ref()), "{name}: {error}");
    }
}

#[tokio::test]
async fn coverage_in_the_future_is_an_error() {
    let (_, store) = memory();
    run(store.clone(), &Plan::new(1, USERS)).await.unwrap();
    let end = Timestamp::from_micros(common::START_MICROS + 20 * common::DAY_MICROS);
    let early = end.saturating_add_micros(-1);
    let loader = common::open(store.clone(), &Plan::new(2, USERS)).await.unwrap();
    let refused = loader.check_coverage(early).await;
    assert!(matches!(refused, Err(LoadError::FutureCoverage { .. })));
    // It left nothing that others would wait for.
    let hours = Duration::from_hours(1);
    let loader = common::open_with_stale_after(store, &Plan::new(3, USERS), hours).await.unwrap();
    assert!(loader.check_coverage(end).await.is_ok());
}

#[tokio::test]
async fn a_slice_cut_off_keeps_its_rows_and_covers_nothing() {
    let (objects, store) = memory();
    common::run_cut_off(store.clone(), &Plan::new(1, 1..2)).await.unwrap();
    assert_eq!(seen(&*objects, Table::Interactions).await.len(), 7);
    assert_eq!(row_count(&*objects, Table::Coverage).await, 0);
    let loader = common::open(store.clone(), &Plan::new(2, 1..2)).await.unwrap();
    let end = Timestamp::from_micros(common::START_MICROS + 20 * common::DAY_MICROS);
    let start = Timestamp::from_micros(common::START_MICROS);
    let wanted = promptlake_load::Wanted {
        start: promptlake_load::WantedStart::At(start),
        end,
        lookback_micros: 0,
        again: None,
    };
    let windows = loader.books().windows_to_ask(&common::owner(1), wanted, &AppClasses::default());
    assert_eq!(windows, [Window::new(start, end).unwrap()]);
    drop(loader);
    run(store, &Plan::new(3, 1..2)).await.unwrap();
    assert_eq!(seen(&*objects, Table::Interactions).await, expected(1..2, Table::Interactions));
}
