//! Where the history of a new user begins: a date, or a duration back from now.

use std::fmt;

use promptlake_model::{Day, Timestamp};

use super::{Setting, TimeSpan};
use crate::settings::error::Fault;

/// A beginning; one that is relative is resolved once for each user, when his first window is planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    /// At an instant.
    At(Timestamp),
    /// So long before now.
    Back(TimeSpan),
}

impl Start {
    /// The instant it means at `now`.
    pub(crate) fn resolve(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(instant) => instant,
            Self::Back(span) => now.saturating_add_micros(-span.as_micros()),
        }
    }
}

/// As it is typed.
impl fmt::Display for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(instant) => instant.day().fmt(f),
            Self::Back(span) => span.fmt(f),
        }
    }
}

impl Setting for Start {
    const NOUN: &'static str = "a date or a duration";

    fn parse(text: &str) -> Result<Self, Fault> {
        if text.bytes().all(|b| b.is_ascii_alphanumeric()) && text.starts_with(|c: char| c.is_ascii_digit()) {
            return TimeSpan::parse(text).map(Self::Back);
        }
        match <Day as Setting>::parse(text) {
            Ok(day) => Ok(Self::At(day.start())),
            Err(_) => Err(Fault::is(text, "neither a date nor a duration")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts() {
        super::super::check::<Start>(&[
            ("2025-01-01", "At(2025-01-01T00:00:00.000000Z)"),
            ("30d", "Back(30d)"),
            ("1w", "Back(7d)"),
            ("30", r#"is "30", a number without a unit"#),
            ("30days", r#"is "30days", whose unit is none of ms, s, m, h, d and w"#),
            ("-30d", r#"is "-30d", neither a date nor a duration"#),
            ("2025-13-01", r#"is "2025-13-01", neither a date nor a duration"#),
            ("2025-01-01T00:00:00Z", r#"is "2025-01-01T00:00:00Z", neither a date nor a duration"#),
            ("yesterday", r#"is "yesterday", neither a date nor a duration"#),
            ("", r#"is "", neither a date nor a duration"#),
        ]);
    }

    #[test]
    fn what_is_written_is_read_back() {
        for text in ["2025-01-01", "30d", "1w"] {
            let start = Start::parse(text).unwrap();
            assert_eq!(Start::parse(&start.to_string()), Ok(start), "{text}");
        }
    }

    #[test]
    fn a_relative_start_follows_the_clock() {
        let now = Timestamp::parse("2025-03-31T12:00:00Z").unwrap();
        let at = |start: &str| Start::parse(start).unwrap().resolve(now).to_string();
        assert_eq!(at("30d"), "2025-03-01T12:00:00.000000Z");
        assert_eq!(at("2025-01-01"), "2025-01-01T00:00:00.000000Z");
    }
}
