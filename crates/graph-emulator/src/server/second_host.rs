//! The second host: where a client must never go with its token.
//!
//! Foreign links and redirects point here. It answers everything with an empty last page, so that a client that follows
//! one believes that all is well, and it remembers what came.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::{io, mem};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// The most requests that are remembered; all are counted.
const REMEMBERED_MAX: usize = 10_000;

/// The server that foreign links lead to, and what it was asked.
#[derive(Debug)]
pub struct SecondHost {
    port: u16,
    count: AtomicU64,
    seen: Mutex<Vec<SeenRequest>>,
}

/// A request to the second host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenRequest {
    /// The method.
    pub method: String,
    /// Path and query.
    pub path_and_query: String,
    /// Names in lower case, and values as far as they are text.
    pub headers: Vec<(String, String)>,
}

impl SeenRequest {
    /// The value of a header, named in any case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(own, _)| own.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

impl SecondHost {
    /// Listens on a free port of the loopback interface until told to stop.
    pub(super) async fn start(
        mut stopping: watch::Receiver<bool>,
    ) -> io::Result<(Arc<Self>, JoinHandle<io::Result<()>>)> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        let host = Arc::new(Self { port, count: AtomicU64::new(0), seen: Mutex::default() });
        let router = Router::new().fallback(remember).with_state(Arc::clone(&host));
        let stop = async move {
            // An error means that the emulator was dropped, which stops it as well.
            drop(stopping.wait_for(|stops| *stops).await);
        };
        let server =
            tokio::spawn(async move { axum::serve(listener, router).with_graceful_shutdown(stop).await });
        Ok((host, server))
    }

    /// The port on which it listens.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Scheme, host and port.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// How many requests came.
    #[must_use]
    pub fn request_count(&self) -> u64 {
        self.count.load(Ordering::Acquire)
    }

    /// The requests that came, the first ten thousand of them.
    #[must_use]
    pub fn requests(&self) -> Vec<SeenRequest> {
        self.seen.lock().expect("no holder of the seen requests panics").clone()
    }
}

async fn remember(State(host): State<Arc<SecondHost>>, request: Request) -> Response {
    let (mut head, _body) = request.into_parts();
    let headers = mem::take(&mut head.headers);
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    let seen = SeenRequest {
        method: head.method.to_string(),
        path_and_query: head.uri.path_and_query().map_or_else(String::new, ToString::to_string),
        headers: headers.iter().map(|(name, value)| (name.to_string(), text(value.as_bytes()))).collect(),
    };
    {
        let mut all = host.seen.lock().expect("no holder of the seen requests panics");
        if all.len() < REMEMBERED_MAX {
            all.push(seen);
        }
    }
    host.count.fetch_add(1, Ordering::Release);
    ([(CONTENT_TYPE, "application/json")], r#"{"@odata.count":0,"value":[]}"#).into_response()
}
