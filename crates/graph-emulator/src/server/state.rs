//! The state of a running server and how it answers a request.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use axum::body::to_bytes;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::{ACCEPT_ENCODING, CONTENT_TYPE};
use axum::http::{HeaderMap, Method};
use axum::response::Response;
use tokio::sync::watch;

use super::answer::{Answer, Delivery, GraphError, InnerErrorName, Recipient, RequestIds, accepts_gzip};
use super::connection::Switch;
use super::directory::DirectoryCall;
use super::limit::{Bucket, RequestLimit, RequestLimiter, Throttled};
use super::list_change::ListChanges;
use super::login::{Login, TokenRequest};
use super::managed_identity::{self, IdentityRequest};
use super::permission::Permission;
use super::query::Parameters;
use super::report::{Counted, RequestKind, RequestReport};
use super::routes::{Route, route};
use super::script::{Rule, Script};
use super::second_host::SecondHost;
use super::token::Tokens;
use super::{Link, ServerOptions};
use crate::clock;
use crate::instant;
use crate::random::{Chance, Purpose};
use crate::tenant::Tenant;

/// Longest form of a request for a token.
const FORM_BYTES_MAX: usize = 64 * 1024;

/// Everything that requests share.
#[derive(Debug)]
pub(super) struct ServerState {
    /// The tenant as of the end of time.
    tenant: Arc<Tenant>,
    /// The tenant as it is shown.
    shown: Mutex<Arc<Tenant>>,
    /// Users that the directory no longer has.
    deleted: Mutex<Arc<BTreeSet<u32>>>,
    pub(super) place: Place,
    pub(super) options: ServerOptions,
    login: Login,
    tokens: Tokens,
    pub(super) script: Mutex<Script>,
    pub(super) list_changes: Mutex<ListChanges>,
    limited: Option<Limited>,
    pub(super) report: Mutex<RequestReport>,
    pages: watch::Sender<u64>,
    started: Instant,
    requests: AtomicU64,
    interactions_requests: AtomicU64,
    interactions_under_way: AtomicU64,
    interactions_concurrent_max: AtomicU64,
}

/// Where a server is, and what it has besides its state.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) origin: String,
    pub(super) second_host: Arc<SecondHost>,
    pub(super) bytes_sent: Arc<AtomicU64>,
    pub(super) stopping: watch::Receiver<bool>,
}

/// What passes, where anything is held back.
#[derive(Debug)]
struct Limited {
    limit: RequestLimit,
    interactions: Mutex<RequestLimiter>,
    /// In resource units.
    directory: Mutex<Bucket>,
}

/// A request of which everything but the body has been read.
pub(super) struct Call {
    method: Method,
    route: Route,
    pub(super) link: Link,
    pub(super) query: Parameters,
    /// The query as it came, without its question mark.
    pub(super) raw_query: String,
    pub(super) ids: RequestIds,
    headers: HeaderMap,
}

/// A request of the interactions call while it is being answered.
struct UnderWay<'a>(&'a AtomicU64);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl ServerState {
    pub(super) fn new(tenant: Arc<Tenant>, place: Place, options: ServerOptions) -> Self {
        let limited = options.limit(tenant.spec().seed).map(|limit| Limited {
            limit,
            interactions: Mutex::new(limit.limiter()),
            directory: Mutex::new(directory_bucket(&options, tenant.spec().users)),
        });
        Self {
            shown: Mutex::new(Arc::clone(&tenant)),
            deleted: Mutex::default(),
            tenant,
            place,
            login: Login::new(&options.login),
            tokens: Tokens::default(),
            script: Mutex::new(Script::new(options.script.clone())),
            list_changes: Mutex::new(ListChanges::new(options.list_changes.clone())),
            limited,
            report: Mutex::default(),
            pages: watch::Sender::new(0),
            started: clock::now(),
            requests: AtomicU64::new(0),
            interactions_requests: AtomicU64::new(0),
            interactions_under_way: AtomicU64::new(0),
            interactions_concurrent_max: AtomicU64::new(0),
            options,
        }
    }

    pub(super) fn tenant(&self) -> &Arc<Tenant> {
        &self.tenant
    }

