//! Plain text as it grows: which gap, indent and list marker stand before the next word.
//!
//! Markdown and HTML differ in how they are read and agree in what they become. Gaps are kept back until text follows
//! them, so the result neither begins nor ends with one, and empty blocks leave no trace.

/// What markup says once its marks are gone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TextAndLinks {
    /// Blocks separated by a blank line; lists keep `- ` or `1. `, tables are tab-separated, citations are `[n]`.
    pub text: String,
    /// Its links, in order.
    pub links: Vec<TextLink>,
}

/// A link in running text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextLink {
    /// Its target as written, entities decoded.
    pub url: String,
    /// The text shown for it.
    pub label: String,
    /// The number that is shown, where it is a citation: a markdown link whose label is one to three digits.
    pub citation_number: Option<u16>,
    /// Whether it is a picture that stands in the text; its label is the alternative text.
    pub is_image: bool,
}

/// Levels of a list that still indent. Beyond, deeper lists would make the text grow with the square of its source.
const INDENT_LEVELS_MAX: usize = 16;

/// Digits of a citation's label; four are rather a year.
const CITATION_DIGITS_MAX: usize = 3;

/// What a run of is one space in flowing text.
pub(crate) const WHITE_SPACE: [char; 5] = [' ', '\t', '\n', '\r', '\u{c}'];

/// What stands between the last text and the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Gap {
    Nothing,
    Space,
    Line,
    BlankLine,
}

#[derive(Debug)]
struct List {
    /// The number of the next item; bullets have none.
    next_number: Option<u64>,
    has_items: bool,
}

#[derive(Debug)]
struct OpenLink {
    url: String,
    /// Where the label begins, known once something of it was written.
    label_start: Option<usize>,
}

/// Writes plain text, block by block.
#[derive(Debug)]
pub(crate) struct TextWriter {
    text: String,
    links: Vec<TextLink>,
    gap: Gap,
    lists: Vec<List>,
    /// The marker of an item of which nothing was written yet.
    marker: Option<String>,
    row_has_cells: bool,
    in_cell: bool,
    open_link: Option<OpenLink>,
    /// Pictures whose alternative text is being written, the innermost last.
    open_images: Vec<OpenLink>,
}

impl TextWriter {
    /// A writer for text from about `source_bytes` of markup.
    pub(crate) fn with_capacity(source_bytes: usize) -> Self {
        Self {
            text: String::with_capacity(source_bytes),
            links: Vec::new(),
            gap: Gap::Nothing,
            lists: Vec::new(),
            marker: None,
            row_has_cells: false,
            in_cell: false,
            open_link: None,
            open_images: Vec::new(),
        }
    }

    pub(crate) fn finish(mut self) -> TextAndLinks {
        self.end_link();
        self.close_lists_to(0);
        if self.gap >= Gap::Line {
            self.trim_line_breaks();
        }
        TextAndLinks { text: self.text, links: self.links }
    }

    /// Writes text as it is.
    pub(crate) fn write(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        self.write_gap();
        for open in self.open_link.iter_mut().chain(&mut self.open_images) {
            open.label_start.get_or_insert(self.text.len());
        }
        self.text.push_str(text);
    }

    /// Writes text in which any run of white space is one space.
    pub(crate) fn write_flowing(&mut self, text: &str) {
        for (index, word) in text.split(WHITE_SPACE).enumerate() {
            if index > 0 {
                self.space();
            }
            self.write(word);
        }
    }

    /// Writes text with its own line breaks; in a table's cell, where none can stand, as flowing text.
    pub(crate) fn write_verbatim(&mut self, text: &str) {
        if self.in_cell {
            self.write_flowing(text);
        } else {
            self.write(text);
        }
    }

    /// A space before what follows.
    pub(crate) fn space(&mut self) {
        self.widen(Gap::Space);
    }

    /// What follows begins a line.
    pub(crate) fn line(&mut self) {
        self.widen(Gap::Line);
    }

    /// What follows begins a block.
    pub(crate) fn block(&mut self) {
        self.widen(Gap::BlankLine);
    }

    fn widen(&mut self, gap: Gap) {
        if self.marker.is_some() {
            // Between an item's marker and its first text stands nothing.
            return;
        }
        let gap = if self.in_cell { gap.min(Gap::Space) } else { gap };
        self.gap = self.gap.max(gap);
    }

    fn write_gap(&mut self) {
        let gap = std::mem::replace(&mut self.gap, Gap::Nothing);
        let begins_line = match gap {
            _ if self.text.is_empty() => true,
            Gap::Nothing => false,
            Gap::Space => {
                if !self.text.ends_with(['\n', '\t', ' ']) {
                    self.text.push(' ');
                }
                false
            }
            Gap::Line => {
                self.trim_line_breaks();
                self.text.push('\n');
                true
            }
            Gap::BlankLine => {
                self.trim_line_breaks();
                self.text.push_str("\n\n");
                true
            }
        };
        let marker = self.marker.take();
        if begins_line {
            let levels = if marker.is_some() { self.lists.len().saturating_sub(1) } else { self.lists.len() };
            self.text.extend(std::iter::repeat_n("  ", levels.min(INDENT_LEVELS_MAX)));
        }
        if let Some(marker) = marker {
            self.text.push_str(&marker);
        }
    }

