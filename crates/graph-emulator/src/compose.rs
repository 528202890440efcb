//! Composing: from the outline of a record to the record itself, with its words.

use crate::answers::{self, Target};
use crate::apps::Habit;
use crate::card::Card;
use crate::history::{History, Seat, Speaker};
use crate::instant;
use crate::interaction::{
    Attachment, Body, Context, Identity, IdentityKind, IdentitySet, Interaction, Mention,
};
use crate::outline::{Dress, Outline};
use crate::random::{Chance, Purpose};
use crate::text::{self, Tongue, append};

/// The application that answers in every tenant.
const COPILOT_APP_ID: &str = "fb8d773d-7ef8-4ec0-a117-179f88add510";
const ADAPTIVE_CARD: &str = "application/vnd.microsoft.card.adaptive";

/// Whose history a record belongs to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Owner<'a> {
    pub(crate) user_id: &'a str,
    pub(crate) tenant_id: &'a str,
}

/// The record of an outline.
pub(crate) fn interaction(history: &History, outline: &Outline, owner: Owner<'_>) -> Interaction {
    let seat = &outline.seat;
    let stamp = &outline.stamp;
    let mut of_session = words_of_session(seat);
    let session_id = session_id(seat, &mut of_session);
    let meeting_thread = format!("19:meeting_{}@thread.v2", of_session.token(48));
    let tongue = text::tongue(&mut of_session);
    let scene = Scene { outline, tongue, meeting_thread, user_id: owner.user_id };
    let words = &mut history.chance_of_version(Purpose::Words, seat, stamp.version.number);
    let parts = scene.parts(words);
    let request_id = || history.chance(Purpose::Turn, seat.turn).guid();
    Interaction {
        id: stamp.id_ms.to_string(),
        session_id,
        request_id: seat.app.has_request_id.then(request_id),
        app_class: seat.app.class,
        interaction_type: match seat.speaker {
            Speaker::Person => "userPrompt",
            Speaker::Assistant => "aiResponse",
        },
        conversation_type: seat.app.conversation_type,
        etag: stamp.etag_ms.to_string(),
        created_date_time: instant::text(stamp.created, stamp.digits),
        locale: tongue.locale,
        contexts: parts.contexts,
        from: IdentitySet::From(speaker(outline, owner)),
        body: parts.body,
        attachments: parts.attachments,
        links: parts.targets.iter().flat_map(Target::links).collect(),
        mentions: parts.mentions,
    }
}

/// The draws of everything that is the same in all records of a session.
pub(crate) fn words_of_session(seat: &Seat) -> Chance {
    Chance::from_state(seat.session.rotate_left(17))
}

/// The session's id, where its app gives one: the first draw of a session.
pub(crate) fn session_id(seat: &Seat, of_session: &mut Chance) -> Option<String> {
    let thread = of_session.token(43);
    seat.app.has_session_id.then(|| format!("19:{thread}1@thread.v2"))
}

fn speaker(outline: &Outline, owner: Owner<'_>) -> Identity {
    match outline.seat.speaker {
        Speaker::Person => Identity {
            kind: IdentityKind::User,
            id: owner.user_id.to_owned(),
            display_name: format!("8:orgid:{}", owner.user_id),
            tenant_id: Some(owner.tenant_id.to_owned()),
        },
        Speaker::Assistant => Identity {
            kind: IdentityKind::Application,
            id: COPILOT_APP_ID.to_owned(),
            display_name: outline.seat.app.name.to_owned(),
            tenant_id: None,
        },
    }
}

/// What the parts of a record are made in.
struct Scene<'a> {
    outline: &'a Outline,
    tongue: &'static Tongue,
    meeting_thread: String,
    user_id: &'a str,
}

/// The parts of a record that have words.
struct Parts {
    body: Body,
    attachments: Vec<Attachment>,
    contexts: Vec<Context>,
    mentions: Vec<Mention>,
    targets: Vec<Target>,
}

