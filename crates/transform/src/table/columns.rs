//! The columns that many tables share: the keys of a record, and what is the same for a whole page.

use std::iter::repeat_n;

use arrow_array::builder::{StringBuilder, TimestampMicrosecondBuilder};
use arrow_array::{ArrayRef, StringArray, TimestampMicrosecondArray};
use promptlake_model::{RecordId, Timestamp};

use super::column;
use crate::content::Content;
use crate::record::Record;

/// The time zone of every timestamp.
const UTC: &str = "UTC";

/// What is the same for all rows of a page.
#[derive(Debug)]
pub(crate) struct PageValues<'a> {
    pub(crate) tenant_id: String,
    pub(crate) user_id: String,
    pub(crate) run_id: &'a str,
    pub(crate) extracted_at: Timestamp,
    pub(crate) page_index: u32,
    pub(crate) content: Content,
}

impl PageValues<'_> {
    /// `tenant_id` and `user_id`, the first columns of every table.
    pub(super) fn owner_columns(&self, rows: usize) -> [ArrayRef; 2] {
        [same_text(&self.tenant_id, rows), same_text(&self.user_id, rows)]
    }

    /// `run_id` and `extracted_at`, the last columns of some tables.
    pub(super) fn run_columns(&self, rows: usize) -> [ArrayRef; 2] {
        let instants = TimestampMicrosecondArray::from_value(self.extracted_at.micros(), rows);
        [same_text(self.run_id, rows), column(instants.with_timezone(UTC))]
    }
}

fn same_text(text: &str, rows: usize) -> ArrayRef {
    column(StringArray::from_iter_values(repeat_n(text, rows)))
}

/// The keys of a record, as every row of it repeats them.
#[derive(Debug)]
pub(crate) struct RecordKeys<'a> {
    record_id: String,
    session_id: Option<&'a str>,
    interaction_id: Option<&'a str>,
    etag: Option<&'a str>,
    created_at: Option<Timestamp>,
}

impl<'a> RecordKeys<'a> {
    pub(crate) fn of(id: RecordId, record: &'a Record<'_>, created_at: Option<Timestamp>) -> Self {
        Self {
            record_id: id.to_string(),
            session_id: record.session_id.as_deref(),
            interaction_id: record.id.as_deref(),
            etag: record.etag.as_deref(),
            created_at,
        }
    }
}

/// The columns of [`RecordKeys`].
#[derive(Debug)]
pub(super) struct KeyColumns {
    rows: usize,
    record_id: StringBuilder,
    session_id: StringBuilder,
    interaction_id: StringBuilder,
    etag: StringBuilder,
    created_at: TimestampMicrosecondBuilder,
}

impl KeyColumns {
    /// Columns for about as many rows; ids have a known length, sessions about sixty characters.
    pub(super) fn with_capacity(rows: usize) -> Self {
        Self {
            rows: 0,
            record_id: StringBuilder::with_capacity(rows, rows * 32),
            session_id: StringBuilder::with_capacity(rows, rows * 64),
            interaction_id: StringBuilder::with_capacity(rows, rows * 13),
            etag: StringBuilder::with_capacity(rows, rows * 13),
            created_at: instant_builder(rows),
        }
    }

    pub(super) fn append(&mut self, keys: &RecordKeys<'_>) {
        self.rows += 1;
        self.record_id.append_value(&keys.record_id);
        self.session_id.append_option(keys.session_id);
        self.interaction_id.append_option(keys.interaction_id);
        self.etag.append_option(keys.etag);
        self.created_at.append_option(keys.created_at.map(Timestamp::micros));
    }

    pub(super) fn len(&self) -> usize {
        self.rows
    }

    pub(super) fn finish(mut self, page: &PageValues<'_>) -> Vec<ArrayRef> {
        let mut columns = Vec::from(page.owner_columns(self.rows));
        columns.extend([
            column(self.record_id.finish()),
            column(self.session_id.finish()),
            column(self.interaction_id.finish()),
            column(self.etag.finish()),
            column(self.created_at.finish()),
        ]);
        columns
    }
}

/// A builder of timestamps in UTC.
pub(super) fn instant_builder(rows: usize) -> TimestampMicrosecondBuilder {
    TimestampMicrosecondBuilder::with_capacity(rows).with_timezone(UTC)
}
