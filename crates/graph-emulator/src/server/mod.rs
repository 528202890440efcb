//! The server: a tenant over plain HTTP on the loopback interface.
//!
//! One handler reads the path, asks the part that answers that call, and counts the answer. The parts know
//! nothing of HTTP but an [`answer`] or an error. Pages are made on threads that may block.

mod answer;
mod assertion;
mod base64;
mod connection;
mod directory;
mod fault;
mod interactions;
mod limit;
mod list_change;
mod list_order;
mod login;
mod managed_identity;
mod misbehave;
mod permission;
mod query;
mod report;
mod routes;
mod script;
mod second_host;
mod state;
mod target;
mod token;

use std::io;
use std::net::Ipv4Addr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use axum::Router;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::spec::{SpecError, TenantSpec};
use crate::tenant::Tenant;
pub use assertion::{CertificateError, TrustedCertificate};
use connection::{Listening, Switch};
pub use fault::{FaultKind, Faults};
pub use limit::{LimitKeeping, RequestLimit, RequestLimiter, RetryAfterForm, Throttled};
pub use list_change::{ListChange, ListChangeKind};
pub use list_order::ListOrder;
pub use login::{GrantKind, LoginOptions};
pub use permission::Permission;
use query::Parameters;
pub use report::{NO_ANSWER, RequestKind, RequestReport};
pub use script::{GZIP_BOMB_BYTES_MAX, PagePlace, RequestNumber, RetryAfter, Rule, ScriptedAnswer};
pub use second_host::{SecondHost, SeenRequest};
use state::{Place, ServerState, handle};
pub use target::Target;

/// How long a stopping server waits for answers under way before it drops their connections.
const SHUTDOWN_WAIT: Duration = Duration::from_secs(5);

/// A minute has as many requests as this many seconds at the short limit: Graph sustains 25 of its 30 a second.
const SUSTAINED_SECONDS: NonZeroU32 = NonZeroU32::new(50).expect("fifty is not zero");

/// How a tenant is served.
#[derive(Debug, Clone, PartialEq)]
pub struct ServerOptions {
    /// TCP port on 127.0.0.1; 0 takes any that is free.
    pub port: u16,
    /// How long an access token is good, in whole seconds.
    pub token_lifetime: Duration,
    /// Requests of the interactions call that pass in any second; none means no limit at all, neither in a minute nor
    /// of the directory. Zero is refused.
    pub requests_per_second: Option<u32>,
    /// Requests of the interactions call that pass in any minute; none means fifty times those of a second, which is
    /// what Graph sustains. Zero is refused.
    pub requests_per_minute: Option<u32>,
    /// How the limit is kept; none lets the tenant's seed pick.
    pub limit_keeping: Option<LimitKeeping>,
    /// How `Retry-After` is told; none lets the tenant's seed pick.
    pub retry_after: Option<RetryAfterForm>,
    /// Resource units that directory calls may cost in ten seconds; none means what Graph gives a tenant of this size.
    pub directory_units: Option<u32>,
    /// The most records of a page, whatever `$top` says; none means no such bound. Zero is refused.
    pub page_records_max: Option<u32>,
    /// Whether some pages are shorter than asked for, or empty though more follow.
    pub ragged_pages: bool,
    /// In which order a user's records come.
    pub order: ListOrder,
    /// Faults, in the order in which they are tried.
    pub script: Vec<Rule>,
    /// Faults by seed, on requests that the script leaves alone.
    pub faults: Faults,
    /// Whether a filter by date is answered 400, as some tenants do.
    pub rejects_date_filters: bool,
    /// Whether answers are compressed for who accepts it.
    pub gzip: bool,
    /// Lists that change while they are paged through; the first that is for a user counts.
    pub list_changes: Vec<ListChange>,
    /// Numbers of requests of the interactions call, counted over all users from 0, before which all tokens are revoked
    /// that were given until then.
    pub revoke_tokens_at: Vec<u64>,
    /// How an application may sign in besides its secret.
    pub login: LoginOptions,
    /// Permissions that the application has not been granted.
    pub withheld_permissions: Vec<Permission>,
    /// What the tenant says that it has bought.
    pub subscriptions: Subscriptions,
}

/// What a tenant has bought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Subscriptions {
    /// Some of them contain Copilot.
    #[default]
    WithCopilot,
    /// None contains it, though users have it assigned.
    WithoutCopilot,
}

impl Default for ServerOptions {
    /// As Graph does: any port, tokens for 3,599 seconds, 30 requests a second and 1,500 a minute, ragged pages, the
    /// newest records first, no faults.
    fn default() -> Self {
        Self {
            port: 0,
            token_lifetime: Duration::from_secs(3_599),
            requests_per_second: Some(30),
            requests_per_minute: None,
            limit_keeping: None,
            retry_after: None,
            directory_units: None,
            page_records_max: None,
            ragged_pages: true,
            order: ListOrder::NewestFirst,
            script: Vec::new(),
            faults: Faults::default(),
            rejects_date_filters: false,
            gzip: false,
            list_changes: Vec::new(),
            revoke_tokens_at: Vec::new(),
            login: LoginOptions::default(),
            withheld_permissions: Vec::new(),
            subscriptions: Subscriptions::default(),
        }
    }
}

