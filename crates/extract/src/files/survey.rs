//! What lies in a block: pages, records, lists of them, and what can't be read. Pure; no record is read here.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use promptlake_model::UserId;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::graph::ListLength;

/// One thing in a block, and who it says it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    /// Where it lies, without the end of its line.
    pub(crate) range: Range<usize>,
    /// The line it begins in, from 0.
    pub(crate) line: u64,
    pub(crate) kind: PartKind,
    /// The envelope's `userId`, as it stands.
    pub(crate) envelope: Option<String>,
    /// The user in the link to the next page.
    pub(crate) linked: Option<UserId>,
}

/// What it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PartKind {
    /// A Graph page, or an envelope around one, with so many records.
    Page(u64),
    /// A list of so many records.
    RecordArray(u64),
    /// A record on a line of its own.
    Record,
    /// A list of pages, which no form of page can say.
    PageArray,
    /// A line that is none of these.
    UnreadableLine,
    /// A file that is none of these.
    UnreadableFile,
}

/// Looks through lines; blank ones are passed over.
pub(crate) fn survey_lines(bytes: &[u8]) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut start = 0;
    for (number, line) in (0..).zip(bytes.split_inclusive(|byte| *byte == b'\n')) {
        let content = line.strip_suffix(b"\n").unwrap_or(line);
        if !content.trim_ascii().is_empty() {
            let mut part =
                survey_object(content, PartKind::Record).unwrap_or_else(|| Part::unreadable_line(content));
            part.range = start..start + content.len();
            part.line = number;
            parts.push(part);
        }
        start += line.len();
    }
    parts
}

/// Looks through a document. Lines under a document's name are taken as lines.
pub(crate) fn survey_document(bytes: &[u8]) -> Vec<Part> {
    let document = match bytes.trim_ascii_start().first() {
        Some(b'{') => survey_object(bytes, PartKind::UnreadableFile),
        Some(b'[') => survey_array(bytes),
        _ => None,
    };
    if let Some(part) = document {
        return vec![part];
    }
    let lines = survey_lines(bytes);
    if lines.len() > 1 && lines.first().is_some_and(|line| line.kind != PartKind::UnreadableLine) {
        return lines;
    }
    vec![Part::of(bytes, PartKind::UnreadableFile)]
}

/// An object whose values are looked at one by one: whatever else it holds, and of whatever type, stays unread.
#[derive(Deserialize)]
struct ObjectHead<'a> {
    #[serde(rename = "userId", borrow, default)]
    user_id: Option<&'a RawValue>,
    #[serde(rename = "@odata.nextLink", borrow, default)]
    next_link: Option<&'a RawValue>,
    #[serde(borrow, default)]
    value: Option<&'a RawValue>,
    #[serde(borrow, default)]
    response: Option<&'a RawValue>,
}

impl<'a> ObjectHead<'a> {
    /// `None` where it is no object. A list would else be taken for one, field by field.
    fn read(bytes: &'a [u8]) -> Option<Self> {
        bytes.trim_ascii_start().starts_with(b"{").then(|| serde_json::from_slice(bytes).ok()).flatten()
    }

    /// The length of `value`, where it is a list.
    fn records(&self) -> Option<u64> {
        serde_json::from_str::<ListLength>(self.value?.get()).ok()?.0
    }
}

/// A page, an envelope, or else what an object without pages is here. `None` where it is no object.
fn survey_object(bytes: &[u8], otherwise: PartKind) -> Option<Part> {
    let outer = ObjectHead::read(bytes)?;
    let inner = outer.response.and_then(|response| ObjectHead::read(response.get().as_bytes()));
    let page = inner.as_ref().unwrap_or(&outer);
    let kind = match (page.records(), outer.response) {
        (Some(records), _) => PartKind::Page(records),
        // An envelope around something else is no record.
        (None, Some(_)) if otherwise == PartKind::Record => PartKind::UnreadableLine,
        (None, _) => otherwise,
    };
    let mut part = Part::of(bytes, kind);
    if kind != PartKind::Record {
        part.envelope = outer.user_id.map(|id| text(id).unwrap_or_else(|| id.get().to_owned()));
        part.linked = page.next_link.and_then(text).and_then(|link| user_of_link(&link));
    }
    Some(part)
}

fn survey_array(bytes: &[u8]) -> Option<Part> {
    let Elements { length, first_is_page } = serde_json::from_slice(bytes).ok()?;
    let kind = if first_is_page { PartKind::PageArray } else { PartKind::RecordArray(length) };
    Some(Part::of(bytes, kind))
}

/// The user whose history a link pages through.
fn user_of_link(link: &str) -> Option<UserId> {
    const BEFORE: &str = "/copilot/users/";
    let link = link.to_ascii_lowercase();
    let (_, behind) = link.split_once(BEFORE)?;
    UserId::parse(behind.split_once('/')?.0).ok()
}

fn text(raw: &RawValue) -> Option<String> {
    serde_json::from_str::<Cow<'_, str>>(raw.get()).ok().map(Cow::into_owned)
}

impl Part {
    fn of(bytes: &[u8], kind: PartKind) -> Self {
        Self { range: 0..bytes.len(), line: 0, kind, envelope: None, linked: None }
    }

    fn unreadable_line(bytes: &[u8]) -> Self {
        Self::of(bytes, PartKind::UnreadableLine)
    }
}

/// The elements of a list.
struct Elements {
    length: u64,
    first_is_page: bool,
}

impl<'de> Deserialize<'de> for Elements {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Walk;
        impl<'de> Visitor<'de> for Walk {
            type Value = Elements;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Elements, A::Error> {
                let Some(first) = list.next_element::<&RawValue>()? else {
                    return Ok(Elements { length: 0, first_is_page: false });
                };
                let first = survey_object(first.get().as_bytes(), PartKind::Record);
                let first_is_page = first.is_some_and(|part| matches!(part.kind, PartKind::Page(_)));
                let mut length = 1;
                while list.next_element::<IgnoredAny>()?.is_some() {
                    length += 1;
                }
                Ok(Elements { length, first_is_page })
            }
        }
        deserializer.deserialize_seq(Walk)
    }
}
