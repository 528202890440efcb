//! A token that another tool has got: as it is, or within the JSON of `az account get-access-token` and its like.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Local, NaiveDateTime};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::answer::{Asked, Seconds, until};
use super::error::CredentialError;

/// What the Azure CLI prints; `azd auth token` names it `token`.
#[derive(Deserialize)]
struct Printed {
    #[serde(alias = "accessToken", alias = "access_token")]
    token: String,
    /// Seconds since the epoch. Not printed by old versions.
    expires_on: Option<Seconds>,
    /// With a zone, or in the zone of this machine.
    #[serde(rename = "expiresOn")]
    expires_at: Option<String>,
}

#[derive(Deserialize)]
struct Claims {
    exp: Option<Seconds>,
}

/// What was printed, as a token. Its end is that of the token itself where it is a JWT, else what was said beside it;
/// nobody may have said it.
pub(super) fn read(printed: &SecretString, now_micros: i64) -> Asked {
    let text = printed.expose_secret();
    let (secret, said_end) = if text.starts_with('{') {
        match serde_json::from_str::<Printed>(text) {
            Ok(printed) => {
                let end = said_end(&printed);
                (SecretString::from(printed.token), end)
            }
            Err(_) => return unusable("is JSON without a token"),
        }
    } else {
        (printed.clone(), None)
    };
    if !is_token(secret.expose_secret()) {
        return unusable("is neither one token nor JSON that holds one");
    }
    let Some(end) = jwt_end(secret.expose_secret()).or(said_end) else {
        return Asked::Granted { secret, lifetime: None };
    };
    match until(end, now_micros) {
        Some(lifetime) => Asked::Granted { secret, lifetime: Some(lifetime) },
        None => unusable("is a token that has ended"),
    }
}

/// Visible ASCII without a break, as RFC 6750 has it: anything else is a message to a person.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~+/=".contains(&b))
}

/// In seconds since the epoch.
fn said_end(printed: &Printed) -> Option<i64> {
    if let Some(Seconds(seconds)) = printed.expires_on {
        return i64::try_from(seconds).ok();
    }
    let text = printed.expires_at.as_deref()?;
    if let Ok(instant) = DateTime::parse_from_rfc3339(text) {
        return Some(instant.timestamp());
    }
    let local = NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f").ok()?;
    // The hour that a change of the clocks repeats counts as the first of the two: too early is right.
    Some(local.and_local_timezone(Local).earliest()?.timestamp())
}

/// The `exp` of a token that is a JWT. It is read, not trusted: Graph decides.
fn jwt_end(token: &str) -> Option<i64> {
    let mut parts = token.split('.');
    let (_header, claims, _signature) = (parts.next()?, parts.next()?, parts.next()?);
    let claims = URL_SAFE_NO_PAD.decode(claims).ok()?;
    let Seconds(seconds) = serde_json::from_slice::<Claims>(&claims).ok()?.exp?;
    i64::try_from(seconds).ok()
}

fn unusable(problem: &'static str) -> Asked {
    Asked::Unready(CredentialError::CommandOutput(problem))
}
