//! A collector of metrics: a server that keeps what is pushed to it, and misbehaves when asked to.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// How a collector answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answering {
    /// As it should.
    Well,
    /// With this status.
    With(u16),
    /// It takes everything, and refuses three values of it.
    InPart,
    /// Never.
    Never,
}

/// `ExportMetricsServiceResponse` that says: three values were refused, "too old".
const REFUSED_IN_PART: &[u8] = b"\x0a\x0b\x08\x03\x12\x07too old";

/// A push.
#[derive(Debug, Clone)]
pub struct Pushed {
    /// Path and query of its request.
    pub uri: String,
    /// Its headers; names are in lower case.
    pub headers: BTreeMap<String, String>,
    /// Its body.
    pub body: Vec<u8>,
}

/// A collector on the loopback interface, as long as it lives.
#[derive(Debug)]
pub struct Collector {
    url: String,
    kept: Arc<Kept>,
    server: JoinHandle<()>,
}

#[derive(Debug)]
struct Kept {
    answering: Answering,
    pushed: Mutex<Vec<Pushed>>,
}

impl Collector {
    /// Starts one.
    pub async fn start(answering: Answering) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("take a free port");
        let url = format!("http://{}", listener.local_addr().expect("it has an address"));
        let kept = Arc::new(Kept { answering, pushed: Mutex::default() });
        let router = Router::new().fallback(answer).with_state(Arc::clone(&kept));
        let server = tokio::spawn(async move { axum::serve(listener, router).await.expect("serve") });
        Self { url, kept, server }
    }

    /// Where it listens, as an origin: `http://127.0.0.1:1234`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// All that was pushed until now.
    #[must_use]
    pub fn pushed(&self) -> Vec<Pushed> {
        self.kept.pushed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn answer(
    State(kept): State<Arc<Kept>>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, &'static [u8]) {
    let text = |value: &axum::http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
    let pushed = Pushed { uri: uri.to_string(), headers, body: body.to_vec() };
    kept.pushed.lock().unwrap_or_else(PoisonError::into_inner).push(pushed);
    match kept.answering {
        Answering::Well => (StatusCode::OK, b""),
        Answering::With(status) => (StatusCode::from_u16(status).expect("a status"), b"an answer in words"),
        Answering::InPart => (StatusCode::OK, REFUSED_IN_PART),
        Answering::Never => std::future::pending().await,
    }
}
