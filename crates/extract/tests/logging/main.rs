//! Nothing that is logged holds a secret, a token, a body or a link: everything is logged here, of every crate, and
//! searched.
//!
//! A program of its own: what other tests log at the same time decides which places are listened to at all.

#[path = "../network/authority.rs"]
mod authority;
#[path = "../network/support.rs"]
mod support;

use std::io::Write;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use promptlake_extract::{
    ClientCertificate, Credential, ExtraRoots, GraphSettings, ManagedEndpoint, ManagedIdentity, SecretCommand,
};
use promptlake_model::Timestamp;
use secrecy::SecretString;

use authority::Authority;
use support::{client, extract, listen, plan, settings};

/// What is planted: in the app's secret, in tokens and bodies, in links, in errors, and in what the other ways of signing
/// in show.
const SECRETS: [&str; 9] = [
    "marker-secret",
    "marker-token",
    "marker-body",
    "marker-link",
    "marker-error",
    PFX_PASSWORD,
    FEDERATED_TOKEN,
    IDENTITY_HEADER,
    PRINTED_TOKEN,
];

/// The password of the PFX files.
const PFX_PASSWORD: &str = "pfx-marker";
/// What the file of a workload identity holds.
const FEDERATED_TOKEN: &str = "marker-federated";
/// What an app service wants to see from whoever asks for a token.
const IDENTITY_HEADER: &str = "marker-header";
/// What a command prints.
const PRINTED_TOKEN: &str = "marker-printed";

/// Who is answered with an error.
const FAILING: &str = "00000000-0000-0000-0000-000000000002";

/// What was logged, by `tracing` and by `log`.
#[derive(Clone, Default)]
struct Logged(Arc<Mutex<Vec<u8>>>);

impl Write for Logged {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("nobody panicked").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl log::Log for Logged {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let line = format!("{} {}\n", record.target(), record.args());
        self.0.lock().expect("nobody panicked").extend_from_slice(line.as_bytes());
    }

    fn flush(&self) {}
}

/// What was shown to the login service.
type Shown = Arc<Mutex<Vec<String>>>;

async fn login(State((_, shown)): State<(String, Shown)>, form: String) -> &'static str {
    shown.lock().expect("nobody panicked").push(form);
    r#"{"token_type":"Bearer","expires_in":3599,"access_token":"marker-token"}"#
}

/// The server of an app service that hands out tokens.
async fn identity(State((_, shown)): State<(String, Shown)>, headers: HeaderMap) -> &'static str {
    let header = headers["x-identity-header"].to_str().expect("text").to_owned();
    shown.lock().expect("nobody panicked").push(header);
    r#"{"access_token":"marker-token","expires_on":"4102444800"}"#
}

