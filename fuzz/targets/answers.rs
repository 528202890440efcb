//! A tenant that answers anything, also to what is asked with a filter on the date.
//!
//! An input is a script: a line for each answer, its status and its body: `400 {"error":{"code":"BadRequest"}}`. A status
//! may say how long to wait, `429;7`; one that is none is a connection that is lost. Whatever is asked beyond the script
//! is a last page without records.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, OnceLock};

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt as _;
use http::header::RETRY_AFTER;
use http::{HeaderMap, HeaderValue, StatusCode};
use promptlake_extract::{
    ApiVersion, Credential, ExtraRoots, Extracted, GraphClient, GraphSettings, Request, Response, RunContext,
    Transport, TransportError, UserPlan,
};
use promptlake_flow::{ByteBudget, Clock, ComputePool, Silent, channel};
use promptlake_model::{
    AppClasses, Owner, Slice, SliceId, SliceIds, SliceOutcome, SliceScope, TenantId, Timestamp, UserId,
    UserProfile, UserStatus, Window,
};
use secrecy::SecretString;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use url::Url;

const DAY_MICROS: i64 = 86_400_000_000;
const FIRST_DAY_MICROS: i64 = 1_763_942_400_000_000;
const DAYS: i64 = 2;

/// Lines of a script that count: a longer one says nothing new, and takes long.
const LINES_MAX: usize = 200;

/// What the client may ask beyond a script: of all parts that wait when it ends, the last pages; and once more.
const REQUESTS_BEYOND_MAX: usize = 1_000;

const TOKEN: &str = r#"{"token_type":"Bearer","expires_in":3600,"access_token":"t"}"#;
const LAST_PAGE: &[u8] = br#"{"value":[]}"#;

pub(crate) fn law(input: &[u8]) {
    let lines: Vec<Vec<u8>> =
        input.split(|byte| *byte == b'\n').take(LINES_MAX).map(<[u8]>::to_vec).collect();
    let line_count = lines.len();
    let links = lines.iter().filter_map(|line| next_link(split_at_byte(line, b' ').1));
    let links = links.filter_map(|link| Url::parse(&link).ok()).collect();
    let script = Arc::new(Script { lines, links, asked: Mutex::default() });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let read = runtime.expect("a runtime without I/O").block_on(read(Arc::clone(&script)));
    let asked = script.asked.lock().expect("nobody panicked");
    assert!(asked.len() <= line_count + REQUESTS_BEYOND_MAX, "{} requests", asked.len());
    assert_filters(&asked);
    read.assert_lists();
    read.assert_covered();
}

/// What was asked of Graph, and what it answered.
struct Asked {
    has_date_filter: bool,
    is_first_page: bool,
    status: Option<u16>,
}

struct Script {
    lines: Vec<Vec<u8>>,
    /// The links to next pages in it: what else is asked for is the first page of a list.
    links: HashSet<Url>,
    asked: Mutex<Vec<Asked>>,
}

#[async_trait]
impl Transport for Script {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        if request.form.is_some() {
            return Ok(response(StatusCode::OK, HeaderMap::new(), TOKEN.as_bytes()));
        }
        let (status, headers, body) = self.answer(&request.url);
        tokio::task::yield_now().await;
        match status {
            Some(status) => Ok(response(status, headers, body)),
            None => Err(TransportError::Connect("refused".into())),
        }
    }
}

impl Script {
    /// The next line, as an answer to a request.
    fn answer(&self, url: &Url) -> (Option<StatusCode>, HeaderMap, &[u8]) {
        let mut asked = self.asked.lock().expect("nobody panicked");
        let mut headers = HeaderMap::new();
        let (status, body) = match self.lines.get(asked.len()) {
            None => (Some(StatusCode::OK), LAST_PAGE),
            Some(line) => {
                let (head, body) = split_at_byte(line, b' ');
                let (status, wait) = split_at_byte(head, b';');
                if let Ok(wait) = HeaderValue::from_bytes(wait) {
                    headers.insert(RETRY_AFTER, wait);
                }
                (StatusCode::from_bytes(status).ok(), body)
            }
        };
        let query = url.query().unwrap_or_default();
        asked.push(Asked {
            has_date_filter: query.contains("createdDateTime"),
            is_first_page: query.starts_with("$top=") && !self.links.contains(url),
            status: status.map(|status| status.as_u16()),
        });
        (status, headers, body)
    }
}

fn split_at_byte(bytes: &[u8], mark: u8) -> (&[u8], &[u8]) {
    match bytes.iter().position(|byte| *byte == mark) {
        Some(at) => (&bytes[..at], &bytes[at + 1..]),
        None => (bytes, &[]),
    }
}

/// The link to the next page in a body, as somebody else reads it; none where it is empty.
fn next_link(page: &[u8]) -> Option<String> {
    let page: Value = serde_json::from_slice(page).ok()?;
    page["@odata.nextLink"].as_str().filter(|link| !link.is_empty()).map(str::to_owned)
}

fn response(status: StatusCode, headers: HeaderMap, body: &[u8]) -> Response {
    let body = futures::stream::iter([Ok(Bytes::copy_from_slice(body))]).boxed();
    Response { status, headers, body }
}

/// Without a filter on the date nobody is asked before one was answered with 400, and each time anew while it is not sure
/// that it was the filter.
fn assert_filters(asked: &[Asked]) {
    let first_pages = asked.iter().filter(|asked| asked.is_first_page);
    let mut was_refused = false;
    for page in first_pages {
        assert!(page.has_date_filter || was_refused, "a filter was left out before it was refused");
        was_refused |= page.has_date_filter && page.status == Some(400);
    }
}

