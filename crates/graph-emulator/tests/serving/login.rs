//! Signing in without a secret, and tokens that are taken back.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding, RsaKeyPair};
use graph_emulator::{GrantKind, LoginOptions, RequestKind, ServerOptions, TrustedCertificate};
use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256, RsaKeySize};
use serde_json::{Value, json};

use crate::client::{Served, interactions, json, text, unlimited};
use crate::small;

/// The letters of base64 for URLs, written out again so that the emulator's own are checked.
fn base64url(bytes: &[u8]) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let bits: Vec<u8> = bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1)).collect();
    let letter = |six: &[u8]| {
        let value = (0..6).fold(0, |value, place| value << 1 | six.get(place).copied().unwrap_or(0));
        char::from(LETTERS[usize::from(value)])
    };
    bits.chunks(6).map(letter).collect()
}

/// An application with a certificate of its own.
struct Application {
    key: RsaKeyPair,
    certificate: TrustedCertificate,
}

impl Application {
    fn new() -> Self {
        let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
        let certificate = CertificateParams::default().self_signed(&key).unwrap();
        let certificate = TrustedCertificate::from_der(certificate.der().to_vec()).unwrap();
        Self { key: RsaKeyPair::from_pkcs8(&key.serialize_der()).unwrap(), certificate }
    }

    fn sign(&self, header: &Value, claims: &Value, encoding: &'static dyn RsaEncoding) -> String {
        let part = |value: &Value| base64url(value.to_string().as_bytes());
        let signed = format!("{}.{}", part(header), part(claims));
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key.sign(encoding, &SystemRandom::new(), signed.as_bytes(), &mut signature).unwrap();
        format!("{signed}.{}", base64url(&signature))
    }
}

#[expect(clippy::disallowed_methods, reason = "an assertion is good for ten minutes from now")]
fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

async fn ask(served: &Served, assertion: &str) -> (u16, Value) {
    let scope = format!("{}/.default", served.emulator.graph_url());
    let url = format!("{}/{}/oauth2/v2.0/token", served.emulator.login_url(), served.emulator.tenant_id());
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", served.emulator.client_id()),
        ("scope", &scope),
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
        ("client_assertion", assertion),
    ];
    let response = served.client.post(url).form(&form).send().await.unwrap();
    (response.status().as_u16(), json(response).await)
}

#[tokio::test]
async fn an_assertion_is_taken_whole_and_refused_by_the_claim_that_is_wrong() {
    let (application, other) = (Application::new(), Application::new());
    let certificates = vec![application.certificate.clone()];
    let login = LoginOptions { certificates, ..LoginOptions::default() };
    let served = Served::start(small(), ServerOptions { login, ..unlimited() }).await;
    let url = format!("{}/{}/oauth2/v2.0/token", served.emulator.login_url(), served.emulator.tenant_id());
    let (client, now) = (served.emulator.client_id(), unix_seconds());
    let header = json!({ "alg": "PS256", "typ": "JWT", "x5t#S256": application.certificate.thumbprint() });
    let claims = json!({
        "aud": url, "iss": client, "sub": client, "jti": "first", "nbf": now, "iat": now, "exp": now + 300,
    });
    let with = |of: &Value, name: &str, value: Value| {
        let mut changed = of.clone();
        changed[name] = value;
        changed
    };
    let good = application.sign(&header, &claims, &RSA_PSS_SHA256);
    let (status, body) = ask(&served, &good).await;
    assert_eq!(status, 200, "{body}");
    let bearer = text(&body["access_token"]);
    let users = format!("{}/v1.0/users", served.emulator.graph_url());
    assert_eq!(served.client.get(users).bearer_auth(bearer).send().await.unwrap().status(), 200);
    let next = with(&claims, "jti", json!("next"));
    let signed = |header: &Value, claims: &Value| application.sign(header, claims, &RSA_PSS_SHA256);
    for (assertion, code, named) in [
        (good.clone(), 50_027, "'jti'"),
        ("x".to_owned(), 50_027, "signature"),
        (signed(&with(&header, "alg", json!("RS256")), &next), 50_027, "'alg'"),
        (signed(&with(&header, "typ", json!("JOSE")), &next), 50_027, "'typ'"),
        (signed(&with(&header, "x5t#S256", json!("x")), &next), 700_027, "'x5t#S256'"),
        (application.sign(&header, &next, &RSA_PKCS1_SHA256), 700_027, "PS256"),
        (other.sign(&header, &next, &RSA_PSS_SHA256), 700_027, "signature"),
        (signed(&header, &with(&next, "aud", json!("https://login.example"))), 700_023, "'aud'"),
        (signed(&header, &with(&next, "iss", json!("x"))), 700_021, "'iss'"),
        (signed(&header, &with(&next, "sub", json!("x"))), 700_021, "'sub'"),
        (signed(&header, &with(&next, "exp", json!(now + 700))), 700_024, "'exp'"),
        (signed(&header, &with(&next, "exp", json!(now - 1))), 700_024, "'exp'"),
        (signed(&header, &with(&next, "exp", Value::Null)), 700_024, "'exp'"),
        (signed(&header, &with(&next, "nbf", json!(now + 400))), 700_024, "'nbf'"),
        (signed(&header, &with(&next, "jti", Value::Null)), 50_027, "'jti'"),
    ] {
        let (status, body) = ask(&served, &assertion).await;
        assert_eq!((status, &body["error_codes"][0]), (401, &Value::from(code)), "{named}: {body}");
        assert_eq!(body["error"], "invalid_client");
        assert!(text(&body["error_description"]).contains(named), "{named}: {body}");
    }
    // What was refused did not use up its id.
    assert_eq!(ask(&served, &signed(&header, &next)).await.0, 200);
    let grants = served.emulator.report().grants;
    assert_eq!(grants[&(GrantKind::Certificate, 200)], 2);
    assert_eq!(grants[&(GrantKind::Certificate, 401)], 15);
    assert_eq!(grants[&(GrantKind::Secret, 200)], 1);
}

