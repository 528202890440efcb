//! HTML bodies to plain text and links.
//!
//! A tokenizer is enough: which block, list or cell a word stands in follows from the tags alone, so there is no tree
//! to build, and none to overflow the stack when it is dropped.

use std::convert::Infallible;

use html5gum::emitters::callback::{Callback, CallbackEmitter, CallbackEvent};
use html5gum::{Span, Tokenizer};

use crate::bare_url;
use crate::text::{TextAndLinks, TextWriter, WHITE_SPACE};

/// The text that HTML displays, and its links.
///
/// Paragraphs and other blocks are separated by a blank line, images give their alternative text, scripts and styles
/// nothing. Attachment markers stay as `<attachment id="…"></attachment>`, for the reader of the message to put the
/// attachment there.
#[must_use]
pub fn html_to_text(html: &str) -> TextAndLinks {
    let mut writer = TextWriter::with_capacity(html.len() / 2);
    write_document(&mut writer, html);
    writer.finish()
}

/// Writes HTML that is complete in itself: what it leaves open ends with it.
pub(crate) fn write_document(writer: &mut TextWriter, html: &str) {
    let list_depth = writer.list_depth();
    read(writer, html);
    writer.end_link();
    writer.end_cell();
    writer.close_lists_to(list_depth);
}

/// Writes what a single tag in markdown says: only those that leave nothing open.
pub(crate) fn write_tag(writer: &mut TextWriter, tag: &str) {
    let name =
        tag.trim_start_matches('<').split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
    if ["br", "img", "emoji", "attachment"].iter().any(|said| name.eq_ignore_ascii_case(said)) {
        read(writer, tag);
    }
}

fn read(writer: &mut TextWriter, html: &str) {
    let reader = HtmlReader {
        writer,
        tag: Tag::Mark,
        attribute: None,
        values: Values::default(),
        skipped: false,
        pre: 0,
        pre_begins: false,
    };
    let mut emitter = CallbackEmitter::new(reader);
    emitter.naively_switch_states(true);
    let Ok(()) = Tokenizer::new_with_emitter(html, emitter).finish();
}

/// What a tag means for the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tag {
    Link,
    Block,
    Line,
    Bullets,
    Numbers,
    Item,
    Table,
    Row,
    Cell,
    Preformatted,
    Image,
    Attachment,
    /// Its content is not displayed; the tokenizer reads it as one string.
    Undisplayed,
    /// Bold, spans, `<at>` and whatever is unknown: only its content counts.
    Mark,
}

impl Tag {
    fn of(name: &[u8]) -> Self {
        match name {
            b"a" => Self::Link,
            b"p" | b"div" | b"h1" | b"h2" | b"h3" | b"h4" | b"h5" | b"h6" | b"blockquote" | b"section"
            | b"article" | b"header" | b"footer" | b"main" | b"aside" | b"nav" | b"figure" | b"address"
            | b"details" | b"dl" | b"hr" | b"form" | b"fieldset" => Self::Block,
            b"br" | b"dt" | b"dd" | b"summary" | b"figcaption" | b"caption" | b"legend" | b"option" => {
                Self::Line
            }
            b"ul" | b"menu" => Self::Bullets,
            b"ol" => Self::Numbers,
            b"li" => Self::Item,
            b"table" => Self::Table,
            b"tr" => Self::Row,
            b"td" | b"th" => Self::Cell,
            b"pre" | b"textarea" => Self::Preformatted,
            b"img" | b"emoji" => Self::Image,
            b"attachment" => Self::Attachment,
            b"script" | b"style" | b"title" | b"iframe" | b"noembed" | b"noscript" => Self::Undisplayed,
            _ => Self::Mark,
        }
    }
}

/// An attribute that says something.
#[derive(Debug, Clone, Copy)]
enum Attribute {
    Href,
    Alt,
    Id,
    Start,
    Src,
}

/// The attributes of the tag that is being read. The first of a name counts, as in browsers.
#[derive(Debug, Default)]
struct Values {
    href: Option<String>,
    alt: Option<String>,
    id: Option<String>,
    start: Option<String>,
    src: Option<String>,
}

struct HtmlReader<'a> {
    writer: &'a mut TextWriter,
    tag: Tag,
    attribute: Option<Attribute>,
    values: Values,
    /// Whether the next string is not displayed.
    skipped: bool,
    /// How many `<pre>` are open.
    pre: usize,
    /// Whether nothing of a `<pre>` was read yet: a line break there is not displayed.
    pre_begins: bool,
}

impl Callback<Infallible, ()> for HtmlReader<'_> {
    fn handle_event(&mut self, event: CallbackEvent<'_>, _: Span<()>) -> Option<Infallible> {
        match event {
            CallbackEvent::OpenStartTag { name } => {
                self.tag = Tag::of(name);
                self.values = Values::default();
                self.attribute = None;
            }
            CallbackEvent::AttributeName { name } => self.attribute_name(name),
            CallbackEvent::AttributeValue { value } => self.attribute_value(value),
            CallbackEvent::CloseStartTag { .. } => self.start_tag(),
            CallbackEvent::EndTag { name } => self.end_tag(Tag::of(name)),
            CallbackEvent::String { value } => self.text(&String::from_utf8_lossy(value)),
            CallbackEvent::Comment { .. } | CallbackEvent::Doctype { .. } | CallbackEvent::Error(_) => {}
        }
        None
    }
}

