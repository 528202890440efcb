//! What an audit finds of what it reads again: exactly what the lake lacks, whatever memory it has, and whatever others
//! do meanwhile.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::TryStreamExt;
use object_store::ObjectStore;
use object_store::memory::InMemory;
use promptlake_flow::{Clock, ComputePool, Silent, channel};
use promptlake_load::{Audited, Auditor, Lacking, Loading, Means, Store};
use promptlake_model::{Owner, PageReading, PartitionDay, RecordId, RejectKey, RunId, Timestamp, Window};

use crate::common;
use crate::common::{DAY_MICROS, PAGES_A_USER, Plan, RECORDS_A_PAGE, START_MICROS, held, items, owner};

const MIB: usize = 1 << 20;

fn memory() -> Store {
    Store::new(Arc::new(InMemory::new()))
}

async fn open(store: &Store, known_bytes: usize, lacking_bytes: usize) -> Auditor {
    let (pool, observer) = (ComputePool::new(1).unwrap(), Arc::new(Silent));
    let means = Means { store: store.clone(), pool, clock: Clock::system(), observer };
    let run = RunId::parse("20260102T030405Z-00000000000000ff").unwrap();
    Auditor::open(means, run, known_bytes, lacking_bytes).await.unwrap()
}

/// What is lacking by user and partition, with how often each was told of; rejects stand under no partition.
type Told = BTreeMap<(u128, Option<PartitionDay>), (u64, usize)>;

async fn compare(auditor: Auditor, read_again: Vec<Loading>) -> (Audited, Told) {
    let (sender, receiver) = channel(read_again.len().max(1));
    for item in read_again {
        sender.send(item).await.unwrap();
    }
    drop(sender);
    let mut told = Told::new();
    let mut add = |owner: Owner, day, count| {
        let user = (1..100).find(|user| common::owner(*user) == owner).unwrap();
        let group = told.entry((user, day)).or_default();
        *group = (group.0 + count, group.1 + 1);
    };
    let tell = |lacking: Lacking| {
        for (day, records) in lacking.records {
            add(lacking.owner, Some(day), records);
        }
        if lacking.rejects > 0 {
            add(lacking.owner, None, lacking.rejects);
        }
    };
    let everything = Window::new(Timestamp::from_micros(i64::MIN), Timestamp::from_micros(i64::MAX)).unwrap();
    let windows = (1..100).map(|user| (common::owner(user), vec![everything])).collect();
    let audited = auditor.run(receiver, &windows, tell).await.unwrap();
    (audited, told)
}

fn day(number: i64) -> PartitionDay {
    PartitionDay::Day(Timestamp::from_micros(START_MICROS + number * DAY_MICROS).day())
}

async fn all_items(users: impl IntoIterator<Item = u128>) -> Vec<Loading> {
    let mut all = Vec::new();
    for (number, user) in (0..).zip(users) {
        all.extend(items(number, user).await);
    }
    all
}

const RECORDS_A_USER: u64 = PAGES_A_USER as u64 * RECORDS_A_PAGE;

#[tokio::test]
async fn exactly_what_the_lake_lacks_is_told_whatever_memory_there_is() {
    let store = memory();
    common::run(store.clone(), &Plan::new(1, 1..3)).await.unwrap();
    // A page of a third user is there.
    common::run_cut_off(store.clone(), &Plan::new(2, 3..4)).await.unwrap();
    for (known_bytes, lacking_bytes, is_told_in_parts) in
        [(MIB, MIB, false), (4_000, MIB, false), (0, MIB, false), (MIB, 0, true), (0, 0, true)]
    {
        let auditor = open(&store, known_bytes, lacking_bytes).await;
        let (audited, told) = compare(auditor, all_items(1..5).await).await;
        let counts: BTreeMap<_, _> = told.iter().map(|(group, (count, _))| (*group, *count)).collect();
        let expected = [
            ((3, Some(day(0))), 24 - RECORDS_A_PAGE),
            ((3, Some(day(1))), 4),
            ((4, Some(day(0))), 24),
            ((4, Some(day(1))), 4),
        ];
        assert_eq!(counts, BTreeMap::from(expected), "{known_bytes} {lacking_bytes}");
        assert_eq!(told.values().any(|(_, times)| *times > 1), is_told_in_parts);
        let lacking = 2 * RECORDS_A_USER - RECORDS_A_PAGE;
        assert_eq!((audited.compared, audited.lacking), (4 * RECORDS_A_USER, lacking));
        assert!(is_told_in_parts || audited.users_lacking == 2);
    }
}