impl ServerOptions {
    fn check(&self) -> Result<(), EmulatorError> {
        let numbers = [
            ("requests_per_second", self.requests_per_second),
            ("requests_per_minute", self.requests_per_minute),
            ("directory_units", self.directory_units),
            ("page_records_max", self.page_records_max),
        ];
        match numbers.iter().find(|(_, number)| *number == Some(0)) {
            Some((option, _)) => Err(EmulatorError::NothingPasses { option }),
            None => Ok(()),
        }
    }

    /// The limit of the interactions call in a tenant of this seed.
    fn limit(&self, seed: u64) -> Option<RequestLimit> {
        let per_second = NonZeroU32::new(self.requests_per_second?)?;
        let by_default = per_second.saturating_mul(SUSTAINED_SECONDS);
        let per_minute = self.requests_per_minute.and_then(NonZeroU32::new).unwrap_or(by_default);
        let of_seed = RequestLimit::of_seed(seed, per_second, per_minute);
        Some(RequestLimit {
            keeping: self.limit_keeping.unwrap_or(of_seed.keeping),
            retry_after: self.retry_after.unwrap_or(of_seed.retry_after),
            ..of_seed
        })
    }
}

/// Why a tenant can't be served.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EmulatorError {
    /// The specification describes no tenant.
    #[error("make the tenant")]
    Spec(#[from] SpecError),
    /// Shares of faults outside 0 to 1, or whose sum is above 1.
    #[error("make faults: their shares must lie in 0..=1 and add up to at most 1, not {shares:?}")]
    Faults {
        /// The shares asked for.
        shares: Vec<f64>,
    },
    /// A limit of nothing at all.
    #[error("limit requests: {option} = 0 lets none pass; leave it out")]
    NothingPasses {
        /// Which.
        option: &'static str,
    },
    /// The port can't be had.
    #[error("listen on 127.0.0.1:{port}")]
    Listen {
        /// The port asked for.
        port: u16,
        /// What the system says.
        source: io::Error,
    },
}

/// A tenant that is being served. Dropped, it stops without waiting for answers under way.
#[derive(Debug)]
pub struct Emulator {
    state: Arc<ServerState>,
    stop: watch::Sender<bool>,
    server: JoinHandle<io::Result<()>>,
    second_server: JoinHandle<io::Result<()>>,
}

impl Emulator {
    /// Makes a tenant and serves it until [`Emulator::shutdown`]. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// The specification or an option is out of its limits, or the port can't be had.
    pub async fn start(spec: TenantSpec, options: ServerOptions) -> Result<Self, EmulatorError> {
        let tenant = Arc::new(Tenant::new(spec)?);
        if options.faults.share().is_none() {
            let shares = options.faults.shares.iter().map(|(_, share)| *share).collect();
            return Err(EmulatorError::Faults { shares });
        }
        options.check()?;
        let port = options.port;
        let listen = |source| EmulatorError::Listen { port, source };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(listen)?;
        let origin = format!("http://{}", listener.local_addr().map_err(listen)?);
        let (stop, stopping) = watch::channel(false);
        let second = SecondHost::start(stopping.clone()).await;
        let (second_host, second_server) =
            second.map_err(|source| EmulatorError::Listen { port: 0, source })?;
        let bytes_sent = Arc::new(AtomicU64::new(0));
        let listener = Listening::new(listener, Arc::clone(&bytes_sent));
        let place = Place { origin, second_host, bytes_sent, stopping: stopping.clone() };
        let state = Arc::new(ServerState::new(tenant, place, options));
        let server = tokio::spawn(serve(listener, Arc::clone(&state), stopping));
        Ok(Self { state, stop, server, second_server })
    }

    /// Scheme, host and port of Graph, without a version: `http://127.0.0.1:1234`.
    #[must_use]
    pub fn graph_url(&self) -> String {
        self.state.place.origin.clone()
    }

    /// Scheme, host and port of the login service: the same server.
    #[must_use]
    pub fn login_url(&self) -> String {
        self.state.place.origin.clone()
    }

    /// The tenant's id.
    #[must_use]
    pub fn tenant_id(&self) -> &str {
        self.state.tenant().id()
    }

    /// The id of the application that may ask.
    #[must_use]
    pub fn client_id(&self) -> &str {
        self.state.tenant().client_id()
    }

    /// The secret of that application.
    #[must_use]
    pub fn client_secret(&self) -> &str {
        self.state.tenant().client_secret()
    }

