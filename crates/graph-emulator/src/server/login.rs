//! Signing in: who asks for a token, and how he shows that he may.

use std::collections::VecDeque;
use std::sync::Mutex;

use super::answer::Answer;
use super::assertion::{self, Expected, TakenIds, TrustedCertificate};
use super::query::Parameters;
use super::routes::Route;
use super::state::lock;
use super::token::LoginError;
use crate::tenant::Tenant;

/// The one kind of client assertion.
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// How an application may sign in besides its secret, which is always taken.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LoginOptions {
    /// Certificates whose assertions are taken.
    pub certificates: Vec<TrustedCertificate>,
    /// Assertions that are taken as they are, as from an identity provider that is trusted.
    pub federated_tokens: Vec<String>,
    /// The value of `X-IDENTITY-HEADER` of the app service that the emulator is to its clients. None means that there is
    /// no managed identity, neither of an app service nor of a virtual machine.
    pub identity_header: Option<String>,
    /// Statuses with which the first requests for a token are answered, of whatever kind, one each.
    pub failures: Vec<u16>,
}

/// How somebody asks for a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GrantKind {
    /// By the application's secret.
    Secret,
    /// By an assertion that is signed with a certificate.
    Certificate,
    /// By an assertion of a trusted identity provider.
    Federated,
    /// By the identity of a virtual machine.
    Machine,
    /// By the identity of an app service.
    Service,
    /// By nothing that is known.
    Other,
}

/// The part of signing in that changes.
#[derive(Debug)]
pub(super) struct Login {
    certificates: Vec<TrustedCertificate>,
    federated_tokens: Mutex<Vec<String>>,
    pub(super) identity_header: Option<String>,
    failures: Mutex<VecDeque<u16>>,
    taken: Mutex<TakenIds>,
}

/// A request for a token by a form.
#[derive(Debug, Clone, Copy)]
pub(super) struct TokenRequest<'a> {
    pub(super) tenant_id: &'a str,
    /// The URL that is asked, which assertions name as their audience.
    pub(super) url: &'a str,
    /// The origin of Graph, for which alone a token can be asked.
    pub(super) graph: &'a str,
    /// Empty where the body says that it is no form.
    pub(super) form: &'a Parameters,
    pub(super) unix_ms: i64,
}

impl Login {
    pub(super) fn new(options: &LoginOptions) -> Self {
        Self {
            certificates: options.certificates.clone(),
            federated_tokens: Mutex::new(options.federated_tokens.clone()),
            identity_header: options.identity_header.clone(),
            failures: Mutex::new(options.failures.iter().copied().collect()),
            taken: Mutex::default(),
        }
    }

    /// Puts other federated tokens in place of those that were taken until now.
    pub(super) fn replace_federated_tokens(&self, tokens: Vec<String>) {
        *lock(&self.federated_tokens) = tokens;
    }

    /// The failure that a request for a token meets in place of its answer.
    pub(super) fn failure(&self) -> Option<Answer> {
        let status = lock(&self.failures).pop_front()?;
        let message = "The service is temporarily unavailable.".to_owned();
        let error = LoginError { status, error: "temporarily_unavailable", code: 90_033, message };
        Some(error.answer())
    }

    /// How a request asks for a token; none of other requests.
    pub(super) fn grant(&self, route: &Route, form: &Parameters) -> Option<GrantKind> {
        match route {
            Route::MachineToken => Some(GrantKind::Machine),
            Route::ServiceToken => Some(GrantKind::Service),
            Route::Token { .. } => Some(self.grant_of_form(form)),
            _ => None,
        }
    }

    fn grant_of_form(&self, form: &Parameters) -> GrantKind {
        match (form.get("client_secret"), form.get("client_assertion")) {
            (Some(_), None) => GrantKind::Secret,
            (Some(_), Some(_)) | (None, None) => GrantKind::Other,
            (None, Some(assertion)) => {
                let is_federated = lock(&self.federated_tokens).iter().any(|token| token == assertion);
                let takes_certificates = !self.certificates.is_empty();
                if is_federated || !takes_certificates {
                    GrantKind::Federated
                } else {
                    GrantKind::Certificate
                }
            }
        }
    }

    /// Whether a form is to be answered with a token.
    pub(super) fn check(&self, tenant: &Tenant, request: &TokenRequest<'_>) -> Result<(), LoginError> {
        let field = |name| request.form.get(name).filter(|value| !value.is_empty());
        let error = |error, code, message: String| Err(LoginError { status: 400, error, code, message });
        let own = [tenant.id(), &tenant.domain()];
        if !own.iter().any(|it| it.eq_ignore_ascii_case(request.tenant_id)) {
            let id = request.tenant_id;
            let message =
                format!("Tenant '{id}' not found. Check to make sure you have the correct tenant ID.");
            return error("invalid_request", 90_002, message);
        }
        let Some(grant_type) = field("grant_type") else {
            let message = "The request body must contain the following parameter: 'grant_type'. \
                Only a body of application/x-www-form-urlencoded is read.";
            return error("invalid_request", 900_144, message.to_owned());
        };
        if grant_type != "client_credentials" {
            let message = "The app requested an unsupported grant type.".to_owned();
            return error("unsupported_grant_type", 70_003, message);
        }
        let client_id = field("client_id").unwrap_or_default();
        if !client_id.eq_ignore_ascii_case(tenant.client_id()) {
            let message =
                format!("Application with identifier '{client_id}' was not found in the directory.");
            return error("unauthorized_client", 700_016, message);
        }
        let scope = field("scope").unwrap_or_default();
        if scope.strip_suffix("/.default") != Some(request.graph) {
            let message = format!(
                "The provided value for the input parameter 'scope' is not valid. The scope '{scope}' is not \
                 '{}/.default'.",
                request.graph
            );
            return error("invalid_scope", 70_011, message);
        }
        self.check_proof(tenant, request)
    }

