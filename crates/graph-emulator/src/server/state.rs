//! The state of a running server and how it answers a request.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method};
use axum::response::Response;
use tokio::sync::watch;

use super::answer::{Answer, GraphError, RequestIds};
use super::directory::DirectoryCall;
use super::interactions::{Cursor, PageRequest};
use super::limit::Bucket;
use super::query::Parameters;
use super::report::{RequestKind, RequestReport};
use super::routes::{Route, route};
use super::script::{Rule, Script, ScriptedAnswer};
use super::token::{TokenRequest, Tokens};
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
    origin: String,
    options: ServerOptions,
    tokens: Tokens,
    script: Mutex<Script>,
    bucket: Option<Mutex<Bucket>>,
    report: Mutex<RequestReport>,
    pages: watch::Sender<u64>,
    stopping: watch::Receiver<bool>,
    started: Instant,
    requests: AtomicU64,
}

/// A request of which everything but the body has been read.
struct Call {
    method: Method,
    route: Route,
    link: Link,
    query: Parameters,
    authorization: Option<String>,
}

impl ServerState {
    pub(super) fn new(
        tenant: Arc<Tenant>,
        origin: String,
        options: ServerOptions,
        stopping: watch::Receiver<bool>,
    ) -> Self {
        let limit = options.requests_per_second.and_then(NonZeroU32::new);
        Self {
            shown: Mutex::new(Arc::clone(&tenant)),
            tenant,
            origin,
            tokens: Tokens::default(),
            script: Mutex::new(Script::new(options.script.clone())),
            bucket: limit.map(|limit| Mutex::new(Bucket::new(limit))),
            report: Mutex::default(),
            pages: watch::Sender::new(0),
            stopping,
            started: clock::now(),
            requests: AtomicU64::new(0),
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

    /// Puts other faults in place of those of the script.
    pub(super) fn replace_script(&self, rules: Vec<Rule>) {
        lock(&self.script).replace(rules);
    }

    fn shown(&self) -> Arc<Tenant> {
        Arc::clone(&lock(&self.shown))
    }

    /// The instant at which the server answers, Unix milliseconds: that as of which the tenant is shown, or now.
    fn unix_ms(&self) -> i64 {
        self.shown().seen_at_ms().unwrap_or_else(clock::unix_ms)
    }

    pub(super) fn origin(&self) -> &str {
        &self.origin
    }

    pub(super) fn report(&self) -> RequestReport {
        lock(&self.report).clone()
    }

    /// The number of pages of interactions answered, as it grows.
    pub(super) fn pages(&self) -> watch::Receiver<u64> {
        self.pages.subscribe()
    }

    async fn answer(self: &Arc<Self>, call: Call, form: Parameters) -> Result<Answer, GraphError> {
        let only = if matches!(call.route, Route::Token { .. }) { Method::POST } else { Method::GET };
        if call.method != only {
            return Err(GraphError::new(405, "Request_BadRequest", "Specified HTTP method is not allowed."));
        }
        if let Route::Token { tenant_id } = &call.route {
            let request = TokenRequest { tenant_id, form: &form };
            let now = (clock::now(), clock::unix_ms());
            return Ok(self.tokens.answer(&self.tenant, &request, self.options.token_lifetime, now));
        }
        self.tokens
            .check(call.authorization.as_deref(), clock::now())
            .map_err(|refusal| GraphError::new(401, "InvalidAuthenticationToken", refusal.message()))?;
        if let Route::Interactions { user_id } = &call.route {
            let user_id = user_id.clone();
            return self.interactions(call, user_id).await;
        }
        let state = Arc::clone(self);
        on_worker(move || state.directory(&call)).await
    }

    fn directory(&self, call: &Call) -> Result<Answer, GraphError> {
        let tenant = self.shown();
        let directory = DirectoryCall { tenant: &tenant, link: &call.link, query: &call.query };
        match &call.route {
            Route::Users => directory.users(),
            Route::User { id } => directory.user(id),
            Route::Members { group_id, only_users } => directory.members(group_id, *only_users),
            Route::SubscribedSkus => Ok(directory.subscribed_skus()),
            Route::Token { .. } | Route::Interactions { .. } | Route::Nothing => {
                Err(GraphError::bad_request("Resource not found for the segment."))
            }
        }
    }

    async fn interactions(self: &Arc<Self>, call: Call, user_id: String) -> Result<Answer, GraphError> {
        // A token that can't be read points nowhere: no rule for a page is for it.
        let page = Cursor::of(&call.query).map_or(u64::MAX, |cursor| cursor.page);
        let scripted = lock(&self.script).take(&user_id, page);
        let limited = self.take_from_bucket();
        match scripted {
            Some(ScriptedAnswer::Status { status, headers, body }) => scripted_status(status, headers, body),
            Some(ScriptedAnswer::NotJson) => Ok(proxy_page()),
            Some(ScriptedAnswer::Delay(delay)) => {
                limited?;
                self.sleep(delay).await;
                self.page(call, user_id).await
            }
            Some(ScriptedAnswer::CutOff) => {
                limited?;
                let answer = self.page(call, user_id).await?;
                Ok(Answer { is_cut_off: true, ..answer })
            }
            None => {
                limited?;
                self.page(call, user_id).await
            }
        }
    }

    async fn page(self: &Arc<Self>, call: Call, user_id: String) -> Result<Answer, GraphError> {
        let state = Arc::clone(self);
        on_worker(move || {
            let is_ragged = state.options.ragged_pages;
            let tenant = state.shown();
            let request = PageRequest::read(&tenant, &user_id, &call.query, is_ragged)?;
            Ok(request.answer(&tenant, &call.link, &call.query))
        })
        .await
    }

    /// Takes one request from the limit of the interactions call.
    fn take_from_bucket(&self) -> Result<(), GraphError> {
        let Some(bucket) = &self.bucket else { return Ok(()) };
        let mut bucket = lock(bucket);
        let now = clock::now().saturating_duration_since(self.started);
        bucket.take(now).map_err(|throttled| {
            let retry_after = ("Retry-After".to_owned(), throttled.retry_after_seconds.to_string());
            GraphError::new(429, "TooManyRequests", "Too many requests.").with_headers(vec![retry_after])
        })
    }

    /// Waits for a while, or until the server stops.
    async fn sleep(&self, delay: Duration) {
        let mut stopping = self.stopping.clone();
        tokio::select! {
            () = tokio::time::sleep(delay) => {}
            _ = stopping.wait_for(|stops| *stops) => {}
        }
    }

    /// The ids of the next request.
    fn ids(&self, headers: &HeaderMap) -> RequestIds {
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        RequestIds {
            request_id: Chance::at(self.tenant.spec().seed, Purpose::Request, [number, 0]).guid(),
            client_request_id: header(headers, "client-request-id"),
        }
    }

    /// Counts an answer.
    fn record(&self, kind: RequestKind, answer: &Answer) {
        let pages = {
            let mut report = lock(&self.report);
            report.add(kind, answer, clock::unix_ms());
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
pub(super) async fn handle(State(state): State<Arc<ServerState>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let (route, version) = route(head.uri.path());
    let kind = kind_of(&route);
    let ids = state.ids(&head.headers);
    let link = Link { origin: state.origin.clone(), version, path: head.uri.path().to_owned() };
    let call = Call {
        query: Parameters::read(head.uri.query().unwrap_or_default()),
        authorization: header(&head.headers, "authorization"),
        method: head.method,
        route,
        link,
    };
    let form = to_bytes(body, FORM_BYTES_MAX).await.unwrap_or_default();
    let form = Parameters::read(&String::from_utf8_lossy(&form));
    let answer = state.answer(call, form).await;
    let unix_ms = state.unix_ms();
    let answer = answer.unwrap_or_else(|error| error.answer(&ids, unix_ms));
    state.record(kind, &answer);
    answer.with_header("date", &instant::http_date(unix_ms)).into_response(&ids)
}

/// Runs something on a thread that may block; a panic there becomes an error of the service.
async fn on_worker(
    work: impl FnOnce() -> Result<Answer, GraphError> + Send + 'static,
) -> Result<Answer, GraphError> {
    let joined = tokio::task::spawn_blocking(work).await;
    joined.unwrap_or_else(|error| Err(GraphError::new(500, "InternalServerError", error.to_string())))
}

fn kind_of(route: &Route) -> RequestKind {
    match route {
        Route::Token { .. } => RequestKind::Token,
        Route::Users => RequestKind::Users,
        Route::User { .. } => RequestKind::User,
        Route::Members { .. } => RequestKind::GroupMembers,
        Route::SubscribedSkus => RequestKind::SubscribedSkus,
        Route::Interactions { .. } => RequestKind::Interactions,
        Route::Nothing => RequestKind::Other,
    }
}

/// An answer of the script; an error without a body gets the body that Graph would give it.
fn scripted_status(status: u16, headers: Vec<(String, String)>, body: String) -> Result<Answer, GraphError> {
    if status >= 400 && body.is_empty() {
        return Err(
            GraphError::new(status, code_of(status), "The script asks for this.").with_headers(headers)
        );
    }
    Ok(Answer::new(status, body.into_bytes()).with_headers(&headers))
}

/// What a proxy that wants a login answers in Graph's place.
fn proxy_page() -> Answer {
    let html = "<!DOCTYPE html><html><body><h1>Sign in to the network</h1></body></html>";
    Answer::new(200, html.as_bytes().to_vec()).with_header("content-type", "text/html; charset=utf-8")
}

fn code_of(status: u16) -> &'static str {
    match status {
        400 => "BadRequest",
        401 => "InvalidAuthenticationToken",
        402 => "PaymentRequired",
        403 => "Forbidden",
        404 => "NotFound",
        410 => "ResyncRequired",
        429 => "TooManyRequests",
        500 => "InternalServerError",
        503 => "ServiceUnavailable",
        504 => "GatewayTimeout",
        _ => "UnknownError",
    }
}

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no holder of the server's locks panics")
}
