//! `links`: every occurrence of a URL.

use arrow_array::ArrayRef;
use arrow_array::builder::{Int32Builder, StringBuilder};
use promptlake_model::Table;

use super::columns::{KeyColumns, PageValues, RecordKeys};
use super::{Rows, column, ordinal};
use crate::links::LinkRow;
use crate::url::ReadUrl;

/// The columns of `links`.
#[derive(Debug)]
pub(crate) struct LinkRows {
    keys: KeyColumns,
    link_ordinal: Int32Builder,
    origin: StringBuilder,
    role: StringBuilder,
    url: StringBuilder,
    url_key: StringBuilder,
    scheme: StringBuilder,
    host: StringBuilder,
    label: StringBuilder,
    link_type: StringBuilder,
    citation_number: Int32Builder,
    footnote_number: Int32Builder,
    attachment_ordinal: Int32Builder,
    pointer: StringBuilder,
}

impl LinkRows {
    /// Columns for about as many rows.
    pub(crate) fn with_capacity(rows: usize) -> Self {
        Self {
            keys: KeyColumns::with_capacity(rows),
            link_ordinal: Int32Builder::with_capacity(rows),
            origin: StringBuilder::new(),
            role: StringBuilder::new(),
            url: StringBuilder::new(),
            url_key: StringBuilder::new(),
            scheme: StringBuilder::new(),
            host: StringBuilder::new(),
            label: StringBuilder::new(),
            link_type: StringBuilder::new(),
            citation_number: Int32Builder::with_capacity(rows),
            footnote_number: Int32Builder::with_capacity(rows),
            attachment_ordinal: Int32Builder::with_capacity(rows),
            pointer: StringBuilder::new(),
        }
    }

    /// Adds a row.
    pub(crate) fn append(&mut self, keys: &RecordKeys<'_>, index: usize, link: &LinkRow<'_>) {
        self.keys.append(keys);
        let url = link.url.map(ReadUrl::of);
        self.link_ordinal.append_value(ordinal(index));
        self.origin.append_value(link.origin);
        self.role.append_value(link.role);
        self.url.append_option(url.as_ref().map(|url| &url.url));
        self.url_key.append_option(url.as_ref().map(|url| &url.key));
        self.scheme.append_option(url.as_ref().and_then(|url| url.scheme.as_deref()));
        self.host.append_option(url.as_ref().and_then(|url| url.host.as_deref()));
        self.label.append_option(link.label);
        self.link_type.append_option(link.link_type);
        self.citation_number.append_option(link.citation_number.map(i32::from));
        self.footnote_number.append_option(link.footnote_number.map(i32::from));
        self.attachment_ordinal.append_option(link.attachment_ordinal.map(ordinal));
        self.pointer.append_option(link.pointer);
    }
}

impl Rows for LinkRows {
    const TABLE: Table = Table::Links;

    fn len(&self) -> usize {
        self.keys.len()
    }

    fn finish(mut self, page: &PageValues<'_>) -> Vec<ArrayRef> {
        let mut columns = self.keys.finish(page);
        columns.extend([
            column(self.link_ordinal.finish()),
            column(self.origin.finish()),
            column(self.role.finish()),
            column(self.url.finish()),
            column(self.url_key.finish()),
            column(self.scheme.finish()),
            column(self.host.finish()),
            column(self.label.finish()),
            column(self.link_type.finish()),
            column(self.citation_number.finish()),
            column(self.footnote_number.finish()),
            column(self.attachment_ordinal.finish()),
            column(self.pointer.finish()),
        ]);
        columns
    }
}