    /// Shows the tenant as of an instant from now on.
    pub(super) fn show_as_of(&self, unix_ms: i64) {
        *lock(&self.shown) = Arc::new(self.tenant.seen_at(unix_ms));
    }

    /// Takes a user out of the directory from now on.
    pub(super) fn delete_user(&self, index: u32) {
        Arc::make_mut(&mut lock(&self.deleted)).insert(index);
    }

    /// Puts other faults in place of those of the script.
    pub(super) fn replace_script(&self, rules: Vec<Rule>) {
        lock(&self.script).replace(rules);
    }

    pub(super) fn revoke_tokens(&self) {
        self.tokens.revoke_all();
    }

    pub(super) fn login(&self) -> &Login {
        &self.login
    }

    pub(super) fn shown(&self) -> Arc<Tenant> {
        Arc::clone(&lock(&self.shown))
    }

    /// The instant at which the server answers, Unix milliseconds: that as of which the tenant is shown, or now.
    pub(super) fn unix_ms(&self) -> i64 {
        self.shown().seen_at_ms().unwrap_or_else(clock::unix_ms)
    }

    pub(super) fn limit(&self) -> Option<RequestLimit> {
        self.limited.as_ref().map(|limited| limited.limit)
    }

    pub(super) fn report(&self) -> RequestReport {
        let mut report = lock(&self.report).clone();
        report.sent_bytes = self.place.bytes_sent.load(Ordering::Relaxed);
        report.interactions_concurrent_max = self.interactions_concurrent_max.load(Ordering::Relaxed);
        report
    }

    /// The number of pages of interactions answered, as it grows.
    pub(super) fn pages(&self) -> watch::Receiver<u64> {
        self.pages.subscribe()
    }

    async fn answer(self: &Arc<Self>, call: &Arc<Call>, form: &Parameters) -> Result<Answer, GraphError> {
        let only = if matches!(call.route, Route::Token { .. }) { Method::POST } else { Method::GET };
        if call.method != only {
            return Err(GraphError::new(405, "Request_BadRequest", "Specified HTTP method is not allowed."));
        }
        if matches!(call.route, Route::Token { .. } | Route::MachineToken | Route::ServiceToken) {
            return Ok(self.login.failure().unwrap_or_else(|| self.token(call, form)));
        }
        let is_interactions = matches!(call.route, Route::Interactions { .. });
        if is_interactions {
            let number = self.interactions_requests.fetch_add(1, Ordering::Relaxed);
            if self.options.revoke_tokens_at.contains(&number) {
                self.tokens.revoke_all();
            }
        }
        let authorization = header(&call.headers, "authorization");
        self.tokens
            .check(authorization.as_deref(), clock::now())
            .map_err(|refusal| GraphError::new(401, "InvalidAuthenticationToken", refusal.message()))?;
        let needed = Permission::of(&call.route);
        if let Some(lacking) = needed.filter(|needed| self.options.withheld_permissions.contains(needed)) {
            return Err(lacking.lacking());
        }
        if let Route::Interactions { user_id } = &call.route {
            return self.interactions(call, user_id).await;
        }
        self.take_directory_units(call)?;
        let (state, call) = (Arc::clone(self), Arc::clone(call));
        on_worker(move || state.directory(&call)).await
    }

    /// The answer to a request for a token.
    fn token(&self, call: &Call, form: &Parameters) -> Answer {
        let unix_ms = clock::unix_ms();
        let granted =
            Permission::ALL.into_iter().filter(|it| !self.options.withheld_permissions.contains(it));
        let roles: Vec<&str> = granted.map(Permission::name).collect();
        let lifetime = self.options.token_lifetime;
        let give = || self.tokens.give(&self.tenant, &roles, lifetime, (clock::now(), unix_ms));
        let (headers, query, origin) = (&call.headers, &call.query, self.place.origin.as_str());
        let identity = IdentityRequest { headers, query, origin };
        match (&call.route, &self.login.identity_header) {
            (Route::MachineToken, Some(_)) => match identity.check_machine(&self.tenant) {
                Ok(()) => identity.machine_answer(&self.tenant, &give()),
                Err(error) => error.answer(),
            },
            (Route::ServiceToken, Some(expected)) => match identity.check_service(&self.tenant, expected) {
                Ok(()) => identity.service_answer(&self.tenant, &give()),
                Err(error) => error.answer(),
            },
            (Route::Token { tenant_id }, _) => {
                let url = format!("{origin}{}", call.link.path);
                let request = TokenRequest { tenant_id, url: &url, graph: origin, form, unix_ms };
                match self.login.check(&self.tenant, &request) {
                    Ok(()) => give().login_answer(),
                    Err(error) => error.answer(),
                }
            }
            _ => managed_identity::nobody(),
        }
    }

