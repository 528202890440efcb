//! What a card displays, as plain text: blocks, paragraphs of runs, rows of cells.

use crate::text::TextWriter;
use crate::vocabulary::Family;

/// The text that is displayed, as it grows.
#[derive(Debug)]
pub(crate) struct Display {
    writer: TextWriter,
}

impl Display {
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self { writer: TextWriter::with_capacity(bytes) }
    }

    /// An element begins.
    pub(crate) fn enter(&mut self, family: Family) {
        match family {
            Family::Paragraph | Family::Table | Family::Facts => self.writer.block(),
            Family::Row | Family::Fact => self.writer.begin_row(),
            Family::Cell => self.writer.begin_cell(),
            _ => {}
        }
    }

    /// Everything in an element was said.
    pub(crate) fn leave(&mut self, family: Family) {
        match family {
            Family::Row | Family::Cell | Family::Fact => self.writer.end_cell(),
            Family::Table | Family::Facts => {
                self.writer.end_cell();
                self.writer.block();
            }
            Family::Paragraph => self.writer.block(),
            _ => {}
        }
    }

    /// A text of an element.
    pub(crate) fn text(&mut self, family: Family, text: &str) {
        match family {
            Family::Run | Family::CitationRun => self.writer.write_verbatim(text),
            Family::Fact => {
                self.writer.begin_cell();
                self.writer.write_verbatim(text);
            }
            _ => {
                self.writer.block();
                self.writer.write_verbatim(text);
                self.writer.block();
            }
        }
    }

    pub(crate) fn finish(self) -> String {
        self.writer.finish().text
    }
}
