//! The origin of a server that the bearer token or the secret is sent to.

use url::{Host, Url};

use super::Setting;
use crate::settings::error::Fault;

/// Scheme, host and port, and nothing else; https, or http that does not leave this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServerOrigin(pub(crate) Url);

impl Setting for ServerOrigin {
    const NOUN: &'static str = "a URL";

    fn parse(text: &str) -> Result<Self, Fault> {
        let url = Url::parse(text).map_err(|_| Fault::new("is not a URL"))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Fault::new("holds a user or a password"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(Fault::new("has a query or a fragment"));
        }
        match (url.scheme(), url.host()) {
            (_, None) => return Err(Fault::is(text, "which names no host")),
            ("https", _) => {}
            ("http", Some(host)) if is_loopback(&host) => {}
            ("http", _) => return Err(Fault::is(text, "http to another machine")),
            _ => return Err(Fault::is(text, "neither https nor http on a loopback address")),
        }
        if url.path() != "/" {
            return Err(Fault::is(text, "which has a path"));
        }
        Ok(Self(url))
    }
}

impl ServerOrigin {
    /// Reads one that is no setting; the text says what is wrong with it, as a predicate.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        Self::parse(text).map_err(|fault| fault.to_string())
    }
}

fn is_loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
        Host::Domain(name) => *name == "localhost",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins() {
        for (text, expected) in [
            ("https://graph.example.com", "https://graph.example.com/"),
            ("https://graph.example.com:8443/", "https://graph.example.com:8443/"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080/"),
            ("http://[::1]:8080", "http://[::1]:8080/"),
            ("http://localhost:8080", "http://localhost:8080/"),
            ("http://graph.example.com", r#"is "http://graph.example.com", http to another machine"#),
            ("http://127.0.0.1.nip.io", r#"is "http://127.0.0.1.nip.io", http to another machine"#),
            ("https://graph.example.com/v1.0", r#"is "https://graph.example.com/v1.0", which has a path"#),
            ("https://jo:secret@example.com", "holds a user or a password"),
            ("https://example.com?sig=secret", "has a query or a fragment"),
            ("https://example.com#x", "has a query or a fragment"),
            ("ftp://example.com", r#"is "ftp://example.com", neither https nor http on a loopback address"#),
            ("mailto:jo", r#"is "mailto:jo", which names no host"#),
            ("graph.example.com", "is not a URL"),
            ("", "is not a URL"),
        ] {
            let outcome = ServerOrigin::parse(text)
                .map_or_else(|fault| fault.to_string(), |origin| origin.0.to_string());
            assert_eq!(outcome, expected, "{text:?}");
        }
    }
}
