//! What the application has been granted, and what each call needs of it.

use super::answer::GraphError;
use super::routes::Route;

/// A permission of the application.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Permission {
    /// `AiEnterpriseInteraction.Read.All`: the interactions call.
    Interactions,
    /// `User.Read.All`: users.
    Users,
    /// `GroupMember.Read.All`: members of groups.
    GroupMembers,
    /// `Organization.Read.All`: subscriptions.
    Organization,
}

impl Permission {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Interactions, Self::Users, Self::GroupMembers, Self::Organization];

    /// Its name, as the portal shows it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Interactions => "AiEnterpriseInteraction.Read.All",
            Self::Users => "User.Read.All",
            Self::GroupMembers => "GroupMember.Read.All",
            Self::Organization => "Organization.Read.All",
        }
    }

    /// By its name, in any case.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|permission| permission.name().eq_ignore_ascii_case(name))
    }

    /// What a call needs; none where any token will do.
    pub(super) const fn of(route: &Route) -> Option<Self> {
        match route {
            Route::Interactions { .. } => Some(Self::Interactions),
            Route::Users | Route::User { .. } => Some(Self::Users),
            Route::Members { .. } => Some(Self::GroupMembers),
            Route::SubscribedSkus => Some(Self::Organization),
            Route::Token { .. } | Route::MachineToken | Route::ServiceToken | Route::Nothing => None,
        }
    }

    /// The answer to a call that lacks it.
    pub(super) fn lacking(self) -> GraphError {
        let (code, message) = match self {
            Self::Interactions => (
                "Forbidden",
                format!("Missing role permissions on the request. API requires one of '{}'.", self.name()),
            ),
            _ => (
                "Authorization_RequestDenied",
                "Insufficient privileges to complete the operation.".to_owned(),
            ),
        };
        GraphError::new(403, code, message)
    }
}
