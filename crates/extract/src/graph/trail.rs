//! The links from page to page: opaque, untrusted, followed as they stand.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use url::Url;

/// The links followed so far, as hashes: ten thousand links of two kilobytes would be a memory of their own.
#[derive(Debug, Default)]
pub(crate) struct Trail {
    seen: HashSet<u64>,
}

/// A link that can't be followed. It is not quoted: it is as good as a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Astray {
    /// It would lead round in circles.
    #[error("the link to the next page was there before: the pages go round")]
    Repeated,
    /// It is relative, or no URL at all.
    #[error("the link to the next page is no absolute URL")]
    NoUrl,
}

impl Trail {
    /// The link as a URL, if it was not followed before. Where it leads is checked where the token is put on it.
    pub(crate) fn follow(&mut self, next_link: &str) -> Result<Url, Astray> {
        let mut hasher = DefaultHasher::new();
        next_link.hash(&mut hasher);
        if !self.seen.insert(hasher.finish()) {
            return Err(Astray::Repeated);
        }
        Url::parse(next_link).map_err(|_| Astray::NoUrl)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_followed_as_they_stand_and_once() {
        let mut trail = Trail::default();
        let link = "https://graph.test/v1.0/x?$skiptoken=a%20b+c%2Fd~|e==&$top=100";
        assert_eq!(trail.follow(link).unwrap().as_str(), link);
        assert_eq!(trail.follow(link), Err(Astray::Repeated));
        assert_eq!(trail.follow("/v1.0/x"), Err(Astray::NoUrl));
    }
}
