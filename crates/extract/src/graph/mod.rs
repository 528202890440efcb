//! Microsoft Graph: who there is, and what each of them and Copilot said to one another.
//!
//! From the bottom up: `transport` sends one request; `origin` gives it the token that `token` keeps; `gate` says
//! when; `call` repeats it as `verdict` and `attempts` say; `slice` follows the pages of one window; `user` reads
//! one user's slices; `extract` many users at once; `discover` finds them. Each makes one decision.

mod attempts;
mod backoff;
mod body;
mod call;
mod client;
mod directory;
mod discover;
mod envelope;
mod extract;
mod filter;
mod gate;
mod http_transport;
mod origin;
mod retry_after;
mod settings;
mod slice;
mod token;
mod trail;
mod transport;
mod user;
mod users_csv;
mod verdict;

#[cfg(test)]
mod scripted;
#[cfg(test)]
mod tests;

pub use client::GraphClient;
pub use discover::{DiscoveredUser, Discovery, GroupId, Unresolved, UserRef, UserSelection};
pub use http_transport::HttpTransport;
pub use settings::{ApiVersion, GraphSettings};
pub use transport::{Request, Response, Transport, TransportError};
pub use users_csv::read_users_csv;

pub(crate) use envelope::ListLength;