    /// Whether the application shows that it is itself, in one way.
    fn check_proof(&self, tenant: &Tenant, request: &TokenRequest<'_>) -> Result<(), LoginError> {
        let field = |name| request.form.get(name).filter(|value| !value.is_empty());
        match (field("client_secret"), field("client_assertion")) {
            // A client must not show itself in more than one way at once (RFC 6749, section 2.3).
            (Some(_), Some(_)) => {
                let message =
                    "Invalid request. Request is malformed or invalid: it has both 'client_secret' and \
                    'client_assertion'."
                        .to_owned();
                Err(LoginError { status: 400, error: "invalid_request", code: 9_002_313, message })
            }
            (Some(secret), None) if secret == tenant.client_secret() => Ok(()),
            (Some(_), None) => {
                let message = format!("Invalid client secret provided for app '{}'.", tenant.client_id());
                Err(LoginError::invalid_client(7_000_215, message))
            }
            (None, Some(assertion)) => self.check_assertion(tenant, request, assertion),
            (None, None) => {
                let message =
                    "The request body must contain 'client_assertion' or 'client_secret'.".to_owned();
                Err(LoginError::invalid_client(7_000_216, message))
            }
        }
    }

    fn check_assertion(
        &self,
        tenant: &Tenant,
        request: &TokenRequest<'_>,
        assertion: &str,
    ) -> Result<(), LoginError> {
        if request.form.get("client_assertion_type") != Some(ASSERTION_TYPE) {
            let message = format!("The parameter 'client_assertion_type' must be '{ASSERTION_TYPE}'.");
            return Err(LoginError { status: 400, error: "invalid_request", code: 900_144, message });
        }
        if lock(&self.federated_tokens).iter().any(|token| token == assertion) {
            return Ok(());
        }
        if self.certificates.is_empty() {
            let message = "No matching federated identity record found for presented assertion.".to_owned();
            return Err(LoginError::invalid_client(700_213, message));
        }
        let expected = Expected {
            certificates: &self.certificates,
            audience: request.url,
            client_id: tenant.client_id(),
            unix_seconds: request.unix_ms.div_euclid(1_000),
        };
        let checked = assertion::check(assertion, &expected, &mut lock(&self.taken));
        checked.map_err(|wrong| LoginError::invalid_client(wrong.code, wrong.message))
    }
}

#[cfg(test)]
mod tests {
    use super::{Login, LoginOptions, TokenRequest};
    use crate::server::query::Parameters;
    use crate::spec::TenantSpec;
    use crate::tenant::Tenant;

    #[test]
    fn refuses_as_the_login_service_does() {
        let tenant = Tenant::new(TenantSpec::default()).unwrap();
        let login = Login::new(&LoginOptions::default());
        let (id, app, secret) = (tenant.id(), tenant.client_id(), tenant.client_secret());
        let good = format!("grant_type=client_credentials&client_id={app}&scope=https%3A%2F%2Fx%2F.default");
        let kind = "client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
        for (tenant_id, form, refused) in [
            (id, format!("{good}&client_secret={secret}"), None),
            ("nobody", format!("{good}&client_secret={secret}"), Some((400, 90_002))),
            (id, good.clone(), Some((401, 7_000_216))),
            (id, format!("{good}&client_secret=wrong"), Some((401, 7_000_215))),
            (id, format!("{}&client_secret={secret}", good.replace(app, "x")), Some((400, 700_016))),
            (id, format!("{}&client_secret={secret}", good.replace(".default", "x")), Some((400, 70_011))),
            (id, format!("{}&client_secret={secret}", good.replace("x%2F.", "y%2F.")), Some((400, 70_011))),
            (
                id,
                format!("{}&client_secret={secret}", good.replace("x%2F.", "x%2F%2F.")),
                Some((400, 70_011)),
            ),
            (id, format!("{good}&client_secret={secret}&client_assertion=x"), Some((400, 9_002_313))),
            (id, String::new(), Some((400, 900_144))),
            (id, format!("{}&client_secret={secret}", good.replace("client_cr", "x")), Some((400, 70_003))),
            (id, format!("{good}&client_assertion=x"), Some((400, 900_144))),
            (id, format!("{good}&client_assertion=x&{kind}"), Some((401, 700_213))),
        ] {
            let form = &Parameters::read(&form);
            let request = TokenRequest { tenant_id, url: "u", graph: "https://x", form, unix_ms: 0 };
            let answer = login.check(&tenant, &request).map_err(|error| (error.status, error.code));
            assert_eq!(answer.err(), refused, "{form:?}");
        }
    }
}
