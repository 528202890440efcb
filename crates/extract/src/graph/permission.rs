//! The application permissions of Graph that a tenant is read with, and what stands in for each.

use super::discover::UserSelection;

/// An application permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Permission {
    /// Its name, as the portal shows it and the `roles` of a token have it.
    pub name: &'static str,
    /// What it is needed for, in a few words.
    pub purpose: &'static str,
    /// Wider ones, each of which is enough as well.
    wider: &'static [&'static str],
}

/// What the interactions call takes.
pub(crate) const INTERACTIONS: Permission =
    Permission { name: "AiEnterpriseInteraction.Read.All", purpose: "the interactions", wider: &[] };

pub(crate) const USERS: Permission = Permission {
    name: "User.Read.All",
    purpose: "who the users are",
    wider: &["User.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All"],
};

pub(crate) const SUBSCRIPTIONS: Permission = Permission {
    name: "Organization.Read.All",
    purpose: "which subscriptions hold Copilot",
    wider: &[
        "Organization.ReadWrite.All",
        "LicenseAssignment.Read.All",
        "LicenseAssignment.ReadWrite.All",
        "Directory.Read.All",
        "Directory.ReadWrite.All",
    ],
};

pub(crate) const GROUP_MEMBERS: Permission = Permission {
    name: "GroupMember.Read.All",
    purpose: "the members of the group",
    wider: &[
        "GroupMember.ReadWrite.All",
        "Group.Read.All",
        "Group.ReadWrite.All",
        "Directory.Read.All",
        "Directory.ReadWrite.All",
    ],
};

impl Permission {
    /// Whether the roles of a token hold it, or a wider one.
    #[must_use]
    pub fn is_among(&self, roles: &[String]) -> bool {
        let enough = |role: &str| role == self.name || self.wider.contains(&role);
        roles.iter().any(|role| enough(role))
    }
}

impl UserSelection {
    /// What it takes to find these users and to read their histories.
    #[must_use]
    pub const fn permissions(&self) -> &'static [Permission] {
        match self {
            Self::Licensed => &[INTERACTIONS, USERS, SUBSCRIPTIONS],
            Self::Group(_) => &[INTERACTIONS, USERS, GROUP_MEMBERS],
            Self::Ids(_) => &[INTERACTIONS, USERS],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wider_permission_is_enough() {
        for (permission, role, is_enough) in [
            (USERS, "User.Read.All", true),
            (USERS, "Directory.Read.All", true),
            (USERS, "User.ReadBasic.All", false),
            (SUBSCRIPTIONS, "Directory.Read.All", true),
            (SUBSCRIPTIONS, "User.Read.All", false),
            (GROUP_MEMBERS, "Group.Read.All", true),
            (INTERACTIONS, "Directory.ReadWrite.All", false),
            (INTERACTIONS, "AiEnterpriseInteraction.Read", false),
        ] {
            assert_eq!(permission.is_among(&["x".to_owned(), role.to_owned()]), is_enough, "{role}");
        }
    }
}
