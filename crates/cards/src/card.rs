//! An adaptive card: the answer of most Copilots stands in one, as JSON in a string of the message.

use std::borrow::Cow;

use crate::footnotes;
use crate::scan::{Fault, Faults, Scanned, Stop, VALUES_MAX, scan};
use crate::tape::{Kind, Value};
use crate::walk;

/// How often a card may be encoded as a string within a string. Three times was seen; more is an attack.
const STRING_LEVELS_MAX: usize = 4;

/// What kind of card the content of an attachment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CardKind {
    /// An adaptive card, in which Copilot answers.
    Adaptive,
    /// Any other: hero, thumbnail, list, a reference to a message, …
    Other,
}

/// What is wanted of a card beside its texts and its status: what is not costs nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Detail {
    /// [`Card::elements`].
    pub elements: bool,
    /// [`Card::links`].
    pub links: bool,
}

impl Detail {
    /// Everything.
    pub const ALL: Self = Self { elements: true, links: true };
}

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
    /// Every URL in it, in reading order.
    pub links: Vec<CardLink>,
    pub(crate) display: String,
    pub(crate) model: Option<String>,
}

/// How well a card could be read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum CardStatus {
    /// It is JSON and says that it is a card, or at least not that it is something else.
    #[default]
    Ok,
    /// It was read after a repair, which [`Card::error`] names.
    Repaired,
    /// Its JSON ends too early, or it has more values, deeper texts or more citations of long URLs than are read; what
    /// stands before was read.
    Truncated,
    /// It is no JSON; what stands before the first thing that is none was read.
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
    /// The type of the element: `TextBlock`. Of what has none, what its place says that it is: `Fact`.
    pub element_type: Cow<'static, str>,
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
    /// It stands for a picture, or is shown beside something: alternative texts, tips, what a citation points to.
    Alt,
    /// It belongs to a field that is filled in.
    Input,
    /// It belongs to a button.
    Action,
    /// It is displayed where the host does not know what should be.
    Fallback,
    /// The card says that it is not visible.
    Hidden,
    /// It is read out.
    Speak,
}

impl ElementRole {
    /// Its value in the table.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Display => "display",
            Self::Model => "model",
            Self::Alt => "alt",
            Self::Input => "input",
            Self::Action => "action",
            Self::Fallback => "fallback",
            Self::Hidden => "hidden",
            Self::Speak => "speak",
        }
    }
}

/// A URL in a card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CardLink {
    /// Its target as written.
    pub url: String,
    /// The text shown for it, where there is one.
    pub label: Option<String>,
    /// What it is for.
    pub role: LinkRole,
    /// Where it or its text stands, RFC 6901.
    pub pointer: String,
    /// The number that is shown, where it is a citation.
    pub citation_number: Option<u16>,
    /// The number of the same citation in the model's own text, where that can be told.
    pub footnote_number: Option<u16>,
    /// Whether it stands in text that is displayed.
    pub(crate) is_displayed: bool,
}

/// What a URL in a card is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LinkRole {
    /// It stands in text.
    Inline,
    /// It is the source of a numbered citation.
    Citation,
    /// A button opens it.
    Action,
    /// It is a picture.
    Image,
    /// It is sound or a film.
    Media,
    /// It is the picture behind something.
    Background,
    /// The card refers to it.
    Reference,
}

impl LinkRole {
    /// Its value in the table.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Inline => "inline",
            Self::Citation => "citation",
            Self::Action => "action",
            Self::Image => "image",
            Self::Media => "media",
            Self::Background => "background",
            Self::Reference => "reference",
        }
    }
}

