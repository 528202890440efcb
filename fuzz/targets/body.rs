//! The body of a message to text, by itself and with the cards whose markers stand in it.

use promptlake_cards::{TextAndLinks, html_to_text, markdown_to_text};
use promptlake_model::{PageForm, Table};

use crate::rows::{Rows, transformer};

/// What the cards of the record display. Nothing that a body says may lose them.
const CARDS: [(&str, &str); 2] = [("a", "first card"), ("b", "second card")];

const CARD_TYPE: &str = "application/vnd.microsoft.card.adaptive";

pub(crate) fn law(input: &[u8]) {
    let body = String::from_utf8_lossy(input);
    assert_plain(&html_to_text(&body), &body);
    assert_plain(&markdown_to_text(&body), &body);
    for content_type in ["html", "markdown", "text"] {
        assert_message(&body, content_type);
    }
}

fn assert_plain(read: &TextAndLinks, markup: &str) {
    let begins_verbatim = ["<pre", "<textarea", "```", "~~~", "&#", "&NewLine;"];
    if !begins_verbatim.iter().any(|mark| markup.to_ascii_lowercase().contains(&mark.to_ascii_lowercase())) {
        assert!(!read.text.starts_with('\n'), "{:?}", read.text);
    }
    // An indent has at most 16 levels; references say a URL again.
    let bytes_max = 1_000 + 64 * markup.len();
    assert!(read.text.len() <= bytes_max, "{} bytes became {}", markup.len(), read.text.len());
    for link in &read.links {
        assert!(link.label.is_empty() || read.text.contains(&link.label), "{link:?} in {:?}", read.text);
        assert!(link.citation_number.is_none_or(|number| number < 1_000), "{link:?}");
    }
}

fn assert_message(body: &str, content_type: &str) {
    let attachments = CARDS.map(|(id, shown)| {
        let card = serde_json::json!({"body": [{"type": "TextBlock", "text": shown}]}).to_string();
        serde_json::json!({"attachmentId": id, "contentType": CARD_TYPE, "content": card})
    });
    let body = serde_json::json!({"contentType": content_type, "content": body});
    let record = serde_json::json!({"id": "1", "body": body, "attachments": attachments}).to_string();
    let rows = Rows::of(&transformer(), PageForm::RecordLines, record.as_bytes());
    assert_eq!((rows.batch.records.len(), rows.batch.rejects.len()), (1, 0));
    let text = rows.text(Table::Interactions, "text", 0).unwrap_or_default();
    for (_, shown) in CARDS {
        assert!(text.contains(shown), "{content_type}: {shown} is not in {text:?}");
    }
}
