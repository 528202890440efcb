//! The app's access token: fetched when it is needed, renewed before it ends, by one at a time.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use promptlake_flow::Clock;
use secrecy::SecretString;
use tokio::sync::Mutex;

use super::backoff::{ATTEMPTS_MAX, Chance, THROTTLE_WAIT_MAX};
use super::body::describe;
use super::credential::{Asked, Grantor};
use crate::ExtractError;

/// Tokens end in the middle of paging, and clocks differ.
const RENEW_BEFORE_END: Duration = Duration::from_mins(5);

/// A token that lives for minutes only is renewed in the last fifth of its life.
const RENEW_FRACTION: u32 = 5;

/// Keeps the token of one app in one tenant.
pub(crate) struct TokenSource {
    grantor: Grantor,
    clock: Clock,
    chance: Arc<Chance>,
    /// Held by whoever asks for a token, while he does.
    state: Mutex<State>,
    /// The token and its end, for those who come meanwhile.
    living: RwLock<Option<(Bearer, Duration)>>,
}

/// In the clock's time since its start.
#[derive(Default)]
struct State {
    token: Option<Token>,
    generation: u64,
    failures: u32,
    next_attempt_at: Duration,
}

/// A token whose end nobody told is used until it is refused: its times are the end of time.
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

impl TokenSource {
    pub(crate) fn new(grantor: Grantor, clock: Clock, chance: Arc<Chance>) -> Self {
        Self { grantor, clock, chance, state: Mutex::default(), living: RwLock::default() }
    }

    /// The token, renewed if it is time. Whoever comes while it is being renewed goes on with the one that still lives, or
    /// waits where there is none.
    ///
    /// Cancel-safe: the next one begins where this one stopped.
    pub(crate) async fn bearer(&self) -> Result<Bearer, ExtractError> {
        loop {
            let wait = {
                let mut state = match self.state.try_lock() {
                    Ok(state) => state,
                    Err(_) => match self.living() {
                        Some(bearer) => return Ok(bearer),
                        None => self.state.lock().await,
                    },
                };
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
            self.publish(&state);
        }
    }

    fn living(&self) -> Option<Bearer> {
        let living = self.living.read().unwrap_or_else(PoisonError::into_inner);
        let (bearer, ends_at) = living.as_ref()?;
        (self.clock.elapsed() < *ends_at).then(|| bearer.clone())
    }

    fn publish(&self, state: &State) {
        let living = state.token.as_ref().map(|token| (state.bearer(token), token.ends_at));
        *self.living.write().unwrap_or_else(PoisonError::into_inner) = living;
    }

    /// Asks once. After a failure that may pass, the state says when the next attempt is due.
    async fn renew(&self, state: &mut State) -> Result<(), ExtractError> {
        let asked = self.grantor.ask().await;
        let now = self.clock.elapsed();
        let (reason, wait) = match asked {
            Asked::Granted { secret, lifetime } => {
                state.accept(secret, lifetime, now);
                self.publish(state);
                return Ok(());
            }
            // Perhaps by somebody in front of the login service. What lives is good until it is refused itself.
            Asked::Refused(error) if state.lives(now) => (describe(&error), None),
            Asked::Refused(error) => return Err(error),
            // At the start somebody looks on, and what is wrong is what was set up; later it is a file that is just
            // being replaced, or a tool without its server.
            Asked::Unready(error) if state.generation == 0 => return Err(ExtractError::Credential(error)),
            Asked::Unready(error) => (describe(&error), None),
            Asked::Failed { reason, wait } => (reason, wait),
        };
        state.failures += 1;
        let wait = wait.unwrap_or_else(|| self.chance.backoff(state.failures));
        state.next_attempt_at = now.saturating_add(wait);
        let unavailable = state.failures >= ATTEMPTS_MAX || wait > THROTTLE_WAIT_MAX;
        if state.usable(now).is_none() && unavailable {
            let (login, attempts) = (self.grantor.place(), state.failures);
            return Err(ExtractError::TokenUnavailable { login, attempts, last: reason });
        }
        if state.failures == 1 {
            // Whoever looks on sees nothing else for a while.
            tracing::warn!(login = %self.grantor.place(), reason, "no token was given: asked again, for up to a minute");
        }
        Ok(())
    }
}

impl State {
    /// The token, if it need not be renewed now: because it is fresh, or because renewing it just failed while it
    /// still lives.
    fn usable(&self, now: Duration) -> Option<Bearer> {
        let token = self.token.as_ref()?;
        let good = now < token.renew_at || now < token.ends_at && now < self.next_attempt_at;
        good.then(|| self.bearer(token))
    }

    fn bearer(&self, token: &Token) -> Bearer {
        Bearer { secret: token.secret.clone(), generation: self.generation }
    }

    fn lives(&self, now: Duration) -> bool {
        self.token.as_ref().is_some_and(|token| now < token.ends_at)
    }

    fn accept(&mut self, secret: SecretString, lifetime: Option<Duration>, now: Duration) {
        let lifetime = lifetime.unwrap_or(Duration::MAX);
        let early = RENEW_BEFORE_END.min(lifetime / RENEW_FRACTION);
        let ends_at = now.saturating_add(lifetime);
        self.token = Some(Token { secret, renew_at: ends_at.saturating_sub(early), ends_at });
        self.generation += 1;
        self.failures = 0;
        self.next_attempt_at = Duration::ZERO;
    }
}
