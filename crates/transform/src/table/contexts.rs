//! `contexts`: what a prompt was about.

use arrow_array::ArrayRef;
use arrow_array::builder::{Int32Builder, StringBuilder};
use promptlake_model::Table;

use super::columns::{KeyColumns, PageValues, RecordKeys};
use super::{Rows, column, ordinal};
use crate::record::Context;
use crate::url::ReadUrl;

/// The columns of `contexts`.
#[derive(Debug)]
pub(crate) struct ContextRows {
    keys: KeyColumns,
    context_ordinal: Int32Builder,
    context_reference: StringBuilder,
    context_type: StringBuilder,
    display_name: StringBuilder,
}

impl ContextRows {
    /// Columns for about as many rows.
    pub(crate) fn with_capacity(rows: usize) -> Self {
        Self {
            keys: KeyColumns::with_capacity(rows),
            context_ordinal: Int32Builder::with_capacity(rows),
            context_reference: StringBuilder::new(),
            context_type: StringBuilder::new(),
            display_name: StringBuilder::new(),
        }
    }

    /// Adds a row.
    pub(crate) fn append(&mut self, keys: &RecordKeys<'_>, index: usize, context: &Context<'_>) {
        self.keys.append(keys);
        self.context_ordinal.append_value(ordinal(index));
        self.context_reference.append_option(context.reference.as_deref().map(|url| ReadUrl::of(url).url));
        self.context_type.append_option(context.kind.as_deref());
        self.display_name.append_option(context.display_name.as_deref());
    }
}

impl Rows for ContextRows {
    const TABLE: Table = Table::Contexts;

    fn len(&self) -> usize {
        self.keys.len()
    }

    fn finish(mut self, page: &PageValues<'_>) -> Vec<ArrayRef> {
        let mut columns = self.keys.finish(page);
        columns.extend([
            column(self.context_ordinal.finish()),
            column(self.context_reference.finish()),
            column(self.context_type.finish()),
            column(self.display_name.finish()),
        ]);
        columns
    }
}
