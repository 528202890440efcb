//! Access tokens: given to whoever signs in, good for a while, unless they are revoked.
//!
//! A token looks like the JWT of an application, with the granted permissions in `roles`, and is unsigned:
//! the server knows a token because it gave it.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::answer::Answer;
use super::base64;
use super::state::lock;
use crate::tenant::Tenant;

/// The longest that a token is good, whatever it says: instants have an end.
const LIFETIME_MAX: Duration = Duration::from_hours(24 * 365);

/// The tokens that were given, and until when each is good; none where it was revoked.
#[derive(Debug, Default)]
pub(super) struct Tokens(Mutex<BTreeMap<String, Option<Instant>>>);

/// Why a bearer token is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    Missing,
    Unknown,
    Expired,
    Revoked,
}

/// A token that was given.
#[derive(Debug)]
pub(super) struct Issued {
    pub(super) token: String,
    pub(super) unix_seconds: i64,
    pub(super) lifetime_seconds: u64,
}

/// An error of the login service.
#[derive(Debug)]
pub(super) struct LoginError {
    pub(super) status: u16,
    pub(super) error: &'static str,
    pub(super) code: u32,
    pub(super) message: String,
}

impl Refusal {
    pub(super) fn message(self) -> &'static str {
        match self {
            Self::Missing => "Access token is empty.",
            Self::Unknown => "CompactToken parsing failed with error code: 80049217",
            Self::Expired => "Lifetime validation failed, the token is expired.",
            Self::Revoked => {
                "Continuous access evaluation resulted in challenge with result: InteractionRequired and code: \
                 TokenIssuedBeforeRevocationTimestamp"
            }
        }
    }
}

impl Tokens {
    /// Whether the value of an `Authorization` header is good at `now`.
    pub(super) fn check(&self, authorization: Option<&str>, now: Instant) -> Result<(), Refusal> {
        let (scheme, token) = authorization.and_then(|it| it.split_once(' ')).ok_or(Refusal::Missing)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(Refusal::Missing);
        }
        match lock(&self.0).get(token.trim()) {
            None => Err(Refusal::Unknown),
            Some(None) => Err(Refusal::Revoked),
            Some(Some(expires)) if now >= *expires => Err(Refusal::Expired),
            Some(Some(_)) => Ok(()),
        }
    }

    /// Revokes every token that was given until now.
    pub(super) fn revoke_all(&self) {
        lock(&self.0).values_mut().for_each(|expires| *expires = None);
    }

    /// Gives a token at `now`, which is `unix_ms` on the wall clock.
    pub(super) fn give(
        &self,
        tenant: &Tenant,
        roles: &[&str],
        lifetime: Duration,
        (now, unix_ms): (Instant, i64),
    ) -> Issued {
        let mut tokens = lock(&self.0);
        let unix_seconds = unix_ms / 1_000;
        let lifetime_seconds = lifetime.as_secs();
        let claims = json!({
            "aud": "https://graph.microsoft.com",
            "tid": tenant.id(),
            "appid": tenant.client_id(),
            "iat": unix_seconds,
            "nbf": unix_seconds,
            "exp": unix_seconds.saturating_add_unsigned(lifetime_seconds),
            "roles": roles,
            "uti": tokens.len().to_string(),
        });
        let part = |value: &Value| base64::encode(value.to_string().as_bytes());
        let token = format!("{}.{}.unsigned", part(&json!({ "typ": "JWT", "alg": "RS256" })), part(&claims));
        tokens.insert(token.clone(), Some(now + lifetime.min(LIFETIME_MAX)));
        Issued { token, unix_seconds, lifetime_seconds }
    }
}

impl Issued {
    /// The token as the login service gives it.
    pub(super) fn login_answer(&self) -> Answer {
        let body = json!({
            "token_type": "Bearer",
            "expires_in": self.lifetime_seconds,
            "ext_expires_in": self.lifetime_seconds,
            "access_token": self.token,
        });
        Answer::json(200, &body)
    }
}

impl LoginError {
    /// The error of an application that can't show who it is.
    pub(super) fn invalid_client(code: u32, message: String) -> Self {
        Self { status: 401, error: "invalid_client", code, message }
    }

    pub(super) fn answer(&self) -> Answer {
        let body = json!({
            "error": self.error,
            "error_description": format!("AADSTS{}: {}", self.code, self.message),
            "error_codes": [self.code],
            "trace_id": "5f1b1bfa-0000-4000-8000-000000000001",
            "correlation_id": "5f1b1bfa-0000-4000-8000-000000000002",
            "error_uri": format!("https://login.microsoftonline.com/error?code={}", self.code),
        });
        Answer::json(self.status, &body)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Refusal, Tokens};
    use crate::clock;
    use crate::spec::TenantSpec;
    use crate::tenant::Tenant;

    #[test]
    fn tokens_expire_and_are_revoked() {
        let (tenant, tokens) = (Tenant::new(TenantSpec::default()).unwrap(), Tokens::default());
        let start = clock::now();
        let issued = tokens.give(&tenant, &[], Duration::from_mins(1), (start, 0));
        let header = format!("Bearer {}", issued.token);
        assert_eq!(issued.lifetime_seconds, 60);
        assert_eq!(tokens.check(Some(&header), start + Duration::from_secs(59)), Ok(()));
        assert_eq!(tokens.check(Some(&header), start + Duration::from_mins(1)), Err(Refusal::Expired));
        assert_eq!(tokens.check(Some("Bearer x"), start), Err(Refusal::Unknown));
        assert_eq!(tokens.check(Some("Basic x"), start), Err(Refusal::Missing));
        assert_eq!(tokens.check(None, start), Err(Refusal::Missing));
        tokens.revoke_all();
        assert_eq!(tokens.check(Some(&header), start), Err(Refusal::Revoked));
        let next = tokens.give(&tenant, &[], Duration::from_mins(1), (start, 0));
        assert_eq!(tokens.check(Some(&format!("Bearer {}", next.token)), start), Ok(()));
    }
}
