//! The push itself. What fails is not repeated: each push says everything since the start of the run.

use std::time::Duration;

use http::header::{CONTENT_TYPE, USER_AGENT};
use promptlake_model::Timestamp;
use prost::Message;
use reqwest::redirect::Policy;
use tokio::time::timeout;

use super::message::{ExportMetricsServiceResponse, SCOPE, Span, encode};
use super::settings::PushSettings;
use crate::failure::Failure;
use crate::metrics::Metric;

/// The most of an answer that is read: it says what was refused, and nothing else.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// The most of what a collector says in words that is passed on.
const MESSAGE_CHARS_MAX: usize = 200;

/// Pushes metrics to one collector.
#[derive(Debug)]
pub(in crate::metrics) struct Push {
    client: reqwest::Client,
    settings: PushSettings,
    warned: bool,
}

/// A push that told nobody, or not all.
#[derive(Debug, thiserror::Error)]
pub(in crate::metrics) enum PushError {
    /// What the environment says makes no sense.
    #[error(transparent)]
    Settings(#[from] super::settings::PushSettingsError),
    /// There is no client to push with.
    #[error("make an HTTP client")]
    Client(#[source] reqwest::Error),
    /// No answer came, or not the whole of it.
    #[error("reach the collector")]
    Unreached(#[source] reqwest::Error),
    #[error("get an answer of the collector within {0:?}")]
    TooLate(Duration),
    #[error("push to a collector that answers with status {0}")]
    Refused(http::StatusCode),
    #[error("push everything: the collector refused {count} values ({message})")]
    RefusedInPart { count: i64, message: String },
}

impl Push {
    pub(in crate::metrics) fn new(settings: PushSettings) -> Result<Self, PushError> {
        let client = reqwest::Client::builder()
            .connect_timeout(settings.timeout)
            // A redirect could carry the headers elsewhere.
            .redirect(Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .build()
            .map_err(|error| PushError::Client(error.without_url()))?;
        Ok(Self { client, settings, warned: false })
    }

    /// How often it is asked for.
    pub(in crate::metrics) fn every(&self) -> Duration {
        self.settings.every
    }

    /// Pushes all that was counted in a span of time, in its own time-out and within another one. That it could not is said
    /// once.
    pub(in crate::metrics) async fn send(
        &mut self,
        metrics: &[Metric],
        (start, end): (Timestamp, Timestamp),
        within: Duration,
    ) {
        let within = within.min(self.settings.timeout);
        let body = encode(metrics, &self.settings.attributes, SCOPE, Span::new(start, end));
        let sent = timeout(within, self.post(body)).await.unwrap_or(Err(PushError::TooLate(within)));
        let Err(error) = sent else { return };
        if !self.warned {
            self.warned = true;
            let collector = self.settings.endpoint.origin().ascii_serialization();
            let failed = Failure::internal(&error, "push metrics").in_a_line();
            tracing::warn!(%collector, "{failed}; the run goes on, and tries again in silence");
        }
    }

    async fn post(&self, body: Vec<u8>) -> Result<(), PushError> {
        let unreached = |error: reqwest::Error| PushError::Unreached(error.without_url());
        let request = self.client.post(self.settings.endpoint.clone());
        let request = request
            .header(CONTENT_TYPE, "application/x-protobuf")
            .header(USER_AGENT, concat!("promptlake/", env!("CARGO_PKG_VERSION")))
            .headers(self.settings.headers.clone())
            .body(body);
        let mut answer = request.send().await.map_err(unreached)?;
        if !answer.status().is_success() {
            return Err(PushError::Refused(answer.status()));
        }
        let mut said = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(unreached)? {
            said.extend_from_slice(&chunk);
            if said.len() > ANSWER_BYTES_MAX {
                return Ok(());
            }
        }
        refused_in_part(&said)
    }
}

/// An answer that is no message is taken for an empty one: it was answered with success.
fn refused_in_part(answer: &[u8]) -> Result<(), PushError> {
    let answer = ExportMetricsServiceResponse::decode(answer).unwrap_or_default();
    match answer.partial_success {
        Some(part) if part.rejected_data_points > 0 => Err(PushError::RefusedInPart {
            count: part.rejected_data_points,
            message: part.error_message.chars().take(MESSAGE_CHARS_MAX).collect(),
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::message::ExportMetricsPartialSuccess;
    use super::*;

    #[test]
    fn what_was_refused_in_part_is_said() {
        let answer = |rejected_data_points| {
            let part =
                ExportMetricsPartialSuccess { rejected_data_points, error_message: "too old".to_owned() };
            ExportMetricsServiceResponse { partial_success: Some(part) }.encode_to_vec()
        };
        let said = |answer: &[u8]| refused_in_part(answer).err().map(|error| error.to_string());
        let refused = "push everything: the collector refused 3 values (too old)";
        assert_eq!(said(&answer(3)), Some(refused.to_owned()));
        for silent in [&answer(0)[..], b"", b"\xff\xff no message"] {
            assert_eq!(said(silent), None, "{silent:?}");
        }
    }
}
