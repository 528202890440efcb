//! The groups of a tenant: departments, nested in divisions, nested in one group of all staff.
//!
//! A pilot group overlaps with a division, so that whoever expands nested groups must count a user once.

use std::collections::BTreeSet;

use crate::directory::{DEPARTMENTS, department_of};
use crate::random::{Chance, Purpose};

/// A group of the directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Place in the list of groups, from 0.
    pub index: usize,
    /// Object id, a GUID in lower case.
    pub id: String,
    /// Name.
    pub display_name: String,
    /// Places of the groups that are direct members.
    pub member_groups: Vec<usize>,
}

/// The place of the group that all users are in, after the departments and two divisions.
const ALL_STAFF: usize = DEPARTMENTS.len() + 2;
/// The place of the group that has members of its own beside a division.
const PILOT: usize = ALL_STAFF + 1;

/// All groups of the tenant: the departments, two divisions, all staff, the pilot, and an empty group.
pub(crate) fn groups(seed: u64) -> Vec<Group> {
    let business = DEPARTMENTS.len();
    let technology = business + 1;
    let nested = [
        ("Business Division", vec![0, 1, 2, 3, 7]),
        ("Technology Division", vec![4, 5, 6]),
        ("All Staff", vec![business, technology]),
        ("Copilot Pilot", vec![technology]),
        ("Alumni", Vec::new()),
    ];
    let departments = DEPARTMENTS.iter().map(|name| (*name, Vec::new()));
    departments
        .chain(nested)
        .enumerate()
        .map(|(index, (name, member_groups))| Group {
            index,
            id: Chance::at(seed, Purpose::Group, [index as u64, 0]).guid(),
            display_name: name.to_owned(),
            member_groups,
        })
        .collect()
}

/// The groups below a group, through any number of groups, each once and without the group itself.
pub(crate) fn nested_groups(groups: &[Group], group: usize) -> BTreeSet<usize> {
    let mut found = BTreeSet::new();
    let mut open = groups[group].member_groups.clone();
    while let Some(next) = open.pop() {
        if found.insert(next) {
            open.extend(&groups[next].member_groups);
        }
    }
    found
}

/// Whether the user at `index` is a direct member: of the department, or one of ten in the pilot.
pub(crate) fn has_direct_member(seed: u64, group: usize, index: u32) -> bool {
    let by_department = department_of(seed, index) == group;
    by_department || (group == PILOT && Chance::at(seed, Purpose::Group, [u64::from(index), 1]).percent(10))
}

#[cfg(test)]
mod tests {
    use super::{ALL_STAFF, PILOT, groups, nested_groups};

    #[test]
    fn nesting_is_followed_to_the_bottom() {
        let groups = groups(1);
        assert_eq!(groups[ALL_STAFF].display_name, "All Staff");
        assert_eq!(nested_groups(&groups, ALL_STAFF).len(), 10);
        assert_eq!(nested_groups(&groups, PILOT), [4, 5, 6, 9].into());
        assert!(nested_groups(&groups, 0).is_empty());
    }
}
