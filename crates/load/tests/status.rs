//! How a lake stands, after runs that went through, stopped, were cut off, or still live.
#![expect(clippy::unwrap_used, reason = "what a test does not get, fails it")]

#[expect(dead_code, reason = "other tests play more scenes than these")]
mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{DAY_MICROS, PAGES_A_USER, Plan, RECORDS_A_PAGE, START_MICROS};
use object_store::memory::InMemory;
use promptlake_flow::{Clock, ComputePool, Silent};
use promptlake_load::{Lag, Means, RunState, Status, Store, status};
use promptlake_model::Timestamp;

const STALE_AFTER: Duration = Duration::from_mins(10);
const ROWS_A_USER: u64 = PAGES_A_USER as u64 * RECORDS_A_PAGE;

fn memory() -> Store {
    Store::new(Arc::new(InMemory::new()))
}

async fn status_at(store: &Store, clock: Clock, stale_after: Duration) -> Status {
    let (pool, observer) = (ComputePool::new(1).unwrap(), Arc::new(Silent));
    let means = Means { store: store.clone(), pool, clock, observer };
    status(&means, stale_after).await.unwrap()
}

async fn status_of(store: &Store) -> Status {
    status_at(store, Clock::system(), Duration::ZERO).await
}

fn states(status: &Status) -> Vec<RunState> {
    status.runs.iter().map(|run| run.state).collect()
}

#[tokio::test]
async fn coverage_and_lag_are_those_of_the_windows() {
    let store = memory();
    common::run(store.clone(), &Plan::new(1, 1..4)).await.unwrap();
    let day = |day: i64| START_MICROS + day * DAY_MICROS;
    tokio::time::pause();
    let status = status_at(&store, Clock::starting_at(day(22)), STALE_AFTER).await;
    let two_days = 2 * 24 * 3_600;
    assert_eq!(status.lag, Some(Lag { max_seconds: two_days, median_seconds: two_days }));
    assert_eq!((status.coverage.intervals, status.coverage.gaps), (3, 0));
    let ends = (status.coverage.earliest.unwrap(), status.coverage.newest.unwrap());
    assert_eq!(ends, (Timestamp::from_micros(day(0)), Timestamp::from_micros(day(20))));
}

#[tokio::test]
async fn a_lake_that_nobody_wrote_to_has_nothing() {
    let status = status_of(&memory()).await;
    assert_eq!((status.records, status.runs.len(), status.lag), (0, 0, None));
}

#[tokio::test]
async fn what_a_run_published_is_counted_by_table_and_outcome() {
    let store = memory();
    common::run(store.clone(), &Plan::new(1, 1..4)).await.unwrap();
    common::run(store.clone(), &Plan::new(2, 1..3)).await.unwrap();
    let status = status_of(&store).await;
    assert_eq!(states(&status), [RunState::Done, RunState::Done]);
    assert_eq!(status.tables["interactions"].rows, 3 * ROWS_A_USER);
    assert_eq!(status.tables["users"].rows, 3 + 2);
    assert_eq!((status.users.covered, status.users.begun_not_covered), (3, 0));
    // Each user once, however many rows of his there are.
    assert_eq!(status.users.by_outcome.into_iter().collect::<Vec<_>>(), [("extracted", 3)]);
    assert_eq!(status.unfinished_publishes, 0);
}

#[tokio::test]
async fn a_run_that_was_stopped_left_rows_to_publish() {
    let store = memory();
    common::run_and_stop(store.clone(), &Plan { gather_bytes: 60_000, ..Plan::new(1, 1..4) }).await.unwrap();
    let status = status_of(&store).await;
    assert_eq!(states(&status), [RunState::LeftSomething]);
    assert_eq!(status.tables["interactions"].unpublished_rows, 3 * ROWS_A_USER);
    assert_eq!(status.tables["interactions"].rows, 0);
    let unpublished: u64 = status.tables.values().map(|table| table.unpublished_rows).sum();
    assert_eq!(status.runs[0].unpublished_rows, unpublished);
    common::open(store.clone(), &Plan::new(2, [])).await.unwrap().close().await.unwrap();
    assert_eq!(states(&status_of(&store).await), [RunState::Abandoned, RunState::Done]);
}

#[tokio::test]
async fn a_user_whose_slice_was_cut_off_is_begun_and_not_covered() {
    let store = memory();
    common::run_cut_off(store.clone(), &Plan::new(1, 1..2)).await.unwrap();
    let status = status_of(&store).await;
    assert_eq!((status.users.covered, status.users.begun_not_covered), (0, 1));
    assert_eq!(status.lag, None);
}

#[tokio::test]
async fn a_run_that_has_a_heartbeat_may_live_until_it_is_stale() {
    let store = memory();
    let loader = common::open_with_stale_after(store.clone(), &Plan::new(1, []), STALE_AFTER).await.unwrap();
    let alive = status_at(&store, Clock::system(), STALE_AFTER).await;
    assert_eq!(states(&alive), [RunState::MayLive]);
    assert_eq!(alive.runs[0].heartbeat.as_ref().unwrap().process_id, std::process::id());
    assert!(alive.runs[0].ledger.is_none());
    assert_eq!(states(&status_of(&store).await), [RunState::LeftSomething], "as if it were stale");
    loader.close().await.unwrap();
    assert_eq!(states(&status_of(&store).await), []);
}
