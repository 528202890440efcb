//! Numbers, days and spans of time in words.

use indicatif::HumanCount;
use promptlake_model::{PartitionDay, Timestamp};

/// A number and what it counts, in the singular or the plural.
pub(crate) fn counted(count: u64, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", HumanCount(count))
}

/// The day of an instant, as the lake's partitions have it.
pub(crate) fn day_of(instant: Timestamp) -> String {
    PartitionDay::Day(instant.day()).to_string()
}

/// A length of time in its two largest units.
pub(crate) fn span(seconds: i64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    match (days, hours, minutes) {
        (1.., ..) => format!("{days} d {} h", hours % 24),
        (_, 1.., _) => format!("{hours} h {} m", minutes % 60),
        (_, _, 1..) => format!("{minutes} m {} s", seconds % 60),
        _ => format!("{} s", seconds.max(0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_said_in_its_two_largest_units() {
        for (seconds, expected) in [
            (-5, "0 s"),
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 m 0 s"),
            (3_599, "59 m 59 s"),
            (3_660, "1 h 1 m"),
            (86_399, "23 h 59 m"),
            (200_000, "2 d 7 h"),
        ] {
            assert_eq!(span(seconds), expected, "{seconds}");
        }
    }
}
