//! Every occurrence of a URL in a record, in the order of the `links` table.

use std::borrow::Cow;
use std::collections::HashSet;

use promptlake_cards::{CardLink, LinkRole, TextLink};

use crate::message::Message;
use crate::record::Record;
use crate::url::url_key;

/// One occurrence of a URL.
#[derive(Debug, Default)]
pub(crate) struct LinkRow<'a> {
    pub(crate) origin: &'static str,
    pub(crate) role: &'static str,
    pub(crate) url: Option<&'a str>,
    pub(crate) label: Option<&'a str>,
    pub(crate) link_type: Option<&'a str>,
    pub(crate) citation_number: Option<u16>,
    pub(crate) footnote_number: Option<u16>,
    pub(crate) attachment_ordinal: Option<usize>,
    pub(crate) pointer: Option<&'a str>,
}

/// Calls `push` with each occurrence.
pub(crate) fn each_link(record: &Record<'_>, message: &Message, mut push: impl FnMut(&LinkRow<'_>)) {
    for link in &record.links {
        push(&LinkRow {
            origin: "links",
            role: "entity",
            url: link.url.as_deref(),
            label: link.display_name.as_deref(),
            link_type: link.kind.as_deref(),
            ..LinkRow::default()
        });
    }
    each_reference(record, &mut push);
    each_text_link(record, message, &mut push);
}

/// What attachments and contexts refer to.
fn each_reference(record: &Record<'_>, push: &mut impl FnMut(&LinkRow<'_>)) {
    for (ordinal, attachment) in record.attachments.iter().enumerate() {
        if let Some(url) = attachment.content_url.as_deref() {
            push(&LinkRow {
                origin: "attachment",
                role: "reference",
                url: Some(url),
                label: attachment.name.as_deref(),
                attachment_ordinal: Some(ordinal),
                ..LinkRow::default()
            });
        }
    }
    for context in &record.contexts {
        if let Some(url) = context.reference.as_deref() {
            push(&LinkRow {
                origin: "context",
                role: "reference",
                url: Some(url),
                label: context.display_name.as_deref(),
                ..LinkRow::default()
            });
        }
    }
}

/// What stands in the text of cards and of the body.
fn each_text_link(record: &Record<'_>, message: &Message, push: &mut impl FnMut(&LinkRow<'_>)) {
    let entities: HashSet<Cow<'_, str>> =
        record.links.iter().filter_map(|link| link.url.as_deref()).map(url_key).collect();
    for (ordinal, attachment) in message.attachments.iter().enumerate() {
        for link in attachment.card.iter().flat_map(|card| &card.links) {
            let is_entity = link.role == LinkRole::Inline && entities.contains(&url_key(&link.url));
            push(&card_link(link, ordinal, if is_entity { "entity" } else { link.role.as_str() }));
        }
    }
    for link in &message.body_links {
        push(&body_link(link));
    }
}

fn card_link<'a>(link: &'a CardLink, ordinal: usize, role: &'static str) -> LinkRow<'a> {
    LinkRow {
        origin: "card",
        role,
        url: Some(&link.url),
        label: link.label.as_deref(),
        citation_number: link.citation_number,
        footnote_number: link.footnote_number,
        attachment_ordinal: Some(ordinal),
        pointer: Some(&link.pointer),
        ..LinkRow::default()
    }
}

fn body_link(link: &TextLink) -> LinkRow<'_> {
    LinkRow {
        origin: "body",
        role: match link.citation_number {
            Some(_) => "citation",
            None if link.is_image => "image",
            None => "inline",
        },
        url: Some(&link.url),
        label: Some(&link.label),
        citation_number: link.citation_number,
        ..LinkRow::default()
    }
}
