//! Many users, and users that the directory no longer has.

use std::collections::BTreeSet;
use std::time::Duration;

use graph_emulator::{Access, COPILOT_CHAT_PLAN, RequestKind, TenantSpec};

use crate::client::{Served, interactions, text, unlimited};
use crate::{discover, small, user_of};

/// How long a hundred thousand users may take to be listed: a multiple of what they take on a slow machine, and less than
/// what they took when each page began at the first user.
const LISTED_WITHIN: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_thousand_users_are_listed_each_once() {
    let spec = TenantSpec::default().with_users(100_000).with_interactions(0);
    let served = Served::start(spec, unlimited()).await;
    let list = served.list("/v1.0/users?$select=id,assignedLicenses&$top=999");
    let (users, _) = tokio::time::timeout(LISTED_WITHIN, list).await.expect("the list comes in time");
    let ids: BTreeSet<String> = users.iter().map(|user| text(&user["id"])).collect();
    assert_eq!((users.len(), ids.len()), (100_000, 100_000));
    assert_eq!(served.emulator.report().answered(RequestKind::Users, 200), 101);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_without_records_are_answered_at_once() {
    let spec = TenantSpec::default().with_users(1_000).with_interactions(0).with_unlicensed_share(0.0);
    let served = Served::start(spec.with_forbidden_share(0.0).with_unknown_share(0.0), unlimited()).await;
    let range = "createdDateTime gt 2025-09-30T00:00:00Z and createdDateTime lt 2025-11-01T00:00:00Z";
    for user in served.emulator.tenant().users() {
        let path = interactions(&user.id, &format!("?$top=100&$filter={range}"));
        let (records, _) = served.list(&path).await;
        assert!(records.is_empty());
    }
    let report = served.emulator.report();
    assert!(report.interactions_requests >= 1_000 && report.interactions_concurrent_max == 1);
    let (began, ended) = (report.interactions_began.unwrap(), report.interactions_ended.unwrap());
    assert!(began <= report.interactions_last_began.unwrap() && began < ended);
}

#[tokio::test]
async fn a_deleted_user_is_gone_from_the_directory_and_still_answers() {
    let served = Served::start(small(), unlimited()).await;
    let tenant = served.emulator.tenant();
    let id = user_of(tenant, Access::Open);
    let everyone = tenant.groups().iter().find(|group| group.display_name == "All Staff").unwrap();
    let members = format!("/v1.0/groups/{}/transitiveMembers/microsoft.graph.user?$top=6", everyone.id);
    assert!(discover(&served).await.contains(&id));
    assert!(!served.emulator.delete_user("nobody@nowhere.example"));
    assert!(served.emulator.delete_user(&id.to_uppercase()));
    assert!(!discover(&served).await.contains(&id));
    let (status, body) = served.answer(&format!("/v1.0/users/{id}")).await;
    assert_eq!((status, text(&body["error"]["code"])), (404, "Request_ResourceNotFound".to_owned()));
    for list in ["/v1.0/users?$top=3", &members] {
        let (users, _) = served.list(list).await;
        assert!(users.len() == 19 && users.iter().all(|user| user["id"] != id.as_str()), "{list}");
    }
    let user = tenant.find_user(&id).unwrap();
    let (records, _) = served.list(&interactions(&id, "?$top=100")).await;
    assert_eq!(records.len() as u64, tenant.records(&user));
    let (skus, _) = served.list("/v1.0/subscribedSkus").await;
    assert!(skus.iter().any(|sku| sku.to_string().contains(COPILOT_CHAT_PLAN)));
}
