//! A page to the bytes of its records.
//!
//! Nothing of a record is read here, so that a bad one costs itself and not the hundred around it.

use std::borrow::Cow;
use std::ops::Range;

use promptlake_model::{PageForm, framed_records};
use serde_json::value::RawValue;

use crate::brackets;
use crate::json::{self, Kind};

/// What stands where bytes are not UTF-8 while a page is cut: one for each byte, so that places stay the same.
const PLACEHOLDER: u8 = b'?';

/// What editors put before UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Why a body is no page. Its Display goes to `rejects.detail` and quotes nothing of the body.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PageFault {
    /// It is no JSON, and its brackets don't close.
    #[error("{0}")]
    NotJson(serde_json::Error),
    /// It is JSON without a list of records.
    #[error("{0}")]
    WithoutValue(&'static str),
}

impl PageFault {
    /// The value of `rejects.reason`.
    pub(crate) const fn reason(&self) -> &'static str {
        match self {
            Self::NotJson(_) => "page_not_json",
            Self::WithoutValue(_) => "page_without_value",
        }
    }
}

/// The bytes of each record of a page, without the white space around them.
pub(crate) fn records(body: &[u8], form: PageForm) -> Result<Vec<&[u8]>, PageFault> {
    if form == PageForm::Framed {
        return Ok(framed_records(body).collect());
    }
    let body = body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body);
    if form == PageForm::RecordLines {
        let lines = body.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
        return Ok(lines.filter(|line| !line.is_empty()).collect());
    }
    let text = same_length_text(body);
    Ok(cut(&text, form)?.into_iter().map(|place| &body[place]).collect())
}

/// The body as text in which every byte has its place.
fn same_length_text(body: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = str::from_utf8(body) {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(body.len());
    for chunk in body.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| char::from(PLACEHOLDER)));
    }
    Cow::Owned(text)
}

/// The places of the records.
fn cut(text: &str, form: PageForm) -> Result<Vec<Range<usize>>, PageFault> {
    match cut_json(text, form) {
        // One bad record makes the whole document no JSON. Where brackets still tell the records apart, it is alone.
        Err(fault @ PageFault::NotJson(_)) => brackets::cut(text, form).ok_or(fault),
        places => places,
    }
}

fn cut_json(text: &str, form: PageForm) -> Result<Vec<Range<usize>>, PageFault> {
    let text_start = text.as_ptr().addr();
    let mut places = Vec::new();
    let read = json::each_entry(find_list(text, form)?, |entry| {
        let start = entry.get().as_ptr().addr() - text_start;
        places.push(start..start + entry.get().len());
        Ok(())
    });
    read.map(|()| places).map_err(PageFault::NotJson)
}

/// The JSON of the list of records.
fn find_list(text: &str, form: PageForm) -> Result<&str, PageFault> {
    let text = text.trim_ascii();
    let (list, otherwise) = match form {
        PageForm::Page if Kind::of(text) == Kind::Object => match find_value(text)? {
            Some(value) => (value.get(), "`value` is no list"),
            None => ("", "there is no `value`"),
        },
        PageForm::Page => ("", "a page is an object"),
        PageForm::RecordArray | PageForm::RecordLines | PageForm::Framed => (text, "it is no list"),
    };
    if Kind::of(list) == Kind::List {
        return Ok(list);
    }
    json::check(text).map_err(PageFault::NotJson)?;
    Err(PageFault::WithoutValue(otherwise))
}

/// The `value` of a page, or of the page in an envelope's `response`.
fn find_value(page: &str) -> Result<Option<&RawValue>, PageFault> {
    let [value, response] = members(page, ["value", "response"])?;
    match (value, response) {
        (None, Some(response)) if Kind::of(response.get()) == Kind::Object => {
            members(response.get(), ["value"]).map(|[value]| value)
        }
        (value, _) => Ok(value),
    }
}

