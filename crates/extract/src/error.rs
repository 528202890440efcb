//! What can keep this stage from its work. A user or a slice that fails is no error here: it is an end with a reason.

use std::time::Duration;

use promptlake_flow::JobPanicked;
use promptlake_model::TenantId;

use crate::graph::{CredentialError, CredentialKind, INTERACTIONS, TransportError};

/// A source could not be read, or not at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExtractError {
    /// A setting is wrong.
    #[error("use the setting {key} = {value:?}: {problem}")]
    Setting {
        /// Its key in the pipeline file.
        key: &'static str,
        /// What was given; never a secret.
        value: String,
        /// What is wrong with it, and a right example.
        problem: String,
    },
    /// The memory for pages is too small for the number of readers and the largest page.
    #[error(
        "read pages within {budget_bytes} bytes: at least {needed_bytes} are needed for pages of up to \
         {page_bytes_max} bytes"
    )]
    Budget {
        /// What there is.
        budget_bytes: usize,
        /// What is needed.
        needed_bytes: usize,
        /// The largest page.
        page_bytes_max: usize,
    },
    /// One of several tenants could not be read.
    #[error("read tenant {tenant}")]
    OfTenant {
        /// The tenant.
        tenant: TenantId,
        /// Why.
        #[source]
        source: Box<Self>,
    },
    /// The HTTP client could not be made.
    #[error("set up the HTTP client")]
    HttpClient(#[source] TransportError),
    /// The credential can't be used: nobody was asked.
    #[error("get a token")]
    Credential(#[source] CredentialError),
    /// The login service refused the app.
    #[error("get a token: {} answered {}", answerer(*.credential), describe_refusal(*.aadsts, .error))]
    TokenRefused {
        /// What it was asked with.
        credential: CredentialKind,
        /// The number after `AADSTS`, where it gave one.
        aadsts: Option<u32>,
        /// The OAuth error code.
        error: String,
    },
    /// The login service gave no token, however often it was asked.
    #[error("get a token from {login} in {attempts} attempts; at last: {last}")]
    TokenUnavailable {
        /// Where it was asked for: an origin, or the command.
        login: String,
        /// How often it was asked.
        attempts: u32,
        /// What came of the last attempt.
        last: String,
    },
    /// Graph refused a token that was new.
    #[error("use a new token, which Graph refused with 401{}", in_brackets(.code.as_deref()))]
    TokenRejected {
        /// Graph's error code.
        code: Option<String>,
    },
    /// The token does not hold what is needed.
    #[error("use the token, which lacks {permissions}")]
    PermissionsMissing {
        /// Their names.
        permissions: String,
    },
    /// Graph asks for a payment model.
    #[error("read interactions: Graph answered 402{}", in_brackets(.code.as_deref()))]
    PaymentRequired {
        /// Graph's error code.
        code: Option<String>,
    },
    /// Every user that was asked is forbidden.
    #[error("read interactions: Graph answered 403 for each of the {users} users asked")]
    InteractionsForbidden {
        /// How many were asked.
        users: usize,
    },
    /// A directory call is forbidden.
    #[error("{operation}: Graph answered 403")]
    DirectoryForbidden {
        /// What was asked.
        operation: &'static str,
        /// The permission that it takes.
        permission: &'static str,
    },
    /// A directory call failed.
    #[error("{operation}: {reason}")]
    Directory {
        /// What was asked.
        operation: &'static str,
        /// What came of it.
        reason: String,
    },
    /// The group does not exist.
    #[error("list the members of group {group}, which Graph does not know")]
    GroupNotFound {
        /// Its id.
        group: String,
    },
    /// No subscription of the tenant holds Copilot.
    #[error("find licensed users: none of the tenant's {skus} subscriptions holds the Copilot service plan")]
    NoCopilotPlan {
        /// How many subscriptions there are.
        skus: usize,
    },
    /// Nobody could reach Graph for a long time.
    #[error("reach Graph for {} s; at last: {last}", .lost_for.as_secs())]
    SourceLost {
        /// For how long.
        lost_for: Duration,
        /// What came of the last attempt.
        last: String,
    },
    /// Graph asks to wait longer than makes sense.
    #[error("wait {} s, as Graph asks", .wait.as_secs())]
    ThrottledTooLong {
        /// How long.
        wait: Duration,
    },
    /// The users file is no CSV.
    #[error("read the users file")]
    UsersFile(#[source] csv::Error),
    /// The users file says nothing of use.
    #[error("read the users file: {problem}")]
    UsersFileContent {
        /// What is missing.
        problem: String,
    },
    /// A plan does not fit this source.
    #[error("ask for {scope}, which is not of this source or this user")]
    ForeignSlice {
        /// What it spans.
        scope: String,
    },
    /// Saved files could not be listed.
    #[error("list the saved files below {root:?}")]
    ListFiles {
        /// The folder.
        root: String,
        /// Why.
        #[source]
        source: object_store::Error,
    },
    /// The records of another lake could not be read.
    #[error("read the lake of the source: {path}")]
    ReadLake {
        /// The file at which it failed.
        path: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A saved file could not be read.
    #[error("read the saved file {path:?}")]
    ReadFile {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: object_store::Error,
    },
    /// A saved file is another one than was listed.
    #[error("read the saved file {path:?}, which changed while this ran")]
    FileChanged {
        /// The file.
        path: String,
    },
    /// Saved files that can't be used; nothing was read.
    #[error("use {} saved files: {}", .0.len(), list_refused(.0))]
    FilesRefused(Vec<RefusedFile>),
    /// A computation panicked: a defect.
    #[error("look into {what}")]
    Compute {
        /// What was looked into.
        what: String,
        /// The panic.
        #[source]
        source: JobPanicked,
    },
}

/// A saved file that can't be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedFile {
    /// Its path below the source's folder.
    pub path: String,
    /// Why.
    pub reason: String,
}

/// Whose move it is: enough to choose an exit code by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ErrorKind {
    /// The settings are wrong.
    Settings,
    /// A permission, consent, credential or licence is missing.
    NotAllowed,
    /// The source failed.
    Source,
}

impl ExtractError {
    /// Whose move it is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self.of_any_tenant() {
            Self::Setting { .. }
            | Self::Budget { .. }
            | Self::Credential(_)
            | Self::GroupNotFound { .. }
            | Self::UsersFile(_)
            | Self::UsersFileContent { .. }
            | Self::FilesRefused(_) => ErrorKind::Settings,
            Self::TokenRefused { .. }
            | Self::TokenRejected { .. }
            | Self::PermissionsMissing { .. }
            | Self::PaymentRequired { .. }
            | Self::InteractionsForbidden { .. }
            | Self::DirectoryForbidden { .. }
            | Self::NoCopilotPlan { .. } => ErrorKind::NotAllowed,
            Self::HttpClient(_)
            | Self::TokenUnavailable { .. }
            | Self::Directory { .. }
            | Self::SourceLost { .. }
            | Self::ThrottledTooLong { .. }
            | Self::ForeignSlice { .. }
            | Self::ListFiles { .. }
            | Self::ReadFile { .. }
            | Self::ReadLake { .. }
            | Self::FileChanged { .. }
            | Self::Compute { .. }
            | Self::OfTenant { .. } => ErrorKind::Source,
        }
    }

    /// What failed, whichever tenant it was.
    #[must_use]
    pub fn of_any_tenant(&self) -> &Self {
        if let Self::OfTenant { source, .. } = self { source.of_any_tenant() } else { self }
    }

    /// The next thing to do, where there is one.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let hint = match self.of_any_tenant() {
            Self::Credential(error) => error.hint(),
            Self::TokenRefused { credential, aadsts, .. } => token_hint(*credential, *aadsts),
            Self::DirectoryForbidden { permission, .. } => return Some(grant(permission)),
            Self::PermissionsMissing { permissions } => return Some(grant(permissions)),
            Self::InteractionsForbidden { .. } => return Some(grant(INTERACTIONS.name)),
            Self::Budget { .. } => "raise `run.memory_limit`, or lower the number of requests in flight",
            Self::TokenUnavailable { login, .. } if is_this_machine(login) => {
                "start what listens there first, such as `promptlake emulate` in another terminal"
            }
            Self::TokenUnavailable { .. } => {
                "check that this machine reaches the login service, proxy included"
            }
            Self::TokenRejected { .. } => {
                "check that tenant_id, client_id and the cloud belong together, and that the app is not disabled"
            }
            Self::PaymentRequired { .. } => {
                "set up the payment model of this API for the app, or license the tenant's users for Copilot"
            }
            Self::GroupNotFound { .. } => "give the group's object id, as the Entra admin center shows it",
            Self::NoCopilotPlan { .. } => {
                "check the tenant, or name the users: `users = { group = \"…\" }` or `users = { ids = [\"…\"] }`"
            }
            Self::SourceLost { .. } => {
                "check that this machine reaches Graph, proxy included, and run again: what was read is kept"
            }
            Self::ThrottledTooLong { .. } => "run again later, with a lower requests_per_second",
            Self::UsersFileContent { .. } | Self::UsersFile(_) => {
                "the users file is CSV with a header and a column `id` or `userPrincipalName`"
            }
            Self::FileChanged { .. } => "run again once nobody writes to the folder",
            Self::FilesRefused(_) => {
                "set user_id_from_path (such as \"{user_id}/*.json\") or user_id, or move these files elsewhere"
            }
            _ => return None,
        };
        Some(hint.to_owned())
    }
}