    fn directory(&self, call: &Call) -> Result<Answer, GraphError> {
        let (tenant, deleted) = (self.shown(), Arc::clone(&lock(&self.deleted)));
        let (link, query) = (&call.link, &call.query);
        let subscriptions = self.options.subscriptions;
        let directory = DirectoryCall { tenant: &tenant, deleted: &deleted, subscriptions, link, query };
        match &call.route {
            Route::Users => directory.users(),
            Route::User { id } => directory.user(id),
            Route::Members { group_id, only_users } => directory.members(group_id, *only_users),
            Route::SubscribedSkus => Ok(directory.subscribed_skus()),
            _ => Err(GraphError::bad_request("Resource not found for the segment.")),
        }
    }

    /// Takes one request from the limit of the interactions call.
    pub(super) fn take_request(&self) -> Result<(), GraphError> {
        let mut limiter = self.limited.as_ref().map(|limited| lock(&limited.interactions));
        // Read under the lock: a limiter's time does not run backwards.
        let now = self.since_start();
        match &mut limiter {
            Some(limiter) => limiter.take(now).map_err(|throttled| self.throttle(throttled)),
            None => Ok(()),
        }
    }

    /// Takes what a directory call costs.
    fn take_directory_units(&self, call: &Call) -> Result<(), GraphError> {
        let Some(limited) = &self.limited else { return Ok(()) };
        let mut bucket = lock(&limited.directory);
        let now = self.since_start();
        bucket.take(now, directory_units(call)).map_err(|throttled| self.throttle(throttled))
    }

    fn throttle(&self, throttled: Throttled) -> GraphError {
        let told = self.limit().and_then(|limit| limit.retry_after(throttled, self.unix_ms()));
        let headers = told.map(|wait| ("Retry-After".to_owned(), wait)).into_iter().collect();
        GraphError::new(429, "TooManyRequests", "Too many requests.").with_headers(headers)
    }

    fn since_start(&self) -> Duration {
        clock::now().saturating_duration_since(self.started)
    }

    /// Waits for a while, or until the server stops.
    pub(super) async fn sleep(&self, delay: Duration) {
        let mut stopping = self.place.stopping.clone();
        tokio::select! {
            () = tokio::time::sleep(delay) => {}
            _ = stopping.wait_for(|stops| *stops) => {}
        }
    }

    /// The answer that an error is to a request.
    pub(super) fn refusal(&self, error: &GraphError, ids: &RequestIds) -> Answer {
        error.answer(ids, self.unix_ms(), InnerErrorName::of_seed(self.tenant.spec().seed))
    }

    /// The ids of the next request.
    fn ids(&self, headers: &HeaderMap) -> RequestIds {
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        RequestIds {
            request_id: Chance::at(self.tenant.spec().seed, Purpose::Request, [number, 0]).guid(),
            client_request_id: header(headers, "client-request-id"),
        }
    }

    fn under_way(&self) -> UnderWay<'_> {
        let now = self.interactions_under_way.fetch_add(1, Ordering::Relaxed) + 1;
        self.interactions_concurrent_max.fetch_max(now, Ordering::Relaxed);
        UnderWay(&self.interactions_under_way)
    }

    /// Counts an answer.
    fn record(&self, counted: &Counted<'_>) {
        let pages = {
            let mut report = lock(&self.report);
            report.add(counted);
            report.pages
        };
        self.pages.send_if_modified(|seen| {
            let grows = pages > *seen;
            *seen = pages.max(*seen);
            grows
        });
    }
}