impl HtmlReader<'_> {
    fn attribute_name(&mut self, name: &[u8]) {
        self.attribute = match name {
            b"href" => Some(Attribute::Href),
            b"alt" => Some(Attribute::Alt),
            b"id" => Some(Attribute::Id),
            b"start" => Some(Attribute::Start),
            b"src" => Some(Attribute::Src),
            _ => None,
        };
        self.attribute = self.attribute.filter(|attribute| self.values.slot(*attribute).is_none());
        if let Some(attribute) = self.attribute {
            // A value that is empty is not announced.
            *self.values.slot(attribute) = Some(String::new());
        }
    }

    fn attribute_value(&mut self, value: &[u8]) {
        if let Some(attribute) = self.attribute
            && let Some(text) = self.values.slot(attribute)
        {
            text.push_str(&String::from_utf8_lossy(value));
        }
    }

    fn start_tag(&mut self) {
        let values = std::mem::take(&mut self.values);
        match self.tag {
            Tag::Link => self.start_link(values.href),
            Tag::Block | Tag::Table => self.writer.block(),
            Tag::Line => self.writer.line(),
            Tag::Bullets => self.writer.begin_list(None),
            Tag::Numbers => {
                let first = values.start.and_then(|start| start.trim().parse().ok());
                self.writer.begin_list(Some(first.unwrap_or(1)));
            }
            Tag::Item => self.writer.begin_item(),
            Tag::Row => {
                self.writer.end_cell();
                self.writer.begin_row();
            }
            Tag::Cell => self.writer.begin_cell(),
            Tag::Preformatted => {
                self.writer.block();
                self.pre += 1;
                self.pre_begins = true;
            }
            Tag::Image => self.image(values.src, &values.alt.unwrap_or_default()),
            Tag::Attachment => self.write_marker(&values.id.unwrap_or_default()),
            Tag::Undisplayed => self.skipped = true,
            Tag::Mark => {}
        }
    }

    fn end_tag(&mut self, tag: Tag) {
        match tag {
            Tag::Link => self.writer.end_link(),
            Tag::Block => self.writer.block(),
            Tag::Table => {
                self.writer.end_cell();
                self.writer.block();
            }
            // An end tag `</br>` is read as `<br>`, as in browsers.
            Tag::Line => self.writer.line(),
            Tag::Bullets | Tag::Numbers => self.writer.end_list(),
            Tag::Item => self.writer.end_item(),
            Tag::Row | Tag::Cell => self.writer.end_cell(),
            Tag::Preformatted => {
                self.pre = self.pre.saturating_sub(1);
                self.writer.block();
            }
            Tag::Undisplayed => self.skipped = false,
            Tag::Image | Tag::Attachment | Tag::Mark => {}
        }
    }

    fn start_link(&mut self, href: Option<String>) {
        self.writer.end_link();
        if let Some(href) = href {
            self.writer.begin_link(href);
        }
    }

    fn image(&mut self, src: Option<String>, alt: &str) {
        self.writer.write_flowing(alt);
        if let Some(src) = src {
            let words: Vec<&str> = alt.split(WHITE_SPACE).filter(|word| !word.is_empty()).collect();
            self.writer.push_image(src, words.join(" "));
        }
    }

    /// Writes a marker in the one spelling that its reader need know.
    fn write_marker(&mut self, id: &str) {
        let id = id.replace('&', "&amp;").replace('"', "&quot;");
        self.writer.write(&format!("<attachment id=\"{id}\"></attachment>"));
    }

    fn text(&mut self, text: &str) {
        if self.skipped {
            return;
        }
        if self.pre == 0 {
            self.flowing_text(text);
            return;
        }
        let begins = std::mem::take(&mut self.pre_begins);
        self.writer.write_verbatim(if begins { text.strip_prefix('\n').unwrap_or(text) } else { text });
    }
}

impl HtmlReader<'_> {
    /// Text whose bare URLs are links, as whoever displays a message makes them.
    fn flowing_text(&mut self, text: &str) {
        if self.writer.is_in_link() || !text.contains("://") {
            self.writer.write_flowing(text);
            return;
        }
        for (index, word) in text.split(WHITE_SPACE).enumerate() {
            if index > 0 {
                self.writer.space();
            }
            bare_url::write_with_links(self.writer, word);
        }
    }
}

impl Values {
    fn slot(&mut self, attribute: Attribute) -> &mut Option<String> {
        match attribute {
            Attribute::Href => &mut self.href,
            Attribute::Alt => &mut self.alt,
            Attribute::Id => &mut self.id,
            Attribute::Start => &mut self.start,
            Attribute::Src => &mut self.src,
        }
    }
}
