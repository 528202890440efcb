//! Instants, days and windows. Everything is UTC; nothing here reads a clock.

use std::fmt;
use std::ops::RangeInclusive;

use chrono::{DateTime, Datelike, NaiveDate, SecondsFormat};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

const MICROS_PER_MILLI: i64 = 1_000;
const MICROS_PER_DAY: i64 = 86_400_000_000;

/// The years of four digits.
const YEARS: RangeInclusive<i32> = 0..=9999;

/// An instant in microseconds since 1970-01-01T00:00:00Z: the finest that every reader of Parquet takes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From microseconds since the epoch.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// From milliseconds since the epoch; `None` where microseconds can't hold it.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Option<Self> {
        match millis.checked_mul(MICROS_PER_MILLI) {
            Some(micros) => Some(Self(micros)),
            None => None,
        }
    }

    /// Reads an RFC 3339 instant; `None` where it is none, or where its offset leads out of the years that RFC 3339 can
    /// say: what is read can always be written and read again.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let micros = DateTime::parse_from_rfc3339(text).ok()?.timestamp_micros();
        let year = DateTime::from_timestamp_micros(micros)?.year();
        YEARS.contains(&year).then_some(Self(micros))
    }

    /// Microseconds since the epoch.
    #[must_use]
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// This instant moved by a number of microseconds, held within what an `i64` can say.
    #[must_use]
    pub const fn saturating_add_micros(self, micros: i64) -> Self {
        Self(self.0.saturating_add(micros))
    }

    /// The UTC day it falls on.
    #[must_use]
    pub fn day(self) -> Day {
        let days = self.0.div_euclid(MICROS_PER_DAY);
        Day(i32::try_from(days).expect("i64 microseconds span fewer days than an i32 holds"))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match DateTime::from_timestamp_micros(self.0) {
            Some(instant) => f.write_str(&instant.to_rfc3339_opts(SecondsFormat::Micros, true)),
            None => write!(f, "{}µs", self.0),
        }
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| de::Error::custom(format_args!("{text:?} is no RFC 3339 instant")))
    }
}

/// A UTC day, counted from 1970-01-01, as Arrow's Date32 does.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(pub i32);

impl Day {
    /// Reads `YYYY-MM-DD`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
        Some(Self(date.to_epoch_days()))
    }

    /// Its first instant.
    #[must_use]
    pub const fn start(self) -> Timestamp {
        Timestamp((self.0 as i64).saturating_mul(MICROS_PER_DAY))
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NaiveDate::from_epoch_days(self.0) {
            Some(date) => write!(f, "{}", date.format("%Y-%m-%d")),
            None => write!(f, "day {}", self.0),
        }
    }
}

impl fmt::Debug for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Day {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Day {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| de::Error::custom(format_args!("{text:?} is no day")))
    }
}

/// What an undated partition is called by Hive, Spark and DuckDB.
const HIVE_NULL: &str = "__HIVE_DEFAULT_PARTITION__";

/// The value of the `date` partition of a row. Undated sorts first, as nulls do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PartitionDay {
    /// No believable day: the Hive null partition.
    Undated,
    /// The row's day.
    Day(Day),
}

impl PartitionDay {
    /// The value as Arrow's Date32.
    #[must_use]
    pub const fn date32(self) -> Option<i32> {
        match self {
            Self::Undated => None,
            Self::Day(day) => Some(day.0),
        }
    }

    /// The inverse of [`Self::date32`].
    #[must_use]
    pub const fn from_date32(days: Option<i32>) -> Self {
        match days {
            None => Self::Undated,
            Some(days) => Self::Day(Day(days)),
        }
    }

    /// Reads what [`fmt::Display`] wrote.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text == HIVE_NULL { Some(Self::Undated) } else { Day::parse(text).map(Self::Day) }
    }
}

impl fmt::Display for PartitionDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Undated => f.write_str(HIVE_NULL),
            Self::Day(day) => fmt::Display::fmt(day, f),
        }
    }
}

impl Serialize for PartitionDay {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PartitionDay {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| de::Error::custom(format_args!("{text:?} is no partition day")))
    }
}

/// A stretch of time, half-open: `[from, to)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// The first instant inside.
    pub from: Timestamp,
    /// The first instant after it.
    pub to: Timestamp,
}

impl Window {
    /// The window, where it holds an instant at all.
    #[must_use]
    pub fn new(from: Timestamp, to: Timestamp) -> Option<Self> {
        (from < to).then_some(Self { from, to })
    }

    /// What lies in both.
    #[must_use]
    pub fn common_with(&self, other: Self) -> Option<Self> {
        Self::new(self.from.max(other.from), self.to.min(other.to))
    }

    /// Whether an instant falls inside.
    #[must_use]
    pub fn contains(&self, instant: Timestamp) -> bool {
        self.from <= instant && instant < self.to
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}, {})", self.from, self.to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_read_back_and_know_their_day() {
        for (text, day) in [
            ("2024-11-21T00:19:17.313000Z", "2024-11-21"),
            ("1969-12-31T23:59:59.999999Z", "1969-12-31"),
            ("2024-02-29T00:00:00.000000Z", "2024-02-29"),
        ] {
            let instant = Timestamp::parse(text).unwrap();
            assert_eq!(instant.to_string(), text);
            assert_eq!(instant.day(), Day::parse(day).unwrap());
            assert!(instant.day().start() <= instant);
        }
    }

    #[test]
    fn instants_are_of_years_that_can_be_said() {
        for (text, shown) in [
            ("0000-01-01T00:00:00Z", Some("0000-01-01T00:00:00.000000Z")),
            ("0000-01-01T00:00:00+00:01", None),
            ("9999-12-31T23:59:59.9999999Z", Some("9999-12-31T23:59:59.999999Z")),
            ("9999-12-31T23:59:60Z", None),
            ("9999-12-31T23:59:59-00:01", None),
        ] {
            let found = Timestamp::parse(text).map(|instant| instant.to_string());
            assert_eq!(found.as_deref(), shown, "{text}");
        }
    }

    #[test]
    fn the_widest_instants_have_a_day() {
        for micros in [i64::MIN, i64::MAX] {
            let instant = Timestamp::from_micros(micros);
            assert!(!instant.day().to_string().is_empty());
        }
    }

    #[test]
    fn partition_days_read_back_and_undated_sorts_first() {
        let day = PartitionDay::Day(Day::parse("2025-01-31").unwrap());
        for (partition, text) in [(day, "2025-01-31"), (PartitionDay::Undated, HIVE_NULL)] {
            assert_eq!(partition.to_string(), text);
            assert_eq!(PartitionDay::parse(text), Some(partition));
            assert_eq!(PartitionDay::from_date32(partition.date32()), partition);
        }
        assert!(PartitionDay::Undated < PartitionDay::Day(Day(i32::MIN)));
    }

    #[test]
    fn windows_are_half_open() {
        let at = Timestamp::from_micros;
        let window = Window::new(at(10), at(20)).unwrap();
        let inside = [9, 10, 19, 20].map(|micros| window.contains(at(micros)));
        assert_eq!(inside, [false, true, true, false]);
        assert_eq!(Window::new(at(10), at(10)), None);
    }
}
