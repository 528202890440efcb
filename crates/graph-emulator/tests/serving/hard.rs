//! Users and records that are hard to read, filters that are refused, and lists that change while they are read.

use std::collections::{BTreeMap, BTreeSet};

use graph_emulator::{
    Access, HardRecord, Hardness, ListChange, ListChangeKind, ListOrder, Rule, ServerOptions, Tenant,
    TenantSpec,
};
use serde_json::Value;

use crate::client::{Served, assert_is, interactions, text, unlimited};
use crate::{small, user_of};

fn whole_pages() -> ServerOptions {
    ServerOptions { ragged_pages: false, ..unlimited() }
}

fn key(record: &Value) -> (String, String) {
    (record["sessionId"].to_string(), text(&record["id"]))
}

#[tokio::test]
async fn records_that_cannot_be_read_fail_every_page_with_them_and_no_other() {
    let unreadable = |position| HardRecord { user_index: 0, position, hardness: Hardness::Unreadable };
    let huge = HardRecord { user_index: 0, position: 20, hardness: Hardness::Huge { bytes: 300_000 } };
    let spec = TenantSpec::default().with_users(1).with_interactions(60);
    let plain = Tenant::new(spec.clone()).unwrap();
    let user = plain.user(0).unwrap();
    let spec = spec.with_hard_records(vec![unreadable(30), unreadable(31), huge]);
    let served = Served::start(spec, whole_pages()).await;
    let tenant = served.emulator.tenant();
    // The list is newest first: the position 30 of 60 has the place 29, and 31 the place 28.
    let mut next = interactions(&user.id, "?$top=10");
    let mut seen = Vec::new();
    for _ in 0..2 {
        let (status, mut page) = served.answer(&next).await;
        assert_eq!(status, 200);
        next = text(&page["@odata.nextLink"]);
        let Value::Array(records) = page["value"].take() else { panic!("{page}") };
        seen.extend(records);
    }
    for top in [10, 9] {
        let (status, body) = served.answer(&next.replace("$top=10", &format!("$top={top}"))).await;
        assert_eq!((status, &body["error"]["code"]), (500, &Value::from("InternalServerError")));
    }
    let (status, page) = served.answer(&next.replace("$top=10", "$top=8")).await;
    assert_eq!((status, page["value"].as_array().unwrap().len()), (200, 8));
    // What lies before them is reached by a window that ends at them.
    let expected: Vec<_> = tenant.readable_records(&user, u64::MAX).collect();
    assert_eq!((expected.len(), tenant.expected_records(&user).count()), (58, 60));
    let edge = plain.interaction(&user, 29).unwrap().created_date_time;
    let older = format!("createdDateTime gt 2020-01-01T00:00:00Z and createdDateTime lt {edge}");
    let (older, _) = served.list(&interactions(&user.id, &format!("?$top=100&$filter={older}"))).await;
    older.iter().zip(&expected[28..]).for_each(|(record, expected)| assert_is(record, expected));
    assert_eq!(older.len(), 30);
    assert_eq!(older.iter().map(|record| record.to_string().len()).max(), Some(300_000));
    assert_eq!(tenant.readable_totals(u64::MAX).interactions, 58);
    assert_eq!(tenant.readable_totals(299_999).interactions, 57);
}

#[tokio::test]
async fn large_pages_of_a_user_can_fail_where_small_ones_do_not() {
    let script = vec![Rule::status(500, u32::MAX).above_top(25)];
    let served = Served::start(small().with_users(1), ServerOptions { script, ..whole_pages() }).await;
    let id = served.emulator.tenant().user(0).unwrap().id;
    assert_eq!(served.answer(&interactions(&id, "?$top=100")).await.0, 500);
    assert_eq!(served.answer(&interactions(&id, "?$top=26")).await.0, 500);
    assert_eq!(served.list(&interactions(&id, "?$top=25")).await.0.len(), 1_500);
}

#[tokio::test]
async fn a_share_of_users_answers_nothing_but_500() {
    let spec = small().with_broken_share(0.2);
    let served = Served::start(spec, whole_pages()).await;
    let tenant = served.emulator.tenant();
    let broken = user_of(tenant, Access::Broken);
    assert_eq!(served.answer(&interactions(&broken, "")).await.0, 500);
    let by = |access| tenant.users().filter(|user| user.access == access).count() as u64;
    assert!((3..=5).contains(&by(Access::Broken)));
    assert_eq!(tenant.totals().coverage, by(Access::Open));
    assert_eq!(tenant.totals().users, 20 - by(Access::Unlicensed));
    let report = served.emulator.report();
    assert_eq!(report.interactions_by_user[&(broken.clone(), 500)], 1);
    assert_eq!(report.requests_for(&broken.to_uppercase()), 1);
}

#[tokio::test]
async fn date_filters_are_refused_where_the_tenant_does_and_models_are_counted() {
    let options = ServerOptions { rejects_date_filters: true, ..whole_pages() };
    let served = Served::start(small().with_users(1), options).await;
    let id = served.emulator.tenant().user(0).unwrap().id;
    let range = "createdDateTime gt 2025-09-30T00:00:00Z and createdDateTime lt 2025-11-01T00:00:00Z";
    let word = "appClass eq 'IPM.SkypeTeams.Message.Copilot.Word'";
    for (query, status) in [
        (format!("?$filter={range}"), 400),
        (format!("?$filter={word} and {range}"), 400),
        (format!("?$filter={word}"), 200),
        ("?model=A".to_owned(), 200),
        ("?model=A&$top=5".to_owned(), 200),
        ("?model=B".to_owned(), 200),
        ("?model=C".to_owned(), 400),
        (String::new(), 200),
    ] {
        assert_eq!(served.answer(&interactions(&id, &query)).await.0, status, "{query}");
    }
    let (_, page) = served.answer(&interactions(&id, "?model=B")).await;
    assert!(text(&page["@odata.nextLink"]).contains("model=B"));
    let models = served.emulator.report().interactions_by_model;
    let expected = [("A", 2), ("B", 2), ("C", 1)].map(|(model, count)| (model.to_owned(), count));
    assert_eq!(models, BTreeMap::from(expected));
}

