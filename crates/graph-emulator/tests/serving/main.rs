//! A tenant over HTTP, compared with what the tenant says of itself.
#![expect(clippy::unwrap_used, reason = "what a test does not get, fails it")]

mod client;
mod crowd;
mod hard;
mod links;
mod login;
mod wire;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use client::{Served, assert_is, interactions, json, rows, text, unlimited};
use graph_emulator::{
    Access, COPILOT_CHAT_PLAN, Emulator, LimitKeeping, RequestKind, RetryAfterForm, Rule, ScriptedAnswer,
    ServerOptions, Tenant, TenantSpec,
};
use serde_json::Value;

fn small() -> TenantSpec {
    let some_refused = TenantSpec::default().with_forbidden_share(0.15).with_unknown_share(0.15);
    some_refused.with_users(20).with_interactions(1_500)
}

fn user_of(tenant: &Tenant, access: Access) -> String {
    tenant.users().find(|user| user.access == access).expect("a user of each access").id
}

/// The ids of licensed users, found as a client finds them.
async fn discover(served: &Served) -> BTreeSet<String> {
    let (skus, _) = served.list("/v1.0/subscribedSkus").await;
    let plans = |sku: &Value| sku["servicePlans"].as_array().expect("plans").clone();
    let with_plan =
        skus.iter().filter(|sku| plans(sku).iter().any(|it| it["servicePlanId"] == COPILOT_CHAT_PLAN));
    let mut found = BTreeSet::new();
    for sku in with_plan.map(|sku| text(&sku["skuId"])) {
        let filter = format!("$filter=assignedLicenses/any(x:x/skuId%20eq%20{sku})");
        let path = format!("/v1.0/users?{filter}&$select=id,assignedLicenses&$top=3");
        for user in served.list(&path).await.0 {
            let licenses = user["assignedLicenses"].as_array().expect("licences").clone();
            let usable = licenses.iter().any(|license| {
                let disabled = license["disabledPlans"].as_array().expect("disabled plans");
                license["skuId"] == sku.as_str() && !disabled.contains(&Value::from(COPILOT_CHAT_PLAN))
            });
            found.extend(usable.then(|| text(&user["id"])));
        }
    }
    found
}

#[tokio::test]
async fn a_complete_export_has_the_tenants_totals() {
    let served = Served::start(small(), unlimited()).await;
    let tenant = served.emulator.tenant();
    let (mut totals, mut empty_pages, mut by_app) = (rows(&[]), 0, BTreeMap::<String, u64>::new());
    for id in discover(&served).await {
        totals.users += 1;
        let path = interactions(&id, "?$top=20");
        let status = served.get(&path).await.status().as_u16();
        if status != 200 {
            continue;
        }
        totals.coverage += 1;
        let (records, empty) = served.list(&path).await;
        empty_pages += empty;
        totals += rows(&records);
        let user = tenant.find_user(&id).unwrap();
        assert_eq!(records.len() as u64, tenant.records(&user));
        records
            .iter()
            .zip(tenant.expected_records(&user))
            .for_each(|(record, expected)| assert_is(record, &expected));
        for record in &records {
            *by_app.entry(text(&record["appClass"])).or_default() += 1;
        }
    }
    assert_eq!(totals, tenant.totals());
    assert_eq!(totals.interactions, 1_500);
    assert!(empty_pages > 0);
    let known: BTreeSet<_> = graph_emulator::app_classes().map(str::to_owned).collect();
    assert!(by_app.keys().all(|class| known.contains(class)));
    served.emulator.shutdown().await;
}

#[tokio::test]
async fn every_app_class_occurs() {
    let tenant = Tenant::new(TenantSpec::default()).unwrap();
    let mut seen = BTreeSet::new();
    for user in tenant.users() {
        seen.extend(
            (0..tenant.records(&user)).filter_map(|k| tenant.interaction(&user, k)).map(|it| it.app_class),
        );
    }
    assert_eq!(seen, graph_emulator::app_classes().collect());
}

