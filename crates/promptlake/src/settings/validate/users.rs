//! `source.users`: whose history is asked for, said in exactly one way.

use std::collections::HashSet;
use std::num::NonZeroUsize;

use super::section::{Limits, Section};
use crate::settings::error::{Fault, Problem};
use crate::settings::pipeline::Users;
use crate::settings::typed::{List, Typed, UsersTable};
use crate::settings::value::UserRef;

const SOURCE: Section = Section("source");
const USERS: Section = Section("source.users");

/// What one can name by hand; longer lists are files.
const IDS_MAX: usize = 10_000;

/// A pilot of nobody is none; the most is that of a tenant.
const LIMIT: Limits<i64> = Limits { default: 1, least: 1, most: 10_000_000 };

const WAYS: &str =
    "write users = { licensed = true }, { group = \"…\" }, { ids = [\"…\"] } or { file = \"users.csv\" }";

pub(super) fn users(typed: Option<&UsersTable>) -> Result<Users, Problem> {
    let Some(typed) = typed else { return Ok(Users::Licensed) };
    let given = [typed.licensed.is_some(), typed.group.is_some(), typed.ids.is_some(), typed.file.is_some()];
    match given.iter().filter(|given| **given).count() {
        0 => return Err(SOURCE.fault("users", Fault::new("says nothing of whom to ask for").hint(WAYS))),
        1 => {}
        _ => {
            return Err(
                SOURCE.fault("users", Fault::new("says in more than one way whom to ask for").hint(WAYS))
            );
        }
    }
    if let Some(group) = USERS.optional("group", typed.group.as_ref())? {
        return Ok(Users::Group(group));
    }
    if let Some(file) = USERS.optional("file", typed.file.as_ref())? {
        return Ok(Users::File(file.0));
    }
    if let Some(ids) = &typed.ids {
        return listed(ids).map(Users::Listed);
    }
    if typed.licensed == Some(false) {
        return Err(
            USERS.fault("licensed", Fault::new("is false, which leaves nobody to ask for").hint(WAYS))
        );
    }
    Ok(Users::Licensed)
}

/// The most users that are asked of.
pub(super) fn limit(typed: Option<&UsersTable>) -> Result<Option<NonZeroUsize>, Problem> {
    let Some(limit) = typed.and_then(|typed| typed.limit) else { return Ok(None) };
    USERS.whole::<usize>("limit", Some(limit), &LIMIT).map(NonZeroUsize::new)
}

fn listed(List(ids): &List<Typed<UserRef>>) -> Result<Vec<UserRef>, Problem> {
    if ids.is_empty() {
        return Err(USERS.fault("ids", Fault::new("is empty, which leaves nobody to ask for").hint(WAYS)));
    }
    if ids.len() > IDS_MAX {
        let fault = Fault::new(format!("names {} users, above the most of {IDS_MAX}", ids.len()));
        return Err(USERS.fault("ids", fault.hint("put them into a file: users = { file = \"users.csv\" }")));
    }
    let mut seen = HashSet::new();
    let mut users = Vec::with_capacity(ids.len());
    for (index, id) in ids.iter().enumerate() {
        let path = || USERS.path("ids").index(index);
        let user = id.read().map_err(|fault| fault.at(path()))?;
        if !seen.insert(user.clone()) {
            return Err(Fault::new("names a user for the second time").hint("remove it").at(path()));
        }
        users.push(user);
    }
    Ok(users)
}