/// Two pages, the second with a link that leads elsewhere. Somebody fails.
async fn graph(State((url, shown)): State<(String, Shown)>, request: Request) -> Response {
    let authorization = request.headers()["authorization"].to_str().expect("text").to_owned();
    shown.lock().expect("nobody panicked").push(authorization);
    if request.uri().path().contains(FAILING) {
        let body =
            r#"{"error":{"code":"SomeCode","message":"marker-error","innerError":{"x":"marker-error"}}}"#;
        return (StatusCode::CONFLICT, body).into_response();
    }
    let link = |place: &str| format!(r#"{{"@odata.nextLink":"{place}","value":[{{"id":"marker-body"}}]}}"#);
    match request.uri().query() {
        Some("$skiptoken=marker-link") => link("https://other.test/?$skiptoken=marker-link-2"),
        _ => link(&format!("{url}/v1.0/next?$skiptoken=marker-link")),
    }
    .into_response()
}

async fn read_a_user(settings: GraphSettings) {
    let client = client(settings);
    let plans = ["00000000-0000-0000-0000-000000000001", FAILING].map(plan);
    let (bodies, users, _) = extract(&client, plans.into()).await;
    // Whoever fails is asked once more.
    assert_eq!((bodies.len(), users.len()), (4, 2));
}

/// A certificate from a PEM file or from a PFX with its password, which is read while everything is logged.
fn certificate(file: &str, password: Option<&str>) -> Credential {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/certificates").join(file);
    let now = Timestamp::parse("2030-01-01T00:00:00Z").expect("an instant");
    let bytes = std::fs::read(&path).expect("the certificate is there");
    let password = password.map(SecretString::from);
    let certificate =
        ClientCertificate::from_bytes(&bytes, password.as_ref(), now, &path).expect("it is right");
    Credential::Certificate { client_id: "app".into(), certificate }
}

/// Every way of signing in but by a secret, at this place.
fn credentials(url: &str, token_file: &std::path::Path) -> [Credential; 5] {
    let endpoint = ManagedEndpoint::AppService {
        url: format!("{url}/msi/token").parse().expect("a URL"),
        header: SecretString::from(IDENTITY_HEADER),
    };
    let (client_id, token_file) = ("app".to_owned(), token_file.to_owned());
    [
        certificate("app.pem", None),
        certificate("app-aes.pfx", Some(PFX_PASSWORD)),
        Credential::WorkloadIdentity { client_id, token_file },
        Credential::ManagedIdentity(ManagedIdentity { endpoint, client_id: None }),
        Credential::TokenCommand(SecretCommand::new(&format!("echo {PRINTED_TOKEN}"))),
    ]
}

#[tokio::test]
async fn nothing_secret_is_logged_at_any_level() {
    let logged = Logged::default();
    let writer = logged.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_writer(move || writer.clone())
        .with_ansi(false)
        .finish();
    tracing::subscriber::set_global_default(subscriber).expect("no other test listens");
    log::set_boxed_logger(Box::new(logged.clone())).expect("no other test listens");
    log::set_max_level(log::LevelFilter::Trace);

    let authority = Authority::new();
    let (tls_listener, tls_url) = listen().await;
    let tls_url = tls_url.replace("http://127.0.0.1", "https://localhost");
    let (listener, url) = listen().await;
    let shown = Shown::default();
    let folder = tempfile::TempDir::new().expect("a folder");
    let token_file = folder.path().join("token");
    std::fs::write(&token_file, FEDERATED_TOKEN).expect("a file");
    let router = |url: &str| {
        Router::new()
            .route("/{tenant}/oauth2/v2.0/token", post(login))
            .route("/msi/token", get(identity))
            .fallback(graph)
            .with_state((url.to_owned(), Arc::clone(&shown)))
    };
    let test = async {
        read_a_user(settings(&url, "marker-secret")).await;
        let extra_roots = ExtraRoots::from_pem(authority.pem.as_bytes()).expect("an authority");
        for credential in credentials(&url, &token_file) {
            read_a_user(GraphSettings { credential, ..settings(&url, "") }).await;
        }
        read_a_user(GraphSettings { extra_roots, ..settings(&tls_url, "marker-secret") }).await;
    };
    tokio::select! {
        () = test => {}
        () = support::serve(router(&url), listener) => {}
        () = authority.serve(router(&tls_url), tls_listener) => {}
    }
    let text = String::from_utf8_lossy(&logged.0.lock().expect("nobody panicked")).into_owned();
    let shown = shown.lock().expect("nobody panicked").clone();
    // All of it was in use. The password opens a file here, and is shown to nobody.
    for secret in ["marker-secret", "Bearer marker-token", FEDERATED_TOKEN, IDENTITY_HEADER, PRINTED_TOKEN] {
        assert!(shown.iter().any(|shown| shown.contains(secret)), "{secret} was not shown");
    }
    let assertions: Vec<&str> = shown
        .iter()
        .filter_map(|form| form.split_once("client_assertion="))
        .map(|(_, assertion)| assertion)
        .filter(|assertion| !assertion.starts_with(FEDERATED_TOKEN))
        .collect();
    let [assertion, other] = assertions[..] else { panic!("{} assertions were shown", assertions.len()) };
    assert_eq!(authority.in_the_clear(), 0);
    for secret in SECRETS.into_iter().chain([assertion, other, &assertion[..40], &other[..40]]) {
        let lines: Vec<&str> = text.lines().filter(|line| line.contains(secret)).collect();
        assert!(lines.is_empty(), "{secret} is logged: {lines:?}");
    }
    for heard in [" TRACE ", "DEBUG", "promptlake_extract", "hyper_util", "h2::", "reqwest"] {
        assert!(text.contains(heard), "nothing of {heard} was heard:\n{text}");
    }
}