/// Answers a request: the one handler of the server.
pub(super) async fn handle(
    State(state): State<Arc<ServerState>>,
    ConnectInfo(switch): ConnectInfo<Switch>,
    request: Request,
) -> Response {
    let began = state.since_start();
    let (head, body) = request.into_parts();
    let (route, version) = route(head.uri.path());
    let kind = kind_of(&route);
    let ids = state.ids(&head.headers);
    let under_way = (kind == RequestKind::Interactions).then(|| state.under_way());
    let raw_query = head.uri.query().unwrap_or_default().to_owned();
    let origin = state.place.origin.clone();
    let link = Link { origin, version, path: head.uri.path().to_owned() };
    let query = Parameters::read(&raw_query);
    let (method, headers) = (head.method, head.headers);
    let call = Arc::new(Call { method, route, link, query, raw_query, ids, headers });
    let form = to_bytes(body, FORM_BYTES_MAX).await.unwrap_or_default();
    let form = if is_form(&call.headers) {
        Parameters::read(&String::from_utf8_lossy(&form))
    } else {
        Parameters::default()
    };
    let answer = state.answer(&call, &form).await;
    drop(under_way);
    let answer = answer.unwrap_or_else(|error| state.refusal(&error, &call.ids));
    state.record(&Counted {
        kind,
        grant: state.login.grant(&call.route, &form),
        user: if let Route::Interactions { user_id } = &call.route { Some(user_id) } else { None },
        model: call.query.get("model"),
        answer: &answer,
        began,
        ended: state.since_start(),
        unix_ms: clock::unix_ms(),
    });
    if answer.delivery == Delivery::Reset {
        switch.reset();
    }
    let takes_gzip = state.options.gzip
        && call.headers.get(ACCEPT_ENCODING).and_then(|it| it.to_str().ok()).is_some_and(accepts_gzip);
    let recipient = Recipient { ids: call.ids.clone(), takes_gzip, stopping: state.place.stopping.clone() };
    answer.with_header("date", &instant::http_date(state.unix_ms())).into_response(recipient)
}

/// Runs something on a thread that may block; a panic there becomes an error of the service.
pub(super) async fn on_worker(
    work: impl FnOnce() -> Result<Answer, GraphError> + Send + 'static,
) -> Result<Answer, GraphError> {
    let joined = tokio::task::spawn_blocking(work).await;
    joined.unwrap_or_else(|error| Err(GraphError::new(500, "InternalServerError", error.to_string())))
}

/// What Graph gives one app in ten seconds, by the users of the tenant: half of it at once, and half as it flows in.
fn directory_bucket(options: &ServerOptions, users: u32) -> Bucket {
    let by_size = match users {
        0..50 => 3_500,
        50..=500 => 5_000,
        _ => 8_000,
    };
    let units = options.directory_units.unwrap_or(by_size);
    Bucket::new(units.div_ceil(2), (units / 2).saturating_mul(6))
}

/// The resource units of a call: `$select` saves one.
fn directory_units(call: &Call) -> u32 {
    let units: u32 = match call.route {
        Route::Members { .. } => 5,
        Route::SubscribedSkus => 3,
        Route::Users => 2,
        _ => 1,
    };
    let saved = u32::from(call.query.get("$select").is_some());
    (units - saved.min(units)).max(1)
}

fn kind_of(route: &Route) -> RequestKind {
    match route {
        Route::Token { .. } | Route::MachineToken | Route::ServiceToken => RequestKind::Token,
        Route::Users => RequestKind::Users,
        Route::User { .. } => RequestKind::User,
        Route::Members { .. } => RequestKind::GroupMembers,
        Route::SubscribedSkus => RequestKind::SubscribedSkus,
        Route::Interactions { .. } => RequestKind::Interactions,
        Route::Nothing => RequestKind::Other,
    }
}

/// Whether a body says that it is a form: one of another type is read as an empty form, as the login service reads it.
fn is_form(headers: &HeaderMap) -> bool {
    let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (media_type, _charset) = media_type.split_once(';').unwrap_or((media_type, ""));
    media_type.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no holder of the server's locks panics")
}
