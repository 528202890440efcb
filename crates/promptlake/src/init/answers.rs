//! What a pipeline file shall say: what arguments gave of it, and the whole.

use std::path::Path;

use promptlake_load::StoreLocation;
use promptlake_model::{TenantId, Timestamp};

use crate::cli::InitArguments;
use crate::failure::Failure;
use crate::settings::answers::{self, BadAnswer, WhoseHistory};
use crate::settings::{ClientId, CredentialKind, Start};
use crate::shell;

/// What is meant where nothing is said, as it would be typed.
pub(super) const CREDENTIAL_DEFAULT: &str = "client_secret";
pub(super) const USERS_DEFAULT: &str = "licensed";
pub(super) const START_DEFAULT: &str = "30d";
pub(super) const DESTINATION_DEFAULT: &str = "./copilot-lake";
/// Another one, so that nobody's records are ever beside those of nobody.
pub(super) const EMULATOR_DESTINATION_DEFAULT: &str = "./emulator-lake";

/// Ids of nobody, for a command that shows what belongs where.
const TENANT_ID_EXAMPLE: &str = "aaaabbbb-0000-cccc-1111-dddd2222eeee";
const CLIENT_ID_EXAMPLE: &str = "04b07795-8ddb-461a-bbee-02f9e1bf7b46";

/// Everything that a file needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answers {
    pub(super) source: SourceAnswers,
    pub(super) destination: StoreLocation,
}

/// Which tenant is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SourceAnswers {
    /// One of Microsoft's cloud.
    Tenant(TenantAnswers),
    /// The one that `promptlake emulate` serves.
    Emulator(EmulatorAnswers),
}

/// A tenant, who may read it, and what is read of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TenantAnswers {
    pub(super) tenant_id: TenantId,
    pub(super) sign_in: SignIn,
    pub(super) users: WhoseHistory,
    pub(super) start: Start,
}

/// How the app proves who it is, with the id that this takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SignIn {
    ClientSecret(ClientId),
    Certificate(ClientId),
    /// Without an id, the platform's environment names it.
    WorkloadIdentity(Option<ClientId>),
    /// Without an id, the only one there.
    ManagedIdentity(Option<ClientId>),
    Token,
}

/// The emulator in a process of its own; its secret guards nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct EmulatorAnswers {
    pub(super) origin: String,
    pub(super) tenant_id: String,
    pub(super) client_id: String,
    pub(super) client_secret: String,
}

/// What arguments said, each checked by itself.
#[derive(Debug, Default)]
pub(super) struct Given {
    pub(super) tenant_id: Option<TenantId>,
    pub(super) client_id: Option<ClientId>,
    pub(super) credential: Option<CredentialKind>,
    pub(super) users: Option<WhoseHistory>,
    pub(super) start: Option<Start>,
    pub(super) destination: Option<StoreLocation>,
}

