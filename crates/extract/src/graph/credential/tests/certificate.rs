use aws_lc_rs::signature::{RSA_PSS_2048_8192_SHA256, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use promptlake_model::Timestamp;
use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256, RsaKeySize};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::fixture;
use crate::graph::credential::assertion::{Statement, assertion};
use crate::graph::credential::certificate::ClientCertificate;
use crate::graph::credential::error::CredentialError;

/// What `openssl x509 -outform DER | openssl dgst -sha256` says of the certificate that all the files hold.
const THUMBPRINT: &str = "e_2V2Owz0T2DR4x-Dcp74Qmhc_BVpVGFFy8_sVUU8c0";

/// Within the life of that certificate.
const NOW: &str = "2030-01-01T00:00:00Z";

fn read(bytes: &[u8], password: Option<&str>, now: &str) -> Result<ClientCertificate, String> {
    let password = password.map(SecretString::from);
    let now = Timestamp::parse(now).unwrap();
    ClientCertificate::from_bytes(bytes, password.as_ref(), now, "app.pem".as_ref()).map_err(|error| {
        assert!(!error.hint().is_empty());
        match error {
            CredentialError::Certificate { problem, .. } => problem.to_string(),
            other => other.to_string(),
        }
    })
}

fn file(name: &str) -> Vec<u8> {
    std::fs::read(fixture(name)).unwrap()
}

#[test]
fn every_format_gives_the_same_certificate() {
    for (name, password) in [
        ("app.pem", None),
        ("pkcs1.pem", None),
        ("app-aes.pfx", Some("pfx-marker")),
        ("app-3des.pfx", Some("pfx-marker")),
        ("app-open.pfx", None),
    ] {
        let certificate = read(&file(name), password, NOW).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(certificate.thumbprint(), THUMBPRINT, "{name}");
        assert_eq!(format!("{certificate:?}").matches("PRIVATE").count(), 0);
    }
}

#[test]
fn what_is_wrong_with_a_file_is_said() {
    let pem = String::from_utf8(file("app.pem")).unwrap();
    let at = pem.find("-----BEGIN PRIVATE KEY").unwrap();
    let (certificate, key) = pem.split_at(at);
    let other = String::from_utf8(file("small.pem")).unwrap();
    let other = &other[other.find("-----BEGIN CERTIFICATE").unwrap()..];
    let elliptic = KeyPair::generate().unwrap();
    let elliptic_certificate = CertificateParams::new(vec![]).unwrap().self_signed(&elliptic).unwrap();
    let elliptic = elliptic.serialize_pem() + &elliptic_certificate.pem();
    let broken = certificate.replacen("MII", "AAA", 1);
    for (bytes, password, now, problem) in [
        (b"".to_vec(), None, NOW, "it is neither PEM nor PFX"),
        (b"a secret".to_vec(), None, NOW, "it is neither PEM nor PFX"),
        (certificate.into(), None, NOW, "it has no private key"),
        (key.into(), None, NOW, "it has a private key, but no certificate"),
        ([key, key, certificate].concat().into(), None, NOW, "it has 2 private keys"),
        ([key, other].concat().into(), None, NOW, "its certificate belongs to another key"),
        ([key, &broken].concat().into(), None, NOW, "its certificate is not X.509"),
        (pem[..pem.len() - 40].into(), None, NOW, "its PEM is broken"),
        (pem.clone().into(), Some("x"), NOW, "it is PEM, which takes no password"),
        (file("encrypted-pkcs8.pem"), None, NOW, "its key is encrypted PEM"),
        (file("encrypted-pkcs1.pem"), None, NOW, "its key is encrypted PEM"),
        (file("small.pem"), None, NOW, "its key has 1024 bits, below the least of 2048"),
        (elliptic.into(), None, NOW, "its key is not an RSA key, which is what Entra ID takes"),
        (file("app-aes.pfx"), Some("wrong"), NOW, "the password does not open it"),
        (file("app-3des.pfx"), None, NOW, "the password does not open it"),
        (file("app.cer"), None, NOW, "it is no PFX that can be read, or its password is another"),
        (pem.clone().into(), None, "2036-11-20T23:08:45Z", ""),
        (pem.clone().into(), None, "2036-11-20T23:08:46Z", "it expired at 2036-11-20T23:08:45.000000Z"),
        (
            pem.clone().into(),
            None,
            "2026-11-23T23:08:44Z",
            "it is valid only from 2026-11-23T23:08:45.000000Z on",
        ),
    ] {
        let said = read(&bytes, password, now).err().unwrap_or_default();
        assert_eq!(said, problem, "{}", String::from_utf8_lossy(&bytes).chars().take(60).collect::<String>());
    }
}

#[test]
fn of_a_chain_the_certificate_of_the_key_counts() {
    let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
    let own = CertificateParams::new(vec![]).unwrap().self_signed(&key).unwrap();
    let foreign = KeyPair::generate().unwrap();
    let foreign = CertificateParams::new(vec![]).unwrap().self_signed(&foreign).unwrap();
    let alone = read((key.serialize_pem() + &own.pem()).as_bytes(), None, NOW).unwrap();
    let chain = foreign.pem() + &key.serialize_pem() + &own.pem();
    assert_eq!(read(chain.as_bytes(), None, NOW).unwrap().thumbprint(), alone.thumbprint());
}

#[test]
fn an_assertion_is_what_entra_id_asks_for() {
    let certificate = read(&file("app.pem"), None, NOW).unwrap();
    let statement = Statement {
        token_url: "https://login.test/t/oauth2/v2.0/token",
        client_id: "the-app",
        id: "one",
        now_micros: 1_764_000_000_999_999,
    };
    let text = assertion(&certificate, &statement).unwrap();
    let parts: Vec<&str> = text.expose_secret().split('.').collect();
    let [header, claims, signature] = parts[..] else { panic!("three parts") };
    let json = |part: &str| serde_json::from_slice::<Value>(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
    let expected_header = serde_json::json!({"alg": "PS256", "typ": "JWT", "x5t#S256": THUMBPRINT});
    assert_eq!(json(header), expected_header);
    let expected_claims = serde_json::json!({
        "aud": "https://login.test/t/oauth2/v2.0/token", "iss": "the-app", "sub": "the-app", "jti": "one",
        "nbf": 1_764_000_000, "iat": 1_764_000_000, "exp": 1_764_000_600,
    });
    assert_eq!(json(claims), expected_claims);
    let der = CertificateDer::from_pem_slice(&file("app.pem")).unwrap();
    let (_, parsed) = x509_parser::parse_x509_certificate(&der).unwrap();
    let public = UnparsedPublicKey::new(
        &RSA_PSS_2048_8192_SHA256,
        parsed.public_key().subject_public_key.data.to_vec(),
    );
    let signed = format!("{header}.{claims}");
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    public.verify(signed.as_bytes(), &signature).unwrap();
    assert!(public.verify(format!("{signed}x").as_bytes(), &signature).is_err());
}
