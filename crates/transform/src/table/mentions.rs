//! `mentions`: who or what was mentioned.

use arrow_array::ArrayRef;
use arrow_array::builder::{Int32Builder, StringBuilder};
use promptlake_model::Table;

use super::columns::{KeyColumns, PageValues, RecordKeys};
use super::{Rows, column, ordinal};
use crate::record::Mention;

/// The columns of `mentions`.
#[derive(Debug)]
pub(crate) struct MentionRows {
    keys: KeyColumns,
    mention_ordinal: Int32Builder,
    mention_id: Int32Builder,
    mention_text: StringBuilder,
    mentioned_kind: StringBuilder,
    mentioned_id: StringBuilder,
    mentioned_display_name: StringBuilder,
    mentioned_identity_type: StringBuilder,
    mentioned_tenant_id: StringBuilder,
}

impl MentionRows {
    /// Columns for about as many rows.
    pub(crate) fn with_capacity(rows: usize) -> Self {
        Self {
            keys: KeyColumns::with_capacity(rows),
            mention_ordinal: Int32Builder::with_capacity(rows),
            mention_id: Int32Builder::with_capacity(rows),
            mention_text: StringBuilder::new(),
            mentioned_kind: StringBuilder::new(),
            mentioned_id: StringBuilder::new(),
            mentioned_display_name: StringBuilder::new(),
            mentioned_identity_type: StringBuilder::new(),
            mentioned_tenant_id: StringBuilder::new(),
        }
    }

    /// Adds a row.
    pub(crate) fn append(&mut self, keys: &RecordKeys<'_>, index: usize, mention: &Mention<'_>) {
        self.keys.append(keys);
        self.mention_ordinal.append_value(ordinal(index));
        self.mention_id.append_option(mention.id.as_deref().and_then(|id| id.parse().ok()));
        self.mention_text.append_option(mention.text.as_deref());
        let mentioned = mention.mentioned.as_ref();
        self.mentioned_kind.append_option(mentioned.map(|identity| identity.kind));
        self.mentioned_id.append_option(mentioned.and_then(|identity| identity.id.as_deref()));
        self.mentioned_display_name
            .append_option(mentioned.and_then(|identity| identity.display_name.as_deref()));
        self.mentioned_identity_type
            .append_option(mentioned.and_then(|identity| identity.subtype.as_deref()));
        self.mentioned_tenant_id.append_option(mentioned.and_then(|identity| identity.tenant_id.as_deref()));
    }
}

impl Rows for MentionRows {
    const TABLE: Table = Table::Mentions;

    fn len(&self) -> usize {
        self.keys.len()
    }

    fn finish(mut self, page: &PageValues<'_>) -> Vec<ArrayRef> {
        let mut columns = self.keys.finish(page);
        columns.extend([
            column(self.mention_ordinal.finish()),
            column(self.mention_id.finish()),
            column(self.mention_text.finish()),
            column(self.mentioned_kind.finish()),
            column(self.mentioned_id.finish()),
            column(self.mentioned_display_name.finish()),
            column(self.mentioned_identity_type.finish()),
            column(self.mentioned_tenant_id.finish()),
        ]);
        columns
    }
}
