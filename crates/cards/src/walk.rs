//! The way through a card in reading order, with a stack of its own.

use std::borrow::Cow;

use crate::bare_url::has_scheme;
use crate::card::{Card, CardKind, CardLink, Detail, Element, ElementRole, LinkRole};
use crate::display::Display;
use crate::markdown::markdown_to_text;
use crate::reasoning;
use crate::scan::{Fault, Faults};
use crate::tape::{Kind, Value, push_index, push_token};
use crate::vocabulary::{
    self, CHILDREN, ChildMember, FALLBACK, Family, Markup, REFERENCES, TextMember, family_of,
};

/// The `id` by which Copilot marks the model's own text.
const MODEL_TEXT_ID: &str = "MessageTextField";

/// Pointers, URLs and labels may take so many times the card's own length; beyond, what is nested deep or referred to
/// often would grow with its square.
const REPEATED_BYTES_FACTOR: usize = 4;

/// What these may always take: some hundred citations of the longest URLs.
const REPEATED_BYTES_MIN: usize = 262_144;

/// Characters of a type that nobody knows.
const TYPE_CHARS_MAX: usize = 64;

/// A value that is still to be read.
struct Visit<'t> {
    value: Value<'t>,
    /// What it is where it does not say it.
    family: Family,
    element_type: &'static str,
    /// Where it stands: after so many bytes of the path, a member, an entry, or both.
    path_bytes: usize,
    name: &'static str,
    index: Option<usize>,
    depth: u32,
    /// The role of whatever it displays, where that is none that is seen at once.
    shade: Option<ElementRole>,
    /// Which references its citations point to.
    references: usize,
}

enum Step<'t> {
    Visit(Visit<'t>),
    /// Everything within an element was read.
    Leave(Family),
}

/// What the walk found, beside what it put into the card.
#[derive(Debug)]
pub(crate) struct Walked {
    pub(crate) faults: Faults,
    /// Whether elements or links were left out, since pointers and URLs would have taken too much.
    pub(crate) is_cut: bool,
}

/// Reads the elements, links and displayed text of a document into a card.
pub(crate) fn read_elements(root: Value<'_>, kind: CardKind, detail: Detail, card: &mut Card) -> Walked {
    let source_bytes = root.source_bytes();
    let mut walk = Walk {
        card,
        detail,
        references: vec![Vec::new()],
        display: Display::with_capacity(source_bytes / 4),
        path: String::new(),
        allowance: REPEATED_BYTES_MIN + REPEATED_BYTES_FACTOR * source_bytes,
        walked: Walked { faults: Faults::default(), is_cut: false },
        stack: Vec::new(),
    };
    let (family, element_type) = match kind {
        CardKind::Adaptive => (Family::Card, "AdaptiveCard"),
        CardKind::Other => (Family::Unknown, "Card"),
    };
    walk.stack.push(Step::Visit(Visit {
        value: root,
        family,
        element_type,
        path_bytes: 0,
        name: "",
        index: None,
        depth: 0,
        shade: None,
        references: 0,
    }));
    walk.run();
    walk.card.display = walk.display.finish();
    walk.walked
}

struct Walk<'t, 'c> {
    card: &'c mut Card,
    detail: Detail,
    /// What citations point to, by their numbers: for the cards that say so, the outermost one and those within it.
    references: Vec<Vec<Option<Cow<'t, str>>>>,
    display: Display,
    /// Where the element that is being read stands.
    path: String,
    /// Bytes that pointers, URLs and labels may still take.
    allowance: usize,
    walked: Walked,
    stack: Vec<Step<'t>>,
}

/// The element that is being read.
struct Current<'t> {
    value: Value<'t>,
    family: Family,
    element_type: Cow<'static, str>,
    depth: u32,
    shade: Option<ElementRole>,
    is_model_text: bool,
    references: usize,
}

