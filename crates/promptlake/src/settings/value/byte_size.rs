//! Sizes: `256MiB`.

use std::fmt;

use super::{Setting, number_and_unit};
use crate::settings::error::Fault;

const UNITS: [(&str, u64); 5] =
    [("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40)];

/// A number of bytes, typed in binary units: memory and files are measured in them, and a `MB` that is taken
/// for a `MiB` is wrong by five percent.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ByteSize(u64);

impl ByteSize {
    pub(crate) const fn from_bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    pub(crate) const fn from_mebibytes(mebibytes: u32) -> Self {
        Self((mebibytes as u64) << 20)
    }

    pub(crate) const fn bytes(self) -> u64 {
        self.0
    }
}

impl Setting for ByteSize {
    const NOUN: &'static str = "a size";

    fn parse(text: &str) -> Result<Self, Fault> {
        let (number, unit) = number_and_unit(text, Self::NOUN)?;
        if let Some((_, bytes)) = UNITS.iter().find(|(name, _)| *name == unit) {
            return number.checked_mul(*bytes).map(Self).ok_or_else(|| Fault::is(text, "beyond every limit"));
        }
        let bare = unit.to_lowercase();
        let bare = bare.trim_end_matches('b').trim_end_matches('i');
        match UNITS.iter().find(|(name, _)| name.to_lowercase().trim_end_matches("ib") == bare) {
            Some((binary, _)) => {
                let fault = Fault::is(text, &format!("whose unit {unit} is not binary"));
                Err(fault.hint(format!("write \"{number}{binary}\"; the units are B, KiB, MiB, GiB and TiB")))
            }
            None => Err(Fault::is(text, "whose unit is none of B, KiB, MiB, GiB and TiB")),
        }
    }
}

/// In the largest unit that gives a whole number.
impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = |(_, bytes): &&(&str, u64)| self.0 >= *bytes && self.0.is_multiple_of(*bytes);
        let (unit, bytes) = UNITS.iter().rev().find(whole).unwrap_or(&UNITS[0]);
        write!(f, "{}{unit}", self.0 / bytes)
    }
}

impl fmt::Debug for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        super::super::check::<ByteSize>(&[
            ("256MiB", "256MiB"),
            ("1GiB", "1GiB"),
            ("64KiB", "64KiB"),
            ("1024KiB", "1MiB"),
            ("1000B", "1000B"),
            ("0B", "0B"),
            ("2TiB", "2TiB"),
            ("256MB", r#"is "256MB", whose unit MB is not binary"#),
            ("256M", r#"is "256M", whose unit M is not binary"#),
            ("64kb", r#"is "64kb", whose unit kb is not binary"#),
            ("256mib", r#"is "256mib", whose unit mib is not binary"#),
            ("256", r#"is "256", a number without a unit"#),
            ("1.5GiB", r#"is "1.5GiB", not a whole number of one unit"#),
            ("MiB", r#"is "MiB", not a size"#),
            ("", r#"is "", not a size"#),
            ("-1MiB", r#"is "-1MiB", not a size"#),
            ("256 MiB", r#"is "256 MiB", whose unit is none of B, KiB, MiB, GiB and TiB"#),
            ("16777216TiB", r#"is "16777216TiB", beyond every limit"#),
            ("99999999999999999999B", r#"is "99999999999999999999B", beyond every limit"#),
        ]);
    }

    #[test]
    fn what_is_written_is_read_back() {
        for bytes in [0, 1, 1_023, 1_024, 1 << 20, (1 << 20) + 1, (4 << 30) - 1, 1 << 40, u64::MAX] {
            let size = ByteSize::from_bytes(bytes);
            assert_eq!(ByteSize::parse(&size.to_string()), Ok(size));
        }
    }

    #[test]
    fn bytes_are_bytes() {
        assert_eq!(ByteSize::from_mebibytes(2).bytes(), 2_097_152);
        assert_eq!(ByteSize::from_bytes(2_097_152), ByteSize::from_mebibytes(2));
    }
}
