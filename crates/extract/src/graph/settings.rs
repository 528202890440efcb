//! Where Graph is, who asks, and how fast.

use promptlake_model::TenantId;
use url::{Host, Url};

use super::credential::Credential;
use super::http_transport::ExtraRoots;
use crate::ExtractError;

/// More requests at once than one tenant ever lets through: 30 a second, each a few seconds long.
const CONCURRENCY_MAX: usize = 256;

/// What is documented for one app over all tenants. One tenant takes 30; a rate above it is learned to be too high.
const REQUESTS_PER_SECOND_MAX: f64 = 1_500.0;

/// The version of Graph that interactions are asked of. The directory is always asked of `v1.0`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ApiVersion {
    /// `v1.0`.
    #[default]
    V1,
    /// `beta`.
    Beta,
}

impl ApiVersion {
    /// As it stands in an address.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V1 => "v1.0",
            Self::Beta => "beta",
        }
    }
}

/// How the use of this interface is licensed and paid for. Without one, Graph counts it as evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PaymentModel {
    /// `A`.
    A,
    /// `B`.
    B,
}

impl PaymentModel {
    /// Its name, as Graph has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::B => "B",
        }
    }
}

/// One tenant of one cloud, as seen by one app.
#[derive(Clone)]
pub struct GraphSettings {
    /// Graph's origin: the only place the bearer token goes to. `https`, or `http` on a loopback address.
    pub graph_url: Url,
    /// The login service's origin, of the same schemes.
    pub login_url: Url,
    /// The tenant.
    pub tenant: TenantId,
    /// What the app shows for a token.
    pub credential: Credential,
    /// Certificate authorities that are trusted beside those of the system.
    pub extra_roots: ExtraRoots,
    /// Requests for interactions a second, above 0 and at most 1,500.
    pub requests_per_second: f64,
    /// Requests for interactions under way at once, at most: 1 to 256.
    pub concurrency: usize,
    /// The largest page, in bytes after decompression.
    pub page_bytes_max: usize,
    /// The version interactions are asked of.
    pub api_version: ApiVersion,
    /// How the use is paid for, where that is said.
    pub model: Option<PaymentModel>,
    /// The most pages of one list, at least 1. A source that names ever new pages must come to an end.
    pub pages_max: u32,
}

impl GraphSettings {
    /// Says what is wrong, if anything is.
    pub(crate) fn check(&self) -> Result<(), ExtractError> {
        check_url("source.graph_url", &self.graph_url)?;
        check_url("source.login_url", &self.login_url)?;
        let rate = self.requests_per_second;
        if !(rate > 0.0 && rate <= REQUESTS_PER_SECOND_MAX) {
            let problem = format!("it is above 0 and at most {REQUESTS_PER_SECOND_MAX}, such as 25");
            return Err(bad("source.requests_per_second", &rate, problem));
        }
        if !(1..=CONCURRENCY_MAX).contains(&self.concurrency) {
            let problem = format!("it is from 1 to {CONCURRENCY_MAX}, such as 16");
            return Err(bad("source.concurrency", &self.concurrency, problem));
        }
        self.credential.check()?;
        if self.page_bytes_max == 0 {
            return Err(bad("source.page_bytes_max", &0, "it is a size, such as 16 MiB".to_owned()));
        }
        if self.pages_max == 0 {
            return Err(bad("source.pages_max", &0, "it is at least 1, such as 100000".to_owned()));
        }
        Ok(())
    }
}

/// A secret travels to these places: nobody may listen in.
fn check_url(key: &'static str, url: &Url) -> Result<(), ExtractError> {
    let loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    let safe = url.scheme() == "https" && url.host().is_some() || url.scheme() == "http" && loopback;
    let bare = url.username().is_empty() && url.password().is_none() && matches!(url.path(), "" | "/");
    if safe && bare && url.query().is_none() {
        return Ok(());
    }
    let example =
        "it is an origin with https, or http on a loopback address, such as https://graph.microsoft.com";
    Err(bad(key, &url.host_str().unwrap_or_default(), example.to_owned()))
}

fn bad(key: &'static str, value: &impl ToString, problem: String) -> ExtractError {
    ExtractError::Setting { key, value: value.to_string(), problem }
}

#[cfg(test)]
pub(crate) mod tests {
    use secrecy::SecretString;

    use super::*;

    pub(crate) fn settings() -> GraphSettings {
        GraphSettings {
            graph_url: Url::parse("https://graph.test").unwrap(),
            login_url: Url::parse("https://login.test").unwrap(),
            tenant: TenantId::parse("00000000-0000-0000-0000-00000000000a").unwrap(),
            credential: Credential::ClientSecret {
                client_id: "app".into(),
                secret: SecretString::from("the-secret"),
            },
            extra_roots: ExtraRoots::default(),
            requests_per_second: 25.0,
            concurrency: 4,
            page_bytes_max: 1 << 20,
            api_version: ApiVersion::V1,
            model: None,
            pages_max: 1_000,
        }
    }

    #[test]
    fn a_secret_goes_to_no_open_line() {
        for (url, right) in [
            ("https://graph.microsoft.com", true),
            ("https://graph.microsoft.com/", true),
            ("http://127.0.0.1:8080", true),
            ("http://[::1]:8080", true),
            ("http://localhost:1", true),
            ("http://graph.microsoft.com", false),
            ("http://localhost.evil.test", false),
            ("https://user:word@graph.microsoft.com", false),
            ("https://graph.microsoft.com/v1.0", false),
            ("file:///etc", false),
        ] {
            let checked = GraphSettings { graph_url: Url::parse(url).unwrap(), ..settings() }.check();
            assert_eq!(checked.is_ok(), right, "{url}");
        }
    }

    #[test]
    fn bad_numbers_are_named() {
        let cases: [(&str, GraphSettings); 6] = [
            ("source.requests_per_second", GraphSettings { requests_per_second: 0.0, ..settings() }),
            ("source.requests_per_second", GraphSettings { requests_per_second: f64::NAN, ..settings() }),
            ("source.requests_per_second", GraphSettings { requests_per_second: 1_501.0, ..settings() }),
            ("source.concurrency", GraphSettings { concurrency: 0, ..settings() }),
            ("source.page_bytes_max", GraphSettings { page_bytes_max: 0, ..settings() }),
            ("source.pages_max", GraphSettings { pages_max: 0, ..settings() }),
        ];
        for (key, settings) in cases {
            let text = settings.check().unwrap_err().to_string();
            assert!(text.contains(key), "{text}");
        }
    }
}
