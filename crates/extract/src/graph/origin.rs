//! Where the bearer token may go: the one place that puts it on a request.

use http::HeaderValue;
use http::header::AUTHORIZATION;
use secrecy::{ExposeSecret, SecretString};
use url::{Origin, Url};

use super::transport::Request;

/// The configured origin of Graph.
#[derive(Debug, Clone)]
pub(crate) struct GraphOrigin {
    url: Url,
    origin: Origin,
}

/// Why a request gets no token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NotAuthorized {
    /// It goes elsewhere.
    ForeignOrigin {
        /// The host it would go to.
        host: String,
    },
    /// The token is no header value.
    UnusableToken,
}

impl GraphOrigin {
    pub(crate) fn new(url: &Url) -> Self {
        Self { url: url.clone(), origin: url.origin() }
    }

    /// A URL of this origin: path segments, each escaped, and a query that is escaped where it must be.
    pub(crate) fn url(&self, segments: &[&str], query: &str) -> Url {
        let mut url = self.url.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.clear().extend(segments);
        }
        url.set_query((!query.is_empty()).then_some(query));
        url
    }

    /// Gives a request the token, if it goes to this scheme, host and port and brings no user of its own.
    pub(crate) fn authorize(&self, request: &mut Request, token: &SecretString) -> Result<(), NotAuthorized> {
        let url = &request.url;
        if url.origin() != self.origin || !url.username().is_empty() || url.password().is_some() {
            return Err(NotAuthorized::ForeignOrigin {
                host: url.host_str().unwrap_or("no host").to_owned(),
            });
        }
        let mut value = HeaderValue::try_from(format!("Bearer {}", token.expose_secret()))
            .map_err(|_| NotAuthorized::UnusableToken)?;
        value.set_sensitive(true);
        request.headers.insert(AUTHORIZATION, value);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_goes_to_one_origin() {
        let origin = GraphOrigin::new(&Url::parse("https://graph.test").unwrap());
        for (url, right) in [
            ("https://graph.test/v1.0/users", true),
            ("https://GRAPH.test:443/v1.0/users", true),
            ("http://graph.test/v1.0/users", false),
            ("https://graph.test:8443/v1.0/users", false),
            ("https://graph.test.evil.test/v1.0/users", false),
            ("https://graph.test@evil.test/v1.0/users", false),
            ("https://user@graph.test/v1.0/users", false),
            ("data:text/plain,graph.test", false),
        ] {
            let mut request = Request::get(Url::parse(url).unwrap());
            let done = origin.authorize(&mut request, &SecretString::from("t0ken"));
            assert_eq!(done.is_ok(), right, "{url}");
            let header = request.headers.get(AUTHORIZATION).map(|value| value.to_str().unwrap());
            assert_eq!(header, right.then_some("Bearer t0ken"), "{url}");
        }
    }

    #[test]
    fn urls_are_escaped() {
        let origin = GraphOrigin::new(&Url::parse("https://graph.test").unwrap());
        let url = origin.url(&["v1.0", "users", "jo_x.com#EXT#@y.com/..?"], "$filter=a gt 2&$top=1");
        let right = "https://graph.test/v1.0/users/jo_x.com%23EXT%23@y.com%2F..%3F?$filter=a%20gt%202&$top=1";
        assert_eq!(url.as_str(), right);
    }
}
