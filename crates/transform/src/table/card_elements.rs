//! `card_elements`: every text of a card, with its place and its role.

use arrow_array::ArrayRef;
use arrow_array::builder::{Int32Builder, StringBuilder};
use promptlake_cards::Element;
use promptlake_model::Table;

use super::columns::{KeyColumns, PageValues, RecordKeys};
use super::{Rows, column, ordinal};

/// An element and where it stands.
#[derive(Debug)]
pub(crate) struct ElementRow<'a> {
    pub(crate) attachment_index: usize,
    pub(crate) element_index: usize,
    pub(crate) element: &'a Element,
}

/// The columns of `card_elements`.
#[derive(Debug)]
pub(crate) struct CardElementRows {
    keys: KeyColumns,
    attachment_ordinal: Int32Builder,
    element_ordinal: Int32Builder,
    element_type: StringBuilder,
    pointer: StringBuilder,
    depth: Int32Builder,
    role: StringBuilder,
    text: StringBuilder,
}

impl CardElementRows {
    /// Columns for about as many rows.
    pub(crate) fn with_capacity(rows: usize) -> Self {
        Self {
            keys: KeyColumns::with_capacity(rows),
            attachment_ordinal: Int32Builder::with_capacity(rows),
            element_ordinal: Int32Builder::with_capacity(rows),
            element_type: StringBuilder::new(),
            pointer: StringBuilder::new(),
            depth: Int32Builder::with_capacity(rows),
            role: StringBuilder::new(),
            text: StringBuilder::new(),
        }
    }

    /// Adds a row.
    pub(crate) fn append(&mut self, keys: &RecordKeys<'_>, row: &ElementRow<'_>) {
        let ElementRow { attachment_index, element_index, element } = row;
        self.keys.append(keys);
        self.attachment_ordinal.append_value(ordinal(*attachment_index));
        self.element_ordinal.append_value(ordinal(*element_index));
        self.element_type.append_value(&element.element_type);
        self.pointer.append_value(&element.pointer);
        self.depth.append_value(i32::try_from(element.depth).unwrap_or(i32::MAX));
        self.role.append_value(element.role.as_str());
        self.text.append_value(&element.text);
    }
}

impl Rows for CardElementRows {
    const TABLE: Table = Table::CardElements;

    fn len(&self) -> usize {
        self.keys.len()
    }

    fn finish(mut self, page: &PageValues<'_>) -> Vec<ArrayRef> {
        let mut columns = self.keys.finish(page);
        columns.extend([
            column(self.attachment_ordinal.finish()),
            column(self.element_ordinal.finish()),
            column(self.element_type.finish()),
            column(self.pointer.finish()),
            column(self.depth.finish()),
            column(self.role.finish()),
            column(self.text.finish()),
        ]);
        columns
    }
}
