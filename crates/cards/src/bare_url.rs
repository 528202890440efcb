//! URLs that stand in text without any mark: GitHub's markdown links them, CommonMark does not.

use crate::text::{TextLink, TextWriter};

const SCHEMES: [&str; 2] = ["https://", "http://"];

/// Writes text, with its bare URLs as links whose label is the URL.
pub(crate) fn write_with_links(writer: &mut TextWriter, text: &str) {
    let mut rest = text;
    while let Some((before, url, after)) = next_url(rest) {
        writer.write(before);
        writer.begin_link(url.to_owned());
        writer.write(url);
        writer.end_link();
        rest = after;
    }
    writer.write(rest);
}

/// The bare URLs of plain text, as links whose label is the URL.
#[must_use]
pub fn plain_text_links(text: &str) -> Vec<TextLink> {
    let mut links = Vec::new();
    let mut rest = text;
    while let Some((_, url, after)) = next_url(rest) {
        let (url, label) = (url.to_owned(), url.to_owned());
        links.push(TextLink { url, label, citation_number: None, is_image: false });
        rest = after;
    }
    links
}

/// The first bare URL, with what stands before and after it.
fn next_url(text: &str) -> Option<(&str, &str, &str)> {
    let mut from = 0;
    while let Some(colon) = text[from..].find("://").map(|at| from + at) {
        from = colon + "://".len();
        let Some(start) = SCHEMES.iter().find_map(|scheme| scheme_start(text, from, scheme)) else {
            continue;
        };
        let tail = &text[from..];
        let end = from + tail.find(|c: char| c.is_whitespace() || c == '<').unwrap_or(tail.len());
        let end = from + without_trailing_punctuation(&text[from..end]).len();
        if end > from {
            return Some((&text[..start], &text[start..end], &text[end..]));
        }
    }
    None
}

/// Where a scheme that ends at `end` starts, if it does and no word runs into it.
fn scheme_start(text: &str, end: usize, scheme: &str) -> Option<usize> {
    let start = end.checked_sub(scheme.len())?;
    let is_scheme = text.get(start..end).is_some_and(|found| found.eq_ignore_ascii_case(scheme));
    let stands_alone = || !text[..start].ends_with(|c: char| c.is_alphanumeric());
    (is_scheme && stands_alone()).then_some(start)
}

/// Sentence marks after a URL belong to the sentence; a closing parenthesis does where none was opened in the URL.
fn without_trailing_punctuation(url: &str) -> &str {
    let mut url = url;
    let count = |c: char| move |text: &str| text.matches(c).count();
    let mut unopened = count(')')(url).saturating_sub(count('(')(url));
    loop {
        let shorter =
            url.trim_end_matches(['?', '!', '.', ',', ':', ';', '*', '_', '~', '\'', '"', ']', '}']);
        match shorter.strip_suffix(')') {
            Some(inner) if unopened > 0 => {
                unopened -= 1;
                url = inner;
            }
            _ => return shorter,
        }
    }
}

/// Whether a text is a URL of some scheme rather than words.
pub(crate) fn has_scheme(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    scheme.len() > 1
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
        && !rest.is_empty()
        && !rest.contains(char::is_whitespace)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, urls: &[&str]) {
        let mut writer = TextWriter::with_capacity(0);
        write_with_links(&mut writer, text);
        let found = writer.finish();
        assert_eq!(found.text, text);
        assert_eq!(found.links.iter().map(|link| link.url.as_str()).collect::<Vec<_>>(), urls, "{text:?}");
        assert_eq!(plain_text_links(text), found.links);
    }

    #[test]
    fn bare_urls_end_where_the_sentence_goes_on() {
        check("See https://contoso.com/a?b=1&c=2.", &["https://contoso.com/a?b=1&c=2"]);
        check("(https://contoso.com/a_(b))", &["https://contoso.com/a_(b)"]);
        check("HTTP://CONTOSO.com, https://b.example!", &["HTTP://CONTOSO.com", "https://b.example"]);
        check("https:// is a scheme, ftp://x is not ours", &[]);
        check("xhttps://no.example :// é://", &[]);
        check("https://a.example/))))", &["https://a.example/"]);
    }
}