impl Card {
    /// Reads the content of an attachment.
    ///
    /// It never fails: what can't be read leaves a [`CardStatus`] and an error that quotes nothing of the content.
    /// Time and memory are linear in the length of the content.
    #[must_use]
    pub fn read(content: &str, kind: CardKind, detail: Detail) -> Self {
        let mut faults = Faults::default();
        let document = unpacked(content, &mut faults);
        let scanned = scan(&document);
        faults.add_all(scanned.faults);
        let mut card = Self::default();
        let Some(root) = scanned.tape.root() else {
            (card.status, card.error) = without_values(&scanned);
            return card;
        };
        let walked = walk::read_elements(root, kind, detail, &mut card);
        faults.add_all(walked.faults);
        footnotes::pair(&mut card);
        card.version = root.member("version").and_then(Value::scalar).map(Cow::into_owned);
        (card.status, card.error) = match (trouble(root, kind), &scanned.stop) {
            (_, Some(stop)) => stopped(*stop),
            (Some(trouble), None) if walked.is_cut => {
                (CardStatus::NotACard, Some(format!("{trouble}; {OUTGROWN}")))
            }
            (Some(trouble), None) => (CardStatus::NotACard, Some(trouble)),
            (None, None) if walked.is_cut => (CardStatus::Truncated, Some(OUTGROWN.to_owned())),
            (None, None) if faults.is_empty() => (CardStatus::Ok, None),
            (None, None) => (CardStatus::Repaired, Some(faults.to_string())),
        };
        card
    }

    /// What the card displays, as plain text; its blocks are separated by a blank line.
    #[must_use]
    pub fn display_text(&self) -> &str {
        &self.display
    }

    /// The model's own text, where the card carries it; its blocks are separated by a blank line.
    #[must_use]
    pub fn model_text(&self) -> Option<&str> {
        self.model.as_deref()
    }
}

const OUTGROWN: &str =
    "texts nested so deep, or URLs said so often, that they outgrow the card; the rest is in its text alone";

/// The JSON, also where it is a string that holds the JSON.
fn unpacked<'a>(content: &'a str, faults: &mut Faults) -> Cow<'a, str> {
    let mut document = Cow::Borrowed(content);
    for _ in 0..STRING_LEVELS_MAX {
        let Some(inner) = inner_document(&document, faults) else { break };
        faults.add(Fault::WithinString);
        document = Cow::Owned(inner);
    }
    document
}

/// The document in a document that is a string.
fn inner_document(document: &str, faults: &mut Faults) -> Option<String> {
    if !trimmed(document).starts_with('"') {
        return None;
    }
    let outer = scan(document);
    let inner = outer.tape.root()?.string()?;
    if !trimmed(&inner).starts_with(['{', '"']) {
        return None;
    }
    faults.add_all(outer.faults);
    Some(inner.into_owned())
}

/// A document from its first character on: neither white space nor a byte order mark.
fn trimmed(document: &str) -> &str {
    document.trim_start_matches(|said: char| said == '\u{feff}' || said.is_ascii_whitespace())
}

/// Why a document is no card, as far as its kind says so.
fn trouble(root: Value<'_>, kind: CardKind) -> Option<String> {
    if root.kind() != Kind::Object {
        return Some(format!("{} instead of an object", root.kind().name()));
    }
    let stated = root.member("type").and_then(Value::string);
    let is_other = stated.is_some_and(|stated| !stated.eq_ignore_ascii_case("AdaptiveCard"));
    (is_other && kind == CardKind::Adaptive).then(|| "its type is not AdaptiveCard".to_owned())
}

fn without_values(scanned: &Scanned<'_>) -> (CardStatus, Option<String>) {
    match scanned.stop {
        Some(stop) => stopped(stop),
        None => (CardStatus::NotACard, Some("the content is empty".to_owned())),
    }
}

fn stopped(stop: Stop) -> (CardStatus, Option<String>) {
    let (status, error) = match stop {
        Stop::Ends => (CardStatus::Truncated, "it ends within a value".to_owned()),
        Stop::TooManyValues => {
            (CardStatus::Truncated, format!("more than {VALUES_MAX} values; the rest was not read"))
        }
        Stop::Unexpected { at, wanted } => (CardStatus::Invalid, format!("expected {wanted} at byte {at}")),
    };
    (status, Some(error))
}
