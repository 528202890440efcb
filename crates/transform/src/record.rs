//! A record as Graph documents it, read leniently: whatever its fields hold, it stays a record.

use std::borrow::Cow;

use promptlake_model::{Timestamp, UnknownFields};
use serde_json::Error;
use serde_json::value::RawValue;

use crate::json::{Kind, each_entry, each_member, text};

/// Text of a field, as far as there is any.
pub(crate) type Text<'a> = Option<Cow<'a, str>>;

/// One prompt or response.
#[derive(Debug, Default)]
pub(crate) struct Record<'a> {
    pub(crate) id: Text<'a>,
    pub(crate) session_id: Text<'a>,
    pub(crate) request_id: Text<'a>,
    pub(crate) app_class: Text<'a>,
    pub(crate) interaction_type: Text<'a>,
    pub(crate) conversation_type: Text<'a>,
    pub(crate) created: Text<'a>,
    pub(crate) etag: Text<'a>,
    pub(crate) locale: Text<'a>,
    pub(crate) from: Option<Identity<'a>>,
    pub(crate) body: Body<'a>,
    pub(crate) attachments: Vec<Attachment<'a>>,
    pub(crate) contexts: Vec<Context<'a>>,
    pub(crate) links: Vec<Link<'a>>,
    pub(crate) mentions: Vec<Mention<'a>>,
    pub(crate) unknown_fields: UnknownFields,
}

/// Who sent something or is mentioned.
#[derive(Debug, Default)]
pub(crate) struct Identity<'a> {
    /// The member of the identity set that it is.
    pub(crate) kind: &'static str,
    pub(crate) id: Text<'a>,
    pub(crate) display_name: Text<'a>,
    /// The identity type, `aadUser`, `bot`, …
    pub(crate) subtype: Text<'a>,
    pub(crate) tenant_id: Text<'a>,
}

#[derive(Debug, Default)]
pub(crate) struct Body<'a> {
    pub(crate) content_type: Text<'a>,
    pub(crate) content: Text<'a>,
}

#[derive(Debug, Default)]
pub(crate) struct Attachment<'a> {
    pub(crate) id: Text<'a>,
    pub(crate) content_type: Text<'a>,
    pub(crate) content_url: Text<'a>,
    pub(crate) content: Text<'a>,
    pub(crate) name: Text<'a>,
}

#[derive(Debug, Default)]
pub(crate) struct Context<'a> {
    pub(crate) reference: Text<'a>,
    pub(crate) kind: Text<'a>,
    pub(crate) display_name: Text<'a>,
}

#[derive(Debug, Default)]
pub(crate) struct Link<'a> {
    pub(crate) url: Text<'a>,
    pub(crate) display_name: Text<'a>,
    pub(crate) kind: Text<'a>,
}

#[derive(Debug, Default)]
pub(crate) struct Mention<'a> {
    pub(crate) id: Text<'a>,
    pub(crate) text: Text<'a>,
    pub(crate) mentioned: Option<Identity<'a>>,
}

/// Who can send a message; one of them is usually set.
const SENDERS: [&str; 3] = ["user", "application", "device"];

/// What can be mentioned.
const MENTIONED: [&str; 5] = ["user", "application", "device", "conversation", "tag"];

impl<'a> Record<'a> {
    /// Reads a JSON object. It fails only where that is no JSON.
    pub(crate) fn read(object: &'a str) -> Result<Self, Error> {
        let mut record = Self::default();
        let mut unknown = UnknownFields::default();
        each_member(object, |name, value| {
            match name {
                "id" => record.id = text(value),
                "sessionId" => record.session_id = text(value),
                "requestId" => record.request_id = text(value),
                "appClass" => record.app_class = text(value),
                "interactionType" => record.interaction_type = text(value),
                "conversationType" => record.conversation_type = text(value),
                "createdDateTime" => record.created = text(value),
                "etag" => record.etag = text(value),
                "locale" => record.locale = text(value),
                "from" => record.from = identity(value, "from", &SENDERS, &mut unknown)?,
                "body" => record.body = entry(value, &mut unknown)?,
                "attachments" => record.attachments = list(value, &mut unknown)?,
                "contexts" => record.contexts = list(value, &mut unknown)?,
                "links" => record.links = list(value, &mut unknown)?,
                "mentions" => record.mentions = list(value, &mut unknown)?,
                _ => unknown.note("", name),
            }
            Ok(())
        })?;
        record.unknown_fields = unknown;
        Ok(record)
    }

    /// When it was created, as far as that can be read.
    pub(crate) fn created_at(&self) -> Option<Timestamp> {
        self.created.as_deref().and_then(|created| Timestamp::parse(created.trim()))
    }
}

/// An object in a record.
trait Entry<'a>: Default {
    /// What it is called where a field of it is named.
    const NAME: &'static str;

    /// Takes a member, or notes that it does not know it.
    fn set(&mut self, name: &str, value: &'a RawValue, unknown: &mut UnknownFields) -> Result<(), Error>;
}

