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
use crate::hardness::{self, Hardness};
use crate::history::{History, Seat};
use crate::interaction::Interaction;
use crate::outline::Outline;
use crate::random::{Chance, Purpose};
use crate::spec::{SpecError, TenantSpec};
use crate::totals::{self, ExpectedRecord, TableTotals};
use crate::turns::{self, ExpectedTurn};

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
        let mut chance = Chance::at(spec.seed, Purpose::Tenant, [u64::from(spec.tenant_number), 0]);
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
        let indices = self.transitive_indices(group);
        indices.map(|index| directory::user_at(&self.spec, index, self.seen_at_ms))
    }

    /// The indices of the users in a group, at any depth, each once and rising.
    pub(crate) fn transitive_indices(&self, group: &Group) -> impl Iterator<Item = u32> + use<> {
        let mut among: BTreeSet<usize> = groups::nested_groups(&self.groups, group.index);
        among.insert(group.index);
        let seed = self.spec.seed;
        let belongs = move |index| among.iter().any(|group| groups::has_direct_member(seed, *group, index));
        (0..self.spec.users).filter(move |index| belongs(*index))
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

    /// The rows of an export that reads every record that can be read: those of [`Tenant::totals`] without the records
    /// that make every page with them fail, and without those made larger than `record_bytes_max`.
    #[must_use]
    pub fn readable_totals(&self, record_bytes_max: u64) -> TableTotals {
        let mut totals = TableTotals::default();
        for index in 0..self.spec.users {
            let access = directory::access_at(&self.spec, index, self.seen_at_ms);
            totals += directory_totals(access);
            if access == Access::Open {
                let keeps = |position| self.is_readable(index, position, record_bytes_max);
                totals += totals::of_records(&self.history(index), (i64::MIN, i64::MAX), keeps);
            }
        }
        totals
    }

    /// What must be said about each record of a user that can be read, newest first.
    pub fn readable_records(
        &self,
        user: &User,
        record_bytes_max: u64,
    ) -> impl Iterator<Item = ExpectedRecord> + '_ {
        let mut history = self.history(user.index);
        if user.access != Access::Open {
            history.records = 0;
        }
        let readable = shown(history)
            .filter(move |seat| self.is_readable(history.user, seat.position, record_bytes_max));
        readable.map(move |seat| totals::expected(&history, seat))
    }

    /// What makes the record at a position of a user's history, 0 the oldest, hard to read.
    #[must_use]
    pub fn hardness(&self, user_index: u32, position: u64) -> Option<Hardness> {
        hardness::of(&self.spec, user_index, position)
    }

    fn is_readable(&self, user_index: u32, position: u64, record_bytes_max: u64) -> bool {
        match self.hardness(user_index, position) {
            None => true,
            Some(Hardness::Unreadable) => false,
            Some(Hardness::Huge { bytes }) => bytes <= record_bytes_max,
        }
    }

    /// What a complete export must say about each record of a user, newest first.
    pub fn expected_records(&self, user: &User) -> impl Iterator<Item = ExpectedRecord> + '_ {
        let mut history = self.history(user.index);
        if user.access != Access::Open {
            history.records = 0;
        }
        shown(history).map(move |seat| totals::expected(&history, seat))
    }

    /// Which answer belongs to which prompt in a complete export of a user, the oldest turn first.
    #[must_use]
    pub fn expected_turns(&self, user: &User) -> Vec<ExpectedTurn> {
        if user.access == Access::Open { turns::of_history(&self.history(user.index)) } else { Vec::new() }
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
        let owner = Owner { user_id: &user.id, tenant_id: &self.id };
        let record = compose::interaction(history, outline, owner);
        match self.hardness(user.index, outline.seat.position) {
            Some(Hardness::Huge { bytes }) => hardness::grown(record, bytes),
            _ => record,
        }
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
mod tests;
