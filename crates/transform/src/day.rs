//! The partition of a record: a day that depends on the record, and on the run only to reject the unbelievable.

use promptlake_model::{PartitionDay, Timestamp};

use crate::record::Record;

/// 2022-01-01T00:00:00Z: no Copilot is older, so an earlier day is a broken clock or a test.
const EARLIEST: Timestamp = Timestamp::from_micros(1_640_995_200_000_000);

/// How far a believable day may lie ahead of now: time zones and clocks of clients, no more.
const AHEAD_MICROS_MAX: i64 = 2 * 86_400_000_000;

/// The partition of a record's rows.
pub(crate) fn partition_day(
    record: &Record<'_>,
    created_at: Option<Timestamp>,
    now: Timestamp,
) -> PartitionDay {
    let instant = created_at
        .or_else(|| epoch_millis(record.etag.as_deref()))
        .or_else(|| epoch_millis(record.id.as_deref()));
    let latest = now.saturating_add_micros(AHEAD_MICROS_MAX).day();
    match instant.map(Timestamp::day) {
        Some(day) if EARLIEST.day() <= day && day <= latest => PartitionDay::Day(day),
        _ => PartitionDay::Undated,
    }
}

/// An instant that is written as milliseconds since 1970.
pub(crate) fn epoch_millis(text: Option<&str>) -> Option<Timestamp> {
    let digits = text.filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?;
    digits.parse().ok().and_then(Timestamp::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(json: &str, expected: &str) {
        let record = Record::read(json).unwrap();
        let now = Timestamp::parse("2025-06-15T12:00:00Z").unwrap();
        assert_eq!(partition_day(&record, record.created_at(), now).to_string(), expected, "{json}");
    }

    #[test]
    fn a_day_comes_from_creation_then_etag_then_id() {
        const UNDATED: &str = "__HIVE_DEFAULT_PARTITION__";
        let etag = r#""etag":"1732148357313","id":"1731701801008""#;
        check(&format!(r#"{{"createdDateTime":"2025-01-02T23:59:59.9999999Z",{etag}}}"#), "2025-01-02");
        check(&format!(r#"{{"createdDateTime":null,{etag}}}"#), "2024-11-21");
        check(&format!(r#"{{"createdDateTime":"yesterday",{etag}}}"#), "2024-11-21");
        check(r#"{"etag":"W/1","id":"1731701801008"}"#, "2024-11-15");
        check(r#"{"etag":1732148357313}"#, "2024-11-21");
        check(r#"{"etag":"1","id":"1731701801008"}"#, UNDATED);
        check(r#"{"etag":"99999999999999999999"}"#, UNDATED);
        check("{}", UNDATED);
    }

    #[test]
    fn only_believable_days_are_partitions() {
        for (created, day) in [
            ("2021-12-31T23:59:59Z", "__HIVE_DEFAULT_PARTITION__"),
            ("2022-01-01T00:00:00Z", "2022-01-01"),
            ("2025-06-17T23:59:59Z", "2025-06-17"),
            ("2025-06-18T00:00:00Z", "__HIVE_DEFAULT_PARTITION__"),
            ("9999-12-31T00:00:00Z", "__HIVE_DEFAULT_PARTITION__"),
            ("2025-01-01T00:30:00+01:00", "2024-12-31"),
        ] {
            check(&format!(r#"{{"createdDateTime":"{created}"}}"#), day);
        }
    }

    #[test]
    fn creation_is_read_in_every_documented_form() {
        for (created, micros) in [
            ("2024-11-21T00:19:17Z", Some(1_732_148_357_000_000)),
            ("2024-11-21T00:19:17.3Z", Some(1_732_148_357_300_000)),
            ("2024-11-21T00:19:17.3133339Z", Some(1_732_148_357_313_333)),
            ("2024-11-21T00:19:17.313333999Z", Some(1_732_148_357_313_333)),
            ("2024-11-21T01:19:17+01:00", Some(1_732_148_357_000_000)),
            ("1969-12-31T23:59:59.9999999Z", Some(-1)),
            ("10000-01-01T00:00:00Z", None),
            ("2024-11-21T00:19:17", None),
            ("2024-11-21", None),
            ("", None),
        ] {
            let json = format!(r#"{{"createdDateTime":"{created}"}}"#);
            let read = Record::read(&json).unwrap().created_at();
            assert_eq!(read.map(Timestamp::micros), micros, "{created}");
        }
    }
}
