//! Asks for a token once, whatever the credential: from what is shown to what came of it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::ACCEPT;
use http::{HeaderMap, HeaderValue, Method};
use promptlake_flow::{Clock, Event, Observer, RequestKind};
use secrecy::{ExposeSecret, SecretString};
use tokio::io::AsyncReadExt;
use url::{Url, form_urlencoded};

use super::answer::{Asked, failed, granted, refused};
use super::assertion::{Statement, assertion};
use super::error::CredentialError;
use super::ready_token;
use super::{Credential, CredentialKind, ManagedIdentity};
use crate::ExtractError;
use crate::graph::backoff::Chance;
use crate::graph::body::{BodyFault, answer, describe, receive};
use crate::graph::retry_after::retry_after;
use crate::graph::settings::GraphSettings;
use crate::graph::transport::{Request, Transport};

/// A token is a few kilobytes; one with hundreds of roles some dozens.
const BODY_BYTES_MAX: usize = 256 * 1024;

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Knows whom to ask for the token of one app in one tenant, and with what.
pub(crate) struct Grantor {
    transport: Arc<dyn Transport>,
    clock: Clock,
    chance: Arc<Chance>,
    observer: Arc<dyn Observer>,
    credential: Credential,
    endpoint: Url,
    /// Graph's origin.
    resource: String,
}

impl Grantor {
    pub(crate) fn new(
        settings: &GraphSettings,
        transport: Arc<dyn Transport>,
        clock: Clock,
        chance: Arc<Chance>,
        observer: Arc<dyn Observer>,
    ) -> Self {
        let mut endpoint = settings.login_url.clone();
        endpoint.set_path(&format!("/{}/oauth2/v2.0/token", settings.tenant));
        let resource = settings.graph_url.origin().ascii_serialization();
        let credential = settings.credential.clone();
        Self { transport, clock, chance, observer, credential, endpoint, resource }
    }

    /// Asks once.
    pub(crate) async fn ask(&self) -> Asked {
        let shown = match &self.credential {
            Credential::ClientSecret { client_id, secret } => {
                self.form(client_id, &[("client_secret", secret.expose_secret())])
            }
            Credential::Certificate { client_id, certificate } => {
                let (id, token_url) = (self.chance.request_id(), self.endpoint.as_str());
                let now_micros = self.clock.now_micros();
                let statement = Statement { token_url, client_id, id: &id, now_micros };
                let Some(assertion) = assertion(certificate, &statement) else {
                    return failed("the key of the certificate did not sign".to_owned());
                };
                self.form_with_assertion(client_id, &assertion)
            }
            Credential::WorkloadIdentity { client_id, token_file } => match read_token_file(token_file).await
            {
                Ok(assertion) => self.form_with_assertion(client_id, &assertion),
                Err(error) => return Asked::Unready(error),
            },
            Credential::ManagedIdentity(identity) => return self.ask_the_platform(identity).await,
            Credential::TokenCommand(command) => {
                return match command.run().await {
                    Ok(printed) => ready_token::read(&printed, self.clock.now_micros()),
                    Err(error) => Asked::Unready(error),
                };
            }
        };
        let request = Request {
            method: Method::POST,
            url: self.endpoint.clone(),
            headers: HeaderMap::new(),
            form: Some(shown),
        };
        match self.exchange(request).await {
            Ok(answered) => answered.read(&self.clock, self.credential.kind()),
            Err(reason) => failed(reason),
        }
    }

    /// Who is asked, for messages.
    pub(crate) fn place(&self) -> String {
        match &self.credential {
            Credential::ManagedIdentity(identity) => identity.place(),
            Credential::TokenCommand(_) => "the command of source.credential".to_owned(),
            _ => self.endpoint.origin().ascii_serialization(),
        }
    }

    async fn ask_the_platform(&self, identity: &ManagedIdentity) -> Asked {
        let Some(request) = identity.request(&self.resource) else {
            let (credential, aadsts) = (CredentialKind::ManagedIdentity, None);
            let error = "IDENTITY_HEADER is no header value".to_owned();
            return Asked::Refused(ExtractError::TokenRefused { credential, aadsts, error });
        };
        match self.exchange(request).await {
            Err(reason) => failed(reason),
            Ok(answered) => match identity.replacement_wait(answered.status) {
                Some(least) => {
                    let wait = Some(answered.wait.map_or(least, |told| told.max(least)));
                    Asked::Failed { reason: format!("status {}", answered.status), wait }
                }
                None => answered.read(&self.clock, CredentialKind::ManagedIdentity),
            },
        }
    }

    fn form_with_assertion(&self, client_id: &str, assertion: &SecretString) -> SecretString {
        let shown =
            [("client_assertion_type", ASSERTION_TYPE), ("client_assertion", assertion.expose_secret())];
        self.form(client_id, &shown)
    }

    fn form(&self, client_id: &str, shown: &[(&str, &str)]) -> SecretString {
        let scope = format!("{}/.default", self.resource);
        let form = form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", "client_credentials")
            .append_pair("client_id", client_id)
            .append_pair("scope", &scope)
            .extend_pairs(shown)
            .finish();
        SecretString::from(form)
    }

    async fn exchange(&self, mut request: Request) -> Result<Answered, String> {
        request.headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let response = match answer(&*self.transport, request).await {
            Ok(response) => response,
            Err(error) => {
                self.note(None, 0);
                return Err(describe(&error));
            }
        };
        let status = response.status.as_u16();
        let wait = retry_after(&response.headers, self.clock.now_micros());
        let body = receive(response, BODY_BYTES_MAX, &self.clock, None).await;
        self.note(Some(status), body.as_ref().map_or(0, |body| body.len() as u64));
        match body {
            Ok(body) => Ok(Answered { status, wait, body }),
            Err(BodyFault::Cut(error)) => Err(describe(&error)),
            Err(BodyFault::TooLarge) => Err(format!("the answer has more than {BODY_BYTES_MAX} bytes")),
        }
    }

    fn note(&self, status: Option<u16>, body_bytes: u64) {
        tracing::debug!(status, "token answered");
        self.observer.observe(&Event::Answered { kind: RequestKind::Token, status, body_bytes });
    }
}

/// A whole answer. No `Debug`: its body may be the token.
struct Answered {
    status: u16,
    wait: Option<Duration>,
    body: Bytes,
}

impl Answered {
    fn read(&self, clock: &Clock, credential: CredentialKind) -> Asked {
        if self.status == 200 {
            granted(&self.body, clock.now_micros())
        } else {
            refused(self.status, &self.body, self.wait, credential)
        }
    }
}

/// The token that the platform has put there, which is another one within the hour.
async fn read_token_file(path: &Path) -> Result<SecretString, CredentialError> {
    let unread = |source| CredentialError::ReadFile { path: path.to_owned(), source };
    let content = |problem| CredentialError::FileContent { path: path.to_owned(), problem };
    let file = tokio::fs::File::open(path).await.map_err(unread)?;
    let mut text = String::new();
    let length = file.take(BODY_BYTES_MAX as u64 + 1).read_to_string(&mut text).await.map_err(unread)?;
    if length > BODY_BYTES_MAX {
        return Err(content("is too long for a token"));
    }
    match text.trim() {
        "" => Err(content("is empty")),
        token => Ok(SecretString::from(token)),
    }
}
