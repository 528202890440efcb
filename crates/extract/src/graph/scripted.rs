//! A transport without a network: a closure answers, and what was asked is written down.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use promptlake_flow::{ByteBudget, Clock, ComputePool, Event, Observer, channel};
use promptlake_model::{
    AppClasses, Owner, Slice, SliceId, SliceIds, SliceOutcome, SliceScope, TenantId, Timestamp, UserEnd,
    UserId, UserProfile, Window,
};
use secrecy::ExposeSecret;
use tokio_util::sync::CancellationToken;

use super::settings::tests::settings;
use super::{GraphClient, GraphSettings, Request, Response, Transport, TransportError};
use crate::{ExtractError, Extracted, RunContext, UserPlan};

/// A request as it went out.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) at: Duration,
    pub(crate) url: String,
    pub(crate) authorization: Option<String>,
    pub(crate) form: Option<String>,
    headers: HeaderMap,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn is_token(&self) -> bool {
        self.form.is_some()
    }
}

/// What comes back.
pub(crate) struct Reply {
    status: u16,
    headers: HeaderMap,
    body: Bytes,
    cut: bool,
    lost: bool,
    delay: Duration,
}

pub(crate) fn reply(status: u16, body: impl Into<String>) -> Reply {
    let body = Bytes::from(body.into());
    Reply { status, headers: HeaderMap::new(), body, cut: false, lost: false, delay: Duration::ZERO }
}

