//! `attachments`: what hangs on a message, and how well its card could be read.

use arrow_array::ArrayRef;
use arrow_array::builder::{BooleanBuilder, Int32Builder, Int64Builder, StringBuilder};
use promptlake_model::Table;

use super::columns::{KeyColumns, PageValues, RecordKeys};
use super::{Rows, column, ordinal};
use crate::message::ReadAttachment;
use crate::record::Attachment;
use crate::url::ReadUrl;

/// The columns of `attachments`.
#[derive(Debug)]
pub(crate) struct AttachmentRows {
    keys: KeyColumns,
    attachment_ordinal: Int32Builder,
    attachment_id: StringBuilder,
    content_type: StringBuilder,
    content_url: StringBuilder,
    name: StringBuilder,
    content: StringBuilder,
    content_bytes: Int64Builder,
    card_version: StringBuilder,
    card_status: StringBuilder,
    card_error: StringBuilder,
    card_text: StringBuilder,
    in_body: BooleanBuilder,
}

impl AttachmentRows {
    /// Columns for about as many rows.
    pub(crate) fn with_capacity(rows: usize) -> Self {
        Self {
            keys: KeyColumns::with_capacity(rows),
            attachment_ordinal: Int32Builder::with_capacity(rows),
            attachment_id: StringBuilder::new(),
            content_type: StringBuilder::new(),
            content_url: StringBuilder::new(),
            name: StringBuilder::new(),
            content: StringBuilder::new(),
            content_bytes: Int64Builder::with_capacity(rows),
            card_version: StringBuilder::new(),
            card_status: StringBuilder::new(),
            card_error: StringBuilder::new(),
            card_text: StringBuilder::new(),
            in_body: BooleanBuilder::with_capacity(rows),
        }
    }

    /// Adds a row.
    pub(crate) fn append(
        &mut self,
        keys: &RecordKeys<'_>,
        index: usize,
        attachment: &Attachment<'_>,
        read: &ReadAttachment,
    ) {
        self.keys.append(keys);
        self.attachment_ordinal.append_value(ordinal(index));
        self.attachment_id.append_option(attachment.id.as_deref());
        self.content_type.append_option(attachment.content_type.as_deref());
        self.content_url.append_option(attachment.content_url.as_deref().map(|url| ReadUrl::of(url).url));
        self.name.append_option(attachment.name.as_deref());
        let content = attachment.content.as_deref();
        self.content.append_option(content);
        self.content_bytes.append_option(content.and_then(|content| i64::try_from(content.len()).ok()));
        let card = read.card.as_ref();
        self.card_version.append_option(card.and_then(|card| card.version.as_deref()));
        self.card_status.append_option(card.map(|card| card.status.as_str()));
        self.card_error.append_option(card.and_then(|card| card.error.as_deref()));
        self.card_text.append_option(card.map(|_| read.text()));
        self.in_body.append_value(read.is_in_body);
    }
}

impl Rows for AttachmentRows {
    const TABLE: Table = Table::Attachments;

    fn len(&self) -> usize {
        self.keys.len()
    }

    fn finish(mut self, page: &PageValues<'_>) -> Vec<ArrayRef> {
        let mut columns = self.keys.finish(page);
        columns.extend([
            column(self.attachment_ordinal.finish()),
            column(self.attachment_id.finish()),
            column(self.content_type.finish()),
            column(self.content_url.finish()),
            column(self.name.finish()),
            column(self.content.finish()),
            column(self.content_bytes.finish()),
            column(self.card_version.finish()),
            column(self.card_status.finish()),
            column(self.card_error.finish()),
            column(self.card_text.finish()),
            column(self.in_body.finish()),
        ]);
        columns
    }
}