#[tokio::test]
async fn federated_tokens_are_taken_until_they_are_replaced() {
    let login = LoginOptions { federated_tokens: vec!["first".to_owned()], ..LoginOptions::default() };
    let served = Served::start(small(), ServerOptions { login, ..unlimited() }).await;
    assert_eq!(ask(&served, "first").await.0, 200);
    served.emulator.replace_federated_tokens(vec!["second".to_owned()]);
    let (status, body) = ask(&served, "first").await;
    assert_eq!((status, &body["error_codes"][0]), (401, &Value::from(700_213)));
    assert_eq!(ask(&served, "second").await.0, 200);
    let grants = served.emulator.report().grants;
    assert_eq!((grants[&(GrantKind::Federated, 200)], grants[&(GrantKind::Federated, 401)]), (2, 1));
}

#[tokio::test]
async fn managed_identities_get_tokens_in_their_own_words() {
    let login = LoginOptions { identity_header: Some("header".to_owned()), ..LoginOptions::default() };
    let served = Served::start(small(), ServerOptions { login, ..unlimited() }).await;
    let graph = served.emulator.graph_url();
    let client = served.emulator.client_id().to_owned();
    let (machine, service) = (served.emulator.machine_token_url(), served.emulator.service_token_url());
    let good = ("metadata", "true");
    let version = "api-version=2018-02-01";
    for (url, header, status) in [
        (format!("{machine}?{version}&resource={graph}"), good, 200),
        (format!("{machine}?{version}&resource=https://graph.microsoft.com/&client_id={client}"), good, 200),
        (format!("{machine}?{version}&resource={graph}"), ("x", "true"), 400),
        (format!("{machine}?{version}&resource=https://vault.azure.net"), good, 400),
        (format!("{machine}?resource={graph}"), good, 400),
        (format!("{machine}?{version}&resource={graph}&client_id=x"), good, 400),
        (format!("{service}?api-version=2019-08-01&resource={graph}"), ("x-identity-header", "header"), 200),
        (format!("{service}?api-version=2019-08-01&resource={graph}"), ("x-identity-header", "x"), 401),
        (format!("{service}?{version}&resource={graph}"), ("x-identity-header", "header"), 400),
    ] {
        let response = served.client.get(&url).header(header.0, header.1).send().await.unwrap();
        assert_eq!(response.status().as_u16(), status, "{url}");
        let body = json(response).await;
        if status != 200 {
            assert!(body["error"].is_string() && body["error_description"].is_string(), "{body}");
            continue;
        }
        let expires_on: u64 = text(&body["expires_on"]).parse().unwrap();
        assert!((3_500..=3_600).contains(&(expires_on - unix_seconds())), "{body}");
        let expires_in = if url.starts_with(&machine) { Value::from("3599") } else { Value::Null };
        assert_eq!(body["expires_in"], expires_in);
        let bearer = text(&body["access_token"]);
        let users = format!("{graph}/v1.0/users");
        assert_eq!(served.client.get(users).bearer_auth(bearer).send().await.unwrap().status(), 200);
    }
    let through_proxy = served.client.get(format!("{machine}?{version}&resource={graph}"));
    let through_proxy = through_proxy.header("metadata", "true").header("x-forwarded-for", "10.0.0.1");
    assert_eq!(through_proxy.send().await.unwrap().status().as_u16(), 400);
    let grants = served.emulator.report().grants;
    assert_eq!((grants[&(GrantKind::Machine, 200)], grants[&(GrantKind::Machine, 400)]), (2, 5));
    assert_eq!((grants[&(GrantKind::Service, 200)], grants[&(GrantKind::Service, 401)]), (1, 1));
}

