//! What holds for every card, whatever is in it.

use promptlake_cards::{Card, CardKind, Detail, ElementRole, LinkRole};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::RngSeed;
use serde_json::Value;

const NAMES: [&str; 34] = [
    "type",
    "id",
    "text",
    "title",
    "value",
    "url",
    "iconUrl",
    "body",
    "items",
    "columns",
    "rows",
    "cells",
    "facts",
    "inlines",
    "actions",
    "selectAction",
    "card",
    "content",
    "fallback",
    "fallbackText",
    "isVisible",
    "altText",
    "choices",
    "references",
    "referenceIndex",
    "data",
    "msteams",
    "buttons",
    "backgroundImage",
    "images",
    "label",
    "__proto__",
    "contosoUrl",
    "href",
];

const STRINGS: [&str; 32] = [
    "TextBlock",
    "textblock",
    "AdaptiveCard",
    "RichTextBlock",
    "TextRun",
    "CitationRun",
    "FactSet",
    "Table",
    "TableRow",
    "TableCell",
    "Image",
    "Input.Text",
    "Action.OpenUrl",
    "Action.Submit",
    "Action.ShowCard",
    "Chart.Line",
    "CodeBlock",
    "Badge",
    "Contoso.New",
    "MessageTextField",
    "drop",
    "https://a.example/x",
    "data:image/png;base64,AA",
    "**bold** [1](https://b.example) https://c.example.",
    "- a\n- b\n\n| c |\n|---|\n| d |",
    "[^2^] [^7^]",
    "{\"thoughts\":\"why\",\"finalResponse\":\"*what*\"}",
    "<b>x</b> &amp; <attachment id=\"a\">",
    "",
    "1",
    "false",
    "a\u{0}\u{202e}\u{2028}👩\u{200d}🚀",
];

/// JSON that looks like a card from afar.
fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        8 => select(&STRINGS[..]).prop_map(Value::from),
        1 => any::<bool>().prop_map(Value::from),
        1 => (-3..1000_i32).prop_map(Value::from),
        1 => Just(Value::Null),
    ];
    leaf.prop_recursive(6, 48, 6, |inner| {
        prop_oneof![
            1 => vec(inner.clone(), 0..5).prop_map(Value::from),
            3 => btree_map(select(&NAMES[..]).prop_map(str::to_owned), inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// The same JSON in another spelling: the members the other way round, white space wherever it may stand.
fn respelt(json: &Value) -> String {
    match json {
        Value::Object(members) => {
            let members = members
                .iter()
                .rev()
                .map(|(name, value)| format!("\r\n\t{} : {}", Value::from(name.as_str()), respelt(value)));
            format!("{{{} }}", members.collect::<Vec<_>>().join(" ,"))
        }
        Value::Array(entries) => {
            format!("[ {}\n]", entries.iter().map(respelt).collect::<Vec<_>>().join(" , "))
        }
        Value::String(text) => {
            let mut units = [0; 2];
            let escaped = text.chars().flat_map(|said| {
                said.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04X}")).collect::<Vec<_>>()
            });
            format!("\"{}\"", escaped.collect::<String>())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => json.to_string(),
    }
}

/// Every text of the input, decoded: also those within JSON within a text.
fn texts(json: &Value, found: &mut Vec<String>) {
    match json {
        Value::Object(members) => members.values().for_each(|value| texts(value, found)),
        Value::Array(entries) => entries.iter().for_each(|value| texts(value, found)),
        Value::String(text) => {
            if let Ok(inner @ Value::Object(_)) = serde_json::from_str(text) {
                texts(&inner, found);
            }
            found.push(text.clone());
        }
        Value::Bool(_) | Value::Number(_) => found.push(json.to_string()),
        Value::Null => {}
    }
}

fn read(content: &str, kind: CardKind) -> Card {
    Card::read(content, kind, Detail::ALL)
}

fn kinds() -> impl Strategy<Value = CardKind> {
    select(&[CardKind::Adaptive, CardKind::Other][..])
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 1_000,
        rng_seed: RngSeed::Fixed(7),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_spelling_of_json_says_nothing(json in json(), kind in kinds()) {
        prop_assert_eq!(read(&json.to_string(), kind), read(&respelt(&json), kind));
    }

    #[test]
    fn nothing_is_made_up(json in json(), kind in kinds()) {
        let card = read(&json.to_string(), kind);
        let mut input = Vec::new();
        texts(&json, &mut input);
        for element in &card.elements {
            prop_assert!(input.contains(&element.text), "{:?}", element);
        }
        for link in &card.links {
            prop_assert!(input.iter().any(|text| text.contains(&link.url)), "{:?}", link);
            prop_assert!(link.citation_number.is_none() || link.role == LinkRole::Citation, "{:?}", link);
        }
    }

    #[test]
    fn pointers_lead_to_what_they_name(json in json(), kind in kinds()) {
        let card = read(&json.to_string(), kind);
        for element in &card.elements {
            let there = json.pointer(&element.pointer).expect("the pointer leads somewhere");
            let text = there.as_str().map_or_else(|| there.to_string(), str::to_owned);
            let is_within = element.text != text;
            prop_assert!(!is_within || text.contains("finalResponse"), "{:?} at {}", element, there);
        }
        for link in &card.links {
            prop_assert!(json.pointer(&link.pointer).is_some(), "{:?}", link);
        }
    }

    #[test]
    fn what_is_displayed_is_what_has_that_role(json in json(), kind in kinds()) {
        let card = read(&json.to_string(), kind);
        let has_any = card.elements.iter().any(|element| element.role == ElementRole::Display);
        prop_assert!(has_any || card.display_text().is_empty(), "{:?}", card.display_text());
        let texts = Card::read(&json.to_string(), kind, Detail::default());
        prop_assert_eq!(texts.display_text(), card.display_text());
        prop_assert_eq!((texts.model_text(), texts.status), (card.model_text(), card.status));
    }

    #[test]
    fn of_a_card_that_is_cut_nothing_is_made_up_either(json in json(), cut in 0..200_usize) {
        let whole = json.to_string();
        let card = read(&whole[..whole.floor_char_boundary(cut.min(whole.len()))], CardKind::Adaptive);
        let mut input = Vec::new();
        texts(&json, &mut input);
        for element in &card.elements {
            prop_assert!(input.iter().any(|text| text.starts_with(&element.text)), "{:?}", element);
        }
    }
}
