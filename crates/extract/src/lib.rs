//! The first stage of the flow: what the source gave, page by page, each page with the permit for its bytes.
//!
//! Two sources, one wire. [`GraphClient`] finds the users and asks Microsoft Graph for their histories;
//! [`FilesSource`] reads pages that another exporter saved. Both send [`Extracted`] into one bounded channel and
//! neither knows what becomes of it: no record is read here beyond what paging and owners need.

mod error;
mod extracted;
mod files;
mod graph;
mod user_tallies;

pub use error::{ErrorKind, ExtractError, RefusedFile};
pub use extracted::{Extracted, FIRST_RESERVATION_BYTES, PAGE_MEMORY_FACTOR, RunContext, UserPlan};
pub use files::{FilesSettings, FilesSource, UserIdFromPath};
pub use graph::{
    ApiVersion, AppLimit, CertificateProblem, ClientCertificate, Credential, CredentialError, CredentialKind,
    DiscoveredUser, Discovery, ExtraRoots, GraphClient, GraphSettings, GroupId, HttpTransport,
    ManagedEndpoint, ManagedIdentity, PaymentModel, Permission, Request, Response, SecretCommand,
    Subscriptions, TokenClaims, Transport, TransportError, TriedPage, Unresolved, UnusableRoots, UserRef,
    UserSelection, read_users_csv,
};
pub use user_tallies::UserTallies;
