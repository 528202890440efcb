//! A tenant's totals against its records.

use std::collections::BTreeSet;

use super::Tenant;
use crate::directory::Access;
use crate::spec::{SpecError, TenantSpec};

fn tenant(spec: TenantSpec) -> Tenant {
    Tenant::new(spec).unwrap()
}

#[test]
fn equal_specifications_make_equal_tenants() {
    let pages = |seed| {
        let tenant = tenant(TenantSpec::default().with_seed(seed).with_interactions(300));
        let records = |user| {
            (0..tenant.records(&user))
                .map(|k| tenant.interaction(&user, k).unwrap().json())
                .collect::<Vec<_>>()
        };
        tenant.users().flat_map(records).collect::<Vec<_>>()
    };
    assert_eq!(pages(1), pages(1));
    assert_ne!(pages(1), pages(2));
    assert_eq!(pages(1).len(), 300);
}

#[test]
fn tenants_of_one_seed_differ_by_their_number_alone() {
    let of_number = |number| tenant(TenantSpec::default().with_tenant_number(number));
    let (one, other) = (of_number(0), of_number(1));
    assert_eq!(one.id(), tenant(TenantSpec::default()).id());
    assert_ne!(one.id(), other.id());
    assert_ne!((one.client_id(), one.client_secret()), (other.client_id(), other.client_secret()));
    let ids = |tenant: &Tenant| tenant.users().map(|user| user.id).collect::<Vec<_>>();
    assert_eq!(ids(&one), ids(&other));
    for user in one.users() {
        assert!(one.expected_records(&user).eq(other.expected_records(&user)));
    }
}

#[test]
fn interactions_are_dealt_out_exactly_and_only_to_those_who_answer() {
    for (users, interactions) in [(1, 10), (3, 7), (50, 5_000), (200, 50), (1_000, 99_999)] {
        let tenant = tenant(TenantSpec::default().with_users(users).with_interactions(interactions));
        let counts: Vec<_> = tenant.users().map(|user| (user.access, tenant.records(&user))).collect();
        assert_eq!(counts.iter().map(|it| it.1).sum::<u64>(), interactions);
        assert!(counts.iter().all(|(access, records)| *access == Access::Open || *records == 0));
        if users >= 50 {
            assert!(counts.iter().any(|(access, records)| *access == Access::Open && *records == 0));
        }
    }
}

#[test]
fn nobody_can_answer_in_an_empty_tenant() {
    let spec = TenantSpec::default().with_users(0);
    assert_eq!(Tenant::new(spec.clone()).err(), Some(SpecError::NobodyAnswers { interactions: 5_000 }));
    let forbidden = TenantSpec::default().with_unlicensed_share(0.0).with_unknown_share(0.0);
    let forbidden = tenant(forbidden.with_forbidden_share(1.0).with_interactions(0));
    assert!(forbidden.users().all(|user| user.access == Access::Forbidden));
    assert_eq!(tenant(spec.with_interactions(0)).totals().interactions, 0);
}

#[test]
fn totals_of_users_windows_and_records_add_up() {
    let tenant = tenant(TenantSpec::default());
    let whole = tenant.totals();
    let mut by_user = super::TableTotals::default();
    let mut records = Vec::new();
    for user in tenant.users() {
        by_user += tenant.user_totals(&user);
        records.extend(tenant.expected_records(&user));
    }
    assert_eq!(by_user, whole);
    assert_eq!(records.len() as u64, whole.interactions);
    assert_eq!(records.iter().map(|it| u64::from(it.links)).sum::<u64>(), whole.links);
    let spec = tenant.spec();
    let middle = i64::midpoint(spec.start, spec.end);
    let (early, late) = (tenant.totals_in(spec.start, middle), tenant.totals_in(middle, spec.end));
    assert_eq!(early.links + late.links, whole.links);
    let in_early = records.iter().filter(|it| it.created_at_us < middle * 1_000).count();
    assert_eq!(early.interactions, in_early as u64);
}