fn members<'a, const N: usize>(
    object: &'a str,
    names: [&str; N],
) -> Result<[Option<&'a RawValue>; N], PageFault> {
    let mut found = [None; N];
    let read = json::each_member(object, |name, value| {
        if let Some(index) = names.iter().position(|wanted| *wanted == name) {
            found[index] = Some(value);
        }
        Ok(())
    });
    read.map(|()| found).map_err(PageFault::NotJson)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &[u8], form: PageForm, expected: Result<&[&str], &str>) {
        let found = records(body, form).map_err(|fault| fault.reason());
        let found = found.map(|records| records.into_iter().map(String::from_utf8_lossy).collect::<Vec<_>>());
        let expected = expected.map(|records| records.iter().map(|text| Cow::Borrowed(*text)).collect());
        assert_eq!(found, expected, "{}", String::from_utf8_lossy(body));
    }

    #[test]
    fn pages_are_cut_into_records() {
        use PageForm::Page;
        check(br#"{"value":[]}"#, Page, Ok(&[]));
        check(b" {\"value\" : [ {\"a\":1} ,\n{}\t]}\r\n", Page, Ok(&[r#"{"a":1}"#, "{}"]));
        check(br#"{"value":[1,null,"a"]}"#, Page, Ok(&["1", "null", "\"a\""]));
        check(br#"{"value":[1],"value":[2]}"#, Page, Ok(&["2"]));
        check(br#"{"userId":"u","page":3,"response":{"value":[{}]}}"#, Page, Ok(&["{}"]));
        check(b"\xef\xbb\xbf{\"value\":[{}]}", Page, Ok(&["{}"]));
        check(b"{\"value\":[{\"a\":\"\xff\xc3\"}]}", Page, Ok(&["{\"a\":\"\u{fffd}\u{fffd}\"}"]));
        check(br#"{"value":[{"a":"\ud83d"}]}"#, Page, Ok(&[r#"{"a":"\ud83d"}"#]));
    }

    #[test]
    fn a_bad_record_does_not_cost_the_page() {
        use PageForm::{Page, RecordArray};
        check(br#"{"value":[{"a":NaN},{"b":"]"}]}"#, Page, Ok(&[r#"{"a":NaN}"#, r#"{"b":"]"}"#]));
        check(b"{\"value\":[{\"a\":\"\n\"},{}],\"x\":1}", Page, Ok(&["{\"a\":\"\n\"}", "{}"]));
        check(br#"{"response":{"value":[{'a'},{}]}}"#, Page, Ok(&["{'a'}", "{}"]));
        check(br#"[{"a":"\x"},{"a":{}}]"#, RecordArray, Ok(&[r#"{"a":"\x"}"#, r#"{"a":{}}"#]));
    }

    #[test]
    fn what_is_no_page_says_so() {
        use PageForm::{Page, RecordArray};
        check(b"", Page, Err("page_not_json"));
        check(b"<html>", Page, Err("page_not_json"));
        check(br#"{"value":[{},{"a":1"#, Page, Err("page_not_json"));
        check(br#"{"value":[{}]"#, Page, Err("page_not_json"));
        check(br#"{"value":[{}]} x"#, Page, Err("page_not_json"));
        check(br#"{"error":{"code":"x"}}"#, Page, Err("page_without_value"));
        check(br#"{"value":null}"#, Page, Err("page_without_value"));
        check(br#"{"response":{"value":{}}}"#, Page, Err("page_without_value"));
        check(br#"{"response":7}"#, Page, Err("page_without_value"));
        check(b"[]", Page, Err("page_without_value"));
        check(b"{}", RecordArray, Err("page_without_value"));
        check("[".repeat(100_000).as_bytes(), RecordArray, Err("page_not_json"));
    }

    #[test]
    fn lines_are_records() {
        check(
            b"\xef\xbb\xbf{}\r\n\n  \n{\"a\":1}x\n[",
            PageForm::RecordLines,
            Ok(&["{}", "{\"a\":1}x", "["]),
        );
        check(b"", PageForm::RecordLines, Ok(&[]));
    }
}
