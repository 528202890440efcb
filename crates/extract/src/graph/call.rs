//! One authorized request, repeated until it is answered for good.
//!
//! The order before each attempt: a token, then memory, then the gate. Whoever the gate holds back gives the memory
//! away before he sleeps, so that nothing sleeps with a permit.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use bytes::Bytes;
use http::header::ACCEPT;
use http::{HeaderName, HeaderValue};
use promptlake_flow::{ByteBudget, BytePermit, Clock, ComputePool, Event, Observer, RequestKind};
use url::Url;

use super::attempts::{AttemptFault, Attempts, CallFault, Next, Refusal};
use super::backoff::Chance;
use super::body::{BodyFault, answer, receive};
use super::envelope::{NotAPage, read_error_body};
use super::gate::ThrottleGate;
use super::origin::GraphOrigin;
use super::retry_after::{retry_after, server_micros};
use super::token::{Bearer, TokenSource};
use super::transport::{Request, Response, Transport};
use super::verdict::classify;
use crate::{FIRST_RESERVATION_BYTES, PAGE_MEMORY_FACTOR};

/// An error body is a few hundred bytes; what is longer comes from something else.
const ERROR_BODY_BYTES_MAX: usize = 64 * 1024;

const CLIENT_REQUEST_ID: HeaderName = HeaderName::from_static("client-request-id");
const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");

/// Sends authorized requests to Graph.
pub(crate) struct Caller {
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) clock: Clock,
    pub(crate) origin: GraphOrigin,
    pub(crate) tokens: TokenSource,
    pub(crate) chance: Arc<Chance>,
    pub(crate) observer: Arc<dyn Observer>,
    pub(crate) pool: ComputePool,
    pub(crate) memory: ByteBudget,
    pub(crate) body_bytes_max: usize,
    /// The least of Graph's time minus ours, in microseconds; [`i64::MAX`] before the first answer.
    pub(crate) least_clock_lead: AtomicI64,
}

/// The requests that share a limit.
#[derive(Clone, Copy)]
pub(crate) struct Lane<'a> {
    pub(crate) kind: RequestKind,
    pub(crate) gate: &'a ThrottleGate,
}

/// A body, what was read of it, and the permit for its bytes.
#[derive(Debug)]
pub(crate) struct Fetched<T> {
    pub(crate) value: T,
    pub(crate) body: Bytes,
    pub(crate) permit: BytePermit,
}

/// A request, and how its answer is read.
struct Question<'a, T> {
    lane: Lane<'a>,
    url: &'a Url,
    read: Read<T>,
}

/// Looks into a body on a compute thread.
pub(crate) type Read<T> = fn(&[u8]) -> Result<T, NotAPage>;

