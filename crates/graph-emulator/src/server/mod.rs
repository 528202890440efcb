//! The server: a tenant over plain HTTP on the loopback interface.
//!
//! One handler reads the path, asks the part that answers that call, and counts the answer. The parts know
//! nothing of HTTP but an [`answer`] or an error. Pages are made on threads that may block.

mod answer;
mod base64;
mod directory;
mod interactions;
mod limit;
mod query;
mod report;
mod routes;
mod script;
mod state;
mod token;

use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::serve::ListenerExt as _;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::spec::{SpecError, TenantSpec};
use crate::tenant::Tenant;
use query::Parameters;
pub use report::{RequestKind, RequestReport};
pub use script::{PagePlace, RequestNumber, Rule, ScriptedAnswer};
use state::{ServerState, handle};

/// How long a stopping server waits for answers under way before it drops their connections.
const SHUTDOWN_WAIT: Duration = Duration::from_secs(5);

/// How a tenant is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerOptions {
    /// TCP port on 127.0.0.1; 0 takes any that is free.
    pub port: u16,
    /// How long an access token is good, in whole seconds.
    pub token_lifetime: Duration,
    /// Requests of the interactions call that pass in a second, and as many more in a burst; none means no
    /// limit. Zero is refused.
    pub requests_per_second: Option<u32>,
    /// Whether some pages are shorter than asked for, or empty though more follow.
    pub ragged_pages: bool,
    /// Faults, in the order in which they are tried.
    pub script: Vec<Rule>,
}

impl Default for ServerOptions {
    /// As Graph does: any port, tokens for 3,599 seconds, 30 requests a second, ragged pages, no faults.
    fn default() -> Self {
        Self {
            port: 0,
            token_lifetime: Duration::from_secs(3_599),
            requests_per_second: Some(30),
            ragged_pages: true,
            script: Vec::new(),
        }
    }
}

/// Why a tenant can't be served.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EmulatorError {
    /// The specification describes no tenant.
    #[error("make the tenant")]
    Spec(#[from] SpecError),
    /// A limit of no requests at all.
    #[error("limit requests: requests_per_second = 0 lets none pass; leave it out for no limit")]
    NoRequests,
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
}

impl Emulator {
    /// Makes a tenant and serves it until [`Emulator::shutdown`]. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// The specification or an option is out of its limits, or the port can't be had.
    pub async fn start(spec: TenantSpec, options: ServerOptions) -> Result<Self, EmulatorError> {
        let tenant = Arc::new(Tenant::new(spec)?);
        if options.requests_per_second == Some(0) {
            return Err(EmulatorError::NoRequests);
        }
        let port = options.port;
        let listen = |source| EmulatorError::Listen { port, source };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(listen)?;
        let origin = format!("http://{}", listener.local_addr().map_err(listen)?);
        let (stop, stopping) = watch::channel(false);
        let state = Arc::new(ServerState::new(tenant, origin, options, stopping.clone()));
        let server = tokio::spawn(serve(listener, Arc::clone(&state), stopping));
        Ok(Self { state, stop, server })
    }

    /// Scheme, host and port of Graph, without a version: `http://127.0.0.1:1234`.
    #[must_use]
    pub fn graph_url(&self) -> String {
        self.state.origin().to_owned()
    }

    /// Scheme, host and port of the login service: the same server.
    #[must_use]
    pub fn login_url(&self) -> String {
        self.state.origin().to_owned()
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
        let Self { state: _state, stop, mut server } = self;
        stop.send_replace(true);
        if tokio::time::timeout(SHUTDOWN_WAIT, &mut server).await.is_err() {
            server.abort();
            // The result says only that it was aborted.
            drop(server.await);
        }
    }
}

/// Serves until told to stop, or until nobody is left to tell.
async fn serve(
    listener: TcpListener,
    state: Arc<ServerState>,
    mut stopping: watch::Receiver<bool>,
) -> io::Result<()> {
    let listener = listener.tap_io(|connection| {
        // Without it a small answer may wait for an acknowledgement; with it refused, answers are only slower.
        drop(connection.set_nodelay(true));
    });
    let router = Router::new().fallback(handle).with_state(state);
    let stop = async move {
        // An error means that the emulator was dropped, which stops it as well.
        drop(stopping.wait_for(|stops| *stops).await);
    };
    axum::serve(listener, router).with_graceful_shutdown(stop).await
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
