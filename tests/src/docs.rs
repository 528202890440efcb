//! The documentation as its readers get it: pages, and the fenced blocks, headings and links in them.

use std::ops::Range;
use std::path::PathBuf;

use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, Options, Parser, Tag, TagEnd};

/// A page of Markdown.
#[derive(Debug)]
pub struct Page {
    /// Relative to the root of the workspace.
    pub path: String,
    /// As it stands in the file.
    pub text: String,
    /// In their order.
    pub blocks: Vec<Block>,
    /// Where links within the page may point to, as GitHub and mdBook both make them of headings.
    pub anchors: Vec<String>,
    /// In their order.
    pub links: Vec<Link>,
}

/// A fenced block.
#[derive(Debug)]
pub struct Block {
    /// Where its text begins in the page, from 1.
    pub line: usize,
    /// What stands behind the fence.
    pub language: String,
    /// What stands within.
    pub text: String,
    /// What the HTML comment right before it says, if there is one.
    pub note: Option<String>,
}

/// Where a page points to.
#[derive(Debug)]
pub struct Link {
    /// Where it stands, from 1.
    pub line: usize,
    /// As it is written.
    pub target: String,
}

impl Page {
    /// Reads Markdown.
    #[must_use]
    pub fn parse(path: &str, text: String) -> Self {
        let mut page = Self {
            path: path.to_owned(),
            text: String::new(),
            blocks: vec![],
            anchors: vec![],
            links: vec![],
        };
        let mut reading = Reading::default();
        for (event, range) in Parser::new_ext(&text, Options::ENABLE_TABLES).into_offset_iter() {
            reading.take(&mut page, &text, event, &range);
        }
        page.text = text;
        page
    }

    /// The place of a block, for messages.
    #[must_use]
    pub fn place(&self, block: &Block) -> String {
        format!("{}:{}", self.path, block.line)
    }
}

impl Block {
    /// What its note says behind this word, if it begins with it: `not run: it needs Azure`.
    #[must_use]
    pub fn note_after(&self, word: &str) -> Option<&str> {
        let said = self.note.as_deref()?.strip_prefix(word)?.strip_prefix(':')?.trim();
        (!said.is_empty()).then_some(said)
    }
}

/// What was read of a page so far that is not complete.
#[derive(Default)]
struct Reading {
    note: Option<String>,
    block: Option<Block>,
    heading: Option<String>,
}

impl Reading {
    fn take(&mut self, page: &mut Page, text: &str, event: Event<'_>, range: &Range<usize>) {
        let line = text[..range.start].matches('\n').count() + 1;
        match event {
            Event::Html(html) => self.note = comment(&html),
            Event::Start(Tag::CodeBlock(kind)) => {
                let (language, line) = match kind {
                    CodeBlockKind::Fenced(language) => (language.into_string(), line + 1),
                    CodeBlockKind::Indented => (String::new(), line),
                };
                self.block = Some(Block { line, language, text: String::new(), note: self.note.take() });
            }
            Event::End(TagEnd::CodeBlock) => page.blocks.extend(self.block.take()),
            Event::Start(Tag::Heading { level, .. }) => {
                assert!(level <= HeadingLevel::H4, "{}:{line}: deeper than anybody follows", page.path);
                self.heading = Some(String::new());
            }
            Event::End(TagEnd::Heading(_)) => page.anchors.extend(self.heading.take().map(|it| anchor(&it))),
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                page.links.push(Link { line, target: dest_url.into_string() });
            }
            Event::Text(words) | Event::Code(words) => self.add(&words),
            _ => {}
        }
    }

    /// Words of whatever is being read. A comment that other words follow is none of a block.
    fn add(&mut self, words: &str) {
        self.note = None;
        if let Some(block) = &mut self.block {
            block.text.push_str(words);
        } else if let Some(heading) = &mut self.heading {
            heading.push_str(words);
        }
    }
}

fn comment(html: &str) -> Option<String> {
    Some(html.trim().strip_prefix("<!--")?.strip_suffix("-->")?.trim().to_owned())
}

/// What links name a heading by: lower case, spaces as hyphens, and without everything but letters, digits, `-` and `_`.
fn anchor(heading: &str) -> String {
    let mut anchor = String::new();
    for character in heading.trim().to_lowercase().chars() {
        match character {
            ' ' => anchor.push('-'),
            other if other.is_alphanumeric() || other == '-' || other == '_' => anchor.push(other),
            _ => {}
        }
    }
    anchor
}

/// Every page of the documentation: the README, and those of the book in the order of their names.
#[must_use]
pub fn pages() -> Vec<Page> {
    let mut paths = vec![PathBuf::from("README.md")];
    let folder = PathBuf::from("docs/src");
    for entry in std::fs::read_dir(crate::root().join(&folder)).expect("the documentation is there") {
        let name = entry.expect("an entry of a folder").file_name();
        paths.push(folder.join(name));
    }
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    paths.sort();
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(crate::root().join(&path)).expect("a page is text");
        Page::parse(path.to_str().expect("names of pages are ASCII"), text)
    };
    paths.into_iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_gives_its_blocks_with_their_notes_its_anchors_and_its_links() {
        let text = "# One `two`, *three*!\n\n<!-- not run: why -->\n```console\naz\n```\n\n1. In a list\n\n   ```sh\n   a\n   b\n   ```\n\
                    \n<!-- lost -->\nWords of [a page](b.md#c) between\n\n```sql\nSELECT 1;\n```\n";
        let page = Page::parse("a.md", text.to_owned());
        let blocks: Vec<_> = page
            .blocks
            .iter()
            .map(|block| (block.line, &*block.language, &*block.text, block.note_after("not run")))
            .collect();
        assert_eq!(
            blocks,
            [
                (5, "console", "az\n", Some("why")),
                (11, "sh", "a\nb\n", None),
                (19, "sql", "SELECT 1;\n", None)
            ]
        );
        assert_eq!(page.anchors, ["one-two-three"]);
        assert_eq!(page.links.len(), 1);
        assert_eq!((page.links[0].line, &*page.links[0].target), (16, "b.md#c"));
    }
}
