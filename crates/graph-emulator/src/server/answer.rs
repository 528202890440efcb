//! An answer before it becomes an HTTP response: a status, a body and what else a test may look at.

use std::io;

use axum::body::{Body, Bytes};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use futures::stream::{self, StreamExt as _};
use serde_json::{Value, json};

use crate::instant::{self, TICKS_PER_MS};

const JSON: HeaderValue = HeaderValue::from_static(
    "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8",
);
const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");
const CLIENT_REQUEST_ID: HeaderName = HeaderName::from_static("client-request-id");

/// An answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
    /// Whether the connection closes after half of the body.
    pub(super) is_cut_off: bool,
    /// Whether it is a page of interactions, which is counted.
    pub(super) is_page: bool,
}

/// What an error body says, before it is known which request it is for.
#[derive(Debug)]
pub(super) struct GraphError {
    pub(super) status: u16,
    pub(super) code: &'static str,
    pub(super) message: String,
    pub(super) headers: Vec<(String, String)>,
}

/// The ids that Graph gives to a request and takes from it.
#[derive(Debug, Clone)]
pub(super) struct RequestIds {
    pub(super) request_id: String,
    pub(super) client_request_id: Option<String>,
}

impl GraphError {
    pub(super) fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), headers: Vec::new() }
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    /// The same with headers.
    pub(super) fn with_headers(self, headers: Vec<(String, String)>) -> Self {
        Self { headers, ..self }
    }

    /// The error as Graph answers it.
    pub(super) fn answer(&self, ids: &RequestIds, unix_ms: i64) -> Answer {
        let date = instant::text(unix_ms.saturating_mul(TICKS_PER_MS), 0);
        let client_request_id = ids.client_request_id.as_ref().unwrap_or(&ids.request_id);
        let inner_error = json!({
            "date": date.trim_end_matches('Z'),
            "request-id": ids.request_id,
            "client-request-id": client_request_id,
        });
        let error = json!({ "code": self.code, "message": self.message, "innerError": inner_error });
        let answer = Answer::json(self.status, &json!({ "error": error })).with_headers(&self.headers);
        if self.status == 401 { answer.with_header("www-authenticate", "Bearer realm=\"\"") } else { answer }
    }
}

impl Answer {
    /// An answer of a status and a body that is JSON already. A number that is no status becomes 500.
    pub(super) fn new(status: u16, body: Vec<u8>) -> Self {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, JSON)]);
        Self { status, headers, body, is_cut_off: false, is_page: false }
    }

    /// An answer of a status and a value.
    pub(super) fn json(status: u16, value: &Value) -> Self {
        Self::new(status, value.to_string().into_bytes())
    }

    /// The same with headers, but for those whose names or values can't be any.
    pub(super) fn with_headers(self, headers: &[(String, String)]) -> Self {
        headers.iter().fold(self, |answer, (name, value)| answer.with_header(name, value))
    }

    /// The same with a header, unless its name or value can't be one.
    pub(super) fn with_header(mut self, name: &str, value: &str) -> Self {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            self.headers.insert(name, value);
        }
        self
    }

    /// The response, with the request's ids in its headers.
    pub(super) fn into_response(self, ids: &RequestIds) -> Response {
        let length = self.body.len();
        let body = if self.is_cut_off { cut_off(self.body) } else { Body::from(self.body) };
        let mut response = Response::new(body);
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        let headers = response.headers_mut();
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        if let Ok(id) = HeaderValue::try_from(&ids.request_id) {
            headers.insert(REQUEST_ID, id);
        }
        if let Some(Ok(id)) = ids.client_request_id.as_ref().map(HeaderValue::try_from) {
            headers.insert(CLIENT_REQUEST_ID, id);
        }
        response
    }
}

/// Half of a body and then an error, upon which the connection is closed. In between the task yields, so that
/// the half is sent before.
fn cut_off(mut body: Vec<u8>) -> Body {
    body.truncate(body.len() / 2);
    let half = stream::iter([Ok(Bytes::from(body))]);
    let end = stream::once(async {
        tokio::task::yield_now().await;
        Err(io::Error::from(io::ErrorKind::ConnectionAborted))
    });
    Body::from_stream(half.chain(end))
}
