use crate::graph::scripted::{Bench, Seen, error, reply, user};
use crate::graph::{Discovery, GroupId, UserRef, UserSelection};
use crate::{ErrorKind, ExtractError};

const PLAN: &str = "3f30311c-6b1e-48a4-ab79-725b469da960";
const SKU: &str = "639dec6b-bb19-468b-871c-c5c441c4b0cb";
const GROUP: &str = "00000000-0000-0000-0000-0000000000ff";

fn directory_user(number: u32, disabled: &str) -> String {
    let id = user(number);
    format!(
        r#"{{"id":"{id}","userPrincipalName":"u{number}@contoso.com","displayName":"U {number}",
            "accountEnabled":true,"assignedLicenses":[{{"skuId":"{SKU}","disabledPlans":[{disabled}]}}]}}"#
    )
}

fn list(users: &[String], next: Option<&str>) -> crate::graph::scripted::Reply {
    let next = next.map(|link| format!(r#""@odata.nextLink":"{link}","#)).unwrap_or_default();
    reply(200, format!(r#"{{{next}"value":[{}]}}"#, users.join(",")))
}

fn skus(seen: &Seen) -> Option<crate::graph::scripted::Reply> {
    let other = r#"{"skuId":"00000000-0000-0000-0000-000000000009","servicePlans":[{"servicePlanId":"x"}]}"#;
    let copilot =
        format!(r#"{{"skuId":"{SKU}","servicePlans":[{{"servicePlanId":"{}"}}]}}"#, PLAN.to_uppercase());
    seen.url.ends_with("/v1.0/subscribedSkus").then(|| list(&[other.to_owned(), copilot], None))
}

fn numbers(discovery: &Discovery) -> Vec<String> {
    discovery.users.iter().map(|found| found.id.to_string()[34..].to_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn licensed_users_are_those_whose_plan_is_not_disabled() {
    let next = "https://graph.test/v1.0/users?$skiptoken=2";
    let bench = Bench::graph(move |seen| {
        let date = "Mon, 24 Nov 2025 15:59:00 GMT";
        if let Some(skus) = skus(seen) {
            return skus.header("date", date);
        }
        if seen.url == next {
            return list(&[directory_user(1, ""), directory_user(2, "")], None);
        }
        assert!(seen.url.contains(&format!("assignedLicenses/any(x:x/skuId%20eq%20{SKU})")), "{}", seen.url);
        assert!(seen.url.ends_with("&$top=999") && seen.url.contains("&$select=id,"), "{}", seen.url);
        list(&[directory_user(3, &format!("\"{PLAN}\"")), directory_user(2, "")], Some(next))
    });
    let found = bench.client.discover(&UserSelection::Licensed).await.unwrap();
    assert_eq!(numbers(&found), ["01", "02"]);
    assert_eq!(found.users[0].profile.user_principal_name.as_deref(), Some("u1@contoso.com"));
    assert_eq!(found.users[0].profile.account_enabled, Some(true));
    assert_eq!(found.server_time.unwrap().to_string()[..16], *"2025-11-24T15:59");
}

#[tokio::test(start_paused = true)]
async fn members_of_groups_need_no_licence_here() {
    let bench = Bench::graph(|seen| {
        let path = format!("/v1.0/groups/{GROUP}/transitiveMembers/microsoft.graph.user?");
        assert!(seen.url.contains(&path), "{}", seen.url);
        list(&[directory_user(5, &format!("\"{PLAN}\"")), directory_user(4, "")], None)
    });
    let selection = UserSelection::Group(GroupId::parse(GROUP).unwrap());
    assert_eq!(numbers(&bench.client.discover(&selection).await.unwrap()), ["04", "05"]);
}

#[tokio::test(start_paused = true)]
async fn named_users_are_looked_up_and_ids_asked_in_any_case() {
    let bench = Bench::graph(|seen| {
        let name = seen.url.split("/users/").nth(1).unwrap().split('?').next().unwrap().to_owned();
        match name.as_str() {
            "u1@contoso.com" => reply(200, directory_user(1, "")),
            "a%23EXT%23@contoso.com" => reply(200, directory_user(2, "")),
            name if name.ends_with("01") => reply(200, directory_user(1, "")),
            _ => error(404, "Request_ResourceNotFound", ""),
        }
    });
    let deleted = user(7).to_string();
    let known = user(1).to_string();
    let names = ["u1@contoso.com", "a#EXT#@contoso.com", &known, &deleted, "nobody@contoso.com"];
    let selection = UserSelection::Ids(names.map(UserRef::parse).to_vec());
    let found = bench.client.discover(&selection).await.unwrap();
    assert_eq!(numbers(&found), ["01", "02", "07"]);
    assert_eq!(found.users[2].profile, promptlake_model::UserProfile::default());
    let unresolved: Vec<_> =
        found.unresolved.iter().map(|one| (one.user.to_string(), one.http_status)).collect();
    assert_eq!(unresolved, [("nobody@contoso.com".to_owned(), 404)]);
}

#[tokio::test(start_paused = true)]
async fn a_missing_permission_is_named() {
    let group = UserSelection::Group(GroupId::parse(GROUP).unwrap());
    let ids = UserSelection::Ids(vec![UserRef::parse("u1@contoso.com")]);
    for (selection, forbidden, permission) in [
        (&UserSelection::Licensed, "/subscribedSkus", "Organization.Read.All"),
        (&UserSelection::Licensed, "/users", "User.Read.All"),
        (&group, "/groups/", "GroupMember.Read.All"),
        (&ids, "/users/", "User.Read.All"),
    ] {
        let bench = Bench::graph(move |seen| {
            if seen.url.contains(forbidden) {
                return error(403, "Authorization_RequestDenied", "Insufficient privileges");
            }
            skus(seen).unwrap_or_else(|| list(&[], None))
        });
        let error = bench.client.discover(selection).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotAllowed);
        assert!(error.hint().unwrap().contains(permission), "{:?}", error.hint());
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_there_is_said() {
    let none = Bench::graph(|_| list(&[], None));
    let error = none.client.discover(&UserSelection::Licensed).await.unwrap_err();
    assert!(matches!(error, ExtractError::NoCopilotPlan { skus: 0 }), "{error}");
    let missing = Bench::graph(|_| super::super::scripted::error(404, "NotFound", ""));
    let group = UserSelection::Group(GroupId::parse(GROUP).unwrap());
    let error = missing.client.discover(&group).await.unwrap_err();
    assert!(matches!(error, ExtractError::GroupNotFound { .. }), "{error}");
    assert_eq!(error.kind(), ErrorKind::Settings);
}

#[tokio::test(start_paused = true)]
async fn the_directorys_links_are_no_more_trusted_than_others() {
    for link in ["https://evil.test/users?secret", "https://graph.test/v1.0/again"] {
        let bench = Bench::graph(move |_| list(&[directory_user(1, "")], Some(link)));
        let group = UserSelection::Group(GroupId::parse(GROUP).unwrap());
        let error = bench.client.discover(&group).await.unwrap_err();
        assert!(matches!(error, ExtractError::Directory { .. }), "{error}");
        assert!(!error.to_string().contains("secret"), "{error}");
        assert!(bench.asked().iter().all(|seen| !seen.url.contains("evil")));
    }
}