    /// The tenant that is served, as of the end of time, whatever is shown.
    #[must_use]
    pub fn tenant(&self) -> &Tenant {
        self.state.tenant()
    }

    /// Shows the tenant as of an instant, Unix milliseconds, from the next request on: `Date` says it as well, and it
    /// stands still. [`i64::MAX`] is what is shown at first: the tenant as of the end of time, dated by the clock.
    ///
    /// Meant for between two runs of a client: a list that is being paged through changes under its tokens.
    pub fn show_as_of(&self, unix_ms: i64) {
        self.state.show_as_of(unix_ms);
    }

    /// Puts other faults in place of those of [`ServerOptions::script`]. A user's requests are counted on.
    pub fn replace_script(&self, rules: Vec<Rule>) {
        self.state.replace_script(rules);
    }

    /// Takes a user out of the directory from now on: lists leave the user out, and asking for the user finds nobody. The
    /// history is answered as before, and the tenant's totals stay what they are. False where no user has this object id
    /// or sign-in name.
    #[must_use]
    pub fn delete_user(&self, id_or_name: &str) -> bool {
        let user = self.state.tenant().find_user(id_or_name);
        user.inspect(|user| self.state.delete_user(user.index)).is_some()
    }

    /// Revokes every token that was given until now.
    pub fn revoke_tokens(&self) {
        self.state.revoke_tokens();
    }

    /// Puts other federated tokens in place of those of [`LoginOptions::federated_tokens`].
    pub fn replace_federated_tokens(&self, tokens: Vec<String>) {
        self.state.login().replace_federated_tokens(tokens);
    }

    /// The URL that a virtual machine asks for tokens, without a query. It answers where there is a managed identity.
    #[must_use]
    pub fn machine_token_url(&self) -> String {
        format!("{}/metadata/identity/oauth2/token", self.state.place.origin)
    }

    /// The URL that an app service asks for tokens, without a query. It answers where there is a managed identity.
    #[must_use]
    pub fn service_token_url(&self) -> String {
        format!("{}/msi/token", self.state.place.origin)
    }

    /// The host that foreign links and redirects lead to.
    #[must_use]
    pub fn second_host(&self) -> &SecondHost {
        &self.state.place.second_host
    }

    /// The limit of the interactions call, if there is one: what it allows, a test can compare with.
    #[must_use]
    pub fn limit(&self) -> Option<RequestLimit> {
        self.state.limit()
    }

    /// What was asked and answered until now.
    #[must_use]
    pub fn report(&self) -> RequestReport {
        self.state.report()
    }

    /// Waits until `pages` pages of interactions have been answered since the start.
    ///
    /// # Panics
    /// Never: the server's state, which counts, lives as long as the emulator.
    pub async fn wait_for_pages(&self, pages: u64) {
        let mut answered = self.state.pages();
        answered.wait_for(|answered| *answered >= pages).await.expect("the state that counts is held here");
    }

    /// Stops: takes no more connections, cuts scripted delays short, lets answers under way finish for five
    /// seconds, and then drops what is left.
    pub async fn shutdown(self) {
        let Self { state: _state, stop, server, second_server } = self;
        stop.send_replace(true);
        let waits = [server, second_server].map(|mut server| async move {
            if tokio::time::timeout(SHUTDOWN_WAIT, &mut server).await.is_err() {
                server.abort();
                // The result says only that it was aborted.
                drop(server.await);
            }
        });
        futures::future::join_all(waits).await;
    }
}

/// Serves until told to stop, or until nobody is left to tell.
async fn serve(
    listener: Listening,
    state: Arc<ServerState>,
    mut stopping: watch::Receiver<bool>,
) -> io::Result<()> {
    let router = Router::new().fallback(handle).with_state(state);
    let stop = async move {
        // An error means that the emulator was dropped, which stops it as well.
        drop(stopping.wait_for(|stops| *stops).await);
    };
    let service = router.into_make_service_with_connect_info::<Switch>();
    axum::serve(listener, service).with_graceful_shutdown(stop).await
}

/// Where a request came to, for the links in its answer.
#[derive(Debug, Clone)]
struct Link {
    origin: String,
    version: &'static str,
    path: String,
}

impl Link {
    /// `@odata.context` of a collection.
    fn context(&self, collection: &str) -> String {
        format!("{}/{}/$metadata#{collection}", self.origin, self.version)
    }

    /// `@odata.nextLink`: the same request from a page token on. The token is padded with encoded signs, which
    /// a client that takes links apart is likely to spoil.
    fn next(&self, query: &Parameters, token: &str) -> String {
        let others = query.encoded_without("$skiptoken");
        let join = if others.is_empty() { "" } else { "&" };
        let padding = "%3d".repeat((4 - token.len() % 4) % 4);
        format!("{}{}?{others}{join}$skiptoken={token}{padding}", self.origin, self.path)
    }
}
