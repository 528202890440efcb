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
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use promptlake_extract::{ClientCertificate, Credential, ExtraRoots, GraphSettings};
use promptlake_model::Timestamp;

use authority::Authority;
use support::{client, extract, listen, plan, settings};

const SECRETS: [&str; 4] = ["marker-secret", "marker-token", "marker-body", "marker-link"];

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

/// Two pages, the second with a link that leads elsewhere.
async fn graph(State((url, _)): State<(String, Shown)>, request: Request) -> Response {
    assert_eq!(request.headers()["authorization"], "Bearer marker-token");
    let link = |place: &str| format!(r#"{{"@odata.nextLink":"{place}","value":[{{"id":"marker-body"}}]}}"#);
    match request.uri().query() {
        Some("$skiptoken=marker-link") => link("https://other.test/?$skiptoken=marker-link-2"),
        _ => link(&format!("{url}/v1.0/next?$skiptoken=marker-link")),
    }
    .into_response()
}

async fn read_a_user(settings: GraphSettings) {
    let client = client(settings);
    let (bodies, users, _) = extract(&client, vec![plan("00000000-0000-0000-0000-000000000001")]).await;
    // Whoever fails is asked once more.
    assert_eq!((bodies.len(), users.len()), (4, 1));
}

fn certificate() -> Credential {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/certificates/app.pem");
    let now = Timestamp::parse("2030-01-01T00:00:00Z").expect("an instant");
    let bytes = std::fs::read(path).expect("the certificate is there");
    let certificate = ClientCertificate::from_bytes(&bytes, None, now, path.as_ref()).expect("it is right");
    Credential::Certificate { client_id: "app".into(), certificate }
}

#[tokio::test]
async fn nothing_secret_is_logged_at_any_level() {
    let logged = Logged::default();
    let writer = logged.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::set_global_default(subscriber).expect("no other test listens");
    log::set_boxed_logger(Box::new(logged.clone())).expect("no other test listens");
    log::set_max_level(log::LevelFilter::Trace);

    let authority = Authority::new();
    let (tls_listener, tls_url) = listen().await;
    let tls_url = tls_url.replace("http://127.0.0.1", "https://localhost");
    let (listener, url) = listen().await;
    let shown = Shown::default();
    let router = |url: &str| {
        Router::new()
            .route("/{tenant}/oauth2/v2.0/token", post(login))
            .fallback(graph)
            .with_state((url.to_owned(), Arc::clone(&shown)))
    };
    let test = async {
        read_a_user(settings(&url, "marker-secret")).await;
        let extra_roots = ExtraRoots::from_pem(authority.pem.as_bytes()).expect("an authority");
        let with_certificate = GraphSettings { credential: certificate(), ..settings(&url, "") };
        read_a_user(with_certificate).await;
        read_a_user(GraphSettings { extra_roots, ..settings(&tls_url, "marker-secret") }).await;
    };
    tokio::select! {
        () = test => {}
        () = support::serve(router(&url), listener) => {}
        () = authority.serve(router(&tls_url), tls_listener) => {}
    }
    let text = String::from_utf8_lossy(&logged.0.lock().expect("nobody panicked")).into_owned();
    let forms = shown.lock().expect("nobody panicked").clone();
    let assertion =
        forms.iter().find_map(|form| form.split_once("client_assertion=")).expect("one was shown").1;
    for secret in SECRETS.into_iter().chain([assertion, &assertion[..40]]) {
        let lines: Vec<&str> = text.lines().filter(|line| line.contains(secret)).collect();
        assert!(lines.is_empty(), "{secret} is logged: {lines:?}");
    }
    for heard in ["promptlake_extract", "hyper_util", "h2::", "reqwest"] {
        assert!(text.contains(heard), "nothing of {heard} was heard:\n{text}");
    }
}
