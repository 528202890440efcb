//! The identity that Azure gives to a machine or a container: a server next to it hands out tokens, unasked for a
//! secret by the one and for a header by the other.

use std::fmt;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::graph::transport::Request;

const METADATA: HeaderName = HeaderName::from_static("metadata");
const IDENTITY_HEADER: HeaderName = HeaderName::from_static("x-identity-header");

const IMDS_PATH: &str = "/metadata/identity/oauth2/token";
const IMDS_VERSION: &str = "2018-02-01";
const APP_SERVICE_VERSION: &str = "2019-08-01";

/// While the instance metadata service is replaced it answers 404 or 410, for up to 70 seconds: with seven waits
/// between eight attempts this spans more.
const IMDS_UPDATE_WAIT: Duration = Duration::from_secs(12);

/// Where the tokens are handed out.
#[derive(Clone)]
pub enum ManagedEndpoint {
    /// The instance metadata service of a virtual machine.
    Imds {
        /// Its origin: `http://169.254.169.254`, where nobody put another in its place.
        origin: Url,
    },
    /// App Service, Functions and Container Apps.
    AppService {
        /// `IDENTITY_ENDPOINT`.
        url: Url,
        /// `IDENTITY_HEADER`.
        header: SecretString,
    },
}

/// An identity of the platform.
#[derive(Clone)]
pub struct ManagedIdentity {
    /// Who hands it out.
    pub endpoint: ManagedEndpoint,
    /// Which one, where there are several; `None` is the one that belongs to the machine.
    pub client_id: Option<String>,
}

impl ManagedIdentity {
    /// The request for a token for a resource; `None` where the header is no header value.
    pub(super) fn request(&self, resource: &str) -> Option<Request> {
        let mut headers = HeaderMap::new();
        let (mut url, version) = match &self.endpoint {
            ManagedEndpoint::Imds { origin } => {
                headers.insert(METADATA, HeaderValue::from_static("true"));
                let mut url = origin.clone();
                url.set_path(IMDS_PATH);
                (url, IMDS_VERSION)
            }
            ManagedEndpoint::AppService { url, header } => {
                let mut value = HeaderValue::try_from(header.expose_secret()).ok()?;
                value.set_sensitive(true);
                headers.insert(IDENTITY_HEADER, value);
                (url.clone(), APP_SERVICE_VERSION)
            }
        };
        url.query_pairs_mut().append_pair("api-version", version).append_pair("resource", resource);
        if let Some(client_id) = &self.client_id {
            url.query_pairs_mut().append_pair("client_id", client_id);
        }
        Some(Request { headers, ..Request::get(url) })
    }

    /// How long to wait at least, where such a status means that the service is being replaced.
    pub(super) fn replacement_wait(&self, status: u16) -> Option<Duration> {
        let imds = matches!(self.endpoint, ManagedEndpoint::Imds { .. });
        (imds && matches!(status, 404 | 410)).then_some(IMDS_UPDATE_WAIT)
    }

    /// Its origin, for messages.
    pub(super) fn place(&self) -> String {
        let (ManagedEndpoint::Imds { origin: url } | ManagedEndpoint::AppService { url, .. }) =
            &self.endpoint;
        url.origin().ascii_serialization()
    }
}

impl fmt::Debug for ManagedIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ManagedIdentity")
            .field("place", &self.place())
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}