#[tokio::test]
async fn a_token_is_asked_for_this_graph_by_a_form_and_in_one_way() {
    let login = LoginOptions { federated_tokens: vec!["token".to_owned()], ..LoginOptions::default() };
    let served = Served::start(small(), ServerOptions { login, ..unlimited() }).await;
    let (emulator, graph) = (&served.emulator, served.emulator.graph_url());
    let url = format!("{}/{}/oauth2/v2.0/token", emulator.login_url(), emulator.tenant_id());
    let form = |scope: &str, more: &str| {
        let (client, secret) = (emulator.client_id(), emulator.client_secret());
        let head = format!("grant_type=client_credentials&client_id={client}&scope={scope}");
        format!("{head}&client_secret={secret}{more}")
    };
    let good = form(&format!("{graph}/.default"), "");
    let both = form(
        &format!("{graph}/.default"),
        "&client_assertion=token&client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
    );
    let other_graph = form("https://graph.microsoft.com/.default", "");
    let other_port = form(&format!("{graph}0/.default"), "");
    let is_form = Some("application/x-www-form-urlencoded");
    for (media_type, body, refused) in [
        (is_form, &good, None),
        (Some("Application/X-WWW-Form-Urlencoded; charset=utf-8"), &good, None),
        (None, &good, Some(("invalid_request", 900_144))),
        (Some("application/json"), &good, Some(("invalid_request", 900_144))),
        (Some("text/plain"), &good, Some(("invalid_request", 900_144))),
        (is_form, &other_graph, Some(("invalid_scope", 70_011))),
        (is_form, &other_port, Some(("invalid_scope", 70_011))),
        (is_form, &both, Some(("invalid_request", 9_002_313))),
    ] {
        let request = served.client.post(&url).body(body.clone());
        let request = media_type.into_iter().fold(request, |it, value| it.header("content-type", value));
        let response = request.send().await.unwrap();
        assert_eq!(response.status().as_u16(), if refused.is_some() { 400 } else { 200 }, "{media_type:?}");
        let body = json(response).await;
        let Some((error, code)) = refused else { continue };
        assert_eq!((&body["error"], &body["error_codes"]), (&Value::from(error), &json!([code])));
        assert!(text(&body["error_description"]).starts_with(&format!("AADSTS{code}: ")), "{body}");
    }
    let grants = emulator.report().grants;
    assert_eq!((grants[&(GrantKind::Secret, 200)], grants[&(GrantKind::Secret, 400)]), (3, 2));
    assert_eq!(grants[&(GrantKind::Other, 400)], 4);
}

#[tokio::test]
async fn the_first_requests_for_tokens_can_fail() {
    let login = LoginOptions { failures: vec![503, 429], ..LoginOptions::default() };
    let emulator =
        graph_emulator::Emulator::start(small(), ServerOptions { login, ..unlimited() }).await.unwrap();
    let url = format!("{}/{}/oauth2/v2.0/token", emulator.login_url(), emulator.tenant_id());
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(client.post(&url).form(&[("a", "b")]).send().await.unwrap().status().as_u16());
    }
    assert_eq!(statuses, [503, 429, 400]);
    // Without a managed identity nobody answers as one.
    assert_eq!(client.get(emulator.machine_token_url()).send().await.unwrap().status().as_u16(), 404);
    assert_eq!(client.get(emulator.service_token_url()).send().await.unwrap().status().as_u16(), 404);
}

#[tokio::test]
async fn tokens_are_revoked_at_a_request_of_the_interactions_call() {
    let options = ServerOptions { revoke_tokens_at: vec![2, 3], ..unlimited() };
    let mut served = Served::start(small(), options).await;
    let path = interactions(&served.emulator.tenant().user(0).unwrap().id, "");
    let secret = served.emulator.client_secret().to_owned();
    let mut statuses = Vec::new();
    for _ in 0..6 {
        let (status, body) = served.answer(&path).await;
        statuses.push(status);
        if status == 401 {
            assert!(text(&body["error"]["message"]).contains("Revocation"), "{body}");
            let (_, body) = served.ask_token(served.emulator.tenant_id(), &secret).await;
            served.token = text(&body["access_token"]);
        }
    }
    assert_eq!(statuses, [200, 200, 401, 401, 200, 200]);
    served.emulator.revoke_tokens();
    assert_eq!(served.answer("/v1.0/users").await.0, 401);
    assert_eq!(served.emulator.report().answered(RequestKind::Interactions, 401), 2);
    assert!(served.emulator.report().interactions_took().unwrap() < Duration::from_mins(1));
}
