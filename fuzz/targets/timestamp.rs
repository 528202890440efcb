//! An instant as somebody wrote it, to microseconds and a day.

use promptlake_model::{Day, PartitionDay, Timestamp, Window};

pub(crate) fn law(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    if let Some(instant) = Timestamp::parse(&text) {
        let shown = instant.to_string();
        assert_eq!(Timestamp::parse(&shown), Some(instant), "{shown} does not read back");
        assert_eq!(serde_json::from_value::<Timestamp>(shown.into()).ok(), Some(instant));
        assert_day(instant);
    }
    if let Ok(number) = text.trim().parse::<i64>() {
        assert_day(Timestamp::from_micros(number));
        if let Some(instant) = Timestamp::from_millis(number) {
            assert_day(instant);
        }
    }
    if let Some(day) = PartitionDay::parse(&text) {
        assert_eq!(PartitionDay::from_date32(day.date32()), day);
    }
    if let Some(day) = Day::parse(&text) {
        let _ = (day.to_string(), day.start());
    }
}

fn assert_day(instant: Timestamp) {
    let day = instant.day();
    // The first day of all begins before the first instant of all.
    assert!(day.start() <= instant || day.start().micros() == i64::MIN, "{instant} in {day}");
    let next = Day(day.0 + 1).start();
    assert!(instant < next || next.micros() == i64::MAX, "{instant} in {day}");
    if let Some(window) = Window::new(day.start(), next) {
        assert!(window.contains(instant) || window.from > instant || next.micros() == i64::MAX);
    }
    let _ = instant.to_string();
}
