//! What a token says of itself. It is read for advice alone: whether the token is good, Graph decides.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use promptlake_model::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

/// The claims of a token of Entra ID that say for whom it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenClaims {
    /// The application permissions that were granted.
    pub roles: Vec<String>,
    /// Whether it speaks for a user who signed in, and not for the app.
    pub is_of_a_user: bool,
    /// The tenant that it is of.
    pub tenant_id: Option<String>,
    /// Its end.
    pub ends_at: Option<Timestamp>,
}

#[derive(Deserialize)]
struct Claims {
    #[serde(default)]
    roles: Vec<String>,
    scp: Option<String>,
    tid: Option<String>,
    exp: Option<i64>,
}

impl TokenClaims {
    /// Reads a JWT; `None` of a token that is none, as those of personal accounts are.
    pub(crate) fn read(token: &SecretString) -> Option<Self> {
        let payload = token.expose_secret().split('.').nth(1)?;
        let payload = URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
        let Claims { roles, scp, tid, exp } = serde_json::from_slice(&payload).ok()?;
        let ends_at = exp.map(|seconds| Timestamp::from_micros(seconds.saturating_mul(1_000_000)));
        Some(Self { roles, is_of_a_user: scp.is_some(), tenant_id: tid, ends_at })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(payload: &str) -> Option<TokenClaims> {
        let encoded = URL_SAFE_NO_PAD.encode(payload);
        TokenClaims::read(&SecretString::from(format!("head.{encoded}.signature")))
    }

    #[test]
    fn claims_are_read_and_nothing_is_made_of_what_is_no_jwt() {
        let app = read(r#"{"roles":["A.Read","B.Read"],"tid":"t","exp":1700000000,"x":{}}"#).unwrap();
        assert_eq!(app.roles, ["A.Read", "B.Read"]);
        assert_eq!((app.is_of_a_user, app.tenant_id.as_deref()), (false, Some("t")));
        assert_eq!(app.ends_at, Some(Timestamp::from_micros(1_700_000_000_000_000)));
        let user = read(r#"{"scp":"User.Read"}"#).unwrap();
        assert_eq!((user.roles.len(), user.is_of_a_user, user.ends_at), (0, true, None));
        for odd in ["", "opaque", "a.b.c", "a.!!.c"] {
            assert_eq!(TokenClaims::read(&SecretString::from(odd)), None, "{odd}");
        }
        assert_eq!(read("[]"), None);
    }
}
