//! `raw`: records as received, so that every other table can be made again.

use arrow_array::ArrayRef;
use arrow_array::builder::{BinaryBuilder, StringBuilder};
use promptlake_model::Table;
use sha2::{Digest as _, Sha256};

use super::columns::{KeyColumns, PageValues, RecordKeys};
use super::{Rows, column};
use crate::key::hex;

/// A record as received.
#[derive(Debug)]
pub(crate) struct RawRow<'a> {
    /// Its bytes.
    pub(crate) bytes: &'a [u8],
    /// They as text; where they are not UTF-8, U+FFFD.
    pub(crate) json: &'a str,
}

/// The columns of `raw`.
#[derive(Debug)]
pub(crate) struct RawRows {
    keys: KeyColumns,
    json: StringBuilder,
    json_bytes: BinaryBuilder,
    sha256: StringBuilder,
}

impl RawRows {
    /// Columns for about as many rows.
    pub(crate) fn with_capacity(rows: usize) -> Self {
        Self {
            keys: KeyColumns::with_capacity(rows),
            json: StringBuilder::new(),
            json_bytes: BinaryBuilder::new(),
            sha256: StringBuilder::new(),
        }
    }

    /// Adds a row.
    pub(crate) fn append(&mut self, keys: &RecordKeys<'_>, row: &RawRow<'_>) {
        self.keys.append(keys);
        self.json.append_value(row.json);
        self.json_bytes.append_option((row.json.as_bytes() != row.bytes).then_some(row.bytes));
        self.sha256.append_value(hex(&Sha256::digest(row.bytes)));
    }
}

impl Rows for RawRows {
    const TABLE: Table = Table::Raw;

    fn len(&self) -> usize {
        self.keys.len()
    }

    fn finish(mut self, page: &PageValues<'_>) -> Vec<ArrayRef> {
        let run_columns = page.run_columns(self.keys.len());
        let mut columns = self.keys.finish(page);
        columns.extend([
            column(self.json.finish()),
            column(self.json_bytes.finish()),
            column(self.sha256.finish()),
        ]);
        columns.extend(run_columns);
        columns
    }
}
