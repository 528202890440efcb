//! The rows of one page, growing: a file per table, each a row, its columns, and the batch that they become.

mod attachments;
mod card_elements;
mod columns;
mod contexts;
mod interactions;
mod links;
mod mentions;
mod raw;
mod rejects;

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, RecordBatch};
use promptlake_model::{Table, TableRows};

use crate::content::{Content, leave_out_words};

pub(crate) use attachments::AttachmentRows;
pub(crate) use card_elements::{CardElementRows, ElementRow};
pub(crate) use columns::{PageValues, RecordKeys};
pub(crate) use contexts::ContextRows;
pub(crate) use interactions::{InteractionRow, InteractionRows};
pub(crate) use links::LinkRows;
pub(crate) use mentions::MentionRows;
pub(crate) use raw::{RawRow, RawRows};
pub(crate) use rejects::{RejectRow, RejectRows};

/// The rows of a table as they grow.
pub(crate) trait Rows {
    /// The table.
    const TABLE: Table;

    /// How many there are.
    fn len(&self) -> usize;

    /// Their columns, in the order of the table's.
    fn finish(self, page: &PageValues<'_>) -> Vec<ArrayRef>;
}

/// The rows of a table, and which record each belongs to.
#[derive(Debug)]
pub(crate) struct Growing<R> {
    pub(crate) rows: R,
    ends: Vec<u32>,
}

impl<R: Rows> Growing<R> {
    pub(crate) fn new(rows: R, records: usize) -> Self {
        Self { rows, ends: Vec::with_capacity(records) }
    }

    /// Says that what comes now belongs to the next record.
    pub(crate) fn end_record(&mut self) {
        let end = u32::try_from(self.rows.len())
            .expect("a page has fewer rows than bytes, and fewer than 4 GiB of these");
        self.ends.push(end);
    }

    /// The batch, where there are rows at all.
    pub(crate) fn finish(self, page: &PageValues<'_>) -> Option<TableRows> {
        if self.rows.len() == 0 {
            return None;
        }
        let mut columns = self.rows.finish(page);
        if page.content == Content::None {
            leave_out_words(R::TABLE, &mut columns);
        }
        let batch = RecordBatch::try_new(R::TABLE.schema(), columns).expect(
            "the columns stand in the table's order with its types, and none that is required is null",
        );
        Some(TableRows { table: R::TABLE, batch, ends: self.ends })
    }
}

/// A finished column, without the room that its builder had left: the budget of memory counts what is held.
fn column(mut array: impl Array + 'static) -> ArrayRef {
    array.shrink_to_fit();
    Arc::new(array)
}

/// A place in a list as a column holds it.
fn ordinal(index: usize) -> i32 {
    i32::try_from(index).unwrap_or(i32::MAX)
}
