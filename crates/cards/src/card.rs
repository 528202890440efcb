//! An adaptive card: the answer of most Copilots stands in one, as JSON in a string of the message.

use serde_json::Value;

use crate::json::{repair_json, scalar_text};
use crate::walk;

/// How often a card may be encoded as a string within a string. Three times was seen; more is an attack.
const STRING_LEVELS_MAX: usize = 4;

/// What could be read of a card.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Card {
    /// The version that it states, whatever that is.
    pub version: Option<String>,
    /// How well it could be read.
    pub status: CardStatus,
    /// What was wrong with it, where something was.
    pub error: Option<String>,
    /// Its elements that carry text, in reading order.
    pub elements: Vec<Element>,
    /// The links in the text that it displays, in reading order.
    pub links: Vec<CardLink>,
    pub(crate) display: String,
}

/// How well a card could be read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum CardStatus {
    /// It is JSON and says that it is a card, or at least not that it is something else.
    #[default]
    Ok,
    /// It was read after a repair, which [`Card::error`] names.
    Repaired,
    /// Its JSON ends too early; nothing of it was read.
    Truncated,
    /// It is no JSON, or nested too deep; nothing of it was read.
    Invalid,
    /// It is empty, or JSON that is something else.
    NotACard,
}

impl CardStatus {
    /// Its value in the table.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Repaired => "repaired",
            Self::Truncated => "truncated",
            Self::Invalid => "invalid",
            Self::NotACard => "not_a_card",
        }
    }
}

/// A piece of text in a card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Element {
    /// Where it stands, RFC 6901.
    pub pointer: String,
    /// Levels of elements between it and the card; 0 for those of the card's own body.
    pub depth: u32,
    /// What the text is for.
    pub role: ElementRole,
    /// The type of the element: `TextBlock`.
    pub element_type: &'static str,
    /// The text as authored.
    pub text: String,
}

/// What a text in a card is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ElementRole {
    /// It is displayed.
    Display,
    /// It is the model's own text, before it was made readable.
    Model,
    /// The card says that it is not visible.
    Hidden,
}

impl ElementRole {
    /// Its value in the table.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Display => "display",
            Self::Model => "model",
            Self::Hidden => "hidden",
        }
    }
}

/// A link in the text that a card displays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CardLink {
    /// Its target as written.
    pub url: String,
    /// The text shown for it.
    pub label: String,
    /// Where its text stands, RFC 6901.
    pub pointer: String,
    /// The number that is shown, where it is a citation.
    pub citation_number: Option<u16>,
}

impl Card {
    /// Reads the content of an attachment.
    #[must_use]
    pub fn read(content: &str) -> Self {
        let (json, faults) = match parse(content) {
            Ok(parsed) => parsed,
            Err((status, error)) => return Self { status, error: Some(error), ..Self::default() },
        };
        let Value::Object(members) = &json else {
            return Self::not_a_card(&format!("{} instead of an object", kind(&json)));
        };
        let mut card = walk::read_elements(&json);
        card.version = members.get("version").and_then(scalar_text).map(Into::into);
        if let Some(Value::String(other)) = members.get("type").filter(|stated| !is_card_type(stated)) {
            card.status = CardStatus::NotACard;
            card.error = Some(format!("the type is {:?}", other.chars().take(64).collect::<String>()));
        } else if !faults.is_empty() {
            card.status = CardStatus::Repaired;
            card.error = Some(faults.join("; "));
        }
        card
    }

    /// What the card displays, as plain text; its blocks are separated by a blank line.
    #[must_use]
    pub fn display_text(&self) -> &str {
        &self.display
    }

    /// The model's own text, where the card carries it; its blocks are separated by a blank line.
    #[must_use]
    pub fn model_text(&self) -> Option<String> {
        let model = self.elements.iter().filter(|element| element.role == ElementRole::Model);
        let blocks: Vec<&str> = model.map(|element| element.text.as_str()).collect();
        (!blocks.is_empty()).then(|| blocks.join("\n\n"))
    }

    fn not_a_card(error: &str) -> Self {
        Self { status: CardStatus::NotACard, error: Some(error.to_owned()), ..Self::default() }
    }
}

/// Whether a `type` says that it is a card, or nothing that can be read.
fn is_card_type(stated: &Value) -> bool {
    stated.as_str().is_none_or(|name| name.eq_ignore_ascii_case("AdaptiveCard"))
}

fn kind(json: &Value) -> &'static str {
    match json {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// The JSON of a card and what had to be repaired for it, or why there is none.
type Parsed = Result<(Value, Vec<&'static str>), (CardStatus, String)>;

/// Reads the JSON, also where it is a string that holds the JSON.
fn parse(content: &str) -> Parsed {
    let mut faults = Vec::new();
    let mut json = parse_once(content, &mut faults)?;
    for _ in 0..STRING_LEVELS_MAX {
        let Value::String(inner) = &json else { break };
        if !inner.trim_start().starts_with(['{', '"']) {
            break;
        }
        json = parse_once(inner, &mut faults)?;
        faults.push("JSON within a string");
    }
    faults.dedup();
    Ok((json, faults))
}

fn parse_once(content: &str, faults: &mut Vec<&'static str>) -> Result<Value, (CardStatus, String)> {
    let without_mark = content.strip_prefix('\u{feff}').unwrap_or(content);
    let text = without_mark.trim_end_matches('\0');
    if text.trim().is_empty() {
        return Err((CardStatus::NotACard, "the content is empty".to_owned()));
    }
    if without_mark.len() < content.len() {
        faults.push("a byte order mark");
    }
    if text.len() < without_mark.len() {
        faults.push("NUL after the card");
    }
    parse_first(text, faults).or_else(|error| match repair_json(text) {
        Some(repaired) => {
            faults.push("lone surrogates, control characters or numbers out of range");
            parse_first(&repaired, faults).map_err(|error| fault(&error))
        }
        None => Err(fault(&error)),
    })
}

/// Reads the first JSON value of a text.
fn parse_first(text: &str, faults: &mut Vec<&'static str>) -> Result<Value, serde_json::Error> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter();
    let Some(first) = values.next() else { return serde_json::from_str(text) };
    let json = first?;
    if !text[values.byte_offset()..].trim().is_empty() {
        faults.push("characters after the card");
    }
    Ok(json)
}

fn fault(error: &serde_json::Error) -> (CardStatus, String) {
    let message = error.to_string();
    if error.is_eof() {
        (CardStatus::Truncated, message)
    } else if message.starts_with("recursion limit exceeded") {
        (CardStatus::Invalid, format!("nested deeper than 127 levels: {message}"))
    } else {
        (CardStatus::Invalid, message)
    }
}
