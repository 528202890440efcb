//! An answer before it becomes an HTTP response: a status, a body and what else a test may look at.

use std::io::{self, Write as _};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, VARY};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures::stream::{self, StreamExt as _};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::script::GZIP_BOMB_BYTES_MAX;
use crate::instant::{self, TICKS_PER_MS};
use crate::random::{Chance, Purpose};

const JSON: HeaderValue = HeaderValue::from_static(
    "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8",
);
const GZIP: HeaderValue = HeaderValue::from_static("gzip");
/// What fills a gzip bomb, a piece at a time.
static BLANKS: [u8; 1 << 16] = [b' '; 1 << 16];
const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");
const CLIENT_REQUEST_ID: HeaderName = HeaderName::from_static("client-request-id");

/// An answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
    pub(super) delivery: Delivery,
    /// Whether it is a page of interactions, which is counted.
    pub(super) is_page: bool,
}

/// How an answer arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Delivery {
    Whole,
    /// The connection closes after half of the body.
    CutOff,
    /// Half of the body arrives this much later.
    Stalled(Duration),
    /// The connection is reset before the first byte.
    Reset,
}

/// What a response depends on besides its answer.
#[derive(Debug)]
pub(super) struct Recipient {
    pub(super) ids: RequestIds,
    pub(super) takes_gzip: bool,
    /// Whether the server stops, which ends a stall.
    pub(super) stopping: watch::Receiver<bool>,
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

/// How error bodies name their inner error: Graph's services spell it in both ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum InnerErrorName {
    CamelCase,
    LowerCase,
}

impl InnerErrorName {
    /// The spelling of the tenant of a seed.
    pub(super) fn of_seed(seed: u64) -> Self {
        if Chance::at(seed, Purpose::InnerError, [0, 0]).percent(50) {
            Self::CamelCase
        } else {
            Self::LowerCase
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::CamelCase => "innerError",
            Self::LowerCase => "innererror",
        }
    }
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

    /// The error as Graph answers it. Its inner error has one of its own, since they are nested to any depth.
    pub(super) fn answer(&self, ids: &RequestIds, unix_ms: i64, inner: InnerErrorName) -> Answer {
        let date = instant::text(unix_ms.saturating_mul(TICKS_PER_MS), 0);
        let client_request_id = ids.client_request_id.as_ref().unwrap_or(&ids.request_id);
        let inner_error = json!({
            "date": date.trim_end_matches('Z'),
            "request-id": ids.request_id,
            "client-request-id": client_request_id,
            inner.text(): { "code": self.code },
        });
        let error = json!({ "code": self.code, "message": self.message, inner.text(): inner_error });
        let answer = Answer::json(self.status, &json!({ "error": error })).with_headers(&self.headers);
        if self.status == 401 { answer.with_header("www-authenticate", "Bearer realm=\"\"") } else { answer }
    }
}

impl Answer {
    /// An answer of a status and a body that is JSON already. A number that is no status becomes 500.
    pub(super) fn new(status: u16, body: Vec<u8>) -> Self {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, JSON)]);
        Self { status, headers, body, delivery: Delivery::Whole, is_page: false }
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
    pub(super) fn into_response(self, recipient: Recipient) -> Response {
        let answer = if recipient.takes_gzip { self.compressed() } else { self };
        let length = answer.body.len();
        let body = match answer.delivery {
            Delivery::Whole | Delivery::Reset => Body::from(answer.body),
            Delivery::CutOff => cut_off(answer.body),
            Delivery::Stalled(pause) => stalled(answer.body, pause, recipient.stopping),
        };
        let mut response = Response::new(body);
        *response.status_mut() = answer.status;
        *response.headers_mut() = answer.headers;
        let headers = response.headers_mut();
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        let ids = recipient.ids;
        if let Ok(id) = HeaderValue::try_from(&ids.request_id) {
            headers.insert(REQUEST_ID, id);
        }
        if let Some(Ok(id)) = ids.client_request_id.as_ref().map(HeaderValue::try_from) {
            headers.insert(CLIENT_REQUEST_ID, id);
        }
        response
    }

    /// The same with its body compressed, unless it is already.
    fn compressed(mut self) -> Self {
        if self.body.is_empty() || self.headers.contains_key(CONTENT_ENCODING) {
            return self;
        }
        self.body = gzip(&self.body);
        self.headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
        self.headers.insert(CONTENT_ENCODING, GZIP);
        self
    }

    /// A compressed page without a record that is so long inflated, and no longer than it may be.
    pub(super) fn gzip_bomb(inflated_bytes: u64) -> Self {
        let (head, tail) = (br#"{"value":["#, b"]}");
        let ends = (head.len() + tail.len()) as u64;
        let mut blanks = inflated_bytes.clamp(ends, GZIP_BOMB_BYTES_MAX) - ends;
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        let mut write = |bytes: &[u8]| encoder.write_all(bytes).expect("a vector takes all bytes");
        write(head);
        while blanks > 0 {
            let part = usize::try_from(blanks).unwrap_or(BLANKS.len()).min(BLANKS.len());
            write(&BLANKS[..part]);
            blanks -= part as u64;
        }
        write(tail);
        let mut answer = Self::new(200, encoder.finish().expect("a vector takes all bytes"));
        answer.headers.insert(CONTENT_ENCODING, GZIP);
        answer
    }
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(body).expect("a vector takes all bytes");
    encoder.finish().expect("a vector takes all bytes")
}

