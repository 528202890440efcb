//! A tenant that behaves and misbehaves like Microsoft Graph, for tests and demonstrations.
//!
//! [`Tenant`] is pure: users, groups, subscriptions and Copilot interactions as functions of a seed, together
//! with the totals that a complete export of them must have. [`Emulator`] serves a tenant over plain HTTP on
//! the loopback interface, with Graph's paging, limits and errors, and with faults that a test asks for.
//!
//! It shares no code with the client that it tests: a misreading of Graph must not be made twice in the same
//! words.

mod answers;
mod apps;
mod card;
mod change;
mod clock;
mod compose;
mod directory;
mod groups;
mod hardness;
mod history;
mod instant;
mod interaction;
mod outline;
mod random;
mod server;
mod skus;
mod spec;
mod tenant;
mod text;
mod totals;
mod turns;

pub use card::Card;
pub use directory::{Access, AssignedLicense, DEPARTMENTS, User};
pub use groups::Group;
pub use hardness::{HardRecord, Hardness};
pub use interaction::{
    Attachment, Body, Context, Identity, IdentityKind, IdentitySet, Interaction, Link, Mention,
};
pub use server::{
    CertificateError, Emulator, EmulatorError, FaultKind, Faults, GZIP_BOMB_BYTES_MAX, GrantKind,
    LimitKeeping, ListChange, ListChangeKind, ListOrder, LoginOptions, NO_ANSWER, PagePlace, Permission,
    RequestKind, RequestLimit, RequestLimiter, RequestNumber, RequestReport, RetryAfter, RetryAfterForm,
    Rule, ScriptedAnswer, SecondHost, SeenRequest, ServerOptions, Subscriptions, Target, Throttled,
    TrustedCertificate,
};
pub use skus::{COPILOT_CHAT_PLAN, SKUS, ServicePlan, Sku};
pub use spec::{INTERACTIONS_MAX, SpecError, TenantSpec, USERS_MAX, WINDOW_MS_PER_INTERACTION};
pub use tenant::Tenant;
pub use totals::{ExpectedRecord, TableTotals};
pub use turns::{ExpectedTurn, TurnSide};

/// The app classes that occur in every tenant of some thousand interactions.
pub fn app_classes() -> impl Iterator<Item = &'static str> {
    apps::APPS.iter().map(|app| app.class)
}
