//! How the pages of a Parquet file are packed.

use super::Setting;
use crate::settings::error::Fault;

/// One of the two that are worth it: zstd packs this text best at every speed, none shows what that costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compression {
    /// Zstandard, at a level from 1 to 22.
    Zstd {
        /// The level.
        level: u8,
    },
    /// As they are.
    Uncompressed,
}

impl Default for Compression {
    fn default() -> Self {
        Self::Zstd { level: 3 }
    }
}

impl Setting for Compression {
    const NOUN: &'static str = "a compression";

    fn parse(text: &str) -> Result<Self, Fault> {
        if text == "uncompressed" {
            return Ok(Self::Uncompressed);
        }
        let fault =
            |wrong| Fault::is(text, wrong).hint("write compression = \"zstd(3)\", or \"uncompressed\"");
        let Some(level) = text.strip_prefix("zstd") else {
            return Err(fault("not a compression"));
        };
        let level = level.strip_prefix('(').and_then(|rest| rest.strip_suffix(')'));
        let level = level.ok_or_else(|| fault("which lacks the level in brackets"))?;
        match level.parse() {
            Ok(level @ 1..=22) => Ok(Self::Zstd { level }),
            _ => Err(fault("whose level is not a number from 1 to 22")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compressions() {
        super::super::check::<Compression>(&[
            ("zstd(1)", "Zstd { level: 1 }"),
            ("zstd(22)", "Zstd { level: 22 }"),
            ("uncompressed", "Uncompressed"),
            ("zstd", r#"is "zstd", which lacks the level in brackets"#),
            ("zstd3", r#"is "zstd3", which lacks the level in brackets"#),
            ("zstd(0)", r#"is "zstd(0)", whose level is not a number from 1 to 22"#),
            ("zstd(23)", r#"is "zstd(23)", whose level is not a number from 1 to 22"#),
            ("zstd(x)", r#"is "zstd(x)", whose level is not a number from 1 to 22"#),
            ("snappy", r#"is "snappy", not a compression"#),
            ("", r#"is "", not a compression"#),
        ]);
    }
}
