//! Instants in ticks of 100 ns since 1970, as Graph's `DateTimeOffset` counts them, and their text.
//!
//! Graph writes up to seven fraction digits, so a tick is the finest thing a record can say.

/// Ticks of 100 ns in a millisecond.
pub(crate) const TICKS_PER_MS: i64 = 10_000;
/// Ticks of 100 ns in a second.
pub(crate) const TICKS_PER_SECOND: i64 = 1_000 * TICKS_PER_MS;

const SECONDS_PER_DAY: i64 = 86_400;

/// Year, month and day of a day counted from 1970-01-01 (Hinnant, *chrono-compatible low-level date
/// algorithms*).
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

/// The day counted from 1970-01-01 of a date of the Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let shifted_month = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * shifted_month + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The UTC day of an instant, `YYYY-MM-DD`.
pub(crate) fn day_text(ticks: i64) -> String {
    let (year, month, day) = civil(ticks.div_euclid(TICKS_PER_SECOND * SECONDS_PER_DAY));
    format!("{year:04}-{month:02}-{day:02}")
}

/// The instant as an HTTP `Date` says it, whole seconds and finer parts cut; of Unix milliseconds.
pub(crate) fn http_date(unix_ms: i64) -> String {
    const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let seconds = unix_ms.div_euclid(1_000);
    let (day_number, second_of_day) =
        (seconds.div_euclid(SECONDS_PER_DAY), seconds.rem_euclid(SECONDS_PER_DAY));
    let (year, month, day) = civil(day_number);
    let name = |names: &[&'static str], place: i64| usize::try_from(place).map_or("", |place| names[place]);
    let (weekday, month) = (name(&WEEKDAYS, day_number.rem_euclid(7)), name(&MONTHS, month - 1));
    let (hour, minute, second) = (second_of_day / 3_600, second_of_day / 60 % 60, second_of_day % 60);
    format!("{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT")
}

/// The instant as Graph writes it, with exactly `digits` (at most 7) fraction digits; finer parts are cut.
pub(crate) fn text(ticks: i64, digits: u8) -> String {
    let second_of_day = ticks.div_euclid(TICKS_PER_SECOND).rem_euclid(SECONDS_PER_DAY);
    let (hour, minute, second) = (second_of_day / 3_600, second_of_day / 60 % 60, second_of_day % 60);
    let day = day_text(ticks);
    if digits == 0 {
        return format!("{day}T{hour:02}:{minute:02}:{second:02}Z");
    }
    let width = usize::from(digits.min(7));
    let fraction = format!("{:07}", ticks.rem_euclid(TICKS_PER_SECOND));
    format!("{day}T{hour:02}:{minute:02}:{second:02}.{}Z", &fraction[..width])
}

/// The instant cut to `digits` (at most 7) fraction digits.
pub(crate) fn cut(ticks: i64, digits: u8) -> i64 {
    let unit = 10_i64.pow(7 - u32::from(digits.min(7)));
    ticks - ticks.rem_euclid(unit)
}

/// The ticks of `YYYY-MM-DDTHH:MM:SS[.f{1,7}]Z`, or none when the text is anything else.
pub(crate) fn parse(text: &str) -> Option<i64> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let [hour, minute, second] = numbers(time, ':', [2, 2, 2])?;
    let in_range = (1..=12).contains(&month) && hour < 24 && minute < 60 && second < 60;
    let day_number = days(year, month, day);
    if !in_range || civil(day_number) != (year, month, day) {
        return None;
    }
    let seconds = day_number * SECONDS_PER_DAY + hour * 3_600 + minute * 60 + second;
    Some(seconds * TICKS_PER_SECOND + fraction_ticks(fraction)?)
}

fn numbers(text: &str, separator: char, widths: [usize; 3]) -> Option<[i64; 3]> {
    let mut parts = text.split(separator);
    let mut values = [0; 3];
    for (value, width) in values.iter_mut().zip(widths) {
        let part = parts.next().filter(|part| part.len() == width && all_digits(part))?;
        *value = part.parse().ok()?;
    }
    parts.next().is_none().then_some(values)
}

fn fraction_ticks(digits: &str) -> Option<i64> {
    if digits.is_empty() || digits.len() > 7 || !all_digits(digits) {
        return None;
    }
    format!("{digits:0<7}").parse().ok()
}

fn all_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::{cut, day_text, http_date, parse, text};

    #[test]
    fn reads_and_writes_instants() {
        for (written, digits, ticks) in [
            ("1970-01-01T00:00:00Z", 0, 0),
            ("1970-01-01T00:00:00.0000001Z", 7, 1),
            ("2024-11-15T20:16:41.008Z", 3, 17_317_018_010_080_000),
            ("2024-02-29T23:59:59.66Z", 2, 17_092_511_996_600_000),
            ("1969-12-31T23:59:59Z", 0, -10_000_000),
        ] {
            assert_eq!(parse(written), Some(ticks), "{written}");
            assert_eq!(text(ticks, digits), written);
        }
    }

    #[test]
    fn writes_dates_of_http() {
        for (unix_ms, written) in [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (784_111_777_999, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (1_709_251_199_000, "Thu, 29 Feb 2024 23:59:59 GMT"),
        ] {
            assert_eq!(http_date(unix_ms), written);
        }
    }

    #[test]
    fn refuses_what_is_no_instant() {
        for bad in [
            "",
            "2024-11-15",
            "2024-11-15T20:16:41",
            "2024-11-15T20:16:41+01:00",
            "2024-13-15T20:16:41Z",
            "2023-02-29T20:16:41Z",
            "2024-11-15T24:16:41Z",
            "2024-11-15T20:16:41.Z",
            "2024-11-15T20:16:41.12345678Z",
            "24-11-15T20:16:41Z",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn cuts_towards_the_past() {
        assert_eq!(cut(12_345_678, 0), 10_000_000);
        assert_eq!(cut(12_345_678, 6), 12_345_670);
        assert_eq!(cut(-1, 0), -10_000_000);
        assert_eq!(day_text(-1), "1969-12-31");
    }
}
