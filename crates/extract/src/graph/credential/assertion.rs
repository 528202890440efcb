//! The signed word of an app: a JWT by its certificate (RFC 7523), as Entra ID takes it.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::SecretString;
use serde::Serialize;

use super::certificate::ClientCertificate;

/// The longest life that Entra ID takes. Each assertion is used once, right away: the rest is for clocks that differ.
const LIFETIME: Duration = Duration::from_mins(10);

#[derive(Serialize)]
struct Header<'a> {
    alg: &'static str,
    typ: &'static str,
    #[serde(rename = "x5t#S256")]
    thumbprint: &'a str,
}

#[derive(Serialize)]
struct Claims<'a> {
    aud: &'a str,
    iss: &'a str,
    sub: &'a str,
    jti: &'a str,
    nbf: i64,
    iat: i64,
    exp: i64,
}

/// Who says it, to whom, and which of his words it is.
pub(super) struct Statement<'a> {
    pub(super) token_url: &'a str,
    pub(super) client_id: &'a str,
    /// Never the same twice.
    pub(super) id: &'a str,
    pub(super) now_micros: i64,
}

/// An assertion, valid from now on; `None` where the key does not sign, which is a defect of the key.
pub(super) fn assertion(certificate: &ClientCertificate, statement: &Statement<'_>) -> Option<SecretString> {
    let now = statement.now_micros.div_euclid(1_000_000);
    let header = Header { alg: "PS256", typ: "JWT", thumbprint: certificate.thumbprint() };
    let claims = Claims {
        aud: statement.token_url,
        iss: statement.client_id,
        sub: statement.client_id,
        jti: statement.id,
        nbf: now,
        iat: now,
        exp: now.saturating_add_unsigned(LIFETIME.as_secs()),
    };
    let encoded = |json: Vec<u8>| URL_SAFE_NO_PAD.encode(json);
    let (header, claims) = (serde_json::to_vec(&header).ok()?, serde_json::to_vec(&claims).ok()?);
    let signed = format!("{}.{}", encoded(header), encoded(claims));
    let signature = certificate.sign(signed.as_bytes())?;
    Some(SecretString::from(format!("{signed}.{}", encoded(signature))))
}
