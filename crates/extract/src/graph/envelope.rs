//! The little that paging needs of a body: whether it is a page, the next link, whether anything is in it; and what
//! an error body says. No record is read here.

use std::borrow::Cow;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// What paging needs of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PageHead {
    /// Where the next page is. An opaque, untrusted text.
    pub(crate) next_link: Option<String>,
    /// The records in `value`.
    pub(crate) records: u64,
    /// A hash of the bytes of each; none where the body is not UTF-8 throughout.
    pub(crate) record_hashes: Vec<u64>,
}

/// A body that is no page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotAPage {
    /// It is not JSON, or was cut short.
    #[error("the answer is not JSON")]
    NotJson,
    /// It is JSON without a list `value`.
    #[error("the answer has no list \"value\"")]
    NoValue,
}

#[derive(Deserialize)]
struct RawHead<'a> {
    #[serde(rename = "@odata.nextLink", borrow, default)]
    next_link: Option<Cow<'a, str>>,
    #[serde(default)]
    value: ListLength,
}

/// The length of a list; `None` where something else stands. Whatever is in it is skipped without recursion.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ListLength(pub(crate) Option<u64>);

/// Reads the head of a Graph page.
pub(crate) fn read_page_head(body: &[u8]) -> Result<PageHead, NotAPage> {
    let head: RawHead<'_> = serde_json::from_slice(body).map_err(|error| not_a_page(&error))?;
    let records = head.value.0.ok_or(NotAPage::NoValue)?;
    // An empty link is no link: it could not be followed.
    let next_link = head.next_link.filter(|link| !link.is_empty()).map(Cow::into_owned);
    Ok(PageHead { next_link, records, record_hashes: record_hashes(body) })
}

/// A hundred records are asked for at once. Of what claims to have more, the first are enough.
const HASHES_MAX: usize = 10_000;

#[derive(Deserialize)]
struct RawRecords {
    value: RecordHashes,
}

struct RecordHashes(Vec<u64>);

/// Only to tell whether a record came before: that a page can't be read this way costs nothing else.
fn record_hashes(body: &[u8]) -> Vec<u64> {
    serde_json::from_slice(body).map(|RawRecords { value }| value.0).unwrap_or_default()
}

impl<'de> Deserialize<'de> for RecordHashes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Hashes;
        impl<'de> Visitor<'de> for Hashes {
            type Value = RecordHashes;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<RecordHashes, A::Error> {
                let mut hashes = Vec::new();
                while let Some(record) = list.next_element::<&RawValue>()? {
                    if hashes.len() < HASHES_MAX {
                        let mut hasher = DefaultHasher::new();
                        record.get().hash(&mut hasher);
                        hashes.push(hasher.finish());
                    }
                }
                Ok(RecordHashes(hashes))
            }
        }
        deserializer.deserialize_seq(Hashes)
    }
}

/// What is wrong with a body that serde does not take.
pub(crate) fn not_a_page(error: &serde_json::Error) -> NotAPage {
    if error.is_data() { NotAPage::NoValue } else { NotAPage::NotJson }
}

/// What an error body says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ErrorBody {
    /// The outer code, where it is one word.
    pub(crate) code: Option<String>,
    /// For the licence case only; never shown or logged.
    pub(crate) message: String,
}

#[derive(Deserialize)]
struct RawError {
    error: RawErrorFields,
}

#[derive(Deserialize)]
struct RawErrorFields {
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    message: Option<String>,
}

/// A code is a word. What is longer is a text, and may hold anything.
const CODE_CHARS_MAX: usize = 64;

/// Reads `{"error":{"code","message",…}}`; a body of another kind says nothing.
pub(crate) fn read_error_body(body: &[u8]) -> ErrorBody {
    let Ok(RawError { error }) = serde_json::from_slice(body) else { return ErrorBody::default() };
    let word = |code: &String| code.len() <= CODE_CHARS_MAX && code.chars().all(is_of_a_code);
    ErrorBody { code: error.code.filter(word), message: error.message.unwrap_or_default() }
}

fn is_of_a_code(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')
}

impl<'de> Deserialize<'de> for ListLength {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Length;
        impl<'de> Visitor<'de> for Length {
            type Value = ListLength;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<ListLength, A::Error> {
                let mut length = 0;
                while list.next_element::<IgnoredAny>()?.is_some() {
                    length += 1;
                }
                Ok(ListLength(Some(length)))
            }
        }
        deserializer.deserialize_seq(Length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_told_apart_by_their_bytes() {
        let hashes = |body: &[u8]| read_page_head(body).unwrap().record_hashes;
        let same = hashes(br#"{"value":[{"a":1}, {"a":2},{"a":1}],"x":[{"a":1}]}"#);
        assert_eq!((same.len(), same[0] == same[2], same[0] == same[1]), (3, true, false));
        // Such a page is a page all the same.
        assert!(hashes(b"{\"value\":[{\"a\":\"\xff\"}]}").is_empty());
    }

    #[test]
    fn heads() {
        let page = |next: Option<&str>, records| Ok((next.map(str::to_owned), records));
        for (body, head) in [
            (r#"{"value":[]}"#, page(None, 0)),
            (r#"{"@odata.nextLink":"https://g/x","value":[{},{"value":[1]}]}"#, page(Some("https://g/x"), 2)),
            (r#"{"value":[1],"@odata.nextLink":"https://g/\u0026y"}"#, page(Some("https://g/&y"), 1)),
            (r#"{"value":[],"@odata.nextLink":""}"#, page(None, 0)),
            (r#"{"value":[],"@odata.nextLink":null}"#, page(None, 0)),
            (r#"{"value":{}}"#, Err(NotAPage::NoValue)),
            (r#"{"error":{}}"#, Err(NotAPage::NoValue)),
            ("[]", Err(NotAPage::NoValue)),
            (r#"{"value":[{}"#, Err(NotAPage::NotJson)),
            ("<html>", Err(NotAPage::NotJson)),
            ("", Err(NotAPage::NotJson)),
        ] {
            let read = read_page_head(body.as_bytes()).map(|head| (head.next_link, head.records));
            assert_eq!(read, head, "{body}");
        }
    }

    #[test]
    fn depth_overflows_no_stack() {
        let deep = format!(r#"{{"value":[{}{}]}}"#, "[".repeat(1 << 20), "]".repeat(1 << 20));
        assert_eq!(read_page_head(deep.as_bytes()).map(|head| head.records), Ok(1));
    }

    #[test]
    fn error_bodies() {
        for (body, code, message) in [
            (
                r#"{"error":{"code":"Forbidden","message":"no","innerError":{"a":{}}}}"#,
                Some("Forbidden"),
                "no",
            ),
            (r#"{"error":{"code":"a text with https://g/?t=1","message":null}}"#, None, ""),
            (r#"{"error":"invalid"}"#, None, ""),
            ("gateway", None, ""),
        ] {
            let read = read_error_body(body.as_bytes());
            assert_eq!((read.code.as_deref(), read.message.as_str()), (code, message), "{body}");
        }
    }
}
