//! A message as a person saw it: the body, with its cards where its markers stand.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use promptlake_cards::{Card, CardKind, Detail, TextLink, html_to_text, markdown_to_text, plain_text_links};

use crate::marker::{Piece, pieces};
use crate::record::{Attachment, Body, Record};

/// The attachment type of adaptive cards; compared without regard to case.
const ADAPTIVE_CARD: &str = "application/vnd.microsoft.card.adaptive";

/// What the types of other cards contain: `application/vnd.microsoft.card.hero`, `….teams.card.list`.
const CARD: &str = ".card.";

/// What body and attachments say together.
#[derive(Debug)]
pub(crate) struct Message {
    /// As plain text; none where there is neither a body nor a card that displays anything.
    pub(crate) text: Option<String>,
    /// The model's own text, where a card carries it.
    pub(crate) model_text: Option<String>,
    /// Links of the body, bare URLs among them.
    pub(crate) body_links: Vec<TextLink>,
    /// Per attachment, what was read of it.
    pub(crate) attachments: Vec<ReadAttachment>,
    /// Markers of the body that name no attachment.
    pub(crate) lost_markers: u64,
}

/// What was read of an attachment.
#[derive(Debug)]
pub(crate) struct ReadAttachment {
    /// The card, where it is one.
    pub(crate) card: Option<Card>,
    /// Whether a marker in the body names it.
    pub(crate) is_in_body: bool,
}

impl ReadAttachment {
    fn of(attachment: &Attachment<'_>, detail: Detail) -> Self {
        let content = attachment.content.as_deref().unwrap_or_default();
        let card = card_kind(attachment, content).map(|kind| Card::read(content, kind, detail));
        Self { card, is_in_body: false }
    }

    /// What it displays.
    pub(crate) fn text(&self) -> &str {
        self.card.as_ref().map_or("", Card::display_text)
    }
}

/// What kind of card an attachment is: its type says so, or its content is JSON, as that of a reference to a message is.
fn card_kind(attachment: &Attachment<'_>, content: &str) -> Option<CardKind> {
    let content_type = attachment.content_type.as_deref().unwrap_or_default().trim();
    if content_type.eq_ignore_ascii_case(ADAPTIVE_CARD) {
        return Some(CardKind::Adaptive);
    }
    let is_card = content_type.to_ascii_lowercase().contains(CARD) || begins_object(content);
    is_card.then_some(CardKind::Other)
}

fn begins_object(content: &str) -> bool {
    let first = |said: char| said == '\u{feff}' || said.is_ascii_whitespace();
    content.trim_start_matches(first).starts_with('{')
}

impl Message {
    pub(crate) fn of(record: &Record<'_>, detail: Detail) -> Self {
        let read = |attachment| ReadAttachment::of(attachment, detail);
        let mut attachments: Vec<_> = record.attachments.iter().map(read).collect();
        let (body, body_links) = body_text(&record.body);
        let Composed { text, lost_markers } = compose(body.as_deref(), &record.attachments, &mut attachments);
        let cards = attachments.iter().filter_map(|attachment| attachment.card.as_ref());
        let model: Vec<&str> = cards.filter_map(Card::model_text).collect();
        let model_text = (!model.is_empty()).then(|| model.join("\n\n"));
        Self { text, model_text, body_links, attachments, lost_markers }
    }
}

/// How a body is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Markup {
    Html,
    Markdown,
    /// Also where the type is unknown: text is kept as it is.
    Plain,
}

impl Markup {
    fn of(body: &Body<'_>) -> Self {
        let content_type = body.content_type.as_deref().unwrap_or_default().trim();
        let is = |name: &str| content_type.eq_ignore_ascii_case(name);
        match () {
            () if is("html") => Self::Html,
            () if is("markdown") => Self::Markdown,
            () => Self::Plain,
        }
    }
}

/// The body as text that still holds its markers, and its links.
fn body_text<'a>(body: &'a Body<'_>) -> (Option<Cow<'a, str>>, Vec<TextLink>) {
    let Some(content) = body.content.as_deref() else { return (None, Vec::new()) };
    let read = match Markup::of(body) {
        Markup::Html => html_to_text(content),
        Markup::Markdown => markdown_to_text(content),
        Markup::Plain => return (Some(Cow::Borrowed(content)), plain_text_links(content)),
    };
    (Some(Cow::Owned(read.text)), read.links)
}

/// A body with its cards in place.
struct Composed {
    text: Option<String>,
    lost_markers: u64,
}

/// Puts each card where the first marker of its attachment stands, and the others after the body.
fn compose(body: Option<&str>, attachments: &[Attachment<'_>], read: &mut [ReadAttachment]) -> Composed {
    let mut by_id: HashMap<&str, Vec<usize>> = HashMap::new();
    for (index, attachment) in attachments.iter().enumerate() {
        if let Some(id) = attachment.id.as_deref() {
            by_id.entry(id).or_default().push(index);
        }
    }
    let known: HashSet<&str> = by_id.keys().copied().collect();
    let (mut composer, mut lost_markers) = (Composer::default(), 0);
    for piece in body.map(pieces).unwrap_or_default() {
        match piece {
            Piece::Text(text) => composer.push_text(text),
            Piece::Marker(id) => {
                composer.remove_marker();
                lost_markers += u64::from(!known.contains(id.as_ref()));
                for attachment in by_id.remove(id.as_ref()).unwrap_or_default() {
                    read[attachment].is_in_body = true;
                    composer.push_block(read[attachment].text());
                }
            }
        }
    }
    for attachment in read.iter().filter(|attachment| !attachment.is_in_body) {
        composer.push_block(attachment.text());
    }
    let text = composer.finish();
    Composed { text: (body.is_some() || !text.is_empty()).then_some(text), lost_markers }
}

/// Joins stretches of a body with blocks, so that no marker leaves a hole.
#[derive(Debug, Default)]
struct Composer {
    text: String,
    last: Last,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Last {
    #[default]
    Text,
    RemovedMarker,
    Block,
}

impl Composer {
    fn push_text(&mut self, text: &str) {
        let text = match self.last {
            Last::Block => text.trim_start(),
            // A marker in a paragraph of its own takes the paragraph with it.
            Last::RemovedMarker if self.text.is_empty() || self.text.ends_with('\n') => {
                text.trim_start_matches(['\r', '\n'])
            }
            Last::Text | Last::RemovedMarker => text,
        };
        if text.is_empty() {
            return;
        }
        if self.last == Last::Block {
            self.text.push_str("\n\n");
        }
        self.text.push_str(text);
        self.last = Last::Text;
    }

    fn push_block(&mut self, block: &str) {
        if block.is_empty() {
            return;
        }
        self.text.truncate(self.text.trim_end().len());
        if !self.text.is_empty() {
            self.text.push_str("\n\n");
        }
        self.text.push_str(block);
        self.last = Last::Block;
    }

    fn remove_marker(&mut self) {
        if self.last == Last::Text {
            self.last = Last::RemovedMarker;
        }
    }

    fn finish(mut self) -> String {
        if self.last == Last::RemovedMarker {
            self.text.truncate(self.text.trim_end().len());
        }
        self.text
    }
}