#[tokio::test]
async fn what_comes_twice_is_lacking_once() {
    let store = memory();
    common::run(store.clone(), &Plan::new(1, 1..2)).await.unwrap();
    for known_bytes in [MIB, 0] {
        let mut read_again = all_items([2]).await;
        assert!(matches!(read_again.pop(), Some(Loading::UserEnd(_))));
        read_again.extend(items(1, 2).await.into_iter().filter(|item| matches!(item, Loading::Page(_))));
        let (audited, _) = compare(open(&store, known_bytes, MIB).await, read_again).await;
        assert_eq!(audited.lacking, RECORDS_A_USER, "also of a user who never ended");
    }
}

#[tokio::test]
async fn undated_records_and_rejects_are_compared_too() {
    let store = memory();
    common::run_undated_and_reject(store.clone(), &Plan::new(1, 1..2)).await.unwrap();
    let page_of = |user, reject: u128, reading| {
        let mut page = common::page(&common::slice(0, user), user, 0);
        page.records.iter_mut().for_each(|record| record.day = PartitionDay::Undated);
        // The day is that of the run that can't read it.
        page.rejects.push(RejectKey { id: RecordId(reject), day: day(300) });
        page.reading = reading;
        page
    };
    let undated = Some(PartitionDay::Undated);
    for (page, expected) in [
        (page_of(1, 77, PageReading::Read), vec![]),
        (page_of(1, 78, PageReading::Read), vec![((1, None), (1, 1))]),
        (page_of(2, 77, PageReading::Read), vec![((2, None), (1, 1)), ((2, undated), (RECORDS_A_PAGE, 1))]),
        (page_of(2, 77, PageReading::Unreadable), vec![]),
    ] {
        let (_, told) = compare(open(&store, MIB, MIB).await, vec![held(page).await]).await;
        assert_eq!(told, expected.into_iter().collect());
    }
}

#[tokio::test]
async fn what_others_add_meanwhile_is_not_lacking() {
    let store = memory();
    common::run(store.clone(), &Plan::new(1, 1..2)).await.unwrap();
    let (first, second) = (open(&store, MIB, MIB).await, open(&store, MIB, MIB).await);
    common::run_and_stop(store.clone(), &Plan::new(2, 2..3)).await.unwrap();
    let (audited, told) = compare(first, all_items(1..4).await).await;
    assert_eq!((audited.users_undecided, audited.users_lacking, audited.lacking), (1, 1, RECORDS_A_USER));
    assert!(told.keys().all(|(user, _)| *user == 3), "{told:?}");
    let auditor = open(&store, MIB, MIB).await;
    let own = RunId::parse("r").unwrap();
    let held_back = [1, 2, 3].map(|user| auditor.books().run_with_unpublished(&owner(user), &own).is_some());
    assert_eq!(held_back, [false, true, false]);

    // The next run publishes them.
    common::run(store.clone(), &Plan::new(3, 1..2)).await.unwrap();
    let (audited, _) = compare(second, all_items(1..3).await).await;
    assert_eq!(audited, Audited { compared: 2 * RECORDS_A_USER, ..Audited::default() });
}

#[tokio::test]
async fn an_audit_writes_nothing() {
    let objects = Arc::new(InMemory::new());
    let store = Store::new(Arc::clone(&objects) as Arc<dyn ObjectStore>);
    common::run(store.clone(), &Plan::new(1, 1..2)).await.unwrap();
    let listed = async || -> Vec<_> {
        let mut listed: Vec<_> = objects.list(None).try_collect().await.unwrap();
        listed.sort_by(|one, another| one.location.cmp(&another.location));
        listed
    };
    let before = listed().await;
    let (audited, _) = compare(open(&store, MIB, MIB).await, all_items(1..4).await).await;
    assert_eq!(audited.users_lacking, 2);
    assert_eq!(listed().await, before);
}

#[tokio::test]
async fn what_was_not_asked_for_is_not_lacking() {
    let auditor = open(&memory(), MIB, MIB).await;
    let at = |hour: i64| Timestamp::from_micros(START_MICROS + hour * 3_600_000_000);
    // Five hours of one user, and nothing of the other.
    let windows = [(owner(1), vec![Window::new(at(2), at(5)).unwrap(), Window::new(at(9), at(11)).unwrap()])];
    let (sender, receiver) = channel(100);
    for item in all_items(1..3).await {
        sender.send(item).await.unwrap();
    }
    drop(sender);
    let mut told = Vec::new();
    let audited = auditor.run(receiver, &windows.into(), |lacking| told.push(lacking)).await.unwrap();
    let records = BTreeMap::from([(day(0), 5)]);
    assert_eq!(told, [Lacking { owner: owner(1), records, rejects: 0 }]);
    assert_eq!((audited.compared, audited.lacking), (5, 5));
}