impl Caller {
    /// Asks until there is an answer for good, or no more hope. Cancel-safe.
    pub(crate) async fn get<T: Send + 'static>(
        &self,
        lane: Lane<'_>,
        url: &Url,
        read: Read<T>,
    ) -> Result<Fetched<T>, CallFault> {
        let question = Question { lane, url, read };
        let mut attempts = Attempts::default();
        loop {
            let (bearer, permit) = self.admit(lane).await?;
            let fault = match self.attempt(&question, &bearer, permit).await {
                Ok(fetched) => return Ok(fetched),
                Err(fault) => fault,
            };
            match attempts.after(fault, &self.chance)? {
                Next::RenewToken => self.tokens.reject(&bearer).await,
                Next::Wait(wait) => tokio::time::sleep(wait).await,
                Next::ShutGate(wait) => {
                    lane.gate.shut_for(wait);
                    self.observer.observe(&Event::Throttled { wait });
                }
            }
        }
    }

    /// Graph's time by the most cautious of its answers.
    pub(crate) fn server_micros(&self) -> Option<i64> {
        let lead = self.least_clock_lead.load(Ordering::Relaxed);
        (lead != i64::MAX).then(|| self.clock.now_micros().saturating_add(lead))
    }

    async fn admit(&self, lane: Lane<'_>) -> Result<(Bearer, BytePermit), CallFault> {
        loop {
            let bearer = self.tokens.bearer().await.map_err(CallFault::tenant)?;
            let permit = self.memory.acquire(FIRST_RESERVATION_BYTES).await;
            match lane.gate.try_pass() {
                Ok(()) => return Ok((bearer, permit)),
                Err(wait) => {
                    drop(permit);
                    tokio::time::sleep(wait).await;
                }
            }
        }
    }

    async fn attempt<T: Send + 'static>(
        &self,
        question: &Question<'_, T>,
        bearer: &Bearer,
        mut permit: BytePermit,
    ) -> Result<Fetched<T>, AttemptFault> {
        let Question { lane, url, read } = *question;
        let request = self.request(url, bearer)?;
        let response = match answer(&*self.transport, request).await {
            Ok(response) => response,
            Err(error) => {
                self.note(lane.kind, None, 0);
                return Err(AttemptFault::NoAnswer(error));
            }
        };
        self.learn(&response);
        let status = response.status.as_u16();
        if status != 200 {
            return Err(self.refusal(lane, response).await);
        }
        let received = receive(response, self.body_bytes_max, &self.clock, Some(&mut permit)).await;
        self.note(lane.kind, Some(status), received.as_ref().map_or(0, |body| body.len() as u64));
        let body = received.map_err(|fault| match fault {
            BodyFault::Cut(error) => AttemptFault::NoAnswer(error),
            BodyFault::TooLarge => AttemptFault::TooLarge { bytes_max: self.body_bytes_max },
        })?;
        permit.settle_at(body.len().saturating_mul(PAGE_MEMORY_FACTOR));
        let looked_into = body.clone();
        let value = self.pool.run(move || read(&looked_into)).await.map_err(AttemptFault::Panicked)?;
        Ok(Fetched { value: value.map_err(AttemptFault::NotAPage)?, body, permit })
    }

    fn request(&self, url: &Url, bearer: &Bearer) -> Result<Request, AttemptFault> {
        let mut request = Request::get(url.clone());
        request.headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        if let Ok(id) = HeaderValue::try_from(self.chance.request_id()) {
            request.headers.insert(CLIENT_REQUEST_ID, id);
        }
        self.origin.authorize(&mut request, &bearer.secret).map_err(AttemptFault::NotAuthorized)?;
        Ok(request)
    }

    async fn refusal(&self, lane: Lane<'_>, response: Response) -> AttemptFault {
        let status = response.status.as_u16();
        let wait = retry_after(&response.headers, self.clock.now_micros());
        let host = redirect_host(&response);
        // A body that can't be had says no more than the status.
        let body = receive(response, ERROR_BODY_BYTES_MAX, &self.clock, None).await.unwrap_or_default();
        self.note(lane.kind, Some(status), body.len() as u64);
        let error = read_error_body(&body);
        let verdict = classify(status, error.code.as_deref().unwrap_or_default(), &error.message);
        AttemptFault::Refused { refusal: Refusal { verdict, status, code: error.code, host }, wait }
    }

    /// Takes note of Graph's clock and of its name for the exchange.
    fn learn(&self, response: &Response) {
        if let Some(server) = server_micros(&response.headers) {
            let lead = server.saturating_sub(self.clock.now_micros());
            self.least_clock_lead.fetch_min(lead, Ordering::Relaxed);
        }
        let request_id = response.headers.get(REQUEST_ID).and_then(|id| id.to_str().ok());
        tracing::debug!(status = response.status.as_u16(), request_id, "answered");
    }

    fn note(&self, kind: RequestKind, status: Option<u16>, body_bytes: u64) {
        self.observer.observe(&Event::Answered { kind, status, body_bytes });
    }
}

/// The host of a redirect, and nothing else of it.
fn redirect_host(response: &Response) -> Option<String> {
    let location = response.headers.get(http::header::LOCATION)?.to_str().ok()?;
    Url::parse(location).ok()?.host_str().map(str::to_owned)
}
