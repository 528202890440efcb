//! `interactions`: prompts and responses.

use arrow_array::ArrayRef;
use arrow_array::builder::{Int32Builder, StringBuilder, TimestampMicrosecondBuilder};
use promptlake_model::{Table, Timestamp};

use super::columns::{KeyColumns, PageValues, RecordKeys, instant_builder};
use super::{Rows, column, ordinal};
use crate::app;
use crate::day::epoch_millis;
use crate::message::Message;
use crate::record::{Identity, Record};

/// A record and what it says.
#[derive(Debug)]
pub(crate) struct InteractionRow<'a> {
    pub(crate) record: &'a Record<'a>,
    pub(crate) message: &'a Message,
}

/// The columns of `interactions`.
#[derive(Debug)]
pub(crate) struct InteractionRows {
    keys: KeyColumns,
    request_id: StringBuilder,
    interaction_type: StringBuilder,
    conversation_type: StringBuilder,
    app_class: StringBuilder,
    app: StringBuilder,
    agent_id: StringBuilder,
    locale: StringBuilder,
    modified_at: TimestampMicrosecondBuilder,
    from_kind: StringBuilder,
    from_id: StringBuilder,
    from_display_name: StringBuilder,
    from_identity_type: StringBuilder,
    from_tenant_id: StringBuilder,
    body_content_type: StringBuilder,
    body_content: StringBuilder,
    text: StringBuilder,
    model_text: StringBuilder,
    attachment_count: Int32Builder,
    link_count: Int32Builder,
    context_count: Int32Builder,
    mention_count: Int32Builder,
}

impl InteractionRows {
    /// Columns for as many rows.
    pub(crate) fn with_capacity(rows: usize) -> Self {
        Self {
            keys: KeyColumns::with_capacity(rows),
            request_id: StringBuilder::new(),
            interaction_type: StringBuilder::new(),
            conversation_type: StringBuilder::new(),
            app_class: StringBuilder::new(),
            app: StringBuilder::new(),
            agent_id: StringBuilder::new(),
            locale: StringBuilder::new(),
            modified_at: instant_builder(rows),
            from_kind: StringBuilder::new(),
            from_id: StringBuilder::new(),
            from_display_name: StringBuilder::new(),
            from_identity_type: StringBuilder::new(),
            from_tenant_id: StringBuilder::new(),
            body_content_type: StringBuilder::new(),
            body_content: StringBuilder::new(),
            text: StringBuilder::new(),
            model_text: StringBuilder::new(),
            attachment_count: Int32Builder::with_capacity(rows),
            link_count: Int32Builder::with_capacity(rows),
            context_count: Int32Builder::with_capacity(rows),
            mention_count: Int32Builder::with_capacity(rows),
        }
    }

    /// Adds a row.
    pub(crate) fn append(&mut self, keys: &RecordKeys<'_>, row: &InteractionRow<'_>) {
        self.keys.append(keys);
        let InteractionRow { record, message } = row;
        self.append_kind(record);
        self.append_sender(record.from.as_ref());
        self.body_content_type.append_option(record.body.content_type.as_deref());
        self.body_content.append_option(record.body.content.as_deref());
        self.text.append_option(message.text.as_deref());
        self.model_text.append_option(message.model_text.as_deref());
        self.attachment_count.append_value(ordinal(record.attachments.len()));
        self.link_count.append_value(ordinal(record.links.len()));
        self.context_count.append_value(ordinal(record.contexts.len()));
        self.mention_count.append_value(ordinal(record.mentions.len()));
    }

    fn append_kind(&mut self, record: &Record<'_>) {
        let app_class = record.app_class.as_deref();
        self.request_id.append_option(record.request_id.as_deref());
        self.interaction_type.append_option(record.interaction_type.as_deref());
        self.conversation_type.append_option(record.conversation_type.as_deref());
        self.app_class.append_option(app_class);
        self.app.append_value(app::slug(app_class));
        self.agent_id.append_option(app::agent_id(app_class));
        self.locale.append_option(record.locale.as_deref());
        self.modified_at.append_option(epoch_millis(record.etag.as_deref()).map(Timestamp::micros));
    }

    fn append_sender(&mut self, from: Option<&Identity<'_>>) {
        self.from_kind.append_option(from.map(|identity| identity.kind));
        self.from_id.append_option(from.and_then(|identity| identity.id.as_deref()));
        self.from_display_name.append_option(from.and_then(|identity| identity.display_name.as_deref()));
        self.from_identity_type.append_option(from.and_then(|identity| identity.subtype.as_deref()));
        self.from_tenant_id.append_option(from.and_then(|identity| identity.tenant_id.as_deref()));
    }
}

impl Rows for InteractionRows {
    const TABLE: Table = Table::Interactions;

    fn len(&self) -> usize {
        self.keys.len()
    }

    fn finish(mut self, page: &PageValues<'_>) -> Vec<ArrayRef> {
        let run_columns = page.run_columns(self.keys.len());
        let mut columns = self.keys.finish(page);
        columns.extend([
            column(self.request_id.finish()),
            column(self.interaction_type.finish()),
            column(self.conversation_type.finish()),
            column(self.app_class.finish()),
            column(self.app.finish()),
            column(self.agent_id.finish()),
            column(self.locale.finish()),
            column(self.modified_at.finish()),
            column(self.from_kind.finish()),
            column(self.from_id.finish()),
            column(self.from_display_name.finish()),
            column(self.from_identity_type.finish()),
            column(self.from_tenant_id.finish()),
            column(self.body_content_type.finish()),
            column(self.body_content.finish()),
            column(self.text.finish()),
            column(self.model_text.finish()),
            column(self.attachment_count.finish()),
            column(self.link_count.finish()),
            column(self.context_count.finish()),
            column(self.mention_count.finish()),
        ]);
        columns.extend(run_columns);
        columns
    }
}