    /// Takes away the line breaks that verbatim text ends with: the gap after it says them.
    fn trim_line_breaks(&mut self) {
        self.text.truncate(self.text.trim_end_matches('\n').len());
        if let Some(link) = &mut self.open_link {
            link.label_start = link.label_start.filter(|start| *start < self.text.len());
        }
    }

    /// Begins a list; `first_number` is that of its first item, none for bullets.
    pub(crate) fn begin_list(&mut self, first_number: Option<u64>) {
        self.write_lone_marker();
        if self.lists.is_empty() {
            self.block();
        } else if !self.in_cell {
            self.gap = Gap::Line;
        }
        self.lists.push(List { next_number: first_number, has_items: false });
    }

    pub(crate) fn end_list(&mut self) {
        self.write_lone_marker();
        self.lists.pop();
        if self.lists.is_empty() {
            self.block();
        } else {
            self.line();
        }
    }

    /// How many lists are open.
    pub(crate) fn list_depth(&self) -> usize {
        self.lists.len()
    }

    /// Ends the lists that were begun since there were `depth`.
    pub(crate) fn close_lists_to(&mut self, depth: usize) {
        while self.lists.len() > depth {
            self.end_list();
        }
    }

    pub(crate) fn begin_item(&mut self) {
        self.write_lone_marker();
        self.line();
        let Some(list) = self.lists.last_mut() else {
            self.marker = Some("- ".to_owned());
            return;
        };
        if list.has_items && !self.in_cell {
            // Also between items that hold paragraphs: a list reads as one block.
            self.gap = Gap::Line;
        }
        list.has_items = true;
        self.marker = Some(match &mut list.next_number {
            None => "- ".to_owned(),
            Some(number) => {
                let marker = format!("{number}. ");
                *number = number.saturating_add(1);
                marker
            }
        });
    }

    pub(crate) fn end_item(&mut self) {
        self.write_lone_marker();
        self.line();
    }

    /// Writes the marker of an item that has no text before what comes next.
    fn write_lone_marker(&mut self) {
        if self.marker.is_none() {
            return;
        }
        self.write_gap();
        self.text.truncate(self.text.trim_end_matches(' ').len());
        self.line();
    }

    pub(crate) fn begin_row(&mut self) {
        self.line();
        self.row_has_cells = false;
    }

    pub(crate) fn begin_cell(&mut self) {
        self.end_cell();
        if self.row_has_cells {
            self.write_gap();
            self.text.push('\t');
        }
        self.row_has_cells = true;
        self.in_cell = true;
    }

    pub(crate) fn end_cell(&mut self) {
        self.in_cell = false;
        if self.gap == Gap::Space {
            self.gap = Gap::Nothing;
        }
    }

    /// Begins a link; links don't nest, so an open one ends.
    pub(crate) fn begin_link(&mut self, url: String) {
        self.end_link();
        self.open_link = Some(OpenLink { url, label_start: None });
    }

    pub(crate) fn is_in_image(&self) -> bool {
        !self.open_images.is_empty()
    }

    pub(crate) fn is_in_link(&self) -> bool {
        self.open_link.is_some()
    }

    /// Begins a picture: what is written until it ends is its alternative text.
    pub(crate) fn begin_image(&mut self, url: String) {
        self.open_images.push(OpenLink { url, label_start: None });
    }

    /// Ends the innermost picture.
    pub(crate) fn end_image(&mut self) {
        let Some(OpenLink { url, label_start }) = self.open_images.pop() else { return };
        let label = label_start.and_then(|start| self.text.get(start..)).unwrap_or_default().to_owned();
        self.push_image(url, label);
    }

    /// Takes note of a picture, whose alternative text is written by itself.
    pub(crate) fn push_image(&mut self, url: String, label: String) {
        self.links.push(TextLink { url, label, citation_number: None, is_image: true });
    }

    /// Ends the open link, if one is open.
    pub(crate) fn end_link(&mut self) {
        self.close_link(|_| None);
    }

    /// Ends the open link, if one is open, where a number for a label is a citation.
    pub(crate) fn end_link_or_citation(&mut self) {
        self.close_link(citation_number);
    }

    fn close_link(&mut self, citation_number: impl FnOnce(&str) -> Option<u16>) {
        let Some(OpenLink { url, label_start }) = self.open_link.take() else { return };
        let start = label_start.unwrap_or(self.text.len());
        let citation_number = citation_number(&self.text[start..]);
        // Line breaks at its end are said by the gap behind it, if anything follows.
        let label = self.text[start..].trim_end_matches('\n').to_owned();
        if citation_number.is_some() {
            self.text.insert(start, '[');
            self.text.push(']');
        }
        self.links.push(TextLink { url, label, citation_number, is_image: false });
    }
}

/// The number of a citation: a label of one to three digits.
pub(crate) fn citation_number(label: &str) -> Option<u16> {
    let is_number = label.len() <= CITATION_DIGITS_MAX && label.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { label.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn citations_are_one_to_three_digits() {
        for (label, number) in [
            ("1", Some(1)),
            ("042", Some(42)),
            ("999", Some(999)),
            ("2024", None),
            ("", None),
            ("1a", None),
            ("+1", None),
        ] {
            assert_eq!(citation_number(label), number, "{label:?}");
        }
    }

    #[test]
    fn gaps_wait_for_text() {
        let mut writer = TextWriter::with_capacity(0);
        writer.block();
        writer.write("a");
        writer.line();
        writer.block();
        writer.space();
        writer.write("b");
        writer.block();
        assert_eq!(writer.finish().text, "a\n\nb");
    }
}
