//! The app's access token: fetched when it is needed, renewed before it ends, by one at a time.

use std::sync::Arc;
use std::time::Duration;

use http::header::ACCEPT;
use http::{HeaderMap, HeaderValue, Method};
use promptlake_flow::{Clock, Event, Observer, RequestKind};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::sync::Mutex;
use url::{Url, form_urlencoded};

use super::backoff::{ATTEMPTS_MAX, Chance, THROTTLE_WAIT_MAX};
use super::body::{BodyFault, answer, describe, receive};
use super::retry_after::retry_after;
use super::settings::GraphSettings;
use super::transport::{Request, Transport};
use crate::ExtractError;

/// Tokens end in the middle of paging, and clocks differ.
const RENEW_BEFORE_END: Duration = Duration::from_mins(5);

/// A token that lives for minutes only is renewed in the last fifth of its life.
const RENEW_FRACTION: u32 = 5;

/// A token is a few kilobytes; one with hundreds of roles some dozens.
const BODY_BYTES_MAX: usize = 256 * 1024;

/// Keeps the token of one app in one tenant.
pub(crate) struct TokenSource {
    transport: Arc<dyn Transport>,
    clock: Clock,
    chance: Arc<Chance>,
    observer: Arc<dyn Observer>,
    endpoint: Url,
    form: SecretString,
    state: Mutex<State>,
}

/// In the clock's time since its start.
#[derive(Default)]
struct State {
    token: Option<Token>,
    generation: u64,
    failures: u32,
    next_attempt_at: Duration,
}

struct Token {
    secret: SecretString,
    renew_at: Duration,
    ends_at: Duration,
}

/// A token, and which one it is.
#[derive(Clone)]
pub(crate) struct Bearer {
    pub(crate) secret: SecretString,
    generation: u64,
}

/// What came of asking for a token once.
enum Asked {
    Granted { secret: SecretString, lifetime: Duration },
    Refused(ExtractError),
    Failed { reason: String, wait: Option<Duration> },
}

impl TokenSource {
    pub(crate) fn new(
        settings: &GraphSettings,
        transport: Arc<dyn Transport>,
        clock: Clock,
        chance: Arc<Chance>,
        observer: Arc<dyn Observer>,
    ) -> Self {
        let mut endpoint = settings.login_url.clone();
        endpoint.set_path(&format!("/{}/oauth2/v2.0/token", settings.tenant));
        let form = client_secret_form(settings);
        Self { transport, clock, chance, observer, endpoint, form, state: Mutex::default() }
    }

    /// The token, renewed if it is time. Whoever comes while it is being renewed waits for that one.
    ///
    /// Cancel-safe: the next one begins where this one stopped.
    pub(crate) async fn bearer(&self) -> Result<Bearer, ExtractError> {
        loop {
            let wait = {
                let mut state = self.state.lock().await;
                let now = self.clock.elapsed();
                if let Some(bearer) = state.usable(now) {
                    return Ok(bearer);
                }
                let wait = state.next_attempt_at.saturating_sub(now);
                if wait.is_zero() {
                    self.renew(&mut state).await?;
                    continue;
                }
                wait
            };
            tokio::time::sleep(wait).await;
        }
    }

    /// Forgets a token that Graph refused, unless it has been replaced already.
    pub(crate) async fn reject(&self, bearer: &Bearer) {
        let mut state = self.state.lock().await;
        if state.generation == bearer.generation {
            state.token = None;
        }
    }

    /// Asks once. After a failure that may pass, the state says when the next attempt is due.
    async fn renew(&self, state: &mut State) -> Result<(), ExtractError> {
        let asked = self.ask().await;
        let now = self.clock.elapsed();
        match asked {
            Asked::Granted { secret, lifetime } => {
                state.accept(secret, lifetime, now);
                Ok(())
            }
            Asked::Refused(error) => Err(error),
            Asked::Failed { reason, wait } => {
                state.failures += 1;
                let wait = wait.unwrap_or_else(|| self.chance.backoff(state.failures));
                state.next_attempt_at = now.saturating_add(wait);
                let unavailable = state.failures >= ATTEMPTS_MAX || wait > THROTTLE_WAIT_MAX;
                if state.usable(now).is_none() && unavailable {
                    let (login, attempts) = (self.endpoint.origin().ascii_serialization(), state.failures);
                    return Err(ExtractError::TokenUnavailable { login, attempts, last: reason });
                }
                Ok(())
            }
        }
    }