/// What came out at the other end.
#[derive(Default)]
struct Read {
    planned: Vec<Window>,
    /// The bodies of each slice's pages.
    pages: HashMap<u32, Vec<Bytes>>,
    /// Slice, its window, how many pages it says that it had, and whether it is whole.
    ends: Vec<(u32, Window, u32, bool)>,
    users: Vec<UserStatus>,
    is_tenant_closed: bool,
}

impl Read {
    fn take(&mut self, item: Extracted) {
        match item {
            Extracted::Page(held) => {
                let pages = self.pages.entry(held.value.slice.id.0).or_default();
                assert_eq!(held.value.index as usize, pages.len(), "a page is not in its place");
                pages.push(held.value.body);
            }
            Extracted::SliceEnd(end) => {
                let SliceScope::History { window, .. } = end.slice.scope else { panic!("no history") };
                let is_whole = end.outcome == SliceOutcome::Whole;
                self.ends.push((end.slice.id.0, window, end.page_count, is_whole));
            }
            Extracted::UserEnd(end) => self.users.push(end.status),
        }
    }

    /// A list has the pages that it says, and one that is whole goes to a page that names no next.
    fn assert_lists(&self) {
        for (slice, window, page_count, is_whole) in &self.ends {
            let pages = self.pages.get(slice).map_or(&[][..], Vec::as_slice);
            assert_eq!(pages.len(), *page_count as usize, "{window}");
            if *is_whole {
                let last = pages.last().expect("a list that is whole has a page");
                assert_eq!(next_link(last), None, "{window} is called whole and goes on");
            }
        }
        let ended = |slice: &u32| self.ends.iter().any(|(ended, ..)| ended == slice);
        assert!(self.pages.keys().all(ended), "a slice has no end");
    }

    /// Who is called extracted was asked for all that was planned.
    fn assert_covered(&self) {
        assert!(self.users.len() == 1 || (self.users.is_empty() && self.is_tenant_closed));
        if !self.users.iter().any(|status| matches!(status, UserStatus::Extracted | UserStatus::Empty)) {
            return;
        }
        let mut whole: Vec<Window> = self.ends.iter().filter(|end| end.3).map(|end| end.1).collect();
        whole.sort_by_key(|window| window.from);
        for planned in &self.planned {
            let mut covered_to = planned.from;
            for window in whole.iter().filter(|window| window.from <= planned.to) {
                if window.from <= covered_to {
                    covered_to = covered_to.max(window.to);
                }
            }
            assert!(covered_to >= planned.to, "{planned} is covered to {covered_to} alone");
        }
    }
}

async fn read(script: Arc<Script>) -> Read {
    let plan = plan();
    let window = |slice: &Arc<Slice>| match slice.scope {
        SliceScope::History { window, .. } => window,
        SliceScope::File(_) => unreachable!("a plan is of histories"),
    };
    let mut read = Read { planned: plan.slices.iter().map(window).collect(), ..Read::default() };
    let client = GraphClient::with_transport(settings(), context(), script).expect("the settings are good");
    let (sender, mut receiver) = channel(4);
    let collected = async {
        while let Some(item) = receiver.recv().await {
            read.take(item);
        }
    };
    let (outcome, ()) = tokio::join!(client.extract(vec![plan], sender, CancellationToken::new()), collected);
    read.is_tenant_closed = outcome.is_err();
    read
}

fn tenant() -> TenantId {
    TenantId::parse("061ea7c2-cc15-418b-bfc0-9f6a7d98011c").expect("a GUID")
}

fn settings() -> GraphSettings {
    let url = |text| Url::parse(text).expect("a URL");
    let secret = SecretString::from("s");
    GraphSettings {
        graph_url: url("https://g.test"),
        login_url: url("https://login.test"),
        tenant: tenant(),
        credential: Credential::ClientSecret { client_id: "app".into(), secret },
        extra_roots: ExtraRoots::default(),
        requests_per_second: 25.0,
        concurrency: 2,
        page_bytes_max: 1 << 20,
        api_version: ApiVersion::V1,
        model: None,
        pages_max: 20,
    }
}

fn context() -> RunContext {
    static POOL: OnceLock<ComputePool> = OnceLock::new();
    let pool = POOL.get_or_init(|| ComputePool::new(1).expect("a thread")).clone();
    RunContext {
        clock: Clock::starting_at(FIRST_DAY_MICROS + 30 * DAY_MICROS),
        chance_seed: 7,
        observer: Arc::new(Silent),
        slice_ids: SliceIds::starting_at(1_000),
        pool,
        pages_budget: ByteBudget::new(64 << 20),
    }
}

/// A user with a slice for each of some days.
fn plan() -> UserPlan {
    let user = UserId::parse("7f3e1d20-54aa-4a8e-8f6b-2f1a9c0d7e11").expect("a GUID");
    let owner = Owner { tenant: tenant(), user };
    let slice = |day: i64| {
        let at = |day| Timestamp::from_micros(FIRST_DAY_MICROS + day * DAY_MICROS);
        let window = Window { from: at(day), to: at(day + 1) };
        let scope = SliceScope::History { owner, window, classes: AppClasses::default() };
        Arc::new(Slice { id: SliceId(u32::try_from(day).expect("a few")), tenant: owner.tenant, scope })
    };
    UserPlan {
        owner,
        profile: UserProfile::default(),
        slices: (0..DAYS).map(slice).collect(),
        was_read: false,
    }
}