impl<'t> Walk<'t, '_> {
    fn run(&mut self) {
        while let Some(step) = self.stack.pop() {
            match step {
                Step::Visit(visit) => self.visit(&visit),
                Step::Leave(family) => self.display.leave(family),
            }
        }
    }

    fn visit(&mut self, visit: &Visit<'t>) {
        self.path.truncate(visit.path_bytes);
        if !visit.name.is_empty() {
            push_token(&mut self.path, visit.name);
        }
        if let Some(index) = visit.index {
            push_index(&mut self.path, index);
        }
        match visit.value.kind() {
            Kind::Object => self.element(visit),
            Kind::List => self.entries(visit),
            Kind::Text | Kind::Scalar => self.scalar(visit),
            Kind::Null => {}
        }
    }

    /// Puts what a list holds on the stack, so that the first entry is read next.
    fn entries(&mut self, visit: &Visit<'t>) {
        let first = self.stack.len();
        for (index, value) in visit.value.children().enumerate() {
            let path_bytes = self.path.len();
            self.stack.push(Step::Visit(Visit { value, path_bytes, name: "", index: Some(index), ..*visit }));
        }
        self.stack[first..].reverse();
    }

    /// A text where an element is expected: in some places it is one.
    fn scalar(&mut self, visit: &Visit<'t>) {
        let is_entry = visit.index.is_some();
        let current = Current {
            value: visit.value,
            family: visit.family,
            element_type: Cow::Borrowed(visit.element_type),
            depth: visit.depth,
            shade: visit.shade,
            is_model_text: false,
            references: visit.references,
        };
        let text = visit.value.scalar().unwrap_or_default();
        match visit.family {
            Family::Background => self.link(LinkRole::Background, text, None),
            Family::Run if is_entry => self.display_text(&current, text, Markup::Plain),
            Family::Run => self.odd_text(&current, text, Markup::Plain),
            // `"fallback": "drop"` says that there is none.
            Family::Unknown if visit.name != FALLBACK.name => self.odd_text(&current, text, Markup::Markdown),
            _ => {}
        }
    }

    fn odd_text(&mut self, current: &Current<'t>, text: Cow<'t, str>, markup: Markup) {
        self.walked.faults.add(Fault::OddValue);
        self.display_text(current, text, markup);
    }

    fn element(&mut self, visit: &Visit<'t>) {
        let mut current = current(visit);
        if let Some(references) = current.value.member(REFERENCES.name) {
            current.references = self.references.len();
            let url = |reference: Value<'t>| reference.member("url").and_then(Value::string);
            self.references.push(references.children().map(url).collect());
        }
        if current.shade.is_none() {
            self.display.enter(current.family);
            self.stack.push(Step::Leave(current.family));
        }
        if current.family == Family::CitationRun {
            self.citation(&current);
        } else {
            for member in current.family.texts() {
                if let Some(value) = current.value.member(member.name) {
                    self.text_member(&current, member, value);
                }
            }
        }
        if self.detail.links {
            self.urls(&current);
        }
        self.children(&current);
    }

    /// A member that holds text: also a number, a truth, or a list of texts.
    fn text_member(&mut self, current: &Current<'t>, member: &TextMember, value: Value<'t>) {
        let path_bytes = self.path.len();
        push_token(&mut self.path, member.name);
        match value.kind() {
            Kind::Null => {}
            Kind::Text | Kind::Scalar => {
                self.text(current, member, value.scalar().unwrap_or_default());
            }
            Kind::Object => match reasoning::of_object(value) {
                Some(answer) => self.reasoned(current, &answer),
                None => self.walked.faults.add(Fault::OddValue),
            },
            Kind::List => self.text_list(current, member, value),
        }
        self.path.truncate(path_bytes);
    }

    fn text_list(&mut self, current: &Current<'t>, member: &TextMember, list: Value<'t>) {
        if member.name != "keywords" {
            self.walked.faults.add(Fault::OddValue);
        }
        let path_bytes = self.path.len();
        for (index, entry) in list.children().enumerate() {
            let Some(text) = entry.scalar() else {
                self.walked.faults.add(Fault::OddValue);
                continue;
            };
            push_index(&mut self.path, index);
            self.text(current, member, text);
            self.path.truncate(path_bytes);
        }
    }

    fn text(&mut self, current: &Current<'t>, member: &TextMember, text: Cow<'t, str>) {
        if current.is_model_text && member.name == "text" {
            self.push_element(current, ElementRole::Model, text);
        } else if member.role != ElementRole::Display {
            self.push_element(current, current.shade.unwrap_or(member.role), text);
        } else if let Some(answer) = reasoning::of_text(&text) {
            self.reasoned(current, &answer);
        } else {
            self.display_text(current, text, member.markup);
        }
    }

    fn reasoned(&mut self, current: &Current<'t>, answer: &reasoning::Answer) {
        self.display_text(current, Cow::Owned(answer.shown.clone()), Markup::Markdown);
        if let Some(thoughts) = &answer.thoughts {
            let role = current.shade.unwrap_or(ElementRole::Model);
            self.push_element(current, role, Cow::Owned(thoughts.clone()));
        }
    }

    /// A text that is displayed, unless what it stands in is not.
    fn display_text(&mut self, current: &Current<'t>, text: Cow<'t, str>, markup: Markup) {
        let is_shown = current.shade.is_none();
        match markup {
            Markup::Plain if is_shown => self.display.text(current.family, &text),
            Markup::Plain => {}
            Markup::Markdown => {
                let shown = markdown_to_text(&text);
                if is_shown {
                    self.display.text(current.family, &shown.text);
                }
                for link in shown.links {
                    let role = match link.citation_number {
                        Some(_) => LinkRole::Citation,
                        None if link.is_image => LinkRole::Image,
                        None => LinkRole::Inline,
                    };
                    self.push_link(CardLink {
                        url: link.url,
                        label: Some(link.label),
                        role,
                        is_displayed: is_shown,
                        pointer: String::new(),
                        citation_number: link.citation_number,
                        footnote_number: None,
                    });
                }
            }
        }
        self.push_element(current, current.shade.unwrap_or(ElementRole::Display), text);
    }

    /// A run that cites one of the card's references: by its number, which is displayed.
    fn citation(&mut self, current: &Current<'t>) {
        let stated = current.value.member("text").and_then(Value::scalar);
        let index = current.value.member("referenceIndex").and_then(Value::scalar);
        let Some((name, text)) =
            stated.map(|text| ("text", text)).or(index.clone().map(|text| ("referenceIndex", text)))
        else {
            return;
        };
        let label = text.trim().trim_start_matches('[').trim_end_matches(']').to_owned();
        let number = crate::text::citation_number(&label);
        let path_bytes = self.path.len();
        push_token(&mut self.path, name);
        if current.shade.is_none() {
            match number {
                Some(_) => self.display.text(current.family, &format!("[{label}]")),
                None => self.display.text(current.family, &text),
            }
        }
        let target = index.filter(|_| self.detail.links);
        if let Some(url) = target.and_then(|index| self.reference_url(current.references, &index)) {
            self.push_link(CardLink {
                url,
                label: Some(label),
                role: LinkRole::Citation,
                is_displayed: current.shade.is_none(),
                pointer: String::new(),
                citation_number: number,
                footnote_number: None,
            });
        }
        self.push_element(current, current.shade.unwrap_or(ElementRole::Display), text);
        self.path.truncate(path_bytes);
    }

    /// The URL of a reference by its number, from 1, as long as there is room to say it again.
    fn reference_url(&mut self, references: usize, number: &str) -> Option<String> {
        let index = number.trim().parse::<usize>().ok()?.checked_sub(1)?;
        let url = self.references.get(references)?.get(index)?.as_ref()?;
        if url.len() > self.allowance {
            self.walked.is_cut = true;
            return None;
        }
        Some(url.clone().into_owned())
    }

    /// The URLs of an element: those that its family names, then those that a name gives away.
    fn urls(&mut self, current: &Current<'t>) {
        let listed = current.family.urls();
        for member in listed {
            let Some(url) = current.value.member(member.name).and_then(Value::string) else { continue };
            let label = member.label.and_then(|name| current.value.member(name)).and_then(Value::scalar);
            let path_bytes = self.path.len();
            push_token(&mut self.path, member.name);
            let is_target = current.family != Family::Button && current.family != Family::TeamsData;
            if is_target || member.name != "value" || has_scheme(&url) {
                self.link(member.role, url, label);
            } else {
                self.push_element(current, current.shade.unwrap_or(ElementRole::Action), url);
            }
            self.path.truncate(path_bytes);
        }
        let mut others: Vec<_> = current
            .value
            .members()
            .filter_map(|value| {
                let name = value.name()?;
                let role = vocabulary::url_role_by_name(&name)?;
                Some((name, role, value))
            })
            .filter(|(name, ..)| listed.iter().all(|member| member.name != name.as_ref()))
            .collect();
        // Of a name that stands twice, the last one stays.
        others.reverse();
        others.sort_by(|(one, ..), (other, ..)| one.cmp(other));
        others.dedup_by(|(one, ..), (other, ..)| one == other);
        for (name, role, value) in others {
            let Some(url) = value.string() else { continue };
            if name == "icon" && !has_scheme(&url) {
                // The name of a drawing.
                continue;
            }
            let path_bytes = self.path.len();
            push_token(&mut self.path, &name);
            self.link(role, url, None);
            self.path.truncate(path_bytes);
        }
    }

    fn children(&mut self, parent: &Current<'t>) {
        let first = self.stack.len();
        let shade = |shade| parent.shade.or(Some(shade));
        for member in CHILDREN.iter().filter(|member| member.belongs_to(parent.family)) {
            self.push_child(parent, member, parent.shade);
        }
        self.push_child(parent, &FALLBACK, shade(ElementRole::Fallback));
        self.push_child(parent, &REFERENCES, shade(ElementRole::Alt));
        self.stack[first..].reverse();
    }

    fn push_child(&mut self, parent: &Current<'t>, member: &ChildMember, shade: Option<ElementRole>) {
        let Some(value) = parent.value.member(member.name) else { return };
        self.stack.push(Step::Visit(Visit {
            value,
            family: member.family,
            element_type: member.element_type,
            path_bytes: self.path.len(),
            name: member.name,
            index: None,
            // The card itself is no level.
            depth: if self.path.is_empty() { 0 } else { parent.depth + 1 },
            shade,
            references: parent.references,
        }));
    }

    fn link(&mut self, role: LinkRole, url: Cow<'t, str>, label: Option<Cow<'t, str>>) {
        self.push_link(CardLink {
            url: url.into_owned(),
            label: label.map(Cow::into_owned),
            role,
            is_displayed: false,
            pointer: String::new(),
            citation_number: None,
            footnote_number: None,
        });
    }

    fn push_link(&mut self, link: CardLink) {
        // Markdown may say a URL once and refer to it a thousand times.
        let bytes = self.path.len() + link.url.len() + link.label.as_ref().map_or(0, String::len);
        if self.detail.links && self.has_room(bytes) {
            self.card.links.push(CardLink { pointer: self.path.clone(), ..link });
        }
    }

    fn push_element(&mut self, current: &Current<'t>, role: ElementRole, text: Cow<'t, str>) {
        if text.is_empty() {
            return;
        }
        if role == ElementRole::Model {
            match &mut self.card.model {
                Some(model) => {
                    model.push_str("\n\n");
                    model.push_str(&text);
                }
                none => *none = Some(text.clone().into_owned()),
            }
        }
        if self.detail.elements && self.has_room(self.path.len()) {
            self.card.elements.push(Element {
                pointer: self.path.clone(),
                depth: current.depth,
                role,
                element_type: current.element_type.clone(),
                text: text.into_owned(),
            });
        }
    }

    /// Takes bytes of what is said again; where none are left, nothing more is kept but what is displayed.
    fn has_room(&mut self, bytes: usize) -> bool {
        let left = self.allowance.checked_sub(bytes);
        self.walked.is_cut |= left.is_none();
        self.allowance = left.unwrap_or(0);
        !self.walked.is_cut
    }
}

