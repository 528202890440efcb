//! The text and the links of what a Copilot message is made of: adaptive cards, markdown, HTML.
//!
//! Pure, and without errors: whatever comes in gives what can be read of it and, for a card, a [`CardStatus`] that
//! says how well that went. Nothing here recurses over its input, so no nesting exhausts the stack.

mod bare_url;
mod card;
mod display;
mod footnotes;
mod html;
mod json;
mod markdown;
mod nesting;
mod reasoning;
mod scan;
mod tape;
mod text;
mod vocabulary;
mod walk;

pub use bare_url::plain_text_links;
pub use card::{Card, CardKind, CardLink, CardStatus, Detail, Element, ElementRole, LinkRole};
pub use html::html_to_text;
pub use json::repair_json;
pub use markdown::markdown_to_text;
pub use text::{TextAndLinks, TextLink};
