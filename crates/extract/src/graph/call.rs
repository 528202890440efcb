//! One authorized request, repeated until it is answered for good.
//!
//! The order before each attempt: a token, then memory, then the gate. Whoever the gate holds back gives the memory
//! away before he sleeps, so that nothing sleeps with a permit; nor is one who waits for another attempt under way.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use http::header::ACCEPT;
use http::{HeaderName, HeaderValue};
use promptlake_flow::{ByteBudget, BytePermit, Clock, ComputePool, Event, Observer, RequestKind};
use promptlake_model::UserId;
use url::Url;

use super::attempts::{AttemptFault, Attempts, CallFault, Next, Refusal};
use super::backoff::Chance;
use super::body::{BodyFault, answer, receive};
use super::envelope::{NotAPage, read_error_body};
use super::gate::{Admission, Flight, Landed, Landing, ThrottleGate};
use super::origin::{self, GraphOrigin};
use super::outage::{Asker, Blame};
use super::retry_after::{retry_after, server_micros};
use super::token::{Bearer, TokenSource};
use super::transport::{Request, Response, Transport};
use super::verdict::{classify, classify_without_body};
use crate::{FIRST_RESERVATION_BYTES, PAGE_MEMORY_FACTOR};

/// An error body is a few hundred bytes; what is longer comes from something else.
const ERROR_BODY_BYTES_MAX: usize = 64 * 1024;

/// It comes with its head. While it is awaited nobody knows of the status, and others go on asking.
const ERROR_BODY_TIME_MAX: Duration = Duration::from_secs(5);

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
    /// How many failures prove that it is what was asked for which fails.
    pub(crate) proof_failures: u32,
    /// Whose history it is.
    pub(crate) user: Option<UserId>,
    /// What was answered before, if anything: what tells a request that fails from a source that is lost.
    pub(crate) answered: Option<&'a OnceLock<Url>>,
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

/// What an attempt sets out with.
struct Admitted<'a> {
    bearer: Bearer,
    permit: BytePermit,
    flight: Flight<'a>,
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
        let mut attempts = Attempts::with_proof_of(lane.proof_failures);
        let asker = lane.user.map_or_else(|| lane.gate.name_call(), Asker::User);
        loop {
            let Admitted { bearer, permit, flight } = self.admit(lane).await?;
            let attempt = self.attempt(&question, &bearer, permit).await;
            let landing = attempt.as_ref().map_or_else(AttemptFault::landing, |_| Landing::Answered);
            let landed = flight.land(asker, landing);
            self.tell(lane.kind, landed);
            let fault = match attempt {
                Ok(fetched) => {
                    if let Some(answered) = lane.answered {
                        answered.get_or_init(|| url.clone());
                    }
                    return Ok(fetched);
                }
                Err(fault) => fault,
            };
            let blame = self.confirm(lane, asker, landed).await?;
            let next = attempts.after(fault, blame, &self.chance)?;
            self.observer.observe(&Event::Retried { kind: lane.kind });
            match next {
                Next::RenewToken => self.tokens.reject(&bearer).await,
                Next::Wait(wait) => {
                    let _away = lane.gate.step_away();
                    tokio::time::sleep(wait).await;
                }
                Next::AtGate => {}
            }
        }
    }

    /// What concerns everybody.
    fn tell(&self, kind: RequestKind, landed: Landed) {
        if !landed.closed_for.is_zero() {
            let Landed { closed_for: wait, per_second, .. } = landed;
            tracing::debug!(?kind, wait_ms = wait.as_millis(), per_second, "throttled");
            self.observer.observe(&Event::Throttled { kind, wait });
        }
        if let Some(lost_for) = landed.outage_lasted {
            tracing::warn!(lost_s = lost_for.as_secs(), "Graph is back");
            self.observer.observe(&Event::SourceBack { kind, lost_for });
        }
    }

    /// Whose failure it is in the end. Before the source is believed to be lost, and after each probe that fails, what
    /// was answered before is asked for once more: users whose pages always fail look like an outage when nobody else
    /// is left to be asked.
    async fn confirm(&self, lane: Lane<'_>, asker: Asker, landed: Landed) -> Result<Blame, CallFault> {
        let Landed { blame: mut confirmed, is_doubtful, .. } = landed;
        if let Some(url) = lane.answered.and_then(OnceLock::get).filter(|_| is_doubtful) {
            let Admitted { bearer, permit, flight } = self.admit(lane).await?;
            let attempt = self.attempt(&Question { lane, url, read: |_| Ok(()) }, &bearer, permit).await;
            let landing = attempt.as_ref().map_or_else(AttemptFault::landing, |_| Landing::Answered);
            let landed = flight.land(lane.gate.name_call(), landing);
            self.tell(lane.kind, landed);
            confirmed = landed.blame;
            if confirmed == Blame::Request {
                lane.gate.acquit(asker);
            }
        }
        if confirmed != Blame::Request && lane.gate.tell_outage() {
            tracing::warn!("Graph can't be reached: one request at a time probes for it");
            self.observer.observe(&Event::SourceLost { kind: lane.kind });
        }
        Ok(confirmed)
    }

    /// Graph's time by the most cautious of its answers.
    pub(crate) fn server_micros(&self) -> Option<i64> {
        let lead = self.least_clock_lead.load(Ordering::Relaxed);
        (lead != i64::MAX).then(|| self.clock.now_micros().saturating_add(lead))
    }

    async fn admit<'a>(&self, lane: Lane<'a>) -> Result<Admitted<'a>, CallFault> {
        loop {
            let bearer = self.tokens.bearer().await.map_err(CallFault::tenant)?;
            let permit = self.memory.acquire(FIRST_RESERVATION_BYTES).await;
            match lane.gate.try_pass() {
                Admission::Go(flight) => return Ok(Admitted { bearer, permit, flight }),
                Admission::Later(wait) => {
                    drop(permit);
                    tokio::time::sleep(wait).await;
                }
                Admission::Full => {
                    drop(permit);
                    lane.gate.room().await;
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
            BodyFault::Cut(error) => AttemptFault::CutShort(error),
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
        // A date is measured by the clock of whoever set it.
        let now_micros = self.server_micros().unwrap_or_else(|| self.clock.now_micros());
        let wait = retry_after(&response.headers, now_micros);
        let redirect_origin = redirect_origin(&response);
        let body = receive(response, ERROR_BODY_BYTES_MAX, &self.clock, None);
        let body = tokio::time::timeout(ERROR_BODY_TIME_MAX, body).await.ok().and_then(Result::ok);
        self.note(lane.kind, Some(status), body.as_ref().map_or(0, |body| body.len() as u64));
        let error = body.as_deref().map(read_error_body);
        let verdict = match &error {
            Some(error) => classify(status, error.code.as_deref().unwrap_or_default(), &error.message),
            None => classify_without_body(status),
        };
        let code = error.and_then(|error| error.code);
        AttemptFault::Refused { refusal: Refusal { verdict, status, code, redirect_origin }, wait }
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

/// Scheme, host and port of a redirect, and nothing else of it.
fn redirect_origin(response: &Response) -> Option<String> {
    let location = response.headers.get(http::header::LOCATION)?.to_str().ok()?;
    Url::parse(location).ok().map(|url| origin::named(&url))
}