/// What an object is: by its type, or by where it stands.
fn current<'t>(visit: &Visit<'t>) -> Current<'t> {
    let value = visit.value;
    let stated = value.member("type").and_then(Value::string);
    let (family, element_type) = match &stated {
        None => (visit.family, Cow::Borrowed(visit.element_type)),
        Some(stated) if visit.family.is_by_place() => (visit.family, Cow::Owned(limited(stated))),
        Some(stated) => match family_of(stated) {
            (Family::Unknown, _) if visit.family.is_by_place_unless_known() => {
                (visit.family, Cow::Owned(limited(stated)))
            }
            (family, Some(name)) => (family, Cow::Borrowed(name)),
            (family, None) => (family, Cow::Owned(limited(stated))),
        },
    };
    let is_hidden = value.member("isVisible").is_some_and(Value::is_false);
    let is_text = matches!(family, Family::TextBlock | Family::Unknown);
    let is_model_text =
        is_text && value.member("id").and_then(Value::string).is_some_and(|id| id == MODEL_TEXT_ID);
    Current {
        value,
        family,
        element_type,
        depth: visit.depth,
        shade: visit.shade.or(is_hidden.then_some(ElementRole::Hidden)),
        is_model_text,
        references: visit.references,
    }
}

fn limited(stated: &str) -> String {
    stated.chars().take(TYPE_CHARS_MAX).collect()
}
