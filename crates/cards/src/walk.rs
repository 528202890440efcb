//! The way through a card in reading order, with a stack of its own.

use serde_json::{Map, Value};

use crate::card::{Card, CardLink, Element, ElementRole};
use crate::json::scalar_text;
use crate::markdown::markdown_to_text;

/// The members that hold child elements, in the order in which they are read.
const CHILD_LISTS: [&str; 7] = ["body", "items", "columns", "rows", "cells", "pages", "actions"];

/// The member of an action that holds the card that it shows.
const CHILD_CARD: &str = "card";

/// The `id` by which Copilot marks the model's own text.
const MODEL_TEXT_ID: &str = "MessageTextField";

/// An element that is still to be read.
struct Visit<'a> {
    element: &'a Map<String, Value>,
    pointer: String,
    depth: u32,
    is_hidden: bool,
}

/// The elements, links and displayed text of a card.
pub(crate) fn read_elements(json: &Value) -> Card {
    let mut card = Card::default();
    let mut stack = Vec::new();
    if let Value::Object(element) = json {
        stack.push(Visit { element, pointer: String::new(), depth: 0, is_hidden: false });
    }
    while let Some(visit) = stack.pop() {
        let is_hidden = visit.is_hidden || visit.element.get("isVisible") == Some(&Value::Bool(false));
        let visit = Visit { is_hidden, ..visit };
        if is_text_block(&visit) {
            read_text_block(&mut card, &visit);
        }
        push_children(&mut stack, &visit);
    }
    card
}

/// Pushes the children so that the first one is read next.
fn push_children<'a>(stack: &mut Vec<Visit<'a>>, parent: &Visit<'a>) {
    let first = stack.len();
    for key in CHILD_LISTS {
        match parent.element.get(key) {
            Some(Value::Array(children)) => {
                for (index, child) in children.iter().enumerate() {
                    push_child(stack, parent, child, || format!("{}/{key}/{index}", parent.pointer));
                }
            }
            Some(child) => push_child(stack, parent, child, || format!("{}/{key}", parent.pointer)),
            None => {}
        }
    }
    if let Some(card) = parent.element.get(CHILD_CARD) {
        push_child(stack, parent, card, || format!("{}/{CHILD_CARD}", parent.pointer));
    }
    stack[first..].reverse();
}

fn push_child<'a>(
    stack: &mut Vec<Visit<'a>>,
    parent: &Visit<'a>,
    child: &'a Value,
    pointer: impl FnOnce() -> String,
) {
    if let Value::Object(element) = child {
        // The card itself is no level.
        let depth = if parent.pointer.is_empty() { 0 } else { parent.depth + 1 };
        stack.push(Visit { element, pointer: pointer(), depth, is_hidden: parent.is_hidden });
    }
}

/// Whether an element is a text block: it says so in any case, or says nothing of its type.
fn is_text_block(visit: &Visit<'_>) -> bool {
    match visit.element.get("type") {
        Some(Value::String(name)) => name.eq_ignore_ascii_case("TextBlock"),
        _ => !visit.pointer.is_empty(),
    }
}

fn read_text_block(card: &mut Card, visit: &Visit<'_>) {
    let Some(text) = visit.element.get("text") else { return };
    if visit.element.get("id").and_then(Value::as_str) == Some(MODEL_TEXT_ID) {
        push_text(card, visit, ElementRole::Model, text);
        return;
    }
    let shown = if visit.is_hidden { ElementRole::Hidden } else { ElementRole::Display };
    match reasoned_answer(text) {
        Some(answer) => {
            push_text(card, visit, shown, &answer["finalResponse"]);
            push_text(card, visit, ElementRole::Model, &answer["thoughts"]);
        }
        None => push_text(card, visit, shown, text),
    }
}

/// Some Excel cards hold `{"thoughts": …, "finalResponse": …}` where the text should be.
fn reasoned_answer(text: &Value) -> Option<Value> {
    let answer = match text {
        Value::Object(_) => text.clone(),
        Value::String(json) if json.trim_start().starts_with('{') => serde_json::from_str(json).ok()?,
        _ => return None,
    };
    answer.get("finalResponse").is_some().then_some(answer)
}

fn push_text(card: &mut Card, visit: &Visit<'_>, role: ElementRole, text: &Value) {
    let Some(text) = scalar_text(text) else { return };
    if role == ElementRole::Display {
        display(card, visit, &text);
    }
    card.elements.push(Element {
        pointer: text_pointer(visit),
        depth: visit.depth,
        role,
        element_type: "TextBlock",
        text: text.into_owned(),
    });
}

fn text_pointer(visit: &Visit<'_>) -> String {
    format!("{}/text", visit.pointer)
}

/// Adds a text to what the card displays, and its links to the card's.
fn display(card: &mut Card, visit: &Visit<'_>, markdown: &str) {
    let shown = markdown_to_text(markdown);
    if !shown.text.is_empty() {
        if !card.display.is_empty() {
            card.display.push_str("\n\n");
        }
        card.display.push_str(&shown.text);
    }
    card.links.extend(shown.links.into_iter().map(|link| CardLink {
        url: link.url,
        label: link.label,
        pointer: text_pointer(visit),
        citation_number: link.citation_number,
    }));
}
