//! URLs as they come: kept as received, compared by a key, read as far as they can be.

use std::borrow::Cow;

use sha2::{Digest as _, Sha256};

use crate::key::hex;

/// The parameter by which Graph tells apart two entries of one target.
const ENTITY_PARAMETER: &str = "EntityRepresentationId";

/// The longest media type that RFC 6838 allows: two names of 127 characters and a slash.
const MEDIA_TYPE_BYTES_MAX: usize = 255;

/// A URL and what can be read of it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ReadUrl<'a> {
    /// As received; of a `data:` URL only what [`data_summary`] keeps.
    pub(crate) url: Cow<'a, str>,
    /// Without the parameter that tells two entries of one target apart.
    pub(crate) key: Cow<'a, str>,
    /// In lower case.
    pub(crate) scheme: Option<String>,
    /// In lower case, without user and port.
    pub(crate) host: Option<String>,
}

impl<'a> ReadUrl<'a> {
    pub(crate) fn of(url: &'a str) -> Self {
        let (scheme, host) = scheme_and_host(url);
        match data_summary(url) {
            Some(summary) => Self { url: summary.clone().into(), key: summary.into(), scheme, host },
            None => Self { url: url.into(), key: url_key(url), scheme, host },
        }
    }
}

/// The URL without the entity parameter, wherever it stands among the others.
pub(crate) fn url_key(url: &str) -> Cow<'_, str> {
    let mut key = String::new();
    let mut copied = 0;
    let mut from = 0;
    while let Some(at) = url[from..].find(['?', '&']).map(|found| from + found) {
        from = at + 1;
        let Some(length) = entity_parameter_bytes(&url[from..]) else { continue };
        let removed = removed_place(url, at, from + length);
        key.push_str(&url[copied..removed.start]);
        copied = removed.end;
        from = removed.end;
    }
    if copied == 0 {
        return Cow::Borrowed(url);
    }
    key.push_str(&url[copied..]);
    Cow::Owned(key)
}

/// The length of the entity parameter, if one begins here.
fn entity_parameter_bytes(text: &str) -> Option<usize> {
    let (name, rest) = text.split_at_checked(ENTITY_PARAMETER.len())?;
    let is_entity =
        name.eq_ignore_ascii_case(ENTITY_PARAMETER) && (rest.is_empty() || rest.starts_with(['=', '&', '#']));
    is_entity.then(|| name.len() + rest.find(['&', '#']).unwrap_or(rest.len()))
}

/// What to remove for a parameter that the sign at `sign` precedes: with it a sign, so that the others stay joined.
fn removed_place(url: &str, sign: usize, end: usize) -> std::ops::Range<usize> {
    if url[sign..].starts_with('&') {
        return sign..end;
    }
    let mut end = end;
    while let Some(next) = url[end..].strip_prefix('&') {
        match entity_parameter_bytes(next) {
            Some(length) => end += 1 + length,
            None => return sign + 1..end + 1,
        }
    }
    sign..end
}

fn scheme_and_host(url: &str) -> (Option<String>, Option<String>) {
    let Some((scheme, rest)) = url.trim_start().split_once(':') else { return (None, None) };
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    // One letter is a drive of Windows.
    if !is_scheme || scheme.len() == 1 {
        return (None, None);
    }
    (Some(scheme.to_ascii_lowercase()), rest.strip_prefix("//").and_then(host))
}

/// The host of what follows `//`.
fn host(rest: &str) -> Option<String> {
    let authority = &rest[..rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len())];
    let place = authority.rsplit_once('@').map_or(authority, |(_, place)| place);
    let host = match place.find(']') {
        Some(end) if place.starts_with('[') => &place[..=end],
        _ => place.split(':').next().unwrap_or_default(),
    };
    (!host.is_empty()).then(|| host.to_lowercase())
}

/// What is kept of a `data:` URL: media type, length and hash of its data as written. An image is no text.
fn data_summary(url: &str) -> Option<String> {
    let (scheme, rest) = url.trim_start().split_once(':')?;
    if !scheme.eq_ignore_ascii_case("data") {
        return None;
    }
    let (parameters, data) = rest.split_once(',').unwrap_or(("", rest));
    let media_type = parameters.split(';').next().filter(|name| name.len() <= MEDIA_TYPE_BYTES_MAX);
    let hash = hex(&Sha256::digest(data.as_bytes()));
    Some(format!("data:{};length={};sha256={hash}", media_type.unwrap_or_default(), data.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_without_the_entity() {
        for (url, key) in [
            ("https://a/b?c=1&EntityRepresentationId=x", "https://a/b?c=1"),
            ("https://a/b?EntityRepresentationId=x", "https://a/b"),
            ("https://a/b?EntityRepresentationId=x&c=1", "https://a/b?c=1"),
            ("https://a/b?c=1&entityrepresentationid=x&d=2#e", "https://a/b?c=1&d=2#e"),
            ("https://a/b?EntityRepresentationId=x&EntityRepresentationId=y&c", "https://a/b?c"),
            ("https://a/b?EntityRepresentationId=x&EntityRepresentationId=y", "https://a/b"),
            ("https://a/b?c&EntityRepresentationId=x&EntityRepresentationId", "https://a/b?c"),
            ("https://a/b?EntityRepresentationIds=x", "https://a/b?EntityRepresentationIds=x"),
            ("https://a/b&EntityRepresentationId=x", "https://a/b"),
            ("EntityRepresentationId=x", "EntityRepresentationId=x"),
            ("", ""),
        ] {
            assert_eq!(url_key(url), key, "{url}");
        }
    }

    #[test]
    fn schemes_and_hosts_are_read_as_far_as_they_can_be() {
        for (url, scheme, host) in [
            ("HTTPS://Contoso.COM/A", Some("https"), Some("contoso.com")),
            ("https://user:pw@a.example:8443?b", Some("https"), Some("a.example")),
            ("http://[::1]:80/", Some("http"), Some("[::1]")),
            ("https:///a", Some("https"), None),
            ("mailto:jo@a.example", Some("mailto"), None),
            ("javascript:alert(1)", Some("javascript"), None),
            ("cite:1", Some("cite"), None),
            ("//a.example/b", None, None),
            ("/a:b", None, None),
            (r"C:\a", None, None),
            ("é://a", None, None),
            ("", None, None),
        ] {
            assert_eq!(scheme_and_host(url), (scheme.map(Into::into), host.map(Into::into)), "{url}");
        }
    }

    #[test]
    fn data_urls_keep_media_type_length_and_hash() {
        let hash = "63c1dd951ffedf6f7fd968ad4efa39b8ed584f162f46e715114ee184f8de9201";
        let read = ReadUrl::of("data:image/png;base64,AAAA");
        assert_eq!(read.url, format!("data:image/png;length=4;sha256={hash}"));
        assert_eq!((&read.key, read.scheme.as_deref(), read.host), (&read.url, Some("data"), None));
        assert_eq!(ReadUrl::of("DATA:AAAA").url, format!("data:;length=4;sha256={hash}"));
    }
}
