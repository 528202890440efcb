//! What the directory says of a user, and how his extraction went.

use std::fmt;

/// The attributes of a user that the `users` table keeps. Absent where the directory was not asked or is silent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserProfile {
    /// `userPrincipalName`.
    pub user_principal_name: Option<String>,
    /// `displayName`.
    pub display_name: Option<String>,
    /// `mail`.
    pub mail: Option<String>,
    /// `department`.
    pub department: Option<String>,
    /// `jobTitle`.
    pub job_title: Option<String>,
    /// `country`.
    pub country: Option<String>,
    /// `accountEnabled`.
    pub account_enabled: Option<bool>,
}

/// How the extraction of a user went: the closed set of `users.status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum UserStatus {
    /// His slices are whole and gave records.
    Extracted,
    /// His slices are whole and there was nothing.
    Empty,
    /// Graph says that he has no licence; not a failure.
    Unlicensed,
    /// Graph knows no history of him, perhaps not yet; asked again next time.
    NotFound,
    /// He could not be read to the end; asked again next time.
    Failed,
    /// The run was stopped before he was read to the end.
    Interrupted,
}

impl UserStatus {
    /// Every status, in the order of a summary.
    pub const ALL: [Self; 6] =
        [Self::Extracted, Self::Empty, Self::Unlicensed, Self::NotFound, Self::Failed, Self::Interrupted];

    /// Its value in the table.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Extracted => "extracted",
            Self::Empty => "empty",
            Self::Unlicensed => "unlicensed",
            Self::NotFound => "not_found",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
        }
    }
}

impl fmt::Display for UserStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
