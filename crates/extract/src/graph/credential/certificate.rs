//! The certificate of an app and its key, out of a PEM or PFX file. Pure: bytes in, a key that signs or what is wrong
//! out.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::{KeyPair as _, RSA_PSS_SHA256};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use p12_keystore::Pkcs12Archive;
use p12_keystore::error::Error as PfxError;
use promptlake_model::Timestamp;
use rustls_pki_types::pem::{PemObject, SectionKind};
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};
use x509_parser::certificate::X509Certificate;
use x509_parser::public_key::PublicKey;

use super::error::{CertificateProblem as Problem, CredentialError};

/// What Entra ID takes at least, and what is safe.
const KEY_BITS_MIN: usize = 2048;

/// A certificate with its RSA key, checked: it belongs to the key and is valid now. No `Debug` of the key.
#[derive(Clone)]
pub struct ClientCertificate {
    key: Arc<KeyPair>,
    thumbprint: String,
}

/// What a file holds, whatever its format. Keys are PKCS#8 or PKCS#1.
#[derive(Default)]
struct Contents {
    keys: Vec<Zeroizing<Vec<u8>>>,
    certificates: Vec<Vec<u8>>,
}

impl ClientCertificate {
    /// Reads the bytes of a PEM file with key and certificate, or of a PFX. `path` is for messages alone. Of several
    /// certificates the one that belongs to the key counts.
    pub fn from_bytes(
        bytes: &[u8],
        password: Option<&SecretString>,
        now: Timestamp,
        path: &Path,
    ) -> Result<Self, CredentialError> {
        Self::read(bytes, password, now)
            .map_err(|problem| CredentialError::Certificate { path: path.to_owned(), problem })
    }

    fn read(bytes: &[u8], password: Option<&SecretString>, now: Timestamp) -> Result<Self, Problem> {
        let contents = match format_of(bytes) {
            Format::Pem if password.is_some() => return Err(Problem::NeedlessPassword),
            Format::Pem => pem_contents(bytes)?,
            Format::Pfx => pfx_contents(bytes, password)?,
            Format::Unknown => return Err(Problem::NoFormat),
        };
        let key = match &contents.keys[..] {
            [] => return Err(Problem::NoKey),
            [key] => key,
            keys => return Err(Problem::SeveralKeys(keys.len())),
        };
        if contents.certificates.is_empty() {
            return Err(Problem::NoCertificate);
        }
        let parsed = contents.certificates.iter().map(|der| parse(der)).collect::<Result<Vec<_>, _>>()?;
        let key = rsa_key(key).ok_or_else(|| unusable_key(&parsed))?;
        let own = |certificate: &&X509Certificate<'_>| {
            *certificate.public_key().subject_public_key.data == *key.public_key().as_ref()
        };
        let place = parsed.iter().position(|certificate| own(&certificate)).ok_or(Problem::NotOfTheKey)?;
        check_validity(&parsed[place], now)?;
        let thumbprint = URL_SAFE_NO_PAD.encode(digest(&SHA256, &contents.certificates[place]));
        Ok(Self { key: Arc::new(key), thumbprint })
    }

    /// The SHA-256 of the certificate, in base64url: `x5t#S256`.
    pub(super) fn thumbprint(&self) -> &str {
        &self.thumbprint
    }

    /// Signs with RSASSA-PSS and SHA-256: `PS256`.
    pub(super) fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key.sign(&RSA_PSS_SHA256, &SystemRandom::new(), message, &mut signature).ok()?;
        Some(signature)
    }
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCertificate").field("thumbprint", &self.thumbprint).finish_non_exhaustive()
    }
}

enum Format {
    Pem,
    Pfx,
    Unknown,
}

fn format_of(bytes: &[u8]) -> Format {
    /// The tag of a DER sequence, which a PFX is.
    const SEQUENCE: u8 = 0x30;
    if holds(bytes, b"-----BEGIN ") {
        Format::Pem
    } else if bytes.first() == Some(&SEQUENCE) {
        Format::Pfx
    } else {
        Format::Unknown
    }
}

fn holds(bytes: &[u8], text: &[u8]) -> bool {
    bytes.windows(text.len()).any(|window| window == text)
}

fn pem_contents(bytes: &[u8]) -> Result<Contents, Problem> {
    if holds(bytes, b"-----BEGIN ENCRYPTED PRIVATE KEY-----") || holds(bytes, b"Proc-Type: 4,ENCRYPTED") {
        return Err(Problem::EncryptedKey);
    }
    let mut contents = Contents::default();
    for section in <(SectionKind, Vec<u8>)>::pem_slice_iter(bytes) {
        match section.map_err(|_| Problem::BrokenPem)? {
            (SectionKind::PrivateKey | SectionKind::RsaPrivateKey, der) => contents.keys.push(der.into()),
            (SectionKind::EcPrivateKey, _) => return Err(Problem::NotRsa),
            (SectionKind::Certificate, der) => contents.certificates.push(der),
            _ => {}
        }
    }
    Ok(contents)
}

fn pfx_contents(bytes: &[u8], password: Option<&SecretString>) -> Result<Contents, Problem> {
    let password = password.map_or("", |password| password.expose_secret());
    let archive = Pkcs12Archive::from_pkcs12(bytes, password).map_err(|error| match error {
        PfxError::MacError(_) => Problem::WrongPassword,
        _ => Problem::BrokenPfx,
    })?;
    Ok(Contents {
        keys: archive.keys.iter().map(|bag| bag.key.as_der().to_vec().into()).collect(),
        certificates: archive.certs.iter().map(|bag| bag.cert.as_der().to_vec()).collect(),
    })
}

fn parse(der: &[u8]) -> Result<X509Certificate<'_>, Problem> {
    match x509_parser::parse_x509_certificate(der) {
        Ok(([], certificate)) => Ok(certificate),
        _ => Err(Problem::BrokenCertificate),
    }
}

fn rsa_key(der: &[u8]) -> Option<KeyPair> {
    KeyPair::from_pkcs8(der).or_else(|_| KeyPair::from_der(der)).ok()
}

/// Why a key can't be used, by what its certificate says of it: the key itself says no more than "rejected".
fn unusable_key(certificates: &[X509Certificate<'_>]) -> Problem {
    let keys = certificates.iter().map(|certificate| certificate.public_key().parsed());
    let mut other = false;
    for key in keys {
        match key {
            Ok(PublicKey::RSA(key)) if key.key_size() < KEY_BITS_MIN => {
                return Problem::KeyTooSmall { bits: key.key_size() };
            }
            Ok(PublicKey::RSA(_)) | Err(_) => {}
            Ok(_) => other = true,
        }
    }
    if other { Problem::NotRsa } else { Problem::BrokenKey }
}

fn check_validity(certificate: &X509Certificate<'_>, now: Timestamp) -> Result<(), Problem> {
    let at = |seconds: i64| Timestamp::from_micros(seconds.saturating_mul(1_000_000));
    let validity = certificate.validity();
    let (from, until) = (at(validity.not_before.timestamp()), at(validity.not_after.timestamp()));
    if until < now {
        return Err(Problem::Expired { at: until.to_string() });
    }
    if now < from {
        return Err(Problem::NotYetValid { from: from.to_string() });
    }
    Ok(())
}
