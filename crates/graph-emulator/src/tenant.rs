//! The tenant: everything that a specification implies, computed when it is asked for.
//!
//! Held in memory are the specification, the names of the groups and, for each user, where the user's records
//! end in the count over all users. Users, records and totals are computed on demand and never kept.
//!
//! A tenant is seen as of an instant, at first as of the end of time: who is licensed, which records show and what they
//! say are those of that instant, and so are the totals.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::change::Changes;
use crate::compose::{self, Owner};
use crate::directory::{self, Access, User};
use crate::groups::{self, Group};
use crate::history::{History, Seat};
use crate::interaction::Interaction;
use crate::outline::Outline;
use crate::random::{Chance, Purpose};
use crate::spec::{SpecError, TenantSpec};
use crate::totals::{self, ExpectedRecord, TableTotals};

/// A tenant with its directory and its histories.
#[derive(Debug, Clone)]
pub struct Tenant {
    spec: TenantSpec,
    id: String,
    client_id: String,
    client_secret: String,
    groups: Arc<[Group]>,
    /// For each user, the records of this user and all users before.
    record_ends: Arc<[u64]>,
    /// The instant as of which it is seen, Unix milliseconds.
    seen_at_ms: i64,
}

impl Tenant {
    /// The tenant of a specification.
    ///
    /// # Errors
    /// The specification is out of its limits, or asks for interactions where no user answers.
    pub fn new(spec: TenantSpec) -> Result<Self, SpecError> {
        spec.check()?;
        let record_ends = record_ends(&spec)?;
        let mut chance = Chance::at(spec.seed, Purpose::Tenant, [0, 0]);
        Ok(Self {
            id: chance.guid(),
            client_id: chance.guid(),
            client_secret: format!("emu8Q~{}", chance.token(34)),
            groups: groups::groups(spec.seed).into(),
            record_ends: record_ends.into(),
            seen_at_ms: i64::MAX,
            spec,
        })
    }

    /// The same tenant as of an instant, Unix milliseconds; [`i64::MAX`] is the end of time. Costs nothing.
    #[must_use]
    pub fn seen_at(&self, unix_ms: i64) -> Self {
        Self { seen_at_ms: unix_ms, ..self.clone() }
    }

    /// The instant as of which it is seen, Unix milliseconds; none is the end of time.
    #[must_use]
    pub fn seen_at_ms(&self) -> Option<i64> {
        (self.seen_at_ms != i64::MAX).then_some(self.seen_at_ms)
    }

    /// What the tenant was made from.
    #[must_use]
    pub fn spec(&self) -> &TenantSpec {
        &self.spec
    }

    /// The tenant's id, a GUID in lower case.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The id of the one application that may ask.
    #[must_use]
    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    /// The secret of that application; it guards nothing.
    #[must_use]
    pub fn client_secret(&self) -> &str {
        &self.client_secret
    }

    /// The domain of the tenant's sign-in names, which ends in `.example`.
    #[must_use]
    pub fn domain(&self) -> String {
        directory::domain(self.spec.seed)
    }

    /// The user at a place of the directory, or none beyond its end.
    #[must_use]
    pub fn user(&self, index: u32) -> Option<User> {
        (index < self.spec.users).then(|| directory::user_at(&self.spec, index, self.seen_at_ms))
    }

