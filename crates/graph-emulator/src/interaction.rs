//! The interaction: one record of a history, whole and in the shape of Graph's `aiInteraction`.
//!
//! Its JSON is its serialisation; only a card becomes text of its own on the way, as Graph sends it.

use serde::{Serialize, Serializer};

use crate::card::Card;

/// A record of a history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Interaction {
    /// Epoch milliseconds in digits; unique only within a session.
    pub id: String,
    /// Thread; none in some apps.
    pub session_id: Option<String>,
    /// What pairs a prompt with its answers; none in some apps.
    pub request_id: Option<String>,
    /// The app.
    pub app_class: &'static str,
    /// `userPrompt` or `aiResponse`.
    pub interaction_type: &'static str,
    /// Kind of conversation; none in some apps.
    pub conversation_type: Option<&'static str>,
    /// Epoch milliseconds of the last change.
    pub etag: String,
    /// RFC 3339 in UTC with 0 to 7 fraction digits.
    pub created_date_time: String,
    /// Language and region, such as `de-de`.
    pub locale: &'static str,
    /// What the conversation is about.
    pub contexts: Vec<Context>,
    /// Who speaks.
    pub from: IdentitySet,
    /// What is said, or the marker of the card that says it.
    pub body: Body,
    /// Cards, files and meetings.
    pub attachments: Vec<Attachment>,
    /// What the answer refers to.
    pub links: Vec<Link>,
    /// Who and what the prompt names.
    pub mentions: Vec<Mention>,
}

/// What is said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Body {
    /// `text` or `html`.
    pub content_type: &'static str,
    /// The words, with markers of attachments.
    pub content: String,
}

/// A card, a file or a meeting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Attachment {
    /// Unique only within the record.
    pub attachment_id: String,
    /// `application/vnd.microsoft.card.adaptive`, `reference` or `file`.
    pub content_type: &'static str,
    /// Where the file or meeting is.
    pub content_url: Option<String>,
    /// The card, sent as a string of JSON.
    #[serde(serialize_with = "card_as_text")]
    pub content: Option<Card>,
    /// Name of the file or meeting.
    pub name: Option<String>,
}

/// What a conversation is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Context {
    /// Where it is.
    pub context_reference: Option<String>,
    /// Its name.
    pub display_name: String,
    /// `TeamsMeeting`, `docx`, ….
    pub context_type: &'static str,
}

/// What an answer refers to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Link {
    /// Its URL.
    pub link_url: String,
    /// Its name.
    pub display_name: String,
    /// `Event`, `Meeting` or `File`.
    pub link_type: &'static str,
}

/// Who or what a prompt names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Mention {
    /// The `id` of the body's `<at>` element.
    pub mention_id: i32,
    /// The name as written.
    pub mention_text: String,
    /// Who or what it is.
    pub mentioned: IdentitySet,
}

/// Who or what, of several kinds; exactly one is set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdentitySet {
    /// Of a message's `from`.
    From(Identity),
    /// Of a mention's `mentioned`.
    Mentioned(Identity),
}

/// An identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The property of the set that holds it.
    pub kind: IdentityKind,
    /// Object id or, for a conversation, the thread.
    pub id: String,
    /// Name; of a person who prompts, `8:orgid:<object id>`.
    pub display_name: String,
    /// The tenant's id, for people.
    pub tenant_id: Option<String>,
}

/// The kinds of identities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum IdentityKind {
    /// A person.
    User,
    /// An app.
    Application,
    /// A team or channel.
    Conversation,
    /// A tag of a team.
    Tag,
}

impl Interaction {
    /// The record as Graph sends it: one JSON object.
    ///
    /// # Panics
    /// Never: nothing in a record can fail to be serialised.
    #[must_use]
    pub fn json(&self) -> String {
        serde_json::to_string(self).expect("a record has string keys and no failing parts")
    }
}

#[expect(clippy::ref_option, reason = "serde gives a reference to the field")]
fn card_as_text<S: Serializer>(card: &Option<Card>, serializer: S) -> Result<S::Ok, S::Error> {
    card.as_ref().map(Card::text).serialize(serializer)
}

/// An identity in the keys of its kind.
#[derive(Serialize)]
struct IdentityJson<'a> {
    #[serde(rename = "@odata.type")]
    odata_type: &'static str,
    id: &'a str,
    #[serde(rename = "displayName")]
    display_name: &'a str,
    #[serde(rename = "userIdentityType", skip_serializing_if = "Option::is_none")]
    user_identity_type: Option<&'static str>,
    #[serde(rename = "applicationIdentityType", skip_serializing_if = "Option::is_none")]
    application_identity_type: Option<&'static str>,
    #[serde(rename = "conversationIdentityType", skip_serializing_if = "Option::is_none")]
    conversation_identity_type: Option<&'static str>,
    #[serde(rename = "tenantId", skip_serializing_if = "Option::is_none")]
    tenant_id: Option<&'a str>,
}

impl Serialize for Identity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let when = |kind, identity_type| (self.kind == kind).then_some(identity_type);
        IdentityJson {
            odata_type: match self.kind {
                IdentityKind::User => "#microsoft.graph.teamworkUserIdentity",
                IdentityKind::Application => "#microsoft.graph.teamworkApplicationIdentity",
                IdentityKind::Conversation => "#microsoft.graph.teamworkConversationIdentity",
                IdentityKind::Tag => "#microsoft.graph.teamworkTagIdentity",
            },
            id: &self.id,
            display_name: &self.display_name,
            user_identity_type: when(IdentityKind::User, "aadUser"),
            application_identity_type: when(IdentityKind::Application, "bot"),
            conversation_identity_type: when(IdentityKind::Conversation, "channel"),
            tenant_id: self.tenant_id.as_deref(),
        }
        .serialize(serializer)
    }
}

/// The members of `from`.
#[derive(Serialize)]
struct FromJson<'a> {
    #[serde(rename = "@odata.type")]
    odata_type: &'static str,
    device: Option<&'a Identity>,
    user: Option<&'a Identity>,
    application: Option<&'a Identity>,
}

/// The members of `mentioned`.
#[derive(Serialize)]
struct MentionedJson<'a> {
    #[serde(rename = "@odata.type")]
    odata_type: &'static str,
    application: Option<&'a Identity>,
    device: Option<&'a Identity>,
    user: Option<&'a Identity>,
    conversation: Option<&'a Identity>,
    tag: Option<&'a Identity>,
}

impl Serialize for IdentitySet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (Self::From(identity) | Self::Mentioned(identity)) = self;
        let when = |kind| (identity.kind == kind).then_some(identity);
        let (user, application) = (when(IdentityKind::User), when(IdentityKind::Application));
        match self {
            Self::From(_) => {
                let odata_type = "#microsoft.graph.chatMessageFromIdentitySet";
                FromJson { odata_type, device: None, user, application }.serialize(serializer)
            }
            Self::Mentioned(_) => MentionedJson {
                odata_type: "#microsoft.graph.chatMessageMentionedIdentitySet",
                application,
                device: None,
                user,
                conversation: when(IdentityKind::Conversation),
                tag: when(IdentityKind::Tag),
            }
            .serialize(serializer),
        }
    }
}