/// How often each record came in one reading of a list, by what names it.
fn times(records: &[Value]) -> BTreeMap<(String, String), u64> {
    let mut times = BTreeMap::new();
    for record in records {
        *times.entry(key(record)).or_default() += 1;
    }
    times
}

#[tokio::test]
async fn lists_change_while_they_are_read_and_are_whole_when_read_again() {
    for (kind, expected) in [
        (ListChangeKind::Arrive, (12, 12)),
        (ListChangeKind::MoveToEnd, (12, 12)),
        (ListChangeKind::StepOut, (0, 12)),
    ] {
        let change = ListChange { user_id: None, at_page: 3, records: 12, kind };
        // Ragged pages as well: what a reader sees depends on the offsets alone.
        for ragged_pages in [false, true] {
            let list_changes = vec![change.clone()];
            let options = ServerOptions { list_changes, ragged_pages, ..unlimited() };
            let served = Served::start(small().with_users(1), options).await;
            let id = served.emulator.tenant().user(0).unwrap().id;
            let range = "createdDateTime gt 2025-10-01T00:00:00Z and createdDateTime lt 2025-11-01T00:00:00Z";
            let window = interactions(&id, &format!("?$top=50&$filter={range}"));
            let whole = served.emulator.tenant().totals_in(1_759_276_800_000, 1_761_955_200_000).interactions;
            let (first, _) = served.list(&window).await;
            let seen = times(&first);
            let repeated: u64 = seen.values().map(|times| times - 1).sum();
            let skipped = whole - seen.len() as u64;
            assert_eq!((repeated, skipped), expected, "{kind:?} {ragged_pages}");
            let report = served.emulator.report();
            assert_eq!(
                (report.list_changes, report.records_repeated, report.records_skipped),
                (1, repeated, skipped)
            );
            for path in [window.clone(), window, interactions(&id, "?$top=100")] {
                let (again, _) = served.list(&path).await;
                let times = times(&again);
                assert!(times.values().all(|times| *times == 1), "{kind:?}");
                assert!(seen.keys().all(|key| times.contains_key(key)), "{kind:?}");
                assert!(again.len() as u64 == whole || again.len() == 1_500, "{}", again.len());
            }
            assert_eq!(served.emulator.report().list_changes, 1);
        }
    }
}

#[tokio::test]
async fn lists_have_the_same_records_in_every_order() {
    let range = "createdDateTime gt 2025-10-01T00:00:00Z and createdDateTime lt 2025-11-01T00:00:00Z";
    let mut read = Vec::new();
    for order in [ListOrder::NewestFirst, ListOrder::OldestFirst, ListOrder::Shuffled] {
        for ragged_pages in [false, true] {
            let options = ServerOptions { order, ragged_pages, ..unlimited() };
            let served = Served::start(small().with_users(1), options).await;
            let id = served.emulator.tenant().user(0).unwrap().id;
            let list = async |query: &str| {
                let (records, _) = served.list(&interactions(&id, query)).await;
                records.iter().map(key).collect::<Vec<_>>()
            };
            let whole = list("?$top=70").await;
            assert_eq!(whole, list("?$top=100").await, "{order:?}: an order does not depend on pages");
            let window = list(&format!("?$top=40&$filter={range}")).await;
            let in_window: BTreeSet<_> = window.iter().cloned().collect();
            let kept: Vec<_> = whole.iter().filter(|key| in_window.contains(key)).cloned().collect();
            assert_eq!(
                (in_window.len(), &kept),
                (window.len(), &window),
                "{order:?}: a filter only leaves out"
            );
            read.push(whole);
        }
    }
    let [newest, ragged, oldest, ragged_oldest, shuffled, ragged_shuffled] =
        read.try_into().expect("three orders in two ways");
    assert_eq!((&newest, &oldest, &shuffled), (&ragged, &ragged_oldest, &ragged_shuffled));
    assert!(newest.iter().eq(oldest.iter().rev()) && shuffled != newest && shuffled != oldest);
    let sorted = |mut keys: Vec<_>| {
        keys.sort();
        keys
    };
    assert_eq!((newest.len(), sorted(newest)), (1_500, sorted(shuffled)));
}

#[tokio::test]
async fn lists_change_in_every_order() {
    for order in [ListOrder::OldestFirst, ListOrder::Shuffled] {
        let change = ListChange { user_id: None, at_page: 3, records: 12, kind: ListChangeKind::StepOut };
        let options = ServerOptions { list_changes: vec![change], order, ..whole_pages() };
        let served = Served::start(small().with_users(1), options).await;
        let path = interactions(&served.emulator.tenant().user(0).unwrap().id, "?$top=100");
        let lengths = [served.list(&path).await.0.len(), served.list(&path).await.0.len()];
        assert_eq!(lengths, [1_488, 1_500], "{order:?}");
    }
}