#[tokio::test]
async fn filters_select_by_strict_bounds_and_apps() {
    let served = Served::start(small().with_users(1), unlimited()).await;
    let tenant = served.emulator.tenant();
    let id = user_of(tenant, Access::Open);
    let all = served.list(&interactions(&id, "?$top=100")).await.0;
    // 1 October to 1 November 2025, half-open: the bound before the first instant is a tick earlier.
    let (from_ms, to_ms) = (1_759_276_800_000, 1_761_955_200_000);
    let range =
        "createdDateTime%20gt%202025-09-30T23:59:59.9999999Z+and+createdDateTime+lt+2025-11-01T00:00:00Z";
    let october = served.list(&interactions(&id, &format!("?$top=50&$filter={range}"))).await.0;
    let expected = tenant.totals_in(from_ms, to_ms);
    assert!(expected.interactions > 100);
    assert_eq!(october.len() as u64, expected.interactions);
    assert_eq!(rows(&october).links, expected.links);
    let created = text(&october[7]["createdDateTime"]);
    let exactly = format!("createdDateTime gt {created} and createdDateTime lt {created}");
    assert!(served.list(&interactions(&id, &format!("?$filter={exactly}"))).await.0.is_empty());
    let of = |records: &[Value], app: &str| {
        let class = format!("IPM.SkypeTeams.Message.Copilot.{app}");
        records.iter().filter(|record| record["appClass"] == class.as_str()).count()
    };
    let class = "appClass eq 'IPM.SkypeTeams.Message.Copilot.";
    let both = served
        .list(&interactions(&id, &format!("?$filter=({class}Word' or {class}BizChat') and {range}")))
        .await
        .0;
    assert_eq!(both.len(), of(&october, "Word") + of(&october, "BizChat"));
    let word = served.list(&interactions(&id, &format!("?$filter={class}Word'"))).await.0;
    assert_eq!((word.len(), of(&word, "Word")), (of(&all, "Word"), of(&all, "Word")));
    let otherwise_spelled = served.list(&interactions(&id, &format!("?$filter={class}word'"))).await.0;
    assert!(otherwise_spelled.is_empty(), "a client must not rely on case being no matter");
}

#[tokio::test]
async fn errors_are_those_of_graph() {
    let served = Served::start(small(), unlimited()).await;
    let tenant = served.emulator.tenant();
    let id = |access| user_of(tenant, access);
    let open = id(Access::Open);
    let filter = |filter: &str| interactions(&open, &format!("?$filter={filter}"));
    for (path, status, code) in [
        (interactions(&id(Access::Forbidden), ""), 403, "Forbidden"),
        (interactions(&id(Access::Unlicensed), ""), 403, "Forbidden"),
        (interactions(&id(Access::Unknown), ""), 404, "Request_ResourceNotFound"),
        (interactions("00000000-0000-4000-8000-000000000000", ""), 404, "Request_ResourceNotFound"),
        (interactions(&open, "?$top=101"), 400, "BadRequest"),
        (interactions(&open, "?$top=0"), 400, "BadRequest"),
        (interactions(&open, "?$skiptoken=x"), 400, "BadRequest"),
        (interactions(&open, "?$orderby=createdDateTime%20desc"), 400, "BadRequest"),
        (interactions(&open, "?$top=5&$count=true"), 400, "BadRequest"),
        (interactions(&open, "?%24Expand=links"), 400, "BadRequest"),
        (interactions(&open, "?$search=%22a%22"), 400, "BadRequest"),
        (interactions(&open, "?$select=id"), 400, "BadRequest"),
        (
            filter("createdDateTime ge 2025-09-30T00:00:00Z and createdDateTime lt 2025-11-01T00:00:00Z"),
            400,
            "BadRequest",
        ),
        (filter("createdDateTime gt 2025-09-30T00:00:00Z"), 400, "BadRequest"),
        ("/v1.0/users?$top=1000".to_owned(), 400, "BadRequest"),
        ("/v1.0/users?$select=shoeSize".to_owned(), 400, "BadRequest"),
        ("/v1.0/users?$filter=accountEnabled%20eq%20true".to_owned(), 400, "Request_UnsupportedQuery"),
        ("/v1.0/users/nobody@nowhere.example".to_owned(), 404, "Request_ResourceNotFound"),
        ("/v1.0/groups/x/transitiveMembers".to_owned(), 404, "Request_ResourceNotFound"),
        ("/v1.0/planets".to_owned(), 400, "BadRequest"),
    ] {
        let response = served.get(&path).await;
        let headers = response.headers().clone();
        assert_eq!(response.status().as_u16(), status, "{path}");
        let body = json(response).await;
        assert_eq!(body["error"]["code"], code, "{path}");
        // The seed decides which.
        let spelled = if body["error"]["innerError"].is_object() { "innerError" } else { "innererror" };
        let inner = &body["error"][spelled];
        assert_eq!(inner[spelled]["code"], code);
        assert_eq!(inner["client-request-id"], "of-the-test");
        assert_eq!(inner["request-id"], headers["request-id"].to_str().unwrap());
        assert!(headers.contains_key("date"));
        assert_eq!(body["error"]["message"].as_str().unwrap().contains("license"), status == 403);
    }
}

