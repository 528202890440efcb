//! Managed identities: tokens for whoever runs in the right place, without a secret.
//!
//! A virtual machine asks its metadata service, an app service asks an endpoint of its own. Both say how long a token is
//! good in ways of their own.

use axum::http::HeaderMap;
use serde_json::json;

use super::answer::Answer;
use super::query::Parameters;
use super::token::Issued;
use crate::tenant::Tenant;

/// The Graph of the global cloud, for which a token can be asked as well as for the emulator.
const GLOBAL_GRAPH: &str = "https://graph.microsoft.com";

/// A request for a token of a managed identity.
#[derive(Debug, Clone, Copy)]
pub(super) struct IdentityRequest<'a> {
    pub(super) headers: &'a HeaderMap,
    pub(super) query: &'a Parameters,
    pub(super) origin: &'a str,
}

/// Why nobody gets a token.
#[derive(Debug)]
pub(super) struct IdentityError {
    status: u16,
    error: &'static str,
    description: String,
}

impl IdentityRequest<'_> {
    /// Whether a virtual machine asks as it must.
    pub(super) fn check_machine(&self, tenant: &Tenant) -> Result<(), IdentityError> {
        if !self.header("metadata").eq_ignore_ascii_case("true") {
            return Err(error(400, "invalid_request", "Required metadata header not specified"));
        }
        // The metadata service answers nobody who came through a proxy.
        if self.headers.contains_key("x-forwarded-for") {
            return Err(error(400, "invalid_request", "Request came through a proxy"));
        }
        self.check_query("2018-02-01", tenant)
    }

    /// Whether an app service asks as it must.
    pub(super) fn check_service(&self, tenant: &Tenant, identity_header: &str) -> Result<(), IdentityError> {
        if self.header("x-identity-header") != identity_header {
            return Err(error(401, "unauthorized", "X-IDENTITY-HEADER is missing or wrong"));
        }
        self.check_query("2019-08-01", tenant)
    }

    /// A token as a virtual machine gets it: all numbers are strings.
    pub(super) fn machine_answer(&self, tenant: &Tenant, issued: &Issued) -> Answer {
        let (from, seconds) = (issued.unix_seconds, issued.lifetime_seconds);
        let body = json!({
            "access_token": issued.token,
            "client_id": tenant.client_id(),
            "expires_in": seconds.to_string(),
            "expires_on": from.saturating_add_unsigned(seconds).to_string(),
            "ext_expires_in": seconds.to_string(),
            "not_before": from.to_string(),
            "resource": self.query.get("resource"),
            "token_type": "Bearer",
        });
        Answer::json(200, &body)
    }

    /// A token as an app service gets it: with the instant of its end alone, which is a string.
    pub(super) fn service_answer(&self, tenant: &Tenant, issued: &Issued) -> Answer {
        let expires_on = issued.unix_seconds.saturating_add_unsigned(issued.lifetime_seconds);
        let body = json!({
            "access_token": issued.token,
            "client_id": tenant.client_id(),
            "expires_on": expires_on.to_string(),
            "resource": self.query.get("resource"),
            "token_type": "Bearer",
        });
        Answer::json(200, &body)
    }

    fn check_query(&self, api_version: &str, tenant: &Tenant) -> Result<(), IdentityError> {
        if self.query.get("api-version") != Some(api_version) {
            let message = format!("api-version must be {api_version}");
            return Err(error(400, "invalid_request", message));
        }
        let resource = self.query.get("resource").unwrap_or_default().trim_end_matches('/');
        if resource != self.origin && resource != GLOBAL_GRAPH {
            let message = format!("AADSTS500011: The resource principal named {resource} was not found");
            return Err(error(400, "invalid_resource", message));
        }
        match self.query.get("client_id") {
            Some(id) if !id.eq_ignore_ascii_case(tenant.client_id()) => {
                Err(error(400, "invalid_request", "Identity not found"))
            }
            _ => Ok(()),
        }
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

/// What is answered where there is no managed identity.
pub(super) fn nobody() -> Answer {
    error(404, "not_found", "This machine has no managed identity").answer()
}

impl IdentityError {
    pub(super) fn answer(&self) -> Answer {
        let body = json!({ "error": self.error, "error_description": self.description });
        Answer::json(self.status, &body)
    }
}

fn error(status: u16, error: &'static str, description: impl Into<String>) -> IdentityError {
    IdentityError { status, error, description: description.into() }
}