    /// All users, licensed or not, by index.
    pub fn users(&self) -> impl Iterator<Item = User> + '_ {
        (0..self.spec.users).map(|index| directory::user_at(&self.spec, index, self.seen_at_ms))
    }

    /// The user with this object id or sign-in name, in any case.
    #[must_use]
    pub fn find_user(&self, id_or_name: &str) -> Option<User> {
        let user = self.user(directory::index_hint(self.spec.seed, id_or_name)?)?;
        let found = user.id.eq_ignore_ascii_case(id_or_name)
            || user.user_principal_name.eq_ignore_ascii_case(id_or_name);
        found.then_some(user)
    }

    /// All groups, by index.
    #[must_use]
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// The group with this object id, in any case.
    #[must_use]
    pub fn find_group(&self, id: &str) -> Option<&Group> {
        self.groups.iter().find(|group| group.id.eq_ignore_ascii_case(id))
    }

    /// The groups in a group, at any depth, each once.
    #[must_use]
    pub fn transitive_groups(&self, group: &Group) -> Vec<&Group> {
        let nested = groups::nested_groups(&self.groups, group.index);
        nested.into_iter().map(|index| &self.groups[index]).collect()
    }

    /// The users in a group, at any depth, each once and by index.
    pub fn transitive_users(&self, group: &Group) -> impl Iterator<Item = User> + '_ {
        let mut among: BTreeSet<usize> = groups::nested_groups(&self.groups, group.index);
        among.insert(group.index);
        let seed = self.spec.seed;
        let belongs = move |index| among.iter().any(|group| groups::has_direct_member(seed, *group, index));
        (0..self.spec.users)
            .filter(move |index| belongs(*index))
            .map(|index| directory::user_at(&self.spec, index, self.seen_at_ms))
    }

    /// How many records the interactions call gives for a user over all pages without a filter.
    #[must_use]
    pub fn records(&self, user: &User) -> u64 {
        let history = self.history(user.index);
        if self.seen_at_ms().is_none() { history.records } else { shown(history).count() as u64 }
    }

    /// The record at place `k` of a user's list, 0 the newest, or none beyond its end.
    #[must_use]
    pub fn interaction(&self, user: &User, k: u64) -> Option<Interaction> {
        let history = self.history(user.index);
        let seat = if self.seen_at_ms().is_none() {
            history.seat(history.records.checked_sub(k)?.checked_sub(1)?)
        } else {
            shown(history).nth(usize::try_from(k).ok()?)?
        };
        Some(self.compose(&history, &Outline::of(&history, seat), user))
    }

    /// The rows of a complete export of the tenant. Takes about a microsecond for each interaction.
    #[must_use]
    pub fn totals(&self) -> TableTotals {
        self.totals_in(i64::MIN, i64::MAX)
    }

    /// The rows of an export of what was created in `[from_ms, to_ms)`, Unix milliseconds. Users and coverage
    /// are those of the whole tenant: they are asked whatever the window.
    #[must_use]
    pub fn totals_in(&self, from_ms: i64, to_ms: i64) -> TableTotals {
        let mut totals = TableTotals::default();
        for index in 0..self.spec.users {
            let access = directory::access_at(&self.spec, index, self.seen_at_ms);
            totals += directory_totals(access);
            // What is not yet to be read is not in an export.
            if access == Access::Open {
                totals += totals::of_history(&self.history(index), from_ms, to_ms);
            }
        }
        totals
    }

    /// The rows of a complete export of one user.
    #[must_use]
    pub fn user_totals(&self, user: &User) -> TableTotals {
        let mut totals = directory_totals(user.access);
        if user.access == Access::Open {
            totals += totals::of_history(&self.history(user.index), i64::MIN, i64::MAX);
        }
        totals
    }

    /// What a complete export must say about each record of a user, newest first.
    pub fn expected_records(&self, user: &User) -> impl Iterator<Item = ExpectedRecord> + '_ {
        let mut history = self.history(user.index);
        if user.access != Access::Open {
            history.records = 0;
        }
        shown(history).map(move |seat| totals::expected(&history, seat))
    }

    /// The history of the user at an index, empty beyond the directory.
    pub(crate) fn history(&self, index: u32) -> History {
        let end = |index: Option<u32>| {
            let place = index.and_then(|index| usize::try_from(index).ok());
            place.and_then(|place| self.record_ends.get(place)).copied().unwrap_or(0)
        };
        History {
            seed: self.spec.seed,
            user: index,
            records: end(Some(index)).saturating_sub(end(index.checked_sub(1))),
            start_ms: self.spec.start,
            end_ms: self.spec.end,
            changes: Changes {
                late_share: self.spec.late_share,
                edited_share: self.spec.edited_share,
                within_ms: self.spec.changes_within_ms,
                seen_at_ms: self.seen_at_ms,
            },
        }
    }

    /// The record of an outline in a user's history.
    pub(crate) fn compose(&self, history: &History, outline: &Outline, user: &User) -> Interaction {
        compose::interaction(history, outline, Owner { user_id: &user.id, tenant_id: &self.id })
    }
}

/// The seats of the records that show, newest first.
fn shown(history: History) -> impl Iterator<Item = Seat> {
    let seats = (0..history.records).rev().map(move |position| history.seat(position));
    seats.filter(move |seat| history.shows(seat))
}

fn directory_totals(access: Access) -> TableTotals {
    TableTotals {
        users: u64::from(access != Access::Unlicensed),
        coverage: u64::from(access == Access::Open),
        ..TableTotals::default()
    }
}

/// Deals the interactions out to the users who answer, unevenly and exactly: a user gets the whole records
/// between two marks that lie on the line of all interactions as the users' weights do.
fn record_ends(spec: &TenantSpec) -> Result<Vec<u64>, SpecError> {
    let weights: Vec<u64> = (0..spec.users).map(|index| weight(spec, index)).collect();
    let all: u128 = weights.iter().map(|weight| u128::from(*weight)).sum();
    if all == 0 && spec.interactions > 0 {
        return Err(SpecError::NobodyAnswers { interactions: spec.interactions });
    }
    let mut so_far = 0_u128;
    let mark = |weight: &u64| {
        so_far += u128::from(*weight);
        let records = u128::from(spec.interactions) * so_far / all.max(1);
        u64::try_from(records).expect("a part of the interactions fits where all of them fit")
    };
    Ok(weights.iter().map(mark).collect())
}

/// How much of the tenant's history a user has: nothing for one in eight, and up to 200 times as much for
/// some as for others.
fn weight(spec: &TenantSpec, index: u32) -> u64 {
    let mut chance = Chance::at(spec.seed, Purpose::Weight, [u64::from(index), 0]);
    let silent = chance.percent(12) && index != 0;
    if silent || directory::access(spec, index) != Access::Open {
        return 0;
    }
    chance.between(2, 4) << chance.below(7)
}

#[cfg(test)]
mod tests {
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
}
