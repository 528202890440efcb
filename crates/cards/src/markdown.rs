//! Markdown, as Copilot sends it: GitHub's, to plain text and links.
//!
//! The parser is linear in its input, also for thousands of open brackets and emphasis marks, once [`nesting`] limits
//! the one thing in which it is not; and it yields events instead of a tree. Footnotes stay off: `[^2^]` is how the
//! model writes a citation.

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd, TextMergeStream};

use crate::bare_url;
use crate::html;
use crate::nesting;
use crate::text::{TextAndLinks, TextWriter};

/// The text that markdown displays, and its links.
///
/// Links give their label, citations `[n]`, images their alternative text; code is verbatim. HTML tags vanish, except
/// attachment markers: they stay, for the reader of the message to put the attachment there.
#[must_use]
pub fn markdown_to_text(markdown: &str) -> TextAndLinks {
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
    let mut reader = MarkdownReader {
        writer: TextWriter::with_capacity(markdown.len()),
        html_block: None,
        code_block: None,
    };
    for event in TextMergeStream::new(Parser::new_ext(&nesting::limited(markdown), options)) {
        reader.event(event);
    }
    reader.writer.finish()
}

struct MarkdownReader {
    writer: TextWriter,
    /// The lines of the HTML block that is being read: they are one document.
    html_block: Option<String>,
    /// The lines of the code block that is being read.
    code_block: Option<String>,
}

impl MarkdownReader {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(tag),
            Event::Text(text) => self.text(&text),
            Event::Code(code) => self.writer.write(&code),
            Event::Html(html) | Event::InlineHtml(html) => match &mut self.html_block {
                Some(block) => block.push_str(&html),
                None => self.inline_html(&html),
            },
            Event::SoftBreak | Event::HardBreak => self.writer.line(),
            Event::Rule => self.writer.block(),
            Event::TaskListMarker(done) => self.writer.write(if done { "[x] " } else { "[ ] " }),
            // These three come with options that are off.
            Event::InlineMath(_) | Event::DisplayMath(_) | Event::FootnoteReference(_) => {}
        }
    }

    fn start(&mut self, tag: Tag<'_>) {
        match tag {
            Tag::List(first_number) => self.writer.begin_list(first_number),
            Tag::Item => self.writer.begin_item(),
            Tag::TableHead | Tag::TableRow => self.writer.begin_row(),
            Tag::TableCell => self.writer.begin_cell(),
            Tag::Link { dest_url, .. } => self.writer.begin_link(dest_url.into_string()),
            Tag::Image { dest_url, .. } => self.writer.begin_image(dest_url.into_string()),
            Tag::HtmlBlock => self.html_block = Some(String::new()),
            Tag::CodeBlock(_) => self.code_block = Some(String::new()),
            Tag::Paragraph | Tag::Heading { .. } | Tag::BlockQuote(_) | Tag::Table(_) => self.writer.block(),
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::List(_) => self.writer.end_list(),
            TagEnd::Item => self.writer.end_item(),
            TagEnd::TableCell => self.writer.end_cell(),
            TagEnd::Link => self.writer.end_link_or_citation(),
            TagEnd::Image => self.writer.end_image(),
            TagEnd::HtmlBlock => self.end_html_block(),
            TagEnd::CodeBlock => self.end_code_block(),
            TagEnd::Paragraph | TagEnd::Heading(_) | TagEnd::BlockQuote(_) | TagEnd::Table => {
                self.writer.block();
            }
            _ => {}
        }
    }

    fn text(&mut self, text: &str) {
        if let Some(code) = &mut self.code_block {
            code.push_str(text);
        } else if self.writer.is_in_link() || self.writer.is_in_image() {
            self.writer.write(text);
        } else {
            bare_url::write_with_links(&mut self.writer, text);
        }
    }

    /// A single tag in running text: a line break, an image or a marker says something, any other is only a mark.
    fn inline_html(&mut self, tag: &str) {
        html::write_tag(&mut self.writer, tag);
    }

    fn end_html_block(&mut self) {
        if let Some(html) = self.html_block.take() {
            self.writer.block();
            html::write_document(&mut self.writer, &html);
            self.writer.block();
        }
    }

    fn end_code_block(&mut self) {
        if let Some(code) = self.code_block.take() {
            self.writer.block();
            self.writer.write_verbatim(&code);
            self.writer.block();
        }
    }
}
