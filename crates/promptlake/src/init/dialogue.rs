//! Asking a person: a question at a time, each with its default, until the answer can be taken.

use std::io::{self, BufRead, Write};

use promptlake_model::Timestamp;

use super::answers::{
    Answers, CREDENTIAL_DEFAULT, DESTINATION_DEFAULT, Given, START_DEFAULT, SignIn, SourceAnswers,
    TenantAnswers, USERS_DEFAULT,
};
use crate::settings::answers::{self, BadAnswer};
use crate::settings::{ClientId, CredentialKind};
use crate::terminal::{hanging, shown};

/// What is typed to leave an id out.
const NONE: &str = "none";

/// A dialogue that ended too early.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unanswered {
    #[error("the input ended before the last answer")]
    Ended,
    #[error("the terminal failed")]
    Terminal(#[from] io::Error),
}

/// A question: what it is about, the key of the setting, and what an empty answer means.
struct Question {
    about: &'static str,
    key: &'static str,
    default: Option<&'static str>,
}

/// Where answers come from, and where questions go to. A terminal hands over lines of a few thousand bytes at most.
pub(super) struct Dialogue<I, S> {
    input: I,
    screen: S,
}

impl<I: BufRead, S: Write> Dialogue<I, S> {
    pub(super) fn new(input: I, screen: S) -> Self {
        Self { input, screen }
    }

    /// Asks for what was not given.
    pub(super) fn complete(&mut self, given: Given, now: Timestamp) -> Result<Answers, Unanswered> {
        writeln!(
            self.screen,
            "An empty answer takes what stands in brackets. Ctrl-C ends it, with no file."
        )?;
        let tenant_id = self.answer(given.tenant_id, &TENANT_ID, answers::tenant_id)?;
        let kind = self.answer(given.credential, &CREDENTIAL, answers::credential_kind)?;
        let sign_in = self.sign_in(kind, given.client_id)?;
        let users = self.answer(given.users, &USERS, answers::users)?;
        let start = self.answer(given.start, &START, |text| answers::start(text, now))?;
        let destination = self.answer(given.destination, &DESTINATION, answers::destination)?;
        writeln!(self.screen)?;
        let source = SourceAnswers::Tenant(TenantAnswers { tenant_id, sign_in, users, start });
        Ok(Answers { source, destination })
    }

    fn sign_in(&mut self, kind: CredentialKind, given: Option<ClientId>) -> Result<SignIn, Unanswered> {
        let optional = |text: &str| (text.trim() != NONE).then(|| answers::client_id(text)).transpose();
        let of_app = |id: ClientId| Some(id);
        Ok(match kind {
            CredentialKind::ClientSecret => {
                SignIn::ClientSecret(self.answer(given, &CLIENT_ID, answers::client_id)?)
            }
            CredentialKind::Certificate => {
                SignIn::Certificate(self.answer(given, &CLIENT_ID, answers::client_id)?)
            }
            CredentialKind::WorkloadIdentity => {
                SignIn::WorkloadIdentity(self.answer(given.map(of_app), &ID_OF_WORKLOAD, optional)?)
            }
            CredentialKind::ManagedIdentity => {
                SignIn::ManagedIdentity(self.answer(given.map(of_app), &ID_OF_MANAGED, optional)?)
            }
            CredentialKind::Token => SignIn::Token,
        })
    }

    /// What was given, or else is answered.
    fn answer<T>(
        &mut self,
        given: Option<T>,
        question: &Question,
        read: impl Fn(&str) -> Result<T, BadAnswer>,
    ) -> Result<T, Unanswered> {
        if let Some(given) = given {
            return Ok(given);
        }
        let Question { about, key, default } = question;
        let brackets = default.map(|default| format!(" [{default}]")).unwrap_or_default();
        writeln!(self.screen, "\n{about}")?;
        loop {
            write!(self.screen, "{key}{brackets}: ")?;
            self.screen.flush()?;
            let mut line = String::new();
            if self.input.read_line(&mut line)? == 0 {
                writeln!(self.screen)?;
                return Err(Unanswered::Ended);
            }
            let text = match line.trim() {
                "" => default.unwrap_or_default(),
                typed => typed,
            };
            match read(text) {
                Ok(value) => return Ok(value),
                Err(bad) => {
                    for said in [format!("{key} {bad}"), format!("hint: {}", bad.hint())] {
                        write!(self.screen, "{}", hanging("  ", &shown(&said)))?;
                    }
                }
            }
        }
    }
}

const TENANT_ID: Question = Question {
    about: "The directory (tenant) id, from the overview of the app in Entra ID.",
    key: "tenant_id",
    default: None,
};

const CREDENTIAL: Question = Question {
    about: "How the app proves who it is: client_secret, certificate, workload_identity,\n\
            managed_identity or token. The secret itself is never asked for.",
    key: "credential",
    default: Some(CREDENTIAL_DEFAULT),
};

const CLIENT_ID: Question = Question {
    about: "The application (client) id, from the same overview.",
    key: "client_id",
    default: None,
};

const ID_OF_WORKLOAD: Question = Question {
    about: "The application (client) id; none where AZURE_CLIENT_ID says it.",
    key: "client_id",
    default: Some(NONE),
};

const ID_OF_MANAGED: Question = Question {
    about: "The client id of the identity; none where the machine has only one.",
    key: "client_id",
    default: Some(NONE),
};

const USERS: Question = Question {
    about: "Whose history: licensed (everyone with a licence for Copilot), the object id of\n\
            a group, or a CSV file with a column id or userPrincipalName.",
    key: "users",
    default: Some(USERS_DEFAULT),
};

const START: Question = Question {
    about: "Where the history of a new user begins: a date such as 2025-01-01, or a duration\n\
            back from now.",
    key: "start",
    default: Some(START_DEFAULT),
};

const DESTINATION: Question = Question {
    about: "Where the lake shall be: a folder, s3://bucket/prefix, gs://bucket/prefix,\n\
            abfss://container@account.dfs.core.windows.net/prefix, or for OneLake\n\
            abfss://workspace@onelake.dfs.fabric.microsoft.com/item.Lakehouse/Files/prefix.",
    key: "destination",
    default: Some(DESTINATION_DEFAULT),
};
