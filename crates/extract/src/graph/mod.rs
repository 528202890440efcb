//! Microsoft Graph: who there is, and what each of them and Copilot said to one another.
//!
//! From the bottom up: `transport` sends one request; `credential` gets a token with one, and `token` keeps it; `origin`
//! gives it to a request; `gate` says when, by the `pace`, the `crowd` and the `outage`; `call` repeats it as `verdict`
//! and `attempts` say; `pass` follows the pages of one list; `part` says what to ask instead of a list that can't be had;
//! `slice` reads a slice, whole or in parts; `user` one user's slices; `extract` many users at once; `discover` finds
//! them; `trial` asks a little of each, before anything is read. Each makes one decision.

mod app_limit;
mod attempts;
mod backoff;
mod body;
mod call;
mod claims;
mod client;
mod credential;
mod crowd;
mod directory;
mod discover;
mod envelope;
mod extract;
mod filter;
mod gate;
mod http_transport;
mod origin;
mod outage;
mod pace;
mod part;
mod pass;
mod permission;
mod repeats;
mod retry_after;
mod settings;
mod slice;
mod token;
mod trail;
mod transport;
mod trial;
mod user;
mod users_csv;
mod verdict;

#[cfg(test)]
mod scripted;
#[cfg(test)]
mod tests;

pub use app_limit::AppLimit;
pub use claims::TokenClaims;
pub use client::GraphClient;
pub use credential::{
    CertificateProblem, ClientCertificate, Credential, CredentialError, CredentialKind, ManagedEndpoint,
    ManagedIdentity, SecretCommand,
};
pub use discover::{DiscoveredUser, Discovery, GroupId, Unresolved, UserRef, UserSelection};
pub use http_transport::{ExtraRoots, HttpTransport, UnusableRoots};
pub use permission::Permission;
pub use settings::{ApiVersion, GraphSettings, PaymentModel};
pub use transport::{Request, Response, Transport, TransportError};
pub use trial::{Subscriptions, TriedPage};
pub use users_csv::read_users_csv;

pub(crate) use envelope::ListLength;
pub(crate) use permission::INTERACTIONS;