    async fn ask(&self) -> Asked {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let form = Some(self.form.clone());
        let request = Request { method: Method::POST, url: self.endpoint.clone(), headers, form };
        let response = match answer(&*self.transport, request).await {
            Ok(response) => response,
            Err(error) => {
                self.note(None, 0);
                return failed(describe(&error));
            }
        };
        let status = response.status.as_u16();
        let wait = retry_after(&response.headers, self.clock.now_micros());
        let body = receive(response, BODY_BYTES_MAX, &self.clock, None).await;
        self.note(Some(status), body.as_ref().map_or(0, |body| body.len() as u64));
        match body {
            Ok(body) if status == 200 => granted(&body),
            Ok(body) => refused(status, &body, wait),
            Err(BodyFault::Cut(error)) => failed(describe(&error)),
            Err(BodyFault::TooLarge) => failed(format!("the answer has more than {BODY_BYTES_MAX} bytes")),
        }
    }

    fn note(&self, status: Option<u16>, body_bytes: u64) {
        tracing::debug!(status, "token answered");
        self.observer.observe(&Event::Answered { kind: RequestKind::Token, status, body_bytes });
    }
}

impl State {
    /// The token, if it need not be renewed now: because it is fresh, or because renewing it just failed while it
    /// still lives.
    fn usable(&self, now: Duration) -> Option<Bearer> {
        let token = self.token.as_ref()?;
        let good = now < token.renew_at || now < token.ends_at && now < self.next_attempt_at;
        good.then(|| Bearer { secret: token.secret.clone(), generation: self.generation })
    }

    fn accept(&mut self, secret: SecretString, lifetime: Duration, now: Duration) {
        let early = RENEW_BEFORE_END.min(lifetime / RENEW_FRACTION);
        let ends_at = now.saturating_add(lifetime);
        self.token = Some(Token { secret, renew_at: ends_at.saturating_sub(early), ends_at });
        self.generation += 1;
        self.failures = 0;
        self.next_attempt_at = Duration::ZERO;
    }
}

fn client_secret_form(settings: &GraphSettings) -> SecretString {
    let scope = format!("{}/.default", settings.graph_url.origin().ascii_serialization());
    let form = form_urlencoded::Serializer::new(String::new())
        .append_pair("grant_type", "client_credentials")
        .append_pair("client_id", &settings.client_id)
        .append_pair("scope", &scope)
        .append_pair("client_secret", settings.client_secret.expose_secret())
        .finish();
    SecretString::from(form)
}

#[derive(Deserialize)]
struct Grant {
    access_token: String,
    expires_in: Seconds,
}

/// A number, or a text that is one: some endpoints give it so.
#[derive(Deserialize)]
#[serde(try_from = "serde_json::Value")]
struct Seconds(u64);

impl TryFrom<serde_json::Value> for Seconds {
    type Error = &'static str;

    fn try_from(value: serde_json::Value) -> Result<Self, Self::Error> {
        let seconds = value.as_u64().or_else(|| value.as_str()?.parse().ok());
        seconds.filter(|seconds| *seconds > 0).map(Self).ok_or("not a number of seconds")
    }
}

fn granted(body: &[u8]) -> Asked {
    match serde_json::from_slice::<Grant>(body) {
        Ok(Grant { access_token, expires_in: Seconds(seconds) }) => {
            Asked::Granted { secret: access_token.into(), lifetime: Duration::from_secs(seconds) }
        }
        Err(_) => failed("the answer holds no token with a lifetime".to_owned()),
    }
}

#[derive(Deserialize)]
struct LoginError {
    error: String,
    #[serde(default)]
    error_codes: Vec<u32>,
}

fn refused(status: u16, body: &[u8], wait: Option<Duration>) -> Asked {
    let login = serde_json::from_slice::<LoginError>(body).ok();
    let transient = status == 408 || status == 429 || status >= 500;
    match login {
        Some(login) if !transient && login.error != "temporarily_unavailable" => {
            let aadsts = login.error_codes.first().copied();
            let error =
                login.error.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').take(64).collect();
            Asked::Refused(ExtractError::TokenRefused { aadsts, error })
        }
        None if !transient => {
            Asked::Refused(ExtractError::TokenRefused { aadsts: None, error: format!("status {status}") })
        }
        _ => Asked::Failed { reason: format!("status {status}"), wait },
    }
}

fn failed(reason: String) -> Asked {
    Asked::Failed { reason, wait: None }
}
