//! What is asked of one user and one window.

use chrono::{DateTime, SecondsFormat, Utc};
use promptlake_model::{AppClasses, Window};
use url::form_urlencoded::byte_serialize;

use super::settings::PaymentModel;

/// The largest page that is known to work, and the one that is recommended.
pub(crate) const PAGE_RECORDS: u32 = 100;

const MICROS_PER_MILLI: i64 = 1_000;

/// What the first page of a list asks for; the links to the others say it again.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FirstPage<'a> {
    /// The most records of a page.
    pub(crate) page_records: u32,
    /// Without a window it asks for everything that is retained.
    pub(crate) window: Option<Window>,
    pub(crate) classes: &'a AppClasses,
    pub(crate) model: Option<PaymentModel>,
}

impl FirstPage<'_> {
    /// The query of the first page.
    pub(crate) fn query(&self) -> String {
        let mut query = format!("$top={}", self.page_records);
        if let Some(model) = self.model {
            query.push_str("&model=");
            query.push_str(model.as_str());
        }
        let terms: Vec<String> =
            class_terms(self.classes).into_iter().chain(self.window.map(dates)).collect();
        if !terms.is_empty() {
            query.push_str("&$filter=");
            query.push_str(&terms.join(" and "));
        }
        query
    }
}

/// One class, or several joined by or, in brackets: `and` binds more tightly.
fn class_terms(classes: &AppClasses) -> Option<String> {
    let term = |class| format!("appClass eq {}", quoted(class));
    let terms: Vec<String> = classes.iter().map(term).collect();
    match terms.len() {
        0 => None,
        1 => terms.into_iter().next(),
        _ => Some(format!("({})", terms.join(" or "))),
    }
}

/// A text of `OData` in which no character is one of the query: a quote within is doubled, and all that is not plain is
/// escaped.
fn quoted(text: &str) -> String {
    let escaped: String = byte_serialize(text.replace('\'', "''").as_bytes()).collect();
    // What a form writes as a plus sign is a blank.
    format!("'{}'", escaped.replace('+', "%20"))
}

/// Only the pair of strict bounds is safe with every tenant. Milliseconds are the finest that are known to be compared,
/// so both bounds go outward to the next one, and the lower one step further since it is strict; the transform stage
/// holds the window itself.
fn dates(Window { from, to }: Window) -> String {
    let after = from.micros().div_euclid(MICROS_PER_MILLI).saturating_sub(1);
    let before = to.saturating_add_micros(MICROS_PER_MILLI - 1).micros().div_euclid(MICROS_PER_MILLI);
    format!(
        "createdDateTime gt {} and createdDateTime lt {}",
        millis(after, DateTime::<Utc>::MIN_UTC),
        millis(before, DateTime::<Utc>::MAX_UTC)
    )
}

fn millis(instant: i64, beyond: DateTime<Utc>) -> String {
    DateTime::from_timestamp_millis(instant).unwrap_or(beyond).to_rfc3339_opts(SecondsFormat::Millis, true)
}

#[cfg(test)]
mod tests {
    use promptlake_model::Timestamp;

    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    fn query(window: Option<Window>, classes: &[&str], model: Option<PaymentModel>) -> String {
        let classes = &AppClasses::of(classes);
        FirstPage { page_records: PAGE_RECORDS, window, classes, model }.query()
    }

    #[test]
    fn bounds_go_outward_to_milliseconds() {
        for (from, to, after, before) in [
            (
                "2025-11-24T00:00:00Z",
                "2025-11-25T00:00:00Z",
                "2025-11-23T23:59:59.999Z",
                "2025-11-25T00:00:00.000Z",
            ),
            (
                "2025-11-24T00:00:00.000001Z",
                "2025-11-24T00:00:00.000002Z",
                "2025-11-23T23:59:59.999Z",
                "2025-11-24T00:00:00.001Z",
            ),
            (
                "2025-11-24T10:11:12.345999Z",
                "2025-11-24T10:11:12.346Z",
                "2025-11-24T10:11:12.344Z",
                "2025-11-24T10:11:12.346Z",
            ),
            (
                "1969-12-31T23:59:59.9995Z",
                "1969-12-31T23:59:59.9996Z",
                "1969-12-31T23:59:59.998Z",
                "1970-01-01T00:00:00.000Z",
            ),
        ] {
            let right =
                format!("$top=100&$filter=createdDateTime gt {after} and createdDateTime lt {before}");
            assert_eq!(query(Window::new(at(from), at(to)), &[], None), right);
        }
        assert_eq!(query(None, &[], None), "$top=100");
    }

    #[test]
    fn classes_and_model_are_asked_for_beside_the_dates() {
        let window = Window::new(at("2025-11-24T00:00:00Z"), at("2025-11-25T00:00:00Z"));
        let dates =
            "createdDateTime gt 2025-11-23T23:59:59.999Z and createdDateTime lt 2025-11-25T00:00:00.000Z";
        let (model_a, model_b) = (Some(PaymentModel::A), Some(PaymentModel::B));
        for (window, classes, model, right) in [
            (None, &["IPM.X"][..], None, "$top=100&$filter=appClass eq 'IPM.X'".to_owned()),
            (
                None,
                &["b", "a"],
                model_a,
                "$top=100&model=A&$filter=(appClass eq 'a' or appClass eq 'b')".into(),
            ),
            (window, &["a"], model_b, format!("$top=100&model=B&$filter=appClass eq 'a' and {dates}")),
            (
                window,
                &["b", "a"],
                None,
                format!("$top=100&$filter=(appClass eq 'a' or appClass eq 'b') and {dates}"),
            ),
            (
                None,
                &["o'x & y=1#%"],
                None,
                "$top=100&$filter=appClass eq 'o%27%27x%20%26%20y%3D1%23%25'".into(),
            ),
        ] {
            assert_eq!(query(window, classes, model), right);
        }
    }
}
