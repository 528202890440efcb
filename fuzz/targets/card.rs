//! The content of an attachment to what can be read of it.

use promptlake_cards::{Card, CardKind, CardStatus, Detail, repair_json};
use serde_json::Value;

/// What a lake of everybody's cards rests on: no content panics or grows, and what is said of it is true.
pub(crate) fn law(input: &[u8]) {
    let content = String::from_utf8_lossy(input);
    let json = serde_json::from_str::<Value>(&content).ok().filter(Value::is_object);
    for kind in [CardKind::Adaptive, CardKind::Other] {
        let card = Card::read(&content, kind, Detail::ALL);
        assert_eq!(card.error.is_none(), card.status == CardStatus::Ok, "{:?}", card.error);
        let shorter = Card::read(&content, kind, Detail::default());
        if !is_outgrown(&card) {
            assert_eq!((shorter.status, shorter.display_text()), (card.status, card.display_text()));
            assert_eq!(shorter.model_text(), card.model_text());
        }
        assert_bounded(&card, content.len());
        if let Some(json) = &json {
            assert_places(&card, json);
        }
    }
    if json.is_some() {
        // Where the parser takes a document, a repair has at most names and strings to change.
        assert!(
            repair_json(&content).is_none_or(|repaired| serde_json::from_str::<Value>(&repaired).is_ok())
        );
    }
}

/// Whether it was not read to its end for what its details would have taken.
fn is_outgrown(card: &Card) -> bool {
    card.error.as_ref().is_some_and(|error| error.contains("outgrow"))
}

/// What is read of a card takes so many times its length, whoever wrote it.
fn assert_bounded(card: &Card, content_bytes: usize) {
    let elements = card.elements.iter().map(|element| element.pointer.len() + element.text.len());
    let label_bytes = |label: &Option<String>| label.as_ref().map_or(0, String::len);
    let links = card.links.iter().map(|link| link.pointer.len() + link.url.len() + label_bytes(&link.label));
    let bytes = elements.sum::<usize>() + links.sum::<usize>() + card.display_text().len();
    assert!(bytes <= 400_000 + 64 * content_bytes, "{content_bytes} bytes became {bytes}");
}

/// Every pointer leads somewhere.
fn assert_places(card: &Card, json: &Value) {
    let elements = card.elements.iter().map(|element| &element.pointer);
    for pointer in elements.chain(card.links.iter().map(|link| &link.pointer)) {
        assert!(json.pointer(pointer).is_some(), "{pointer:?} leads nowhere");
    }
}
