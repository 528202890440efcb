//! Client assertions: what an application signs with its certificate in place of a secret.
//!
//! An assertion is checked claim by claim, and what is wrong with it is said as exactly as the login service would, and
//! more so: a test has to see which claim failed.

use std::collections::BTreeMap;

use rustls_pki_types::CertificateDer;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use thiserror::Error;
use webpki::EndEntityCert;
use webpki::aws_lc_rs::RSA_PSS_2048_8192_SHA256_LEGACY_KEY;

use super::base64;

/// How far ahead an assertion may expire, seconds.
const EXPIRY_SECONDS_MAX: i64 = 600;
/// How far the clock of a client may be ahead, seconds: what the login service lets pass.
const CLOCK_SKEW_SECONDS_MAX: i64 = 300;

/// A certificate that an application may sign with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustedCertificate {
    der: Vec<u8>,
    thumbprint: String,
}

/// A certificate that can't be trusted since it can't be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("read a certificate of {bytes} bytes: it is not DER of an X.509 certificate of version 3")]
pub struct CertificateError {
    /// Its length.
    pub bytes: usize,
}

impl TrustedCertificate {
    /// Reads a certificate in DER.
    ///
    /// # Errors
    /// It is no X.509 certificate of version 3.
    pub fn from_der(der: Vec<u8>) -> Result<Self, CertificateError> {
        let bytes = der.len();
        EndEntityCert::try_from(&CertificateDer::from(der.as_slice()))
            .map_err(|_| CertificateError { bytes })?;
        let thumbprint = base64::encode(&Sha256::digest(&der));
        Ok(Self { der, thumbprint })
    }

    /// What `x5t#S256` names it by: the SHA-256 of the DER in base64url without padding.
    #[must_use]
    pub fn thumbprint(&self) -> &str {
        &self.thumbprint
    }

    fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        let der = CertificateDer::from(self.der.as_slice());
        EndEntityCert::try_from(&der).is_ok_and(|certificate| {
            certificate.verify_signature(RSA_PSS_2048_8192_SHA256_LEGACY_KEY, message, signature).is_ok()
        })
    }
}

/// What an assertion must say.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expected<'a> {
    pub(super) certificates: &'a [TrustedCertificate],
    pub(super) audience: &'a str,
    pub(super) client_id: &'a str,
    pub(super) unix_seconds: i64,
}

/// The ids of the assertions that were taken, with the second at which each has expired and can be forgotten.
pub(super) type TakenIds = BTreeMap<String, i64>;

/// What is wrong with an assertion: the number of an `AADSTS` error and its words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) code: u32,
    pub(super) message: String,
}

/// Checks an assertion, and remembers its id.
pub(super) fn check(assertion: &str, expected: &Expected<'_>, taken: &mut TakenIds) -> Result<(), Wrong> {
    let (signed, signature) = assertion.rsplit_once('.').ok_or_else(|| malformed("it has no signature"))?;
    let (header, claims) = signed.split_once('.').ok_or_else(|| malformed("it has no claims"))?;
    let (header, claims) = (object("header", header)?, object("claims", claims)?);
    let signature = base64::decode(signature).ok_or_else(|| malformed("its signature is not base64url"))?;
    let certificate = certificate_of(&header, expected.certificates)?;
    if !certificate.has_signed(signed.as_bytes(), &signature) {
        let message =
            "Client assertion failed signature validation: not made by PS256 with the certificate's key.";
        return Err(wrong(700_027, message));
    }
    check_claims(&claims, expected)?;
    check_id(&claims, expected.unix_seconds, taken)
}

fn object(name: &str, part: &str) -> Result<Map<String, Value>, Wrong> {
    let bytes = base64::decode(part).ok_or_else(|| malformed(&format!("its {name} is not base64url")))?;
    serde_json::from_slice(&bytes).map_err(|_| malformed(&format!("its {name} is no JSON object")))
}

fn certificate_of<'a>(
    header: &Map<String, Value>,
    certificates: &'a [TrustedCertificate],
) -> Result<&'a TrustedCertificate, Wrong> {
    let text = |name: &str| header.get(name).and_then(Value::as_str).unwrap_or_default();
    if text("alg") != "PS256" {
        return Err(malformed(&format!("the header's 'alg' is '{}', not 'PS256'", text("alg"))));
    }
    if !text("typ").eq_ignore_ascii_case("JWT") {
        return Err(malformed(&format!("the header's 'typ' is '{}', not 'JWT'", text("typ"))));
    }
    let thumbprint = text("x5t#S256");
    let found = certificates.iter().find(|certificate| certificate.thumbprint == thumbprint);
    found.ok_or_else(|| {
        let message = format!(
            "The certificate with identifier used to sign the client assertion is not registered on application. \
             The header's 'x5t#S256' is '{thumbprint}'."
        );
        wrong(700_027, message)
    })
}

fn check_claims(claims: &Map<String, Value>, expected: &Expected<'_>) -> Result<(), Wrong> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or_default();
    if text("aud") != expected.audience {
        let (was, wanted) = (text("aud"), expected.audience);
        let message =
            format!("Client assertion audience claim 'aud' is '{was}' and does not match '{wanted}'.");
        return Err(wrong(700_023, message));
    }
    for claim in ["iss", "sub"] {
        if !text(claim).eq_ignore_ascii_case(expected.client_id) {
            let was = text(claim);
            let message =
                format!("Client assertion claim '{claim}' is '{was}' and does not match 'client_id'.");
            return Err(wrong(700_021, message));
        }
    }
    let number = |name: &str| claims.get(name).and_then(Value::as_i64);
    let now = expected.unix_seconds;
    let untimely = |claim: &str, why: String| {
        let message = format!("Client assertion is not within its valid time range: claim '{claim}' {why}.");
        Err(wrong(700_024, message))
    };
    match number("exp") {
        None => return untimely("exp", "is no number".to_owned()),
        Some(exp) if exp <= now => return untimely("exp", format!("lies {} s in the past", now - exp)),
        Some(exp) if exp.saturating_sub(now) > EXPIRY_SECONDS_MAX => {
            return untimely("exp", format!("lies more than {EXPIRY_SECONDS_MAX} s ahead"));
        }
        Some(_) => {}
    }
    for claim in ["nbf", "iat"] {
        if number(claim).is_some_and(|at| at.saturating_sub(now) > CLOCK_SKEW_SECONDS_MAX) {
            return untimely(claim, format!("lies more than {CLOCK_SKEW_SECONDS_MAX} s ahead"));
        }
    }
    Ok(())
}

fn check_id(claims: &Map<String, Value>, unix_seconds: i64, taken: &mut TakenIds) -> Result<(), Wrong> {
    let id = claims.get("jti").and_then(Value::as_str).filter(|id| !id.is_empty());
    let id = id.ok_or_else(|| malformed("the claim 'jti' is missing"))?;
    taken.retain(|_, expires| *expires > unix_seconds);
    let expires = claims.get("exp").and_then(Value::as_i64).unwrap_or(unix_seconds);
    if taken.insert(id.to_owned(), expires).is_some() {
        return Err(malformed("the claim 'jti' was used before"));
    }
    Ok(())
}

fn malformed(why: &str) -> Wrong {
    wrong(50_027, format!("JWT token is invalid or malformed: {why}."))
}

fn wrong(code: u32, message: impl Into<String>) -> Wrong {
    Wrong { code, message: message.into() }
}
