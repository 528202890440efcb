//! What is asked of one user and one window.

use chrono::{DateTime, SecondsFormat, Utc};
use promptlake_model::Window;

/// The largest page that is known to work, and the one that is recommended.
pub(crate) const PAGE_RECORDS: u32 = 100;

const MICROS_PER_MILLI: i64 = 1_000;

/// The query of a slice's first page; without a window it asks for everything that is retained.
///
/// Only the pair of strict bounds is safe with every tenant. Milliseconds are the finest that are known to be
/// compared, so both bounds go outward to the next one, and the lower one step further since it is strict; the
/// transform stage holds the window itself.
pub(crate) fn first_page_query(window: Option<Window>) -> String {
    let Some(Window { from, to }) = window else { return format!("$top={PAGE_RECORDS}") };
    let after = from.micros().div_euclid(MICROS_PER_MILLI).saturating_sub(1);
    let before = to.saturating_add_micros(MICROS_PER_MILLI - 1).micros().div_euclid(MICROS_PER_MILLI);
    format!(
        "$top={PAGE_RECORDS}&$filter=createdDateTime gt {} and createdDateTime lt {}",
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
            let query = first_page_query(Window::new(at(from), at(to)));
            let right =
                format!("$top=100&$filter=createdDateTime gt {after} and createdDateTime lt {before}");
            assert_eq!(query, right);
        }
        assert_eq!(first_page_query(None), "$top=100");
    }
}