impl Scene<'_> {
    fn parts(&self, chance: &mut Chance) -> Parts {
        let mentions = self.mentions(chance);
        let targets = self.targets(chance);
        let mut attachments = self.files(chance);
        attachments.extend(self.outline.attaches_meeting.then(|| self.meeting_attachment()));
        let contexts = self.contexts(chance);
        let paragraphs = text::paragraphs(self.tongue, self.outline.length, chance);
        let card = self.card(&paragraphs, &targets, chance);
        let body = match (&card, self.outline.dress) {
            (Some(_), _) => Body { content_type: "html", content: String::new() },
            (None, Dress::Html { anchors }) => {
                Body { content_type: "html", content: self.html(&paragraphs, anchors, &mentions, chance) }
            }
            (None, _) => Body { content_type: "text", content: paragraphs.join("\n\n") },
        };
        if card.is_some() {
            attachments.insert(0, card_attachment(card, chance));
        }
        let body = with_markers(body, &attachments, chance);
        Parts { body, attachments, contexts, mentions, targets }
    }

    fn targets(&self, chance: &mut Chance) -> Vec<Target> {
        let Dress::EntityCard { meetings, files, .. } = self.outline.dress else { return Vec::new() };
        let meetings: Vec<Target> = (0..meetings).map(|_| Target::meeting(self.tongue, chance)).collect();
        let files = (0..files).map(|_| Target::file(self.tongue, self.user_id, chance));
        meetings.into_iter().chain(files).collect()
    }

    fn card(&self, paragraphs: &[String], targets: &[Target], chance: &mut Chance) -> Option<Card> {
        let is_ascii = chance.percent(35);
        match self.outline.dress {
            Dress::Text | Dress::Html { .. } => None,
            Dress::EmptyCard => Some(Card::Empty),
            Dress::SimpleCard { links } => {
                let text = answers::simple(paragraphs, links, self.tongue, chance);
                Some(Card::Simple { text, is_ascii })
            }
            Dress::ReasoningCard => {
                Some(Card::Simple { text: answers::reasoning(paragraphs, self.tongue, chance), is_ascii })
            }
            Dress::EntityCard { citations, .. } => {
                let (shown, model) = answers::entities(paragraphs, targets, citations, self.tongue, chance);
                Some(Card::Entities { shown, model, is_ascii })
            }
        }
    }

    fn html(&self, paragraphs: &[String], anchors: u8, mentions: &[Mention], chance: &mut Chance) -> String {
        let mut html = String::new();
        for mention in mentions {
            let name = escape_html(&mention.mention_text);
            append(&mut html, format_args!("<at id=\"{}\">{name}</at>&nbsp;", mention.mention_id));
        }
        for paragraph in paragraphs {
            append(&mut html, format_args!("<p>{}</p>", escape_html(paragraph)));
        }
        if chance.percent(40) {
            let item = |chance: &mut Chance| escape_html(&text::sentence(self.tongue, chance));
            let (first, second) = (item(chance), item(chance));
            append(&mut html, format_args!("<ul><li>{first}</li><li><b>{second}</b></li></ul>"));
        }
        for _ in 0..anchors {
            let file = Target::file(self.tongue, self.user_id, chance);
            let (url, name) = (escape_html(&file.url), escape_html(&file.name));
            append(&mut html, format_args!("<p><a href=\"{url}\" target=\"_blank\">{name}</a></p>"));
        }
        html
    }

    fn files(&self, chance: &mut Chance) -> Vec<Attachment> {
        let (with_url, without_url) = (self.outline.files, self.outline.files_without_url);
        (0..with_url + without_url)
            .map(|place| {
                let file = Target::file(self.tongue, self.user_id, chance);
                Attachment {
                    attachment_id: chance.guid(),
                    content_type: if chance.percent(50) { "reference" } else { "file" },
                    content_url: (place < with_url).then_some(file.url),
                    content: None,
                    name: Some(file.name),
                }
            })
            .collect()
    }

    fn meeting_url(&self) -> String {
        format!("https://microsoft.teams.com/threads/{}", self.meeting_thread)
    }

    fn meeting_attachment(&self) -> Attachment {
        Attachment {
            attachment_id: self.meeting_thread.clone(),
            content_type: "reference",
            content_url: Some(self.meeting_url()),
            content: None,
            name: Some("Teams Meeting Copilot".to_owned()),
        }
    }

    fn contexts(&self, chance: &mut Chance) -> Vec<Context> {
        let referring = self.outline.contexts;
        (0..referring + self.outline.contexts_without_reference)
            .map(|place| {
                let has_reference = place < referring;
                if self.outline.seat.app.habit == Habit::Meeting {
                    return Context {
                        context_reference: has_reference.then(|| self.meeting_url()),
                        display_name: "Teams Meeting Copilot".to_owned(),
                        context_type: "TeamsMeeting",
                    };
                }
                let file = Target::file(self.tongue, self.user_id, chance);
                Context {
                    context_reference: has_reference.then_some(file.url),
                    display_name: file.name,
                    context_type: file.ending,
                }
            })
            .collect()
    }

    fn mentions(&self, chance: &mut Chance) -> Vec<Mention> {
        (0..self.outline.mentions).map(|place| mention(place, self.user_id, chance)).collect()
    }
}

fn mention(place: u8, user_id: &str, chance: &mut Chance) -> Mention {
    let (kind, name) = chance.pick(&[
        (IdentityKind::User, "Søren Dąbrowska"),
        (IdentityKind::User, "Priya Ahmadi"),
        (IdentityKind::Application, "Copilot"),
        (IdentityKind::Conversation, "General"),
        (IdentityKind::Tag, "On call & backup"),
    ]);
    let id = match kind {
        IdentityKind::User if place == 0 => user_id.to_owned(),
        IdentityKind::Conversation => format!("19:{}@thread.tacv2", chance.hex(32)),
        _ => chance.guid(),
    };
    let tenant_id = (kind == IdentityKind::User).then(|| chance.guid());
    let identity = Identity { kind, id, display_name: name.to_owned(), tenant_id };
    Mention {
        mention_id: i32::from(place),
        mention_text: name.to_owned(),
        mentioned: IdentitySet::Mentioned(identity),
    }
}

fn card_attachment(card: Option<Card>, chance: &mut Chance) -> Attachment {
    Attachment {
        attachment_id: chance.hex(32),
        content_type: ADAPTIVE_CARD,
        content_url: None,
        content: card,
        name: None,
    }
}

/// The body with a marker for each attachment: for cards always, for others mostly, and in some bodies of
/// plain text escaped as if they were html.
fn with_markers(mut body: Body, attachments: &[Attachment], chance: &mut Chance) -> Body {
    let escaped = body.content_type == "text" && chance.percent(10);
    for attachment in attachments {
        if attachment.content.is_none() && chance.percent(20) {
            continue;
        }
        let id = &attachment.attachment_id;
        let (open, close) = if escaped { ("&lt;", "&gt;") } else { ("<", ">") };
        let content = &mut body.content;
        append(content, format_args!("{open}attachment id=\"{id}\"{close}{open}/attachment{close}"));
    }
    body
}

fn escape_html(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
