//! `rejects`: what could not be read, with its bytes.

use arrow_array::builder::{BinaryBuilder, Int32Builder, StringBuilder};
use arrow_array::{ArrayRef, Int32Array};
use promptlake_model::{RecordId, Table};

use super::columns::PageValues;
use super::{Rows, column, ordinal};

/// What could not be read, and why.
#[derive(Debug)]
pub(crate) struct RejectRow<'a> {
    pub(crate) id: RecordId,
    /// Its place in the page; none where the page itself could not be read.
    pub(crate) record_index: Option<usize>,
    pub(crate) reason: &'static str,
    pub(crate) detail: &'a str,
    pub(crate) raw_bytes: &'a [u8],
}

/// The columns of `rejects`.
#[derive(Debug, Default)]
pub(crate) struct RejectRows {
    rows: usize,
    reject_id: StringBuilder,
    record_index: Int32Builder,
    reason: StringBuilder,
    detail: StringBuilder,
    raw_bytes: BinaryBuilder,
}

impl RejectRows {
    /// Adds a row.
    pub(crate) fn append(&mut self, row: &RejectRow<'_>) {
        self.rows += 1;
        self.reject_id.append_value(row.id.to_string());
        self.record_index.append_option(row.record_index.map(ordinal));
        self.reason.append_value(row.reason);
        self.detail.append_value(row.detail);
        self.raw_bytes.append_value(row.raw_bytes);
    }
}

impl Rows for RejectRows {
    const TABLE: Table = Table::Rejects;

    fn len(&self) -> usize {
        self.rows
    }

    fn finish(mut self, page: &PageValues<'_>) -> Vec<ArrayRef> {
        let page_index = i32::try_from(page.page_index).unwrap_or(i32::MAX);
        let mut columns = Vec::from(page.owner_columns(self.rows));
        columns.extend([
            column(self.reject_id.finish()),
            column(Int32Array::from_value(page_index, self.rows)),
            column(self.record_index.finish()),
            column(self.reason.finish()),
            column(self.detail.finish()),
            column(self.raw_bytes.finish()),
        ]);
        columns.extend(page.run_columns(self.rows));
        columns
    }
}
