//! One tenant's client: what its requests share.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};

use promptlake_flow::RequestKind;
use promptlake_model::{SliceIds, Timestamp, UserId};
use url::Url;

use super::app_limit::AppLimit;
use super::backoff::{ATTEMPTS_MAX, Chance};
use super::call::{Caller, Lane};
use super::credential::{Credential, Grantor};
use super::filter::FirstPage;
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
    date_filter_taken: AtomicBool,
    /// The first address in a history that was answered.
    answered: OnceLock<Url>,
    pub(crate) slice_ids: SliceIds,
}

/// The ways to Graph and to whoever gives tokens, mostly the same.
struct Transports {
    graph: Arc<dyn Transport>,
    login: Arc<dyn Transport>,
}

impl GraphClient {
    /// A client over the network. Nothing is asked yet.
    pub fn new(settings: GraphSettings, context: RunContext) -> Result<Self, ExtractError> {
        Self::new_within(AppLimit::new(context.clock), settings, context)
    }

    /// The same for one of several tenants that are read as the same app, and share its limit.
    pub fn new_within(
        app: AppLimit,
        settings: GraphSettings,
        context: RunContext,
    ) -> Result<Self, ExtractError> {
        let graph: Arc<dyn Transport> =
            Arc::new(HttpTransport::new(&settings.extra_roots).map_err(ExtractError::HttpClient)?);
        let login = match &settings.credential {
            // What hands it out stands next to this machine, and no proxy reaches it.
            Credential::ManagedIdentity(_) => {
                Arc::new(HttpTransport::without_proxy().map_err(ExtractError::HttpClient)?)
            }
            _ => Arc::clone(&graph),
        };
        Self::build(app, settings, context, Transports { graph, login })
    }

    /// A client over a transport of one's own.
    pub fn with_transport(
        settings: GraphSettings,
        context: RunContext,
        transport: Arc<dyn Transport>,
    ) -> Result<Self, ExtractError> {
        let transports = Transports { graph: Arc::clone(&transport), login: transport };
        Self::build(AppLimit::new(context.clock), settings, context, transports)
    }

    fn build(
        app: AppLimit,
        settings: GraphSettings,
        context: RunContext,
        Transports { graph: transport, login }: Transports,
    ) -> Result<Self, ExtractError> {
        settings.check()?;
        context.check_budget(settings.concurrency, settings.page_bytes_max)?;
        let at_once_max = settings.concurrency;
        let chance = Arc::new(Chance::seeded(context.chance_seed));
        let (clock, observer) = (context.clock, context.observer);
        let grantor = Grantor::new(&settings, login, clock, Arc::clone(&chance), Arc::clone(&observer));
        let tokens = TokenSource::new(grantor, clock, Arc::clone(&chance));
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
            interactions: ThrottleGate::new(clock, settings.requests_per_second, at_once_max, Some(app)),
            directory: ThrottleGate::new(clock, DIRECTORY_REQUESTS_PER_SECOND, at_once_max, None),
            date_filter_refused: AtomicBool::new(false),
            date_filter_taken: AtomicBool::new(false),
            answered: OnceLock::new(),
            slice_ids: context.slice_ids,
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
    /// The gate of the interactions call.
    pub(crate) const fn gate(&self) -> &ThrottleGate {
        &self.interactions
    }

    pub(crate) fn interactions(&self, user: UserId, proof_failures: u32) -> Lane<'_> {
        let (kind, gate) = (RequestKind::Interactions, &self.interactions);
        Lane { kind, gate, proof_failures, user: Some(user), answered: Some(&self.answered) }
    }

    pub(crate) fn directory(&self) -> Lane<'_> {
        let (kind, gate) = (RequestKind::Directory, &self.directory);
        Lane { kind, gate, proof_failures: ATTEMPTS_MAX, user: None, answered: None }
    }

    /// Whether this tenant is known to take no filter on the date.
    pub(crate) fn date_filter_refused(&self) -> bool {
        self.date_filter_refused.load(Ordering::Relaxed)
    }

    /// This tenant takes a filter on the date, whatever one list that was answered before seemed to say.
    pub(crate) fn note_date_filter_taken(&self) {
        self.date_filter_taken.store(true, Ordering::Relaxed);
        self.date_filter_refused.store(false, Ordering::Relaxed);
    }

    /// From now on nobody asks this tenant with a filter on the date, unless it took one before: then that one list is
    /// odd, and not the tenant.
    pub(crate) fn give_up_date_filter(&self) {
        if self.date_filter_taken.load(Ordering::Relaxed) {
            return;
        }
        if !self.date_filter_refused.swap(true, Ordering::Relaxed) {
            tracing::debug!("the tenant takes no date filter: windows are held on this side only");
        }
    }

    /// The first page of a user's history.
    pub(crate) fn history_url(&self, user: UserId, first_page: &FirstPage<'_>) -> Url {
        let (version, user) = (self.settings.api_version.as_str(), user.to_string());
        let path = [version, "copilot", "users", &user, "interactionHistory", "getAllEnterpriseInteractions"];
        self.caller.origin.url(&path, &first_page.query())
    }
}
