//! What a login service, or the platform in its place, answers.

use std::time::Duration;

use secrecy::SecretString;
use serde::Deserialize;

use super::CredentialKind;
use super::error::CredentialError;
use crate::ExtractError;

/// An OAuth error code is a word or two; what is longer is none.
const ERROR_CHARS_MAX: usize = 64;

/// What came of asking for a token once.
pub(crate) enum Asked {
    /// A token; without a lifetime where nobody said when it ends.
    Granted { secret: SecretString, lifetime: Option<Duration> },
    /// Asking again gives the same.
    Refused(ExtractError),
    /// Another attempt may succeed, after a wait where one was told.
    Failed { reason: String, wait: Option<Duration> },
    /// Nobody was asked: what is to be shown can't be had.
    Unready(CredentialError),
}

/// A token as OAuth has it. Managed identities say when it ends, some of them nothing else.
#[derive(Deserialize)]
struct Grant {
    access_token: String,
    expires_in: Option<Seconds>,
    expires_on: Option<Seconds>,
}

/// A number, or a text that is one: some endpoints give it so.
#[derive(Deserialize, Clone, Copy)]
#[serde(try_from = "serde_json::Value")]
pub(super) struct Seconds(pub(super) u64);

impl TryFrom<serde_json::Value> for Seconds {
    type Error = &'static str;

    fn try_from(value: serde_json::Value) -> Result<Self, Self::Error> {
        let seconds = value.as_u64().or_else(|| value.as_str()?.parse().ok());
        seconds.filter(|seconds| *seconds > 0).map(Self).ok_or("not a number of seconds")
    }
}

/// A body with status 200.
pub(super) fn granted(body: &[u8], now_micros: i64) -> Asked {
    let lifetime_of = |grant: &Grant| match (grant.expires_in, grant.expires_on) {
        (Some(Seconds(seconds)), _) => Some(Duration::from_secs(seconds)),
        (None, Some(Seconds(at))) => until(i64::try_from(at).unwrap_or(i64::MAX), now_micros),
        (None, None) => None,
    };
    match serde_json::from_slice::<Grant>(body) {
        Ok(grant) => match lifetime_of(&grant) {
            Some(lifetime) => Asked::Granted { secret: grant.access_token.into(), lifetime: Some(lifetime) },
            None => failed("the answer holds a token without a lifetime, or one that has ended".to_owned()),
        },
        Err(_) => failed("the answer holds no token with a lifetime".to_owned()),
    }
}

/// The time until an instant in seconds since the epoch; `None` where it has passed.
pub(super) fn until(at_seconds: i64, now_micros: i64) -> Option<Duration> {
    let micros = at_seconds.saturating_mul(1_000_000).saturating_sub(now_micros);
    u64::try_from(micros).ok().filter(|micros| *micros > 0).map(Duration::from_micros)
}

#[derive(Deserialize)]
struct LoginError {
    error: String,
    #[serde(default)]
    error_codes: Vec<u32>,
}

/// A body with another status.
pub(super) fn refused(status: u16, body: &[u8], wait: Option<Duration>, credential: CredentialKind) -> Asked {
    let login = serde_json::from_slice::<LoginError>(body).ok();
    let transient = status == 408 || status == 429 || status >= 500;
    match login {
        Some(login) if !transient && login.error != "temporarily_unavailable" => {
            let aadsts = login.error_codes.first().copied();
            let word = |c: &char| c.is_ascii_alphanumeric() || *c == '_';
            let error = login.error.chars().filter(word).take(ERROR_CHARS_MAX).collect();
            Asked::Refused(ExtractError::TokenRefused { credential, aadsts, error })
        }
        None if !transient => {
            let error = format!("status {status}");
            Asked::Refused(ExtractError::TokenRefused { credential, aadsts: None, error })
        }
        _ => Asked::Failed { reason: format!("status {status}"), wait },
    }
}

pub(super) fn failed(reason: String) -> Asked {
    Asked::Failed { reason, wait: None }
}
