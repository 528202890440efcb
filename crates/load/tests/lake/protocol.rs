//! The commit protocol, rule by rule: each test plays the interleaving that a rule forbids, and is named after it.

use std::sync::Arc;
use std::time::Duration;

use crate::common;
use crate::common::store::{Arrives, Behind, Door, Dying, Late};
use crate::common::{LONG, Plan, expected, owner, run, run_id, run_with_stale_after, seen, start};
use futures::TryStreamExt;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};
use promptlake_load::{LedgerError, LoadError, Loaded, Store, Wanted, WantedStart};
use promptlake_model::{AppClasses, Table, Timestamp, Window};

fn memory() -> (Arc<dyn ObjectStore>, Store) {
    let objects: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    (Arc::clone(&objects), Store::new(objects))
}

/// Every item is a commit of its own, and nothing is published before the end.
fn small_commits(run: u64, users: impl IntoIterator<Item = u128>) -> Plan {
    Plan { gather_bytes: 1, ..Plan::new(run, users) }
}

/// Users of its own, so that nobody refuses it at the start.
fn apart(run: u64, users: impl IntoIterator<Item = u128>) -> Plan {
    Plan { selection: format!("selection {run}"), ..small_commits(run, users) }
}

async fn paths_below(objects: &dyn ObjectStore, prefix: &str) -> Vec<String> {
    let listed: Vec<_> = objects.list(Some(&Path::from(prefix))).try_collect().await.unwrap();
    let mut paths: Vec<String> = listed.iter().map(|object| object.location.to_string()).collect();
    paths.sort();
    paths
}

async fn assert_whole(objects: &dyn ObjectStore, users: impl Iterator<Item = u128> + Clone) {
    for table in [Table::Interactions, Table::Links] {
        assert_eq!(seen(objects, table).await, expected(users.clone(), table), "{table}");
    }
    assert_eq!(paths_below(objects, "_promptlake/staging").await, [""; 0]);
    assert_eq!(paths_below(objects, "_promptlake/runs").await, [""; 0]);
}