/// Reads an object; anything else is an entry of which nothing is known.
fn entry<'a, T: Entry<'a>>(value: &'a RawValue, unknown: &mut UnknownFields) -> Result<T, Error> {
    let mut entry = T::default();
    if Kind::of(value.get()) == Kind::Object {
        each_member(value.get(), |name, member| entry.set(name, member, unknown))?;
    }
    Ok(entry)
}

/// Reads a list of objects; anything else is an empty list.
fn list<'a, T: Entry<'a>>(value: &'a RawValue, unknown: &mut UnknownFields) -> Result<Vec<T>, Error> {
    let mut entries = Vec::new();
    if Kind::of(value.get()) == Kind::List {
        each_entry(value.get(), |value| {
            entries.push(entry(value, unknown)?);
            Ok(())
        })?;
    }
    Ok(entries)
}

/// Reads an identity set: the first of the kinds that is there.
fn identity<'a>(
    set: &'a RawValue,
    of: &str,
    kinds: &[&'static str],
    unknown: &mut UnknownFields,
) -> Result<Option<Identity<'a>>, Error> {
    if Kind::of(set.get()) != Kind::Object {
        return Ok(None);
    }
    let mut members = vec![None; kinds.len()];
    each_member(set.get(), |name, value| {
        match kinds.iter().position(|kind| *kind == name) {
            Some(index) => members[index] = (Kind::of(value.get()) == Kind::Object).then_some(value),
            None => unknown.note(of, name),
        }
        Ok(())
    })?;
    let first = kinds.iter().zip(members).find_map(|(kind, value)| Some((*kind, value?)));
    let Some((kind, value)) = first else { return Ok(None) };
    Ok(Some(Identity { kind, ..entry(value, unknown)? }))
}

impl<'a> Entry<'a> for Identity<'a> {
    const NAME: &'static str = "identity";

    fn set(&mut self, name: &str, value: &'a RawValue, unknown: &mut UnknownFields) -> Result<(), Error> {
        match name {
            "id" => self.id = text(value),
            "displayName" => self.display_name = text(value),
            "tenantId" => self.tenant_id = text(value),
            "userIdentityType"
            | "applicationIdentityType"
            | "deviceIdentityType"
            | "conversationIdentityType" => {
                self.subtype = text(value).or(self.subtype.take());
            }
            _ => unknown.note(Self::NAME, name),
        }
        Ok(())
    }
}

impl<'a> Entry<'a> for Body<'a> {
    const NAME: &'static str = "body";

    fn set(&mut self, name: &str, value: &'a RawValue, unknown: &mut UnknownFields) -> Result<(), Error> {
        match name {
            "contentType" => self.content_type = text(value),
            "content" => self.content = text(value),
            _ => unknown.note(Self::NAME, name),
        }
        Ok(())
    }
}

impl<'a> Entry<'a> for Attachment<'a> {
    const NAME: &'static str = "attachments";

    fn set(&mut self, name: &str, value: &'a RawValue, unknown: &mut UnknownFields) -> Result<(), Error> {
        match name {
            "attachmentId" => self.id = text(value),
            "contentType" => self.content_type = text(value),
            "contentUrl" => self.content_url = text(value),
            // A card that is no string of JSON but JSON itself.
            "content" => self.content = text(value).or_else(|| json_of(value)),
            "name" => self.name = text(value),
            _ => unknown.note(Self::NAME, name),
        }
        Ok(())
    }
}

/// The JSON of an object; of anything else none.
fn json_of(value: &RawValue) -> Text<'_> {
    (Kind::of(value.get()) == Kind::Object).then(|| Cow::Borrowed(value.get()))
}

impl<'a> Entry<'a> for Context<'a> {
    const NAME: &'static str = "contexts";

    fn set(&mut self, name: &str, value: &'a RawValue, unknown: &mut UnknownFields) -> Result<(), Error> {
        match name {
            "contextReference" => self.reference = text(value),
            "contextType" => self.kind = text(value),
            "displayName" => self.display_name = text(value),
            _ => unknown.note(Self::NAME, name),
        }
        Ok(())
    }
}

impl<'a> Entry<'a> for Link<'a> {
    const NAME: &'static str = "links";

    fn set(&mut self, name: &str, value: &'a RawValue, unknown: &mut UnknownFields) -> Result<(), Error> {
        match name {
            "linkUrl" => self.url = text(value),
            "displayName" => self.display_name = text(value),
            "linkType" => self.kind = text(value),
            _ => unknown.note(Self::NAME, name),
        }
        Ok(())
    }
}

impl<'a> Entry<'a> for Mention<'a> {
    const NAME: &'static str = "mentions";

    fn set(&mut self, name: &str, value: &'a RawValue, unknown: &mut UnknownFields) -> Result<(), Error> {
        match name {
            "mentionId" => self.id = text(value),
            "mentionText" => self.text = text(value),
            "mentioned" => self.mentioned = identity(value, "mentioned", &MENTIONED, unknown)?,
            _ => unknown.note(Self::NAME, name),
        }
        Ok(())
    }
}
