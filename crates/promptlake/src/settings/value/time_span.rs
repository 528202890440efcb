//! Durations: `30m`.

use std::fmt;
use std::time::Duration;

use super::{Setting, number_and_unit};
use crate::settings::error::Fault;

const UNITS: [(&str, u64); 6] =
    [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000), ("w", 604_800_000)];

/// A hundred years: what is longer is a slip, and reckoning with it could leave the calendar.
const MILLIS_MAX: u64 = 36_500 * 86_400_000;

/// A stretch of time of at most a hundred years, in whole milliseconds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct TimeSpan {
    millis: u64,
}

impl TimeSpan {
    pub(crate) const fn from_millis(millis: u32) -> Self {
        Self { millis: millis as u64 }
    }

    pub(crate) const fn from_secs(secs: u32) -> Self {
        Self { millis: secs as u64 * 1_000 }
    }

    pub(crate) const fn from_hours(hours: u16) -> Self {
        Self::from_secs(hours as u32 * 3_600)
    }

    pub(crate) const fn from_days(days: u16) -> Self {
        Self { millis: days as u64 * 86_400_000 }
    }

    pub(crate) const fn as_duration(self) -> Duration {
        Duration::from_millis(self.millis)
    }

    /// Microseconds, as instants count them.
    pub(crate) fn as_micros(self) -> i64 {
        i64::try_from(self.millis * 1_000).expect("a hundred years of microseconds fit an i64")
    }

    /// So many times as long.
    pub(crate) const fn times(self, factor: u64) -> Self {
        Self { millis: self.millis.saturating_mul(factor) }
    }
}

impl Setting for TimeSpan {
    const NOUN: &'static str = "a duration";

    fn parse(text: &str) -> Result<Self, Fault> {
        let (number, unit) = number_and_unit(text, Self::NOUN)?;
        let known = UNITS.iter().find(|(name, _)| *name == unit);
        let (_, millis) =
            known.ok_or_else(|| Fault::is(text, "whose unit is none of ms, s, m, h, d and w"))?;
        match number.checked_mul(*millis) {
            Some(millis) if millis <= MILLIS_MAX => Ok(Self { millis }),
            _ => Err(Fault::is(text, "beyond every limit")),
        }
    }
}

/// In the largest unit that gives a whole number; weeks are said in days.
impl fmt::Display for TimeSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole =
            |(_, millis): &&(&str, u64)| self.millis >= *millis && self.millis.is_multiple_of(*millis);
        let (unit, millis) = UNITS[..5].iter().rev().find(whole).unwrap_or(&UNITS[1]);
        write!(f, "{}{unit}", self.millis / millis)
    }
}

impl fmt::Debug for TimeSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        super::super::check::<TimeSpan>(&[
            ("500ms", "500ms"),
            ("45s", "45s"),
            ("90s", "90s"),
            ("30m", "30m"),
            ("60m", "1h"),
            ("6h", "6h"),
            ("2d", "2d"),
            ("1w", "7d"),
            ("0s", "0s"),
            ("5", r#"is "5", a number without a unit"#),
            ("", r#"is "", not a duration"#),
            ("-5m", r#"is "-5m", not a duration"#),
            ("five minutes", r#"is "five minutes", not a duration"#),
            ("1.5h", r#"is "1.5h", not a whole number of one unit"#),
            ("1h30m", r#"is "1h30m", whose unit is none of ms, s, m, h, d and w"#),
            ("5 m", r#"is "5 m", whose unit is none of ms, s, m, h, d and w"#),
            ("5M", r#"is "5M", whose unit is none of ms, s, m, h, d and w"#),
            ("40000d", r#"is "40000d", beyond every limit"#),
            ("18446744073709551615w", r#"is "18446744073709551615w", beyond every limit"#),
        ]);
    }

    #[test]
    fn what_is_written_is_read_back() {
        for millis in [0, 1, 999, 1_000, 90_000, 60_000, 5_400_000, 86_400_000, 604_800_001] {
            let span = TimeSpan::from_millis(millis);
            assert_eq!(TimeSpan::parse(&span.to_string()), Ok(span));
        }
    }

    #[test]
    fn units_agree() {
        assert_eq!(TimeSpan::from_days(1), TimeSpan::from_hours(24));
        assert_eq!(TimeSpan::from_millis(1_500).as_micros(), 1_500_000);
        assert_eq!(TimeSpan::from_secs(30).times(4).as_duration(), Duration::from_mins(2));
    }
}
