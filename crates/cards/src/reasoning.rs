//! Some Excel cards hold `{"thoughts": …, "finalResponse": …}` where the text should be.

use std::borrow::Cow;

use crate::scan::scan;
use crate::tape::Value;

/// The answer, and what the model thought before it.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) shown: String,
    pub(crate) thoughts: Option<String>,
}

/// The answer in a text that is such an object.
pub(crate) fn of_text(text: &str) -> Option<Answer> {
    // Only what names it is worth reading.
    if !text.trim_start().starts_with('{') || !text.contains("finalResponse") {
        return None;
    }
    let scanned = scan(text);
    if scanned.stop.is_some() { None } else { of_object(scanned.tape.root()?) }
}

/// The answer in an object.
pub(crate) fn of_object(object: Value<'_>) -> Option<Answer> {
    let said = |name| object.member(name).and_then(Value::scalar).map(Cow::into_owned);
    Some(Answer { shown: said("finalResponse")?, thoughts: said("thoughts") })
}
