//! The transport over a real network.

use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use reqwest::redirect::Policy;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use secrecy::ExposeSecret;

use super::transport::{Request, Response, Transport, TransportError};

/// A host that does not take a connection in this time is down, or behind a firewall that says nothing.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// [`reqwest`] with rustls, HTTP/2 and gzip. How long an answer may take is bounded above it, for every transport.
#[derive(Debug, Clone)]
pub struct HttpTransport {
    client: reqwest::Client,
}

/// Certificate authorities beside those of the system: of a proxy that looks into TLS, or of a cloud of one's own.
#[derive(Debug, Clone, Default)]
pub struct ExtraRoots(Vec<CertificateDer<'static>>);

/// A file that holds no usable certificates of authorities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnusableRoots {
    /// Nothing between `-----BEGIN CERTIFICATE-----` and its end.
    #[error("it holds no certificate in PEM")]
    NoCertificate,
    /// Its PEM breaks off or is garbled.
    #[error("its PEM is broken at certificate {place}")]
    BrokenPem {
        /// Which one, from 1.
        place: usize,
    },
    /// What is between is no certificate.
    #[error("its certificate {place} is not X.509")]
    NotX509 {
        /// Which one, from 1.
        place: usize,
    },
}

impl ExtraRoots {
    /// Reads PEM: one certificate or several, and anything else between them.
    pub fn from_pem(pem: &[u8]) -> Result<Self, UnusableRoots> {
        let mut roots = Vec::new();
        for (place, section) in (1..).zip(CertificateDer::pem_slice_iter(pem)) {
            let der = section.map_err(|_| UnusableRoots::BrokenPem { place })?;
            match x509_parser::parse_x509_certificate(&der) {
                Ok(([], _)) => roots.push(der),
                _ => return Err(UnusableRoots::NotX509 { place }),
            }
        }
        if roots.is_empty() { Err(UnusableRoots::NoCertificate) } else { Ok(Self(roots)) }
    }
}

impl HttpTransport {
    /// Makes a client with a pool of connections, through the proxy that the environment names
    /// (`HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY`).
    pub fn new(extra_roots: &ExtraRoots) -> Result<Self, TransportError> {
        let roots: Result<Vec<_>, _> =
            extra_roots.0.iter().map(|der| reqwest::Certificate::from_der(der)).collect();
        Self::built(roots.map(|roots| client().tls_certs_merge(roots)))
    }

    /// The same without any proxy, for what is next to this machine.
    pub(crate) fn without_proxy() -> Result<Self, TransportError> {
        Self::built(Ok(client().no_proxy()))
    }

    fn built(builder: reqwest::Result<reqwest::ClientBuilder>) -> Result<Self, TransportError> {
        let client = builder.and_then(reqwest::ClientBuilder::build);
        client
            .map(|client| Self { client })
            .map_err(|error| TransportError::Client(Box::new(error.without_url())))
    }
}

/// What a body may have on its way before anybody reads it: as much as the memory that is taken before the request goes out
/// stands for.
const STREAM_WINDOW_BYTES: u32 = 256 * 1024;

/// The same for all bodies of a connection: bodies that wait for memory must not keep another one from coming.
const CONNECTION_WINDOW_BYTES: u32 = 256 * STREAM_WINDOW_BYTES;

fn client() -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .user_agent(concat!("promptlake/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_TIMEOUT)
        .http2_initial_stream_window_size(STREAM_WINDOW_BYTES)
        .http2_initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        // A redirect could carry the bearer token elsewhere. Graph gives none.
        .redirect(Policy::none())
        // Repeating is decided in one place, which is not this one.
        .retry(reqwest::retry::never())
        .referer(false)
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
