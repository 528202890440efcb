//! The card: an adaptive card as Copilot sends it, pretty JSON with CRLF inside a string.
//!
//! Some senders escape everything beyond ASCII, surrogate pairs included; a card says whether its sender did.

use crate::text::append;

/// An adaptive card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Card {
    /// `{}`: a card that says nothing.
    Empty,
    /// One text block.
    Simple {
        /// Markdown.
        text: String,
        /// Whether the text is written in ASCII with escapes.
        is_ascii: bool,
    },
    /// Two text blocks: what the person saw, and the model's raw text under the id `MessageTextField`.
    Entities {
        /// Markdown with entity links and numbered citations.
        shown: String,
        /// The same words with `name[3]` marks and `[^2^]` footnotes.
        model: String,
        /// Whether the texts are written in ASCII with escapes.
        is_ascii: bool,
    },
}

impl Card {
    /// The card as the content of its attachment.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Empty => "{}".to_owned(),
            Self::Simple { text, is_ascii } => document(&[block(None, text, *is_ascii)]),
            Self::Entities { shown, model, is_ascii } => {
                document(&[block(None, shown, *is_ascii), block(Some("MessageTextField"), model, *is_ascii)])
            }
        }
    }
}

fn document(blocks: &[String]) -> String {
    let head = "{\r\n  \"type\": \"AdaptiveCard\",\r\n  \"version\": \"1.0\",\r\n  \"body\": [\r\n";
    format!("{head}{}\r\n  ]\r\n}}", blocks.join(",\r\n"))
}

fn block(id: Option<&str>, text: &str, is_ascii: bool) -> String {
    let id = id.map_or_else(String::new, |id| format!("      \"id\": \"{id}\",\r\n"));
    let text = json_string(text, is_ascii);
    format!(
        "    {{\r\n      \"type\": \"TextBlock\",\r\n{id}      \"text\": {text},\r\n      \"wrap\": true\r\n    }}"
    )
}

fn json_string(text: &str, is_ascii: bool) -> String {
    let quoted = serde_json::to_string(text).expect("a string can be serialised");
    if !is_ascii || quoted.is_ascii() {
        return quoted;
    }
    let mut escaped = String::with_capacity(quoted.len() * 2);
    let mut units = [0; 2];
    for letter in quoted.chars() {
        if letter.is_ascii() {
            escaped.push(letter);
            continue;
        }
        for unit in letter.encode_utf16(&mut units) {
            append(&mut escaped, format_args!("\\u{unit:04x}"));
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::Card;

    #[test]
    fn cards_are_json_in_either_spelling() {
        let shown = "é \"x\"\n👩‍🚀 **[a](https://a.example/)**[1](https://a.example/)".to_owned();
        let model = "é **a[3]**[^2^]".to_owned();
        for is_ascii in [false, true] {
            let card = Card::Entities { shown: shown.clone(), model: model.clone(), is_ascii };
            assert_eq!(card.text().is_ascii(), is_ascii);
            let parsed: Value = serde_json::from_str(&card.text()).unwrap();
            assert_eq!(parsed["body"][0]["text"], Value::from(shown.clone()));
            assert_eq!(parsed["body"][1]["id"], "MessageTextField");
            assert_eq!(parsed["body"][1]["text"], Value::from(model.clone()));
        }
        assert_eq!(Card::Empty.text(), "{}");
        let simple = Card::Simple { text: "x".to_owned(), is_ascii: false }.text();
        assert!(simple.contains("\r\n"));
        assert_eq!(serde_json::from_str::<Value>(&simple).unwrap()["body"][0]["text"], "x");
    }
}