pub(crate) fn token(name: &str, seconds: u64) -> Reply {
    reply(200, format!(r#"{{"token_type":"Bearer","expires_in":{seconds},"access_token":"{name}"}}"#))
}

/// A page of records of which no other page has one, and where the next page is.
pub(crate) fn page(records: usize, next: Option<&str>) -> Reply {
    static MADE: AtomicU64 = AtomicU64::new(0);
    let record = || format!(r#"{{"id":{}}}"#, MADE.fetch_add(1, Ordering::Relaxed));
    let value = std::iter::repeat_with(record).take(records).collect::<Vec<_>>().join(",");
    let next = next.map(|link| format!(r#""@odata.nextLink":"{link}","#)).unwrap_or_default();
    reply(200, format!(r#"{{{next}"value":[{value}]}}"#))
}

pub(crate) fn error(status: u16, code: &str, message: &str) -> Reply {
    reply(status, format!(r#"{{"error":{{"code":"{code}","message":"{message}"}}}}"#))
}

impl Reply {
    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.insert(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        self
    }

    /// The connection breaks behind the body.
    pub(crate) fn cut(self) -> Self {
        Self { cut: true, ..self }
    }

    /// The answer takes a while.
    pub(crate) fn after(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }

    /// Nothing comes back.
    pub(crate) fn lost() -> Self {
        Self { lost: true, ..reply(200, "") }
    }
}

type Answer = dyn FnMut(&Seen) -> Reply + Send;

pub(crate) struct Scripted {
    clock: Clock,
    answer: Mutex<Box<Answer>>,
    seen: Mutex<Vec<Seen>>,
}

#[async_trait]
impl Transport for Scripted {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        let header = request.headers.get(AUTHORIZATION);
        let seen = Seen {
            at: self.clock.elapsed(),
            url: request.url.to_string(),
            authorization: header.map(|value| value.to_str().unwrap().to_owned()),
            form: request.form.map(|form| form.expose_secret().to_owned()),
            headers: request.headers,
        };
        let reply = (self.answer.lock().unwrap())(&seen);
        self.seen.lock().unwrap().push(seen);
        // Others get their turn, as they would over a network.
        tokio::task::yield_now().await;
        if !reply.delay.is_zero() {
            tokio::time::sleep(reply.delay).await;
        }
        if reply.lost {
            return Err(TransportError::Connect("refused".into()));
        }
        let end = reply.cut.then(|| Err(TransportError::Body("reset".into())));
        let chunks: Vec<_> = reply.body.chunks(1000).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
        let body = futures::stream::iter(chunks.into_iter().chain(end)).boxed();
        let status = StatusCode::from_u16(reply.status).unwrap();
        Ok(Response { status, headers: reply.headers, body })
    }
}

/// Keeps events.
#[derive(Default)]
pub(crate) struct Events(Mutex<Vec<Event>>);

impl Observer for Events {
    fn observe(&self, event: &Event) {
        self.0.lock().unwrap().push(event.clone());
    }
}

/// The first name of slices that nobody planned.
pub(crate) const MADE_UP: u32 = 10_000;

/// A client over a script.
pub(crate) struct Bench {
    pub(crate) client: GraphClient,
    pub(crate) clock: Clock,
    pub(crate) memory: ByteBudget,
    pub(crate) stop: CancellationToken,
    transport: Arc<Scripted>,
    events: Arc<Events>,
    pool: ComputePool,
}

/// What came of an extraction.
pub(crate) struct Outcome {
    pub(crate) result: Result<(), ExtractError>,
    /// Slice, place and length in bytes of each page.
    pub(crate) pages: Vec<(u32, u32, usize)>,
    /// Slice, pages and whether it is whole.
    pub(crate) slices: Vec<(u32, u32, bool)>,
    pub(crate) users: Vec<UserEnd>,
    /// The window of each slice that ended.
    pub(crate) windows: BTreeMap<u32, Window>,
}

impl Bench {
    pub(crate) fn new(answer: impl FnMut(&Seen) -> Reply + Send + 'static) -> Self {
        Self::with(settings(), answer)
    }

    pub(crate) fn with(settings: GraphSettings, answer: impl FnMut(&Seen) -> Reply + Send + 'static) -> Self {
        let clock = Clock::starting_at(1_764_000_000_000_000);
        let transport =
            Arc::new(Scripted { clock, answer: Mutex::new(Box::new(answer)), seen: Mutex::default() });
        let pool = ComputePool::new(1).unwrap();
        let (memory, events) = (ByteBudget::new(64 << 20), Arc::new(Events::default()));
        let context = RunContext {
            clock,
            chance_seed: 7,
            observer: Arc::clone(&events) as Arc<dyn Observer>,
            slice_ids: SliceIds::starting_at(MADE_UP),
            pool: pool.clone(),
            pages_budget: memory.clone(),
        };
        let client = GraphClient::with_transport(settings, context, Arc::clone(&transport) as _).unwrap();
        Self { client, clock, memory, stop: CancellationToken::new(), transport, events, pool }
    }

    /// A client whose token is always to be had.
    pub(crate) fn graph(mut answer: impl FnMut(&Seen) -> Reply + Send + 'static) -> Self {
        Self::new(move |seen| if seen.is_token() { token("t", 3600) } else { answer(seen) })
    }

    /// The same in a time that stands still while a body is looked into: a paused clock runs ahead when only compute
    /// threads work, which would make answers as slow as the next timer is far.
    pub(crate) async fn extract_in_step(&self, plans: Vec<UserPlan>) -> Outcome {
        let in_step = async {
            loop {
                tokio::time::sleep(Duration::from_millis(5)).await;
                let (pool, runtime) = (self.pool.clone(), tokio::runtime::Handle::current());
                // While a blocking thread works, a paused clock stands still; this one waits for the jobs before it.
                tokio::task::spawn_blocking(move || runtime.block_on(pool.run(|| ())))
                    .await
                    .unwrap()
                    .unwrap();
            }
        };
        tokio::select! {
            outcome = self.extract(plans) => outcome,
            () = in_step => unreachable!("it has no end"),
        }
    }

    pub(crate) async fn extract(&self, plans: Vec<UserPlan>) -> Outcome {
        let (sender, mut receiver) = channel(4);
        let extraction = self.client.extract(plans, sender, self.stop.clone());
        let (pages, slices, users, windows) = Default::default();
        let mut outcome = Outcome { result: Ok(()), pages, slices, users, windows };
        let collection = async {
            let (mut pages, mut slices, mut users, mut windows) = (vec![], vec![], vec![], BTreeMap::new());
            while let Some(item) = receiver.recv().await {
                match item {
                    Extracted::Page(held) => {
                        let page = held.value;
                        pages.push((page.slice.id.0, page.index, page.body.len()));
                    }
                    Extracted::SliceEnd(end) => {
                        if let SliceScope::History { window, .. } = &end.slice.scope {
                            windows.insert(end.slice.id.0, *window);
                        }
                        slices.push((end.slice.id.0, end.page_count, end.outcome == SliceOutcome::Whole));
                    }
                    Extracted::UserEnd(end) => users.push(end),
                }
            }
            (pages, slices, users, windows)
        };
        (outcome.result, (outcome.pages, outcome.slices, outcome.users, outcome.windows)) =
            tokio::join!(extraction, collection);
        outcome
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.transport.seen.lock().unwrap().clone()
    }

    /// What Graph itself was asked.
    pub(crate) fn asked(&self) -> Vec<Seen> {
        self.seen().into_iter().filter(|seen| !seen.is_token()).collect()
    }

    pub(crate) fn events(&self) -> Vec<Event> {
        self.events.0.lock().unwrap().clone()
    }
}

pub(crate) fn user(number: u32) -> UserId {
    UserId::parse(&format!("00000000-0000-0000-0000-{number:012}")).unwrap()
}

/// A user with so many slices, numbered on from ten times his own number.
pub(crate) fn plan(number: u32, slices: u32) -> UserPlan {
    let tenant = TenantId::parse("00000000-0000-0000-0000-00000000000a").unwrap();
    let owner = Owner { tenant, user: user(number) };
    let slice = |place: u32| {
        let day = |days: i64| Timestamp::from_micros(1_763_942_400_000_000 + days * 86_400_000_000);
        let window = Window { from: day(i64::from(place)), to: day(i64::from(place) + 1) };
        let scope = SliceScope::History { owner, window, classes: AppClasses::default() };
        Arc::new(Slice { id: SliceId(number * 10 + place), tenant, scope })
    };
    let slices = (0..slices).map(slice).collect();
    UserPlan { owner, profile: UserProfile::default(), slices, was_read: false }
}
