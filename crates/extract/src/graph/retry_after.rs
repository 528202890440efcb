//! How long an answer says to wait.

use std::time::Duration;

use chrono::DateTime;
use http::HeaderMap;
use http::header::{DATE, RETRY_AFTER};

/// The wait of `Retry-After`, in seconds or as an HTTP date; `None` where it is absent or unreadable.
///
/// A date is taken against the answer's own `Date`, which is its clock cut to the second, so that the wait is never
/// too short; against `now_micros` where there is none.
pub(crate) fn retry_after(headers: &HeaderMap, now_micros: i64) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let until_micros = http_date_micros(text)?;
    let wait_micros = until_micros.saturating_sub(server_micros(headers).unwrap_or(now_micros));
    Some(Duration::from_micros(u64::try_from(wait_micros).unwrap_or(0)))
}

/// The answer's `Date`, in microseconds since the epoch.
pub(crate) fn server_micros(headers: &HeaderMap) -> Option<i64> {
    http_date_micros(headers.get(DATE)?.to_str().ok()?)
}

fn http_date_micros(text: &str) -> Option<i64> {
    DateTime::parse_from_rfc2822(text).ok().map(|instant| instant.timestamp_micros())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn seconds_and_dates() {
        let date = "Mon, 24 Nov 2025 10:00:00 GMT";
        for (after, date, seconds) in [
            (Some("7"), None, Some(7)),
            (Some(" 0 "), None, Some(0)),
            (Some("Mon, 24 Nov 2025 10:01:30 GMT"), Some(date), Some(90)),
            (Some("Mon, 24 Nov 2025 09:00:00 GMT"), Some(date), Some(0)),
            (Some("Thu, 01 Jan 1970 00:00:12 GMT"), None, Some(2)),
            (Some("soon"), Some(date), None),
            (Some("-3"), None, None),
            (None, Some(date), None),
        ] {
            let mut headers = HeaderMap::new();
            for (name, value) in [(RETRY_AFTER, after), (DATE, date)] {
                if let Some(value) = value {
                    headers.insert(name, HeaderValue::from_static(value));
                }
            }
            let wait = retry_after(&headers, 10_000_000);
            assert_eq!(wait, seconds.map(Duration::from_secs), "{after:?}");
        }
    }
}