/// Arguments that nobody can be asked for.
#[derive(Debug, thiserror::Error)]
#[error("{} missing, and there is no terminal to ask on", said(.0))]
struct Missing(Vec<&'static str>);

fn said(flags: &[&str]) -> String {
    let verb = if flags.len() == 1 { "is" } else { "are" };
    format!("{} {verb}", flags.join(" and "))
}

/// An id for a credential that has none.
#[derive(Debug, thiserror::Error)]
#[error("means nothing with --credential token")]
struct IdOfToken;

impl Given {
    /// Reads the arguments.
    pub(super) fn of(arguments: &InitArguments, now: Timestamp) -> Result<Self, Failure> {
        let given = Self {
            tenant_id: read("--tenant-id", arguments.tenant_id.as_deref(), answers::tenant_id)?,
            client_id: read("--client-id", arguments.client_id.as_deref(), answers::client_id)?,
            credential: read("--credential", arguments.credential.as_deref(), answers::credential_kind)?,
            users: read("--users", arguments.users.as_deref(), answers::users)?,
            start: read("--start", arguments.start.as_deref(), |text| answers::start(text, now))?,
            destination: read("--destination", arguments.destination.as_deref(), answers::destination)?,
        };
        if given.credential == Some(CredentialKind::Token) && given.client_id.is_some() {
            let hint = "leave --client-id out: the token says whose it is";
            return Err(Failure::setting(&IdOfToken, "read --client-id", hint));
        }
        Ok(given)
    }

    /// The whole, with the default of what was not said; a failure where something has none.
    pub(super) fn complete(self, file: &Path, now: Timestamp) -> Result<Answers, Failure> {
        let kind = self.credential.unwrap_or(CredentialKind::ClientSecret);
        let mut missing = Vec::new();
        if self.tenant_id.is_none() {
            missing.push("--tenant-id");
        }
        if self.client_id.is_none() && needs_client_id(kind) {
            missing.push("--client-id");
        }
        let hint = format!("write {}; --emulator needs no tenant", self.whole_command(file));
        let sign_in = SignIn::of(kind, self.client_id);
        let (Some(tenant_id), Some(sign_in)) = (self.tenant_id, sign_in) else {
            return Err(Failure::setting(&Missing(missing), &format!("write {}", file.display()), &hint));
        };
        let defaults = Defaults::new(now).map_err(|error| Failure::internal(&error, "read the defaults"))?;
        let users = self.users.unwrap_or(defaults.users);
        let start = self.start.unwrap_or(defaults.start);
        Ok(Answers {
            source: SourceAnswers::Tenant(TenantAnswers { tenant_id, sign_in, users, start }),
            destination: self.destination.unwrap_or(defaults.destination),
        })
    }

    /// A command that says everything, with an example for what was not said.
    pub(super) fn whole_command(&self, file: &Path) -> String {
        let kind = self.credential.unwrap_or(CredentialKind::ClientSecret);
        let or = |given: Option<String>, default: &str| given.unwrap_or_else(|| default.to_owned());
        let users = self.users.as_ref().map(|users| match users {
            WhoseHistory::Licensed => USERS_DEFAULT.to_owned(),
            WhoseHistory::Group(group) => group.to_string(),
            WhoseHistory::File(path) => path.display().to_string(),
        });
        let client_id = self.client_id.map(|id| id.to_string());
        let client_id = client_id.or_else(|| needs_client_id(kind).then(|| CLIENT_ID_EXAMPLE.to_owned()));
        let flags = [
            ("--tenant-id", Some(or(self.tenant_id.map(|id| id.to_string()), TENANT_ID_EXAMPLE))),
            ("--client-id", client_id),
            ("--credential", Some(kind.name().to_owned())),
            ("--users", Some(or(users, USERS_DEFAULT))),
            ("--start", Some(or(self.start.map(|start| start.to_string()), START_DEFAULT))),
            (
                "--destination",
                Some(or(self.destination.as_ref().map(ToString::to_string), DESTINATION_DEFAULT)),
            ),
        ];
        let mut command = format!("promptlake init {}", shell::word(&file.display().to_string()));
        for (flag, value) in flags {
            if let Some(value) = value {
                command.extend([" ", flag, " ", &shell::word(&value)]);
            }
        }
        command
    }
}

/// The defaults as values.
struct Defaults {
    users: WhoseHistory,
    start: Start,
    destination: StoreLocation,
}

impl Defaults {
    fn new(now: Timestamp) -> Result<Self, BadAnswer> {
        Ok(Self {
            users: answers::users(USERS_DEFAULT)?,
            start: answers::start(START_DEFAULT, now)?,
            destination: answers::destination(DESTINATION_DEFAULT)?,
        })
    }
}

/// Whether a credential of a kind is nothing without the id of the app.
pub(super) fn needs_client_id(kind: CredentialKind) -> bool {
    matches!(kind, CredentialKind::ClientSecret | CredentialKind::Certificate)
}

impl SignIn {
    /// A way of a kind; `None` where the kind needs an id and there is none.
    pub(super) fn of(kind: CredentialKind, client_id: Option<ClientId>) -> Option<Self> {
        match kind {
            CredentialKind::ClientSecret => client_id.map(Self::ClientSecret),
            CredentialKind::Certificate => client_id.map(Self::Certificate),
            CredentialKind::WorkloadIdentity => Some(Self::WorkloadIdentity(client_id)),
            CredentialKind::ManagedIdentity => Some(Self::ManagedIdentity(client_id)),
            CredentialKind::Token => Some(Self::Token),
        }
    }
}

fn read<T>(
    flag: &str,
    text: Option<&str>,
    parse: impl Fn(&str) -> Result<T, BadAnswer>,
) -> Result<Option<T>, Failure> {
    let Some(text) = text else { return Ok(None) };
    let bad = |bad: BadAnswer| Failure::setting(&bad, &format!("read {flag}"), bad.hint());
    parse(text).map(Some).map_err(bad)
}
