//! A Graph that can't give one of its records: a relay in front of an emulator, whose pages fail where they hold it.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{ACCEPT_ENCODING, CONNECTION, HOST};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Longer than the longest page that is ever taken.
const TOO_MANY_BYTES: usize = 65 * 1024 * 1024;

/// What becomes of a page with the record in it.
#[derive(Debug, Clone, Copy)]
pub enum Poison {
    /// It grows beyond every limit.
    Swells,
    /// It is answered with 500.
    Fails,
}

/// A relay on the loopback interface. Dropped, it stops.
#[derive(Debug)]
pub struct PoisonedGraph {
    address: SocketAddr,
    relay: Arc<Relay>,
    server: JoinHandle<()>,
}

#[derive(Debug)]
struct Relay {
    server: SocketAddr,
    own_url: String,
    /// The id of the record, as it stands in a page, until it is healed.
    poisoned: Mutex<Option<(String, Poison)>>,
}

impl PoisonedGraph {
    /// Relays to the server at an origin, and spoils each page with a record of this id.
    pub async fn start(origin: &str, interaction_id: &str, poison: Poison) -> Self {
        let server = origin.trim_start_matches("http://").parse().expect("an address");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("take a free port");
        let address = listener.local_addr().expect("it has an address");
        let poisoned = Mutex::new(Some((format!("\"id\":\"{interaction_id}\""), poison)));
        let relay = Arc::new(Relay { server, own_url: format!("http://{address}"), poisoned });
        let router = Router::new().fallback(handle).with_state(Arc::clone(&relay));
        let server = tokio::spawn(async move { axum::serve(listener, router).await.expect("serve") });
        Self { address, relay, server }
    }

    /// Where it listens, as an origin.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on every page is given as it is.
    pub fn heal(&self) {
        *self.relay.poisoned.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl Drop for PoisonedGraph {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn handle(State(relay): State<Arc<Relay>>, request: Request) -> Response {
    // What is relayed are questions: none of them has a body.
    let (asked, _) = request.into_parts();
    let (status, body) = relay.fetch(&asked).await.expect("the emulator answers");
    let poisoned = relay.poisoned.lock().unwrap_or_else(PoisonError::into_inner).clone();
    match poisoned {
        Some((id, Poison::Fails)) if body.contains(&id) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        Some((id, Poison::Swells)) if body.contains(&id) => " ".repeat(TOO_MANY_BYTES).into_response(),
        _ => (status, body).into_response(),
    }
}

impl Relay {
    /// The answer of the emulator, with its own links.
    async fn fetch(&self, asked: &Parts) -> std::io::Result<(StatusCode, String)> {
        let mut stream = TcpStream::connect(self.server).await?;
        let target = asked.uri.path_and_query().map_or("/", |target| target.as_str());
        let mut headers: HeaderMap = asked.headers.clone();
        for name in [ACCEPT_ENCODING, CONNECTION, HOST] {
            headers.remove(name);
        }
        let line = |(name, value): (&HeaderName, &HeaderValue)| {
            format!("{name}: {}\r\n", value.to_str().expect("a header of text"))
        };
        let (method, lines) = (&asked.method, headers.iter().map(line).collect::<Vec<_>>().concat());
        let own = format!("host: {}\r\nconnection: close\r\n", self.server);
        let head = format!("{method} {target} HTTP/1.1\r\n{lines}{own}\r\n");
        stream.write_all(head.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        let answer = String::from_utf8(answer).expect("the emulator writes UTF-8");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        let theirs = format!("http://{}", self.server);
        Ok((StatusCode::from_u16(status).expect("a status"), body.replace(&theirs, &self.own_url)))
    }
}
