//! The seam to the network: one method. Everything above it can be run without one.

use std::error::Error;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use http::{HeaderMap, Method, StatusCode};
use secrecy::SecretString;
use url::Url;

/// What is asked. No `Debug`: its headers and form hold secrets.
pub struct Request {
    /// How.
    pub method: Method,
    /// Where. Its query may hold a paging token: never to be logged.
    pub url: Url,
    /// The headers, `Authorization` among them.
    pub headers: HeaderMap,
    /// A body of the type `application/x-www-form-urlencoded`.
    pub form: Option<SecretString>,
}

/// What came back: the head at once, the body as it comes.
pub struct Response {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, decompressed.
    pub body: BoxStream<'static, Result<Bytes, TransportError>>,
}

/// No answer, or only a part of one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// The client could not be made.
    #[error("make an HTTP client")]
    Client(#[source] Box<dyn Error + Send + Sync>),
    /// No connection.
    #[error("connect")]
    Connect(#[source] Box<dyn Error + Send + Sync>),
    /// The connection was lost before the answer.
    #[error("exchange request and answer")]
    Exchange(#[source] Box<dyn Error + Send + Sync>),
    /// The body was cut short.
    #[error("receive the whole body")]
    Body(#[source] Box<dyn Error + Send + Sync>),
    /// It took too long.
    #[error("get an answer in time")]
    TimedOut,
}

impl Request {
    /// A request without headers or body.
    pub(crate) fn get(url: Url) -> Self {
        Self { method: Method::GET, url, headers: HeaderMap::new(), form: None }
    }
}

/// Sends one request and gives its answer, whatever the status. Follows no redirect and repeats nothing.
///
/// Cancel-safe: a dropped call drops the connection's stream.
#[async_trait]
pub trait Transport: Send + Sync + 'static {
    /// Sends it.
    async fn send(&self, request: Request) -> Result<Response, TransportError>;
}
