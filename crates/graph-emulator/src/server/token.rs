//! Access tokens: given for the application's secret, good for a while.
//!
//! A token looks like the JWT of an application, with the granted permissions in `roles`, and is unsigned:
//! the server knows a token because it gave it.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::answer::Answer;
use super::base64;
use super::query::Parameters;
use crate::tenant::Tenant;

/// The permissions that the application has been granted.
const ROLES: [&str; 4] =
    ["AiEnterpriseInteraction.Read.All", "User.Read.All", "GroupMember.Read.All", "Organization.Read.All"];

/// The longest that a token is good, whatever it says: instants have an end.
const LIFETIME_MAX: Duration = Duration::from_hours(24 * 365);

/// The tokens that were given and until when each is good.
#[derive(Debug, Default)]
pub(super) struct Tokens(Mutex<BTreeMap<String, Instant>>);

/// Why a bearer token is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    Missing,
    Unknown,
    Expired,
}

/// A request for a token: the tenant of its path and its form.
#[derive(Debug)]
pub(super) struct TokenRequest<'a> {
    pub(super) tenant_id: &'a str,
    pub(super) form: &'a Parameters,
}

/// An error of the login service.
struct LoginError {
    status: u16,
    error: &'static str,
    code: u32,
    message: String,
}

impl Refusal {
    pub(super) fn message(self) -> &'static str {
        match self {
            Self::Missing => "Access token is empty.",
            Self::Unknown => "CompactToken parsing failed with error code: 80049217",
            Self::Expired => "Lifetime validation failed, the token is expired.",
        }
    }
}

impl Tokens {
    /// Answers a request for a token at `now`, which is `unix_ms` on the wall clock.
    pub(super) fn answer(
        &self,
        tenant: &Tenant,
        request: &TokenRequest<'_>,
        lifetime: Duration,
        now: (Instant, i64),
    ) -> Answer {
        match check(tenant, request) {
            Ok(()) => self.give(tenant, lifetime, now),
            Err(error) => error.answer(),
        }
    }

    /// Whether the value of an `Authorization` header is good at `now`.
    pub(super) fn check(&self, authorization: Option<&str>, now: Instant) -> Result<(), Refusal> {
        let (scheme, token) = authorization.and_then(|it| it.split_once(' ')).ok_or(Refusal::Missing)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(Refusal::Missing);
        }
        let tokens = self.0.lock().expect("no holder of the tokens panics");
        match tokens.get(token.trim()) {
            None => Err(Refusal::Unknown),
            Some(expires) if now >= *expires => Err(Refusal::Expired),
            Some(_) => Ok(()),
        }
    }

    fn give(&self, tenant: &Tenant, lifetime: Duration, (now, unix_ms): (Instant, i64)) -> Answer {
        let mut tokens = self.0.lock().expect("no holder of the tokens panics");
        let issued = unix_ms / 1_000;
        let lifetime_seconds = lifetime.as_secs();
        let claims = json!({
            "aud": "https://graph.microsoft.com",
            "tid": tenant.id(),
            "appid": tenant.client_id(),
            "iat": issued,
            "nbf": issued,
            "exp": issued.saturating_add_unsigned(lifetime_seconds),
            "roles": ROLES,
            "uti": tokens.len().to_string(),
        });
        let part = |value: &Value| base64::encode(value.to_string().as_bytes());
        let token = format!("{}.{}.unsigned", part(&json!({ "typ": "JWT", "alg": "RS256" })), part(&claims));
        tokens.insert(token.clone(), now + lifetime.min(LIFETIME_MAX));
        let body = json!({
            "token_type": "Bearer",
            "expires_in": lifetime_seconds,
            "ext_expires_in": lifetime_seconds,
            "access_token": token,
        });
        Answer::json(200, &body)
    }
}