async fn wait_for_records(objects: &dyn ObjectStore, count: usize) {
    while paths_below(objects, "_promptlake/ledger").await.len() < count {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

fn ledger_error(loaded: Result<Loaded, LoadError>) -> LedgerError {
    match loaded {
        Err(LoadError::Ledger(error)) => error,
        other => panic!("{other:?}"),
    }
}

// Objects.

#[tokio::test(flavor = "local")]
async fn a_checkpoint_is_a_pure_function_of_the_records_up_to_it() {
    let (objects, store) = memory();
    for number in 1..=40 {
        run(store.clone(), &small_commits(number, [u128::from(number)])).await.unwrap();
    }
    let checkpoints = paths_below(&*objects, "_promptlake/checkpoints").await;
    assert_eq!(checkpoints.len(), 2, "{} records", paths_below(&*objects, "_promptlake/ledger").await.len());
    let books = async |run| {
        let loader = common::open(store.clone(), &Plan::new(run, 0..0)).await.unwrap();
        let books = loader.books().clone();
        loader.close().await.unwrap();
        books
    };
    let by_checkpoint = books(97).await;
    objects.delete(&Path::from(checkpoints[1].as_str())).await.unwrap();
    assert_eq!(books(98).await, by_checkpoint, "by the older one");
    objects.delete(&Path::from(checkpoints[0].as_str())).await.unwrap();
    assert_eq!(books(99).await, by_checkpoint, "by the records alone");
    assert_ne!(by_checkpoint, promptlake_load::Books::default());
}

#[tokio::test(flavor = "local")]
async fn a_broken_checkpoint_costs_nothing_but_time() {
    let (objects, store) = memory();
    for number in 1..=20 {
        run(store.clone(), &small_commits(number, [u128::from(number)])).await.unwrap();
    }
    let checkpoints = paths_below(&*objects, "_promptlake/checkpoints").await;
    assert_eq!(checkpoints.len(), 1);
    for path in checkpoints {
        drop(objects.put(&Path::from(path), PutPayload::from_static(b"{\"ledger")).await.unwrap());
    }
    run(store, &small_commits(21, [3])).await.unwrap();
    assert_whole(&*objects, 1..21).await;
}

#[tokio::test(flavor = "local")]
async fn a_checkpoint_whose_records_are_gone_is_no_ledger() {
    let (objects, store) = memory();
    for number in 1..=20 {
        run(store.clone(), &small_commits(number, [u128::from(number)])).await.unwrap();
    }
    for path in paths_below(&*objects, "_promptlake/ledger").await {
        objects.delete(&Path::from(path)).await.unwrap();
    }
    let error = ledger_error(run(store, &small_commits(21, [3])).await);
    assert!(matches!(error, LedgerError::Missing { .. }), "{error}");
}

// Commit in doubt.

#[tokio::test(flavor = "local")]
async fn a_commit_in_doubt_is_given_up_at_its_number_and_none_after_it_is_tried() {
    for record in 1..6 {
        for arrives in [Arrives::Next, Arrives::AfterNext, Arrives::Later] {
            let (objects, store) = memory();
            let late = Late::new(Arc::clone(&objects), record, arrives);
            let plan = small_commits(1, 1..3);
            let failed = run(Store::new(Arc::new(late.clone())), &plan).await;
            let error = ledger_error(failed);
            assert!(matches!(error, LedgerError::InDoubt { .. }), "{record} {arrives:?}: {error}");
            // A run of the same users goes on, and only then, a minute later, the put comes.
            run(store.clone(), &small_commits(2, 1..3)).await.unwrap();
            if let Some(taken) = late.arrive().await {
                assert!(taken.is_err(), "the number of record {record} was free");
            }
            run(store, &small_commits(3, 1..3)).await.unwrap();
            assert_whole(&*objects, 1..3).await;
        }
    }
}

#[tokio::test(flavor = "local")]
async fn a_writer_that_slept_finds_itself_given_up_also_behind_a_checkpoint() {
    let (objects, store) = memory();
    let sleeper = start(store.clone(), &small_commits(1, [1]), Duration::ZERO).await.unwrap();
    sleeper.send_user(0, 1).await;
    wait_for_records(&*objects, 3).await;
    for number in 2..=40 {
        run(store.clone(), &small_commits(number, [u128::from(number)])).await.unwrap();
    }
    assert!(!paths_below(&*objects, "_promptlake/checkpoints").await.is_empty());
    sleeper.send_user(1, 41).await;
    let error = ledger_error(sleeper.end().await);
    assert!(matches!(error, LedgerError::Abandoned { .. }), "{error}");
    run(store, &small_commits(99, [1, 41])).await.unwrap();
    assert_whole(&*objects, 1..42).await;
}

#[tokio::test(flavor = "local")]
async fn a_run_that_could_not_renew_its_heartbeat_for_half_the_stale_time_stops_by_itself() {
    let (objects, _) = memory();
    let dying = Dying::after(2, Arc::clone(&objects));
    let plan = Plan { heartbeat_every: Duration::from_millis(5), ..small_commits(1, [1]) };
    let fed = start(Store::new(Arc::new(dying)), &plan, Duration::from_millis(60)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(80)).await;
    fed.send_user(0, 1).await;
    let failed = fed.end().await.unwrap_err();
    assert!(matches!(failed, LoadError::Heartbeat(_) | LoadError::Store(_)), "{failed}");
    assert_eq!(paths_below(&*objects, "_promptlake/ledger").await, [""; 0]);
}

#[tokio::test(flavor = "local")]
async fn a_run_is_taken_over_at_once_when_it_is_named() {
    let (objects, store) = memory();
    let dying = Dying::after(9, Arc::clone(&objects));
    run(Store::new(Arc::new(dying)), &small_commits(1, 1..4)).await.unwrap_err();
    let refused = run_with_stale_after(store.clone(), &small_commits(2, 1..4), LONG).await.unwrap_err();
    assert!(matches!(refused, LoadError::OtherRun { .. }), "{refused}");
    let nobody = Plan { take_over: Some(run_id(&Plan::new(77, 0..0))), ..small_commits(3, 1..4) };
    let refused = run_with_stale_after(store.clone(), &nobody, LONG).await.unwrap_err();
    assert!(matches!(refused, LoadError::NothingToTakeOver { .. }), "{refused}");
    let plan = Plan { take_over: Some(run_id(&Plan::new(1, 0..0))), ..small_commits(4, 1..4) };
    run_with_stale_after(store, &plan, LONG).await.unwrap();
    assert_whole(&*objects, 1..4).await;
}

// Publish and recover.

#[tokio::test(flavor = "local")]
async fn a_run_that_starts_between_segment_and_commit_touches_nothing_of_a_live_run() {
    let (objects, store) = memory();
    let door = Door::closed(Arc::clone(&objects), Behind::Records);
    let slow = start(Store::new(Arc::new(door.clone())), &apart(1, [1]), LONG).await.unwrap();
    let feeding = async {
        slow.send_user(0, 1).await;
        slow.end().await
    };
    let other = async {
        door.reached().await;
        let staged = paths_below(&*objects, "_promptlake/staging").await;
        assert!(!staged.is_empty());
        run_with_stale_after(store, &apart(2, [2]), LONG).await.unwrap();
        for path in staged {
            assert!(objects.head(&Path::from(path)).await.is_ok());
        }
        door.open();
    };
    let (slow, ()) = tokio::join!(feeding, other);
    assert_eq!(slow.unwrap(), Loaded::Published);
    assert_whole(&*objects, 1..3).await;
}

#[tokio::test(flavor = "local")]
async fn a_paused_run_that_was_given_up_leaves_no_trace_wherever_it_slept() {
    for behind in [Behind::Records, Behind::Places] {
        let (objects, store) = memory();
        let door = Door::closed(Arc::clone(&objects), behind);
        let plan = small_commits(1, [1]);
        let sleeper = start(Store::new(Arc::new(door.clone())), &plan, Duration::ZERO).await.unwrap();
        let feeding = async {
            sleeper.send_user(0, 1).await;
            sleeper.end().await
        };
        let other = async {
            door.reached().await;
            run(store.clone(), &small_commits(2, 1..3)).await.unwrap();
            door.open();
        };
        let (slept, ()) = tokio::join!(feeding, other);
        let error = ledger_error(slept);
        assert!(matches!(error, LedgerError::Abandoned { .. }), "{behind:?}: {error}");
        assert_whole(&*objects, 1..3).await;
    }
}

#[tokio::test(flavor = "local")]
async fn committed_segments_of_a_dead_run_are_published_by_exactly_one_of_those_who_find_them() {
    for changes in 8..40 {
        let (objects, store) = memory();
        let dying = Dying::after(changes, Arc::clone(&objects));
        drop(run(Store::new(Arc::new(dying)), &small_commits(1, 1..4)).await);
        // Both find the first one dead, and each the other alive.
        let (second, third) = (apart(2, [4]), apart(3, [5]));
        let take_over = Some(run_id(&Plan::new(1, 0..0)));
        let left = !paths_below(&*objects, "_promptlake/runs").await.is_empty();
        let take_over = take_over.filter(|_| left);
        let second = Plan { take_over: take_over.clone(), ..second };
        let third = Plan { take_over, ..third };
        let both = tokio::join!(
            run_with_stale_after(store.clone(), &second, LONG),
            run_with_stale_after(store.clone(), &third, LONG),
        );
        assert!(both.0.is_ok() || both.1.is_ok(), "{changes}: somebody finishes it");
        for loaded in [both.0, both.1] {
            // Whoever came when all was done has nothing to take over.
            assert!(
                matches!(loaded, Ok(_) | Err(LoadError::NothingToTakeOver { .. })),
                "{changes}: {loaded:?}"
            );
        }
        run(store, &small_commits(9, 1..6)).await.unwrap();
        assert_whole(&*objects, 1..6).await;
    }
}

// Two runs on one destination.

#[tokio::test(flavor = "local")]
async fn runs_without_a_user_in_common_both_succeed() {
    let (objects, store) = memory();
    let (first, second) = (apart(1, 1..4), apart(2, 4..7));
    let both = tokio::join!(
        run_with_stale_after(store.clone(), &first, LONG),
        run_with_stale_after(store, &second, LONG),
    );
    assert_eq!((both.0.unwrap(), both.1.unwrap()), (Loaded::Published, Loaded::Published));
    assert_whole(&*objects, 1..7).await;
}

#[tokio::test(flavor = "local")]
async fn of_two_runs_with_a_user_in_common_one_stops_and_names_the_other() {
    let (objects, store) = memory();
    let first = start(store.clone(), &apart(1, [1, 2]), LONG).await.unwrap();
    let second = start(store.clone(), &apart(2, [2, 3]), LONG).await.unwrap();
    // Both hold a page of user 2 before either commits it.
    let page = |number| async move { common::items(number, 2).await.into_iter().next().unwrap() };
    let _ = second.sender.send(page(0).await).await;
    wait_for_records(&*objects, 1).await;
    first.send_user(0, 2).await;
    second.send_user(1, 3).await;
    let (first, second) = (first.end().await, second.end().await);
    let (stopped, other) = if first.is_err() { (first, 2) } else { (second, 1) };
    let message = match stopped.unwrap_err() {
        LoadError::Ledger(error) => error.to_string(),
        error => error.to_string(),
    };
    let named = run_id(&Plan::new(other, 0..0)).to_string();
    assert!(message.contains(&named), "{message}");
    run(store, &small_commits(3, 1..4)).await.unwrap();
    assert_whole(&*objects, 1..4).await;
}

#[tokio::test(flavor = "local")]
async fn users_whose_rows_another_run_has_not_published_are_refused_before_anything_is_asked() {
    let (objects, store) = memory();
    let first = start(store.clone(), &apart(1, [1]), LONG).await.unwrap();
    first.send_user(0, 1).await;
    wait_for_records(&*objects, 4).await;
    let refused = run_with_stale_after(store.clone(), &apart(2, [1]), LONG).await.unwrap_err();
    assert!(matches!(&refused, LoadError::UserInCommon { run, .. } if *run == run_id(&Plan::new(1, 0..0))));
    first.end().await.unwrap();
    run_with_stale_after(store, &apart(3, [1]), LONG).await.unwrap();
    assert_whole(&*objects, 1..2).await;
}

#[tokio::test(flavor = "local")]
async fn a_user_of_a_run_that_was_stopped_is_read_by_one_that_lived_beside_it() {
    let (objects, store) = memory();
    let plan = apart(1, [1]);
    let first = start(store.clone(), &plan, LONG).await.unwrap();
    let second = start(store.clone(), &apart(2, [2]), LONG).await.unwrap();
    first.send_user(0, 1).await;
    wait_for_records(&*objects, 4).await;
    plan.stop.cancel();
    assert_eq!(first.end().await.unwrap(), Loaded::Committed);
    assert_eq!(seen(&*objects, Table::Interactions).await.len(), 0, "a stop publishes nothing");
    // The rows of user 1 are published first, by the run that now reads him, and known then.
    second.send_user(0, 2).await;
    second.send_user(1, 1).await;
    assert_eq!(second.end().await.unwrap(), Loaded::Published);
    assert_whole(&*objects, 1..3).await;
}

#[tokio::test(flavor = "local")]
async fn shards_share_a_lake_and_shards_of_different_counts_do_no_harm() {
    let (objects, store) = memory();
    let shard = |text: &str, run: u64| {
        let shard: promptlake_load::Shard = text.parse().unwrap();
        let users = (1..13).filter(|user| shard.holds(&owner(*user)));
        Plan { shard: Some(shard), ..small_commits(run, users) }
    };
    let plans = [shard("0/3", 1), shard("1/3", 2), shard("2/3", 3), shard("0/2", 4)];
    let loaded =
        futures::future::join_all(plans.iter().map(|plan| run_with_stale_after(store.clone(), plan, LONG)))
            .await;
    assert!(loaded.iter().any(Result::is_ok), "somebody wins");
    for loaded in loaded {
        if let Err(error) = loaded {
            let in_common = matches!(error, LoadError::UserInCommon { .. })
                || matches!(error, LoadError::Ledger(LedgerError::Lost { .. }));
            assert!(in_common, "{error}");
        }
    }
    let again = shard("0/3", 5);
    let twice = start(store.clone(), &again, LONG).await.unwrap();
    let refused = run_with_stale_after(store.clone(), &shard("0/3", 6), LONG).await.unwrap_err();
    assert!(matches!(refused, LoadError::OtherRun { .. }), "{refused}");
    twice.end().await.unwrap();
    run(store, &small_commits(9, 1..13)).await.unwrap();
    assert_whole(&*objects, 1..13).await;
}

// Books.

#[tokio::test(flavor = "local")]
async fn a_404_covers_nothing_so_a_history_that_appears_later_is_read_whole() {
    let (objects, store) = memory();
    common::run_not_found(store.clone(), &Plan::new(1, [1])).await.unwrap();
    let at = |days: i64| Timestamp::from_micros(common::START_MICROS + days * common::DAY_MICROS);
    let loader = common::open(store.clone(), &Plan::new(2, [1])).await.unwrap();
    let wanted =
        Wanted { start: WantedStart::OfNewUsers(at(0)), end: at(20), lookback_micros: 0, again: None };
    let windows = loader.books().windows_to_ask(&owner(1), wanted, &AppClasses::default());
    assert_eq!(windows, [Window::new(at(0), at(20)).unwrap()]);
    loader.close().await.unwrap();
    run(store, &Plan::new(3, [1])).await.unwrap();
    assert_whole(&*objects, 1..2).await;
}

#[tokio::test(flavor = "local")]
async fn rows_of_an_import_before_the_first_run_are_known_to_it() {
    let (objects, store) = memory();
    common::run_import(store.clone(), &Plan::new(1, [1])).await.unwrap();
    assert_eq!(seen(&*objects, Table::Interactions).await.len(), 7);
    run(store, &Plan::new(2, [1])).await.unwrap();
    assert_whole(&*objects, 1..2).await;
}

#[tokio::test(flavor = "local")]
async fn an_undated_record_of_two_slices_is_one_row() {
    let (objects, store) = memory();
    common::run_undated_twice(store, &Plan::new(1, [1])).await.unwrap();
    let undated = paths_below(&*objects, "interactions/date=__HIVE_DEFAULT_PARTITION__").await;
    assert_eq!(undated.len(), 1);
    assert_eq!(common::row_count(&*objects, Table::Interactions).await, 7);
}