/// Whether the value of an `Accept-Encoding` header lets an answer be compressed.
pub(super) fn accepts_gzip(value: &str) -> bool {
    value.split(',').any(|choice| {
        let (coding, weight) = choice.split_once(';').unwrap_or((choice, ""));
        let weight = weight.trim().strip_prefix("q=").unwrap_or("1");
        let is_wanted = weight.trim().parse::<f64>().is_ok_and(|weight| weight > 0.0);
        is_wanted && matches!(coding.trim().to_ascii_lowercase().as_str(), "gzip" | "x-gzip" | "*")
    })
}

/// Half of a body, a pause, and the other half.
fn stalled(body: Vec<u8>, pause: Duration, mut stopping: watch::Receiver<bool>) -> Body {
    let mut first = Bytes::from(body);
    let second = first.split_off(first.len() / 2);
    let rest = stream::once(async move {
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = stopping.wait_for(|stops| *stops) => {}
        }
        Ok::<_, io::Error>(second)
    });
    Body::from_stream(stream::iter([Ok(first)]).chain(rest))
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

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::GzDecoder;

    use super::{Answer, GraphError, InnerErrorName, RequestIds, accepts_gzip, gzip};

    fn inflated(body: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        GzDecoder::new(body).read_to_end(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn seeds_spell_inner_errors_in_both_ways_and_nest_them() {
        let ids = RequestIds { request_id: "r".to_owned(), client_request_id: None };
        for (name, spelled) in
            [(InnerErrorName::CamelCase, "innerError"), (InnerErrorName::LowerCase, "innererror")]
        {
            assert!((0..16).any(|seed| InnerErrorName::of_seed(seed) == name), "{spelled}");
            let answer = GraphError::new(403, "Forbidden", "No.").answer(&ids, 0, name);
            let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
            let inner = &body["error"][spelled];
            assert_eq!((&inner["request-id"], &inner[spelled]["code"]), (&"r".into(), &"Forbidden".into()));
        }
    }

    #[test]
    fn encodings_are_accepted_as_they_are_weighed() {
        for (value, accepted) in [
            ("gzip", true),
            ("deflate, GZIP;q=0.5", true),
            ("*", true),
            ("gzip; q=0", false),
            ("br, deflate", false),
            ("", false),
        ] {
            assert_eq!(accepts_gzip(value), accepted, "{value}");
        }
    }

    #[test]
    fn a_bomb_is_json_of_the_promised_length() {
        assert_eq!(inflated(&gzip(b"word")), b"word");
        for (asked, long) in [(0, 12), (12, 12), (13, 13), (1_000_003, 1_000_003)] {
            let bytes = inflated(&Answer::gzip_bomb(asked).body);
            assert_eq!(bytes.len(), long);
            let page: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
            assert_eq!(page, serde_json::json!({ "value": [] }));
        }
        assert!(Answer::gzip_bomb(10_000_000).body.len() < 100_000);
    }
}
