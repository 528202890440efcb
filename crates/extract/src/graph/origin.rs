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
        /// Scheme, host and port it would go to.
        origin: String,
    },
    /// It brings a user of its own, who is nobody at Graph.
    ForeignUser,
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
        if url.origin() != self.origin {
            return Err(NotAuthorized::ForeignOrigin { origin: named(url) });
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(NotAuthorized::ForeignUser);
        }
        let mut value = HeaderValue::try_from(format!("Bearer {}", token.expose_secret()))
            .map_err(|_| NotAuthorized::UnusableToken)?;
        value.set_sensitive(true);
        request.headers.insert(AUTHORIZATION, value);
        Ok(())
    }
}

/// Scheme, host and port of a place that is not Graph: whatever else it says may be a secret. The host alone would not do,
/// since another port of Graph's own host, or `http`, is another place as well.
pub(super) fn named(url: &Url) -> String {
    match url.origin() {
        Origin::Opaque(_) => format!("a place of the scheme {}", url.scheme()),
        origin @ Origin::Tuple(..) => origin.ascii_serialization(),
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
    fn places_are_named_by_what_is_foreign_about_them() {
        let origin = GraphOrigin::new(&Url::parse("https://graph.test").unwrap());
        for (url, name) in [
            ("http://graph.test/v1.0?$skiptoken=secret", "http://graph.test"),
            ("https://graph.test:8443/v1.0", "https://graph.test:8443"),
            ("https://graph.test@evil.test/v1.0", "https://evil.test"),
            ("data:text/plain,graph.test", "a place of the scheme data"),
        ] {
            let mut request = Request::get(Url::parse(url).unwrap());
            let refused = origin.authorize(&mut request, &SecretString::from("t0ken"));
            assert_eq!(refused, Err(NotAuthorized::ForeignOrigin { origin: name.to_owned() }));
        }
        let mut request = Request::get(Url::parse("https://user@graph.test").unwrap());
        let refused = origin.authorize(&mut request, &SecretString::from("t0ken"));
        assert_eq!(refused, Err(NotAuthorized::ForeignUser));
    }

    #[test]
    fn urls_are_escaped() {
        let origin = GraphOrigin::new(&Url::parse("https://graph.test").unwrap());
        let url = origin.url(&["v1.0", "users", "jo_x.com#EXT#@y.com/..?"], "$filter=a gt 2&$top=1");
        let right = "https://graph.test/v1.0/users/jo_x.com%23EXT%23@y.com%2F..%3F?$filter=a%20gt%202&$top=1";
        assert_eq!(url.as_str(), right);
    }
}
