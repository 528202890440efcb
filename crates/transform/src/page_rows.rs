//! All rows of a page, across the tables that are written.

use promptlake_model::{Table, TableRows};

use crate::links::each_link;
use crate::message::Message;
use crate::record::Record;
use crate::table::{
    AttachmentRows, CardElementRows, ContextRows, ElementRow, Growing, InteractionRow, InteractionRows,
    LinkRows, MentionRows, PageValues, RawRow, RawRows, RecordKeys, RejectRow, RejectRows, Rows,
};

/// A record with what was read of it, ready to become rows.
#[derive(Debug)]
pub(crate) struct ReadRecord<'a> {
    pub(crate) keys: RecordKeys<'a>,
    pub(crate) record: &'a Record<'a>,
    pub(crate) message: &'a Message,
    pub(crate) raw: RawRow<'a>,
}

/// The rows of a page as they grow; a table that is not written is none.
#[derive(Debug)]
pub(crate) struct PageRows {
    interactions: Growing<InteractionRows>,
    attachments: Option<Growing<AttachmentRows>>,
    card_elements: Option<Growing<CardElementRows>>,
    links: Option<Growing<LinkRows>>,
    contexts: Option<Growing<ContextRows>>,
    mentions: Option<Growing<MentionRows>>,
    raw: Option<Growing<RawRows>>,
    rejects: Growing<RejectRows>,
}

impl PageRows {
    /// Rows for a page of as many records. Every other record is a response, with a card; the lists of most are
    /// empty.
    pub(crate) fn new(tables: &[Table], records: usize) -> Self {
        fn written<R: Rows>(
            tables: &[Table],
            records: usize,
            rows: impl FnOnce() -> R,
        ) -> Option<Growing<R>> {
            tables.contains(&R::TABLE).then(|| Growing::new(rows(), records))
        }
        Self {
            interactions: Growing::new(InteractionRows::with_capacity(records), records),
            attachments: written(tables, records, || AttachmentRows::with_capacity(records / 2)),
            card_elements: written(tables, records, || CardElementRows::with_capacity(records)),
            links: written(tables, records, || LinkRows::with_capacity(records)),
            contexts: written(tables, records, || ContextRows::with_capacity(0)),
            mentions: written(tables, records, || MentionRows::with_capacity(0)),
            raw: written(tables, records, || RawRows::with_capacity(records)),
            rejects: Growing::new(RejectRows::default(), 0),
        }
    }

    /// Adds the rows of a record to every table.
    pub(crate) fn push(&mut self, read: &ReadRecord<'_>) {
        let ReadRecord { keys, record, message, raw } = read;
        self.interactions.rows.append(keys, &InteractionRow { record, message });
        self.interactions.end_record();
        if let Some(links) = &mut self.links {
            let mut index = 0;
            each_link(record, message, |link| {
                links.rows.append(keys, index, link);
                index += 1;
            });
            links.end_record();
        }
        if let Some(table) = &mut self.raw {
            table.rows.append(keys, raw);
            table.end_record();
        }
        self.push_lists(read);
    }

    fn push_lists(&mut self, read: &ReadRecord<'_>) {
        let ReadRecord { keys, record, message, .. } = read;
        if let Some(table) = &mut self.attachments {
            for (index, (attachment, read)) in record.attachments.iter().zip(&message.attachments).enumerate()
            {
                table.rows.append(keys, index, attachment, read);
            }
            table.end_record();
        }
        if let Some(table) = &mut self.card_elements {
            push_elements(&mut table.rows, keys, message);
            table.end_record();
        }
        if let Some(table) = &mut self.contexts {
            for (index, context) in record.contexts.iter().enumerate() {
                table.rows.append(keys, index, context);
            }
            table.end_record();
        }
        if let Some(table) = &mut self.mentions {
            for (index, mention) in record.mentions.iter().enumerate() {
                table.rows.append(keys, index, mention);
            }
            table.end_record();
        }
    }

    /// Adds what could not be read.
    pub(crate) fn push_reject(&mut self, reject: &RejectRow<'_>) {
        self.rejects.rows.append(reject);
        self.rejects.end_record();
    }

    /// A batch for each table that has rows.
    pub(crate) fn finish(self, page: &PageValues<'_>) -> Vec<TableRows> {
        let tables = [
            self.interactions.finish(page),
            self.attachments.and_then(|table| table.finish(page)),
            self.card_elements.and_then(|table| table.finish(page)),
            self.links.and_then(|table| table.finish(page)),
            self.contexts.and_then(|table| table.finish(page)),
            self.mentions.and_then(|table| table.finish(page)),
            self.raw.and_then(|table| table.finish(page)),
            self.rejects.finish(page),
        ];
        tables.into_iter().flatten().collect()
    }
}

fn push_elements(rows: &mut CardElementRows, keys: &RecordKeys<'_>, message: &Message) {
    for (attachment_index, attachment) in message.attachments.iter().enumerate() {
        let elements = attachment.card.iter().flat_map(|card| &card.elements);
        for (element_index, element) in elements.enumerate() {
            rows.append(keys, &ElementRow { attachment_index, element_index, element });
        }
    }
}
