//! How the app proves who it is: what it shows, to whom, and what comes back.
//!
//! From the bottom up: `command` runs one of the user's own; `certificate` reads a key from a file, and `assertion`
//! signs with it; `managed_identity` and `ready_token` know what the platform and other tools answer; `answer` reads
//! what a login service says; `grantor` asks once, whatever the kind. When to ask is `token`'s decision.

mod answer;
mod assertion;
mod certificate;
mod command;
mod error;
mod grantor;
mod managed_identity;
mod ready_token;

#[cfg(test)]
mod tests;

use std::fmt;
use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};

pub use certificate::ClientCertificate;
pub use command::SecretCommand;
pub use error::{CertificateProblem, CredentialError};
pub use managed_identity::{ManagedEndpoint, ManagedIdentity};

pub(crate) use answer::Asked;
pub(crate) use grantor::Grantor;

use crate::ExtractError;

/// What the app shows for a token. Debug and logs never hold a secret of it.
#[derive(Clone)]
pub enum Credential {
    /// A secret of the app registration.
    ClientSecret {
        /// The app.
        client_id: String,
        /// Its secret.
        secret: SecretString,
    },
    /// A certificate of the app registration, which signs an assertion for each token.
    Certificate {
        /// The app.
        client_id: String,
        /// Its certificate, with the key.
        certificate: ClientCertificate,
    },
    /// A token of another issuer that the app trusts, such as a Kubernetes cluster.
    WorkloadIdentity {
        /// The app, or the managed identity.
        client_id: String,
        /// The file of that token. It is replaced within the hour, so that it is read each time.
        token_file: PathBuf,
    },
    /// The identity that Azure gives to the machine or the container.
    ManagedIdentity(ManagedIdentity),
    /// A ready token, printed by a command.
    TokenCommand(SecretCommand),
}

/// Which of them it is, for what is said when it is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialKind {
    /// [`Credential::ClientSecret`].
    ClientSecret,
    /// [`Credential::Certificate`].
    Certificate,
    /// [`Credential::WorkloadIdentity`].
    WorkloadIdentity,
    /// [`Credential::ManagedIdentity`].
    ManagedIdentity,
    /// [`Credential::TokenCommand`].
    TokenCommand,
}

impl Credential {
    /// Which it is.
    #[must_use]
    pub fn kind(&self) -> CredentialKind {
        match self {
            Self::ClientSecret { .. } => CredentialKind::ClientSecret,
            Self::Certificate { .. } => CredentialKind::Certificate,
            Self::WorkloadIdentity { .. } => CredentialKind::WorkloadIdentity,
            Self::ManagedIdentity(_) => CredentialKind::ManagedIdentity,
            Self::TokenCommand(_) => CredentialKind::TokenCommand,
        }
    }

    /// The app that asks, where that is known before there is a token.
    #[must_use]
    pub fn client_id(&self) -> Option<&str> {
        match self {
            Self::ClientSecret { client_id, .. }
            | Self::Certificate { client_id, .. }
            | Self::WorkloadIdentity { client_id, .. } => Some(client_id),
            Self::ManagedIdentity(identity) => identity.client_id.as_deref(),
            Self::TokenCommand(_) => None,
        }
    }

    /// Says what is wrong, if anything is.
    pub(crate) fn check(&self) -> Result<(), ExtractError> {
        if self.client_id().is_some_and(|id| id.trim().is_empty()) {
            let (value, problem) = (String::new(), "it is the app's GUID".to_owned());
            return Err(ExtractError::Setting { key: "source.client_id", value, problem });
        }
        match self {
            Self::ClientSecret { secret, .. } if secret.expose_secret().trim().is_empty() => {
                let problem = "it is the value of the app's client secret".to_owned();
                Err(ExtractError::Setting { key: "source.credential", value: String::new(), problem })
            }
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential")
            .field("kind", &self.kind())
            .field("client_id", &self.client_id())
            .finish_non_exhaustive()
    }
}