fn is_this_machine(place: &str) -> bool {
    ["//127.0.0.1", "//localhost", "//[::1]"].iter().any(|host| place.contains(host))
}

fn grant(permission: &str) -> String {
    format!(
        "give the app the application permission {permission} of Microsoft Graph and let an admin consent to it \
         (Entra admin center, App registrations, API permissions, Grant admin consent); it takes some minutes to \
         take effect"
    )
}

fn token_hint(credential: CredentialKind, aadsts: Option<u32>) -> &'static str {
    match (aadsts, credential) {
        (Some(7_000_215), _) => "the client secret is wrong: give the secret's value, not the secret's id",
        (Some(7_000_222), _) => "the client secret has expired: make a new one in the app registration",
        (Some(700_016), _) => {
            "this tenant has no app with this client_id: check both, and that an admin consented"
        }
        (Some(90_002 | 900_023), _) => "there is no such tenant in this cloud: check tenant_id and cloud",
        (Some(7_000_112 | 7_000_113), _) => "the app is disabled: enable its enterprise application",
        (Some(53_003), _) => "conditional access for workload identities blocks the app",
        (Some(700_024), _) => "the assertion is not valid now: check this machine's clock",
        (Some(700_027), _) => "the app does not know this certificate: upload it to the app registration",
        (Some(70_021 | 700_211 | 700_212 | 700_213), _) => {
            "the app has no federated credential for this issuer, subject and audience: compare them in the app \
             registration"
        }
        (_, CredentialKind::ManagedIdentity) => {
            "check that the machine or the container has this identity, and its client_id where it has several"
        }
        (_, CredentialKind::Certificate) => "check tenant_id, client_id and the certificate",
        (_, CredentialKind::WorkloadIdentity) => {
            "check tenant_id, client_id and the app's federated credential"
        }
        (_, CredentialKind::TokenCommand) => "check what the command of source.credential prints",
        (_, CredentialKind::ClientSecret) => "check tenant_id, client_id and the client secret",
    }
}

fn answerer(credential: CredentialKind) -> &'static str {
    match credential {
        CredentialKind::ManagedIdentity => "the platform's identity endpoint",
        _ => "the login service",
    }
}

fn describe_refusal(aadsts: Option<u32>, error: &str) -> String {
    aadsts.map_or_else(|| error.to_owned(), |number| format!("AADSTS{number} ({error})"))
}

fn in_brackets(code: Option<&str>) -> String {
    code.map(|code| format!(" ({code})")).unwrap_or_default()
}

/// Names enough of the files to find the others by.
fn list_refused(files: &[RefusedFile]) -> String {
    const NAMED_MAX: usize = 10;
    let named = files.iter().take(NAMED_MAX).map(|file| format!("{:?}: {}", file.path, file.reason));
    let mut text = named.collect::<Vec<_>>().join("; ");
    if files.len() > NAMED_MAX {
        text.push_str("; …");
    }
    text
}
