//! Dates: `2025-01-01`.

use promptlake_model::Day;

use super::Setting;
use crate::settings::error::Fault;

impl Setting for Day {
    const NOUN: &'static str = "a date";

    /// Four digits, two, two: what is read and written back differently (`2025-1-1`) is a slip.
    fn parse(text: &str) -> Result<Self, Fault> {
        let day = Self::parse(text).filter(|day| day.to_string() == text);
        day.ok_or_else(|| Fault::is(text, "not a date (year-month-day)"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        super::super::check::<Day>(&[
            ("2025-01-01", "2025-01-01"),
            ("2024-02-29", "2024-02-29"),
            ("2025-02-29", r#"is "2025-02-29", not a date (year-month-day)"#),
            ("2025-1-1", r#"is "2025-1-1", not a date (year-month-day)"#),
            ("01.01.2025", r#"is "01.01.2025", not a date (year-month-day)"#),
            ("2025-01-01T00:00:00Z", r#"is "2025-01-01T00:00:00Z", not a date (year-month-day)"#),
        ]);
    }
}
