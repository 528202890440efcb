//! One tenant's client: what its requests share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use promptlake_flow::RequestKind;
use promptlake_model::{Timestamp, UserId, Window};
use url::Url;

use super::backoff::Chance;
use super::call::{Caller, Lane};
use super::filter::first_page_query;
use super::gate::ThrottleGate;
use super::http_transport::HttpTransport;
use super::origin::GraphOrigin;
use super::settings::GraphSettings;
use super::token::TokenSource;
use super::transport::Transport;
use crate::{ExtractError, RunContext};

/// The directory gives an app 3,500 units in 10 s even in the smallest tenant, and its dearest call costs 5: this
/// stays below 300 a second, and leaves room for others.
const DIRECTORY_REQUESTS_PER_SECOND: f64 = 50.0;

/// Reads one tenant. Clones share token, limits and budget.
#[derive(Clone)]
pub struct GraphClient {
    pub(crate) shared: Arc<Shared>,
}

/// What all requests of a tenant share.
pub(crate) struct Shared {
    pub(crate) settings: GraphSettings,
    pub(crate) caller: Caller,
    interactions: ThrottleGate,
    directory: ThrottleGate,
    date_filter_refused: AtomicBool,
}

impl GraphClient {
    /// A client over the network. Nothing is asked yet.
    pub fn new(settings: GraphSettings, context: RunContext) -> Result<Self, ExtractError> {
        let transport = HttpTransport::new().map_err(ExtractError::HttpClient)?;
        Self::with_transport(settings, context, Arc::new(transport))
    }

    /// A client over a transport of one's own.
    pub fn with_transport(
        settings: GraphSettings,
        context: RunContext,
        transport: Arc<dyn Transport>,
    ) -> Result<Self, ExtractError> {
        settings.check()?;
        context.check_budget(settings.concurrency, settings.page_bytes_max)?;
        let chance = Arc::new(Chance::seeded(context.chance_seed));
        let (clock, observer) = (context.clock, context.observer);
        let tokens = TokenSource::new(
            &settings,
            Arc::clone(&transport),
            clock,
            Arc::clone(&chance),
            Arc::clone(&observer),
        );
        let caller = Caller {
            transport,
            clock,
            origin: GraphOrigin::new(&settings.graph_url),
            tokens,
            chance,
            observer,
            pool: context.pool,
            memory: context.pages_budget,
            body_bytes_max: settings.page_bytes_max,
            least_clock_lead: AtomicI64::new(i64::MAX),
        };
        let shared = Shared {
            interactions: ThrottleGate::new(clock, settings.requests_per_second),
            directory: ThrottleGate::new(clock, DIRECTORY_REQUESTS_PER_SECOND),
            date_filter_refused: AtomicBool::new(false),
            settings,
            caller,
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Graph's time now, by the `Date` of its answers: the earliest that any of them allows. `None` before the first.
    #[must_use]
    pub fn server_time(&self) -> Option<Timestamp> {
        self.shared.caller.server_micros().map(Timestamp::from_micros)
    }
}

impl Shared {
    pub(crate) fn interactions(&self) -> Lane<'_> {
        Lane { kind: RequestKind::Interactions, gate: &self.interactions }
    }

    pub(crate) fn directory(&self) -> Lane<'_> {
        Lane { kind: RequestKind::Directory, gate: &self.directory }
    }

    /// Whether this tenant is known to take no filter on the date.
    pub(crate) fn date_filter_refused(&self) -> bool {
        self.date_filter_refused.load(Ordering::Relaxed)
    }

    /// From now on nobody asks this tenant with a filter on the date.
    pub(crate) fn give_up_date_filter(&self) {
        if !self.date_filter_refused.swap(true, Ordering::Relaxed) {
            tracing::debug!("the tenant takes no date filter: windows are held on this side only");
        }
    }

    /// The first page of a user's history.
    pub(crate) fn history_url(&self, user: UserId, window: Option<Window>) -> Url {
        let (version, user) = (self.settings.api_version.to_string(), user.to_string());
        let path =
            [&version, "copilot", "users", &user, "interactionHistory", "getAllEnterpriseInteractions"];
        self.caller.origin.url(&path, &first_page_query(window))
    }
}