#[test]
fn a_tenant_grows_into_what_it_is_in_the_end() {
    let spec = TenantSpec::default().with_late_share(0.1).with_edited_share(0.2).with_joining_share(0.3);
    let whole = tenant(spec);
    let spec = whole.spec().clone();
    let mut before = 0;
    for quarter in 0..=4 {
        let at_ms = spec.start + (spec.end - spec.start) / 4 * quarter;
        let seen = whole.seen_at(at_ms);
        let totals = seen.totals();
        assert!(totals.interactions > before || quarter == 0, "{quarter}: {totals:?}");
        before = totals.interactions;
        let mut records = Vec::new();
        for user in seen.users() {
            let own: Vec<_> = seen.expected_records(&user).collect();
            if user.access == Access::Open {
                assert_eq!(own.len() as u64, seen.records(&user));
                let ids = (0..seen.records(&user)).map(|k| seen.interaction(&user, k).unwrap().etag);
                assert!(ids.eq(own.iter().map(|it| it.etag.clone())));
            }
            records.extend(own);
        }
        assert_eq!(records.len() as u64, totals.interactions);
        assert_eq!(records.iter().map(|it| u64::from(it.links)).sum::<u64>(), totals.links);
        let latest = |it: &crate::totals::ExpectedRecord| it.etag.parse::<i64>().unwrap() <= at_ms;
        assert!(records.iter().all(|it| latest(it) && it.created_at_us <= at_ms * 1_000));
    }
    let settled = spec.end + spec.changes_within_ms;
    assert_eq!(whole.seen_at(settled).totals(), whole.totals());
    assert_eq!(whole.totals().interactions, 5_000);
    assert!(whole.seen_at(spec.end).totals().interactions < 5_000, "some are late");
}

#[test]
fn an_edit_changes_the_words_and_sometimes_the_links() {
    let whole = tenant(TenantSpec::default().with_users(1).with_edited_share(0.3));
    let (user, spec) = (whole.user(0).unwrap(), whole.spec().clone());
    let middle = whole.seen_at(i64::midpoint(spec.start, spec.end));
    let (mut edited, mut other_links, mut with_links) = (0, 0, 0);
    let skipped = whole.records(&user) - middle.records(&user);
    for k in 0..200 {
        let before = middle.interaction(&user, k).unwrap();
        let after = whole.interaction(&user, skipped + k).unwrap();
        assert_eq!((&before.id, &before.session_id), (&after.id, &after.session_id));
        assert_eq!(before.created_date_time, after.created_date_time);
        if before.etag == after.etag {
            assert_eq!(before.json(), after.json());
            continue;
        }
        let is_touched = before.body == after.body && before.attachments == after.attachments;
        edited += u32::from(!is_touched);
        other_links += u32::from(before.links.len() != after.links.len());
        with_links += u32::from(!before.links.is_empty());
    }
    assert!(edited > 5 && other_links > 0 && with_links > 0, "{edited} {other_links} {with_links}");
}

#[test]
fn records_are_of_the_promised_size_and_kind() {
    let tenant = tenant(TenantSpec::default());
    let (mut bytes, mut longest, mut classes) = (0, 0, BTreeSet::new());
    for user in tenant.users() {
        for record in (0..tenant.records(&user)).map(|k| tenant.interaction(&user, k).unwrap()) {
            let json = record.json();
            bytes += json.len();
            longest = longest.max(json.len());
            classes.insert(record.app_class);
        }
    }
    let average = bytes / 5_000;
    assert!((2_000..2_500).contains(&average), "an average record has {average} bytes");
    assert!(longest > 20_000);
    assert_eq!(classes.len(), crate::apps::APPS.len());
}

#[test]
fn groups_hold_users_once() {
    let tenant = tenant(TenantSpec::default());
    let everyone = tenant.groups().iter().find(|group| group.display_name == "All Staff").unwrap();
    assert_eq!(tenant.transitive_users(everyone).count(), 50);
    assert_eq!(tenant.transitive_groups(everyone).len(), 10);
    let sales = tenant.find_group(&tenant.groups()[2].id.to_uppercase()).unwrap();
    assert!((1..50).contains(&tenant.transitive_users(sales).count()));
}
