//! Where a link or a redirect leads that a page should not have.

use super::Link;
use super::interactions::Cursor;
use super::query::Parameters;

/// A wrong place for a nextLink or a redirect.
///
/// The emulator speaks plain HTTP: a link of its own becomes a downgrade when it is served behind something that speaks
/// TLS, and [`Target::Url`] can name any other place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// The request itself: the same link again.
    Itself,
    /// The first page of the list, by a token of its own: a cycle of as many pages as were read so far.
    Start,
    /// The same path on the second host: the same host name with another port.
    OtherPort,
    /// The same path on the second host by the name `localhost`: another host name.
    OtherName,
    /// The same place by `https`, at which nobody answers.
    OtherScheme,
    /// The same path on the second host, with the right origin before an `@`: what compares only the beginning of a link
    /// takes it for its own.
    OriginAsUser,
    /// This URL.
    Url(String),
}

/// What a target is relative to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Here<'a> {
    pub(super) link: &'a Link,
    pub(super) query: &'a Parameters,
    /// The query as it came, without its question mark.
    pub(super) raw_query: &'a str,
    pub(super) second_port: u16,
}

impl Target {
    /// The URL that it means for a request.
    pub(super) fn url(&self, here: &Here<'_>) -> String {
        let Here { link, query, raw_query, second_port } = *here;
        let question = if raw_query.is_empty() { "" } else { "?" };
        let path = format!("{}{question}{raw_query}", link.path);
        let authority = link.origin.strip_prefix("http://").unwrap_or(&link.origin);
        match self {
            Self::Itself => format!("{}{path}", link.origin),
            Self::Start => link.next(query, &Cursor::default().text()),
            Self::OtherPort => format!("http://127.0.0.1:{second_port}{path}"),
            Self::OtherName => format!("http://localhost:{second_port}{path}"),
            Self::OtherScheme => format!("https://{authority}{path}"),
            Self::OriginAsUser => format!("{}@127.0.0.1:{second_port}{path}", link.origin),
            Self::Url(url) => url.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Here, Target};
    use crate::server::Link;
    use crate::server::query::Parameters;

    #[test]
    fn targets_are_wrong_in_one_respect_each() {
        let link = Link { origin: "http://127.0.0.1:80".to_owned(), version: "v1.0", path: "/p".to_owned() };
        let query = Parameters::read("$top=5");
        let here = Here { link: &link, query: &query, raw_query: "$top=5", second_port: 81 };
        for (target, url) in [
            (Target::Itself, "http://127.0.0.1:80/p?$top=5"),
            (Target::OtherPort, "http://127.0.0.1:81/p?$top=5"),
            (Target::OtherName, "http://localhost:81/p?$top=5"),
            (Target::OtherScheme, "https://127.0.0.1:80/p?$top=5"),
            (Target::OriginAsUser, "http://127.0.0.1:80@127.0.0.1:81/p?$top=5"),
            (Target::Url("ftp://x".to_owned()), "ftp://x"),
        ] {
            assert_eq!(target.url(&here), url);
        }
        assert!(Target::Start.url(&here).starts_with("http://127.0.0.1:80/p?$top=5&$skiptoken="));
        let bare = Here { raw_query: "", ..here };
        assert_eq!(Target::Itself.url(&bare), "http://127.0.0.1:80/p");
    }
}