fn check(tenant: &Tenant, request: &TokenRequest<'_>) -> Result<(), LoginError> {
    let field = |name| request.form.get(name).filter(|value| !value.is_empty());
    let error = |status, error, code, message: String| Err(LoginError { status, error, code, message });
    let known = [tenant.id(), &tenant.domain()].iter().any(|it| it.eq_ignore_ascii_case(request.tenant_id));
    if !known {
        let message = format!(
            "Tenant '{}' not found. Check to make sure you have the correct tenant ID.",
            request.tenant_id
        );
        return error(400, "invalid_request", 90_002, message);
    }
    if field("grant_type") != Some("client_credentials") {
        let message = "The app requested an unsupported grant type.".to_owned();
        return error(400, "unsupported_grant_type", 70_003, message);
    }
    let client_id = field("client_id").unwrap_or_default();
    if !client_id.eq_ignore_ascii_case(tenant.client_id()) {
        let message = format!("Application with identifier '{client_id}' was not found in the directory.");
        return error(400, "unauthorized_client", 700_016, message);
    }
    if !field("scope").is_some_and(|scope| scope.ends_with("/.default")) {
        let message = "The provided value for the input parameter 'scope' is not valid.".to_owned();
        return error(400, "invalid_scope", 70_011, message);
    }
    match field("client_secret") {
        Some(secret) if secret == tenant.client_secret() => Ok(()),
        Some(_) => {
            let message = format!("Invalid client secret provided for app '{client_id}'.");
            error(401, "invalid_client", 7_000_215, message)
        }
        None => {
            let message = "The request body must contain 'client_assertion' or 'client_secret'.".to_owned();
            error(401, "invalid_client", 7_000_216, message)
        }
    }
}

impl LoginError {
    fn answer(&self) -> Answer {
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

    use super::{Refusal, TokenRequest, Tokens};
    use crate::clock;
    use crate::server::query::Parameters;
    use crate::spec::TenantSpec;
    use crate::tenant::Tenant;

    fn tenant() -> Tenant {
        Tenant::new(TenantSpec::default()).unwrap()
    }

    #[test]
    fn refuses_as_the_login_service_does() {
        let tenant = tenant();
        let (id, app, secret) = (tenant.id(), tenant.client_id(), tenant.client_secret());
        let good = format!("grant_type=client_credentials&client_id={app}&scope=https%3A%2F%2Fx%2F.default");
        for (tenant_id, form, status, code) in [
            (id, format!("{good}&client_secret={secret}"), 200, ""),
            ("nobody", format!("{good}&client_secret={secret}"), 400, "AADSTS90002"),
            (id, good.clone(), 401, "AADSTS7000216"),
            (id, format!("{good}&client_secret=wrong"), 401, "AADSTS7000215"),
            (id, format!("{}&client_secret={secret}", good.replace(app, "x")), 400, "AADSTS700016"),
            (id, format!("{}&client_secret={secret}", good.replace(".default", "x")), 400, "AADSTS70011"),
            (id, format!("{}&client_secret={secret}", good.replace("client_cr", "x")), 400, "AADSTS70003"),
        ] {
            let form = &Parameters::read(&form);
            let now = (clock::now(), 0);
            let request = TokenRequest { tenant_id, form };
            let answer = Tokens::default().answer(&tenant, &request, Duration::from_secs(9), now);
            let body = String::from_utf8(answer.body).unwrap();
            assert_eq!(answer.status.as_u16(), status, "{body}");
            assert!(body.contains(code), "{body}");
        }
    }

    #[test]
    fn tokens_expire() {
        let (tenant, tokens, start) = (tenant(), Tokens::default(), clock::now());
        let answer = tokens.give(&tenant, Duration::from_mins(1), (start, 0));
        let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        let header = format!("Bearer {}", body["access_token"].as_str().unwrap());
        assert_eq!(body["expires_in"], 60);
        assert_eq!(tokens.check(Some(&header), start + Duration::from_secs(59)), Ok(()));
        assert_eq!(tokens.check(Some(&header), start + Duration::from_mins(1)), Err(Refusal::Expired));
        assert_eq!(tokens.check(Some("Bearer x"), start), Err(Refusal::Unknown));
        assert_eq!(tokens.check(Some("Basic x"), start), Err(Refusal::Missing));
        assert_eq!(tokens.check(None, start), Err(Refusal::Missing));
    }
}