#[tokio::test]
async fn tokens_are_asked_for_and_expire() {
    let options = ServerOptions { token_lifetime: Duration::ZERO, ..unlimited() };
    let mut served = Served::start(small(), options).await;
    let (id, secret) = (served.emulator.tenant_id(), served.emulator.client_secret());
    let (status, body) = served.ask_token(id, "wrong").await;
    assert_eq!((status, &body["error_codes"][0]), (401, &Value::from(7_000_215)));
    let (status, body) = served.ask_token("nobody", secret).await;
    assert_eq!((status, &body["error_codes"][0]), (400, &Value::from(90_002)));
    for (token, message) in [(served.token.clone(), "expired"), ("other".to_owned(), "parsing failed")] {
        served.token = token;
        let (status, body) = served.answer("/v1.0/users").await;
        assert_eq!((status, &body["error"]["code"]), (401, &Value::from("InvalidAuthenticationToken")));
        assert!(text(&body["error"]["message"]).contains(message));
    }
    assert_eq!(served.emulator.report().answered(RequestKind::Users, 401), 2);
}

#[tokio::test]
async fn the_limit_throttles_all_and_says_for_how_long() {
    let options = ServerOptions {
        requests_per_second: Some(1),
        limit_keeping: Some(LimitKeeping::TokenBucket),
        retry_after: Some(RetryAfterForm::Seconds),
        ..ServerOptions::default()
    };
    let served = Served::start(small(), options).await;
    let path = interactions(&user_of(served.emulator.tenant(), Access::Open), "");
    let answers = futures::future::join_all((0..30).map(|_| served.get(&path))).await;
    let throttled: Vec<_> = answers.iter().filter(|answer| answer.status().as_u16() == 429).collect();
    assert!(!throttled.is_empty() && throttled.len() < 30);
    for answer in &throttled {
        let seconds: u64 = answer.headers()["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((1..=3).contains(&seconds), "a bucket owes one request at most, and brings 49 a minute");
    }
    let report = served.emulator.report();
    assert_eq!(report.interactions_requests, 30);
    assert_eq!(report.throttled, throttled.len() as u64);
    assert_eq!(report.pages + report.throttled, 30);
    assert_eq!(report.throttled_by_second.values().sum::<u64>(), report.throttled);
    assert!(report.interactions_span() > Duration::ZERO);
    assert_eq!(report.requests(RequestKind::Token), 1);
    assert!(report.first_unix_ms <= report.last_unix_ms && report.body_bytes > 0);
}

#[tokio::test]
async fn the_directory_has_a_limit_of_its_own() {
    let options = ServerOptions {
        requests_per_second: Some(1),
        directory_units: Some(20),
        retry_after: Some(RetryAfterForm::Missing),
        ..ServerOptions::default()
    };
    let served = Served::start(small(), options).await;
    let path = interactions(&user_of(served.emulator.tenant(), Access::Open), "");
    assert_eq!(served.get(&path).await.status(), 200);
    assert_eq!(served.get(&path).await.status(), 429);
    // Ten units at once: five lists at two each.
    let mut statuses = Vec::new();
    for _ in 0..6 {
        let answer = served.get("/v1.0/users").await;
        assert!(!answer.headers().contains_key("retry-after"));
        statuses.push(answer.status().as_u16());
    }
    assert_eq!(statuses, [200, 200, 200, 200, 200, 429]);
}

#[tokio::test]
async fn a_limit_of_nothing_is_refused() {
    for (option, options) in [
        ("requests_per_second", ServerOptions { requests_per_second: Some(0), ..ServerOptions::default() }),
        ("requests_per_minute", ServerOptions { requests_per_minute: Some(0), ..ServerOptions::default() }),
        ("directory_units", ServerOptions { directory_units: Some(0), ..ServerOptions::default() }),
        ("page_records_max", ServerOptions { page_records_max: Some(0), ..ServerOptions::default() }),
    ] {
        let error = Emulator::start(small(), options).await.unwrap_err().to_string();
        assert_eq!(error, format!("limit requests: {option} = 0 lets none pass; leave it out"));
    }
}

#[tokio::test]
async fn the_script_decides_first() {
    let tenant = Tenant::new(small()).unwrap();
    let id = user_of(&tenant, Access::Open);
    let script = vec![
        Rule::status(503, 1).for_user(&id).at_request(0),
        Rule::always(ScriptedAnswer::NotJson, 1).at_request(1),
        Rule::always(ScriptedAnswer::CutOff, 1).at_request(2),
        Rule::always(ScriptedAnswer::Delay(Duration::from_millis(1)), 1).at_request(3),
    ];
    let served = Served::start(small(), ServerOptions { script, ..unlimited() }).await;
    let path = interactions(&id, "?$top=100");
    let (status, body) = served.answer(&path).await;
    assert_eq!((status, &body["error"]["code"]), (503, &Value::from("ServiceUnavailable")));
    let html = served.get(&path).await;
    assert_eq!(
        (html.status().as_u16(), &html.headers()["content-type"]),
        (200, &"text/html; charset=utf-8".parse().unwrap())
    );
    assert!(html.text().await.unwrap().starts_with("<!DOCTYPE html>"));
    let cut = served.get(&path).await;
    assert_eq!(cut.status().as_u16(), 200);
    assert!(cut.bytes().await.is_err());
    assert_eq!(served.answer(&path).await.0, 200);
    served.emulator.wait_for_pages(2).await;
    assert_eq!(served.emulator.report().pages, 2);
    served.emulator.shutdown().await;
}

#[tokio::test]
async fn the_directory_is_listed_and_selected_from() {
    let served = Served::start(small(), unlimited()).await;
    let tenant = served.emulator.tenant();
    let users = served.list("/beta/users?$top=7&$select=id,department,accountEnabled").await.0;
    assert_eq!(users.len(), 20);
    assert!(users.iter().all(|user| user.as_object().unwrap().len() == 3));
    let user = tenant.user(4).unwrap();
    for name in [&user.id, &user.user_principal_name] {
        let (_, found) = served.answer(&format!("/v1.0/Users/{name}")).await;
        assert_eq!(found["displayName"], user.display_name.as_str());
    }
    let everyone = tenant.groups().iter().find(|group| group.display_name == "All Staff").unwrap();
    let members = format!("/v1.0/groups/{}/transitiveMembers", everyone.id);
    assert_eq!(served.list(&format!("{members}/microsoft.graph.user?$top=6")).await.0.len(), 20);
    assert_eq!(served.list(&format!("{members}?$top=6")).await.0.len(), 30);
}

#[tokio::test]
async fn a_million_interactions_are_served_at_once() {
    let first_page = async {
        let spec = TenantSpec::default().with_users(5_000).with_interactions(1_000_000);
        let served = Served::start(spec, unlimited()).await;
        let tenant = served.emulator.tenant();
        let user = tenant.users().find(|user| tenant.records(user) > 1_000).expect("a busy user");
        served.answer(&interactions(&user.id, "?$top=100")).await
    };
    let (status, page) = tokio::time::timeout(Duration::from_secs(10), first_page).await.unwrap();
    assert_eq!(status, 200);
    assert!(page["@odata.nextLink"].is_string());
}

#[tokio::test]
async fn the_tenant_is_served_as_of_the_instant_it_is_shown_at() {
    let spec = small().with_late_share(0.5).with_edited_share(0.2).with_joining_share(0.8);
    let served = Served::start(spec, unlimited()).await;
    let whole = served.emulator.tenant();
    let middle_ms = i64::midpoint(whole.spec().start, whole.spec().end) / 1_000 * 1_000;
    let mut seen = Vec::new();
    for instant_ms in [middle_ms, whole.spec().end, i64::MAX] {
        served.emulator.show_as_of(instant_ms);
        let tenant = whole.seen_at(instant_ms);
        let mut totals = rows(&[]);
        for id in discover(&served).await {
            totals.users += 1;
            let user = tenant.find_user(&id).unwrap();
            let first = served.get(&interactions(&id, "")).await;
            if first.status().as_u16() != 200 {
                assert_ne!(user.access, Access::Open);
                continue;
            }
            totals.coverage += 1;
            let date = first.headers()["date"].to_str().unwrap().to_owned();
            assert_eq!(date.contains(" 2025 "), instant_ms != i64::MAX, "{date}");
            let records = served.list(&interactions(&id, "?$top=50")).await.0;
            assert_eq!(records.len() as u64, tenant.records(&user));
            records
                .iter()
                .zip(tenant.expected_records(&user))
                .for_each(|(record, expected)| assert_is(record, &expected));
            totals += rows(&records);
        }
        assert_eq!(totals, tenant.totals());
        seen.push(totals);
    }
    assert!(seen[0].interactions < seen[1].interactions && seen[1].interactions < seen[2].interactions);
    assert!(seen[0].users < seen[1].users && seen[1].users == seen[2].users);
    assert_eq!(seen[2].interactions, 1_500);
}

#[tokio::test]
async fn a_page_fails_by_its_place_in_the_list() {
    let tenant = Tenant::new(small().with_users(1)).unwrap();
    let id = tenant.user(0).unwrap().id;
    let script = vec![Rule::status(410, 1).at_page(3), Rule::status(500, u32::MAX).from_page(5)];
    let options = ServerOptions { script, ragged_pages: false, ..unlimited() };
    let served = Served::start(small().with_users(1), options).await;
    let pages_until_failure = async || {
        let mut next = interactions(&id, "?$top=100");
        for place in 0.. {
            let (status, page) = served.answer(&next).await;
            match page["@odata.nextLink"].as_str() {
                Some(link) if status == 200 => link.clone_into(&mut next),
                _ => return (place, status),
            }
        }
        unreachable!("a list ends")
    };
    assert_eq!(pages_until_failure().await, (3, 410));
    assert_eq!(pages_until_failure().await, (5, 500));
    assert_eq!(pages_until_failure().await, (5, 500));
    served.emulator.replace_script(Vec::new());
    assert_eq!(pages_until_failure().await, (14, 200));
    let report = served.emulator.report();
    assert_eq!(report.interactions_by_second.values().sum::<u64>(), report.interactions_requests);
    assert_eq!(report.interactions_requests, 4 + 6 + 6 + 15);
}
