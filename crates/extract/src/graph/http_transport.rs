//! The transport over a real network.

use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use reqwest::redirect::Policy;
use secrecy::ExposeSecret;

use super::transport::{Request, Response, Transport, TransportError};

/// A host that does not take a connection in this time is down, or behind a firewall that says nothing.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Longer than Graph needs to begin an answer, and than a line that lives stays silent.
const SILENCE_TIMEOUT: Duration = Duration::from_mins(2);

/// [`reqwest`] with rustls, HTTP/2 and gzip, through the proxy of the environment.
#[derive(Debug, Clone)]
pub struct HttpTransport {
    client: reqwest::Client,
}

impl HttpTransport {
    /// Makes a client with a pool of connections.
    pub fn new() -> Result<Self, TransportError> {
        let client = reqwest::Client::builder()
            .user_agent(concat!("promptlake/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(SILENCE_TIMEOUT)
            // A redirect could carry the bearer token elsewhere. Graph gives none.
            .redirect(Policy::none())
            // Repeating is decided in one place, which is not this one.
            .retry(reqwest::retry::never())
            .referer(false)
            .build()
            .map_err(|error| TransportError::Client(Box::new(error.without_url())))?;
        Ok(Self { client })
    }
}

#[async_trait]
impl Transport for HttpTransport {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        let mut call = self.client.request(request.method, request.url).headers(request.headers);
        if let Some(form) = request.form {
            let form_type = HeaderValue::from_static("application/x-www-form-urlencoded");
            call = call.header(CONTENT_TYPE, form_type).body(form.expose_secret().to_owned());
        }
        let answer = call.send().await.map_err(before_the_answer)?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let body = answer.bytes_stream().map(|chunk| chunk.map_err(within_the_body)).boxed();
        Ok(Response { status, headers, body })
    }
}

/// The URL is taken out of every error: its query may be a paging token.
fn before_the_answer(error: reqwest::Error) -> TransportError {
    match error {
        error if error.is_timeout() && !error.is_connect() => TransportError::TimedOut,
        error if error.is_connect() => TransportError::Connect(Box::new(error.without_url())),
        error => TransportError::Exchange(Box::new(error.without_url())),
    }
}

fn within_the_body(error: reqwest::Error) -> TransportError {
    if error.is_timeout() {
        TransportError::TimedOut
    } else {
        TransportError::Body(Box::new(error.without_url()))
    }
}
