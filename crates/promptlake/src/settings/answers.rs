//! Values of settings that are given before there is a file: as arguments, or as answers to a question.
//!
//! They are read by the very types that read a file, so that what is taken here is taken there, and with their messages.

use std::path::PathBuf;

use promptlake_load::StoreLocation;
use promptlake_model::{TenantId, Timestamp};

use super::error::Fault;
use super::examples;
use super::validate;
use super::value::{ClientId, CredentialKind, GroupId, LakeLocation, LocalPath, Setting, Start};

/// A value that can't be taken. Displays as what follows the name that it was given under.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{wrong}")]
pub(crate) struct BadAnswer {
    wrong: String,
    hint: String,
}

impl BadAnswer {
    fn new(path: &str, fault: &Fault) -> Self {
        let example = || format!("write {}", examples::value_of(path).unwrap_or_default());
        Self {
            wrong: fault.to_string(),
            hint: fault.own_hint().map_or_else(example, |hint| untyped(hint, path)),
        }
    }

    /// What to write instead, with a right example.
    pub(crate) fn hint(&self) -> &str {
        &self.hint
    }
}

/// A hint without what only a file has: `write url = "./lake"` is `write ./lake` to whoever answers.
fn untyped(hint: &str, path: &str) -> String {
    let key = path.rsplit('.').next().unwrap_or(path);
    let Some((before, rest)) = hint.split_once(&format!("{key} = \"")) else { return hint.to_owned() };
    match rest.split_once('"') {
        Some((value, after)) => format!("{before}{value}{after}"),
        None => hint.to_owned(),
    }
}

/// Whose history is asked for, as one word says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum WhoseHistory {
    /// Everyone with a licence.
    Licensed,
    /// The members of a group.
    Group(GroupId),
    /// Those of a CSV file.
    File(PathBuf),
}

/// Reads `source.tenant_id`.
pub(crate) fn tenant_id(text: &str) -> Result<TenantId, BadAnswer> {
    read("source.tenant_id", text)
}

/// Reads `source.client_id`.
pub(crate) fn client_id(text: &str) -> Result<ClientId, BadAnswer> {
    read("source.client_id", text)
}

/// Reads `source.credential.kind`.
pub(crate) fn credential_kind(text: &str) -> Result<CredentialKind, BadAnswer> {
    read("source.credential.kind", text)
}

/// Reads `source.start`, which must lie before `now`.
pub(crate) fn start(text: &str, now: Timestamp) -> Result<Start, BadAnswer> {
    let path = "source.start";
    let start = read(path, text)?;
    validate::begins_in_the_past(start, now).map_err(|fault| BadAnswer::new(path, &fault))?;
    Ok(start)
}

/// Reads `licensed`, the object id of a group, or the path of a CSV file.
pub(crate) fn users(text: &str) -> Result<WhoseHistory, BadAnswer> {
    let text = text.trim();
    if text == "licensed" {
        return Ok(WhoseHistory::Licensed);
    }
    if let Ok(group) = GroupId::parse(text) {
        return Ok(WhoseHistory::Group(group));
    }
    if text.to_ascii_lowercase().ends_with(".csv") {
        let path = "source.users.file";
        let LocalPath(file) = read(path, text)?;
        return match LocalPath::parse(&file.to_string_lossy()) {
            Ok(LocalPath(again)) if again == file => Ok(WhoseHistory::File(file)),
            Ok(_) | Err(_) => Err(BadAnswer::new(path, &unsayable(text))),
        };
    }
    let fault = Fault::is(text, "neither licensed, nor the object id of a group, nor a CSV file");
    let hint = "write licensed, an object id such as 8c5a3f5e-4ab6-4d0e-9a0f-5d8e6f3c2b1a, or users.csv";
    Err(BadAnswer::new("source.users", &fault.hint(hint)))
}

/// Reads `destination.url`, in a form that a file can say again.
pub(crate) fn destination(text: &str) -> Result<StoreLocation, BadAnswer> {
    let path = "destination.url";
    let LakeLocation(location) = read(path, text)?;
    match LakeLocation::parse(&location.to_string()) {
        Ok(LakeLocation(again)) if again == location => Ok(location),
        Ok(_) | Err(_) => Err(BadAnswer::new(path, &unsayable(text))),
    }
}

/// A URL of a path whose bytes are no text, or control characters.
fn unsayable(text: &str) -> Fault {
    Fault::is(text, "which no pipeline file can say as a text").hint("name it otherwise")
}

fn read<T: Setting>(path: &str, text: &str) -> Result<T, BadAnswer> {
    // Quotes are of whoever copied it from a file.
    let text = text.trim();
    let bare = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    T::parse(bare).map_err(|fault| BadAnswer::new(path, &fault))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said<T: std::fmt::Debug>(outcome: Result<T, BadAnswer>) -> String {
        match outcome {
            Ok(value) => format!("{value:?}"),
            Err(bad) => format!("{bad}; {}", bad.hint()),
        }
    }

    #[test]
    fn answers() {
        let id = "8c5a3f5e-4ab6-4d0e-9a0f-5d8e6f3c2b1a";
        let now = Timestamp::parse("2026-01-15T12:00:00Z").unwrap();
        for (outcome, expected) in [
            (said(tenant_id(&format!(" {id}\n"))), id),
            (
                said(tenant_id("contoso")),
                r#"is "contoso", not a GUID; write aaaabbbb-0000-cccc-1111-dddd2222eeee"#,
            ),
            (said(client_id("app")), r#"is "app", not a GUID; write 04b07795-8ddb-461a-bbee-02f9e1bf7b46"#),
            (
                said(credential_kind("certificat")),
                r#"is "certificat", not a kind of credential; did you mean "certificate"?"#,
            ),
            (said(users("licensed")), "Licensed"),
            (said(users(id)), "Group(8c5a3f5e-4ab6-4d0e-9a0f-5d8e6f3c2b1a)"),
            (said(users("pilot/Users.CSV")), r#"File("pilot/Users.CSV")"#),
            (
                said(users("everyone")),
                "is \"everyone\", neither licensed, nor the object id of a group, nor a CSV file; write licensed, an \
                 object id such as 8c5a3f5e-4ab6-4d0e-9a0f-5d8e6f3c2b1a, or users.csv",
            ),
            (said(start("30d", now)), "Back(30d)"),
            (said(start("2027-01-01", now)), "is 2027-01-01, which is not in the past; write 2025-01-01"),
            (said(start("soon", now)), r#"is "soon", neither a date nor a duration; write 2025-01-01"#),
            (said(destination("file:///srv/lake")), r#"Local("/srv/lake")"#),
            (said(destination("\"./lake\"")), r#"Local("./lake")"#),
            (
                said(destination("ftp://host/lake")),
                r#"has the unknown scheme "ftp://"; write s3://bucket/lake, or a local path such as "./lake""#,
            ),
            (said(destination("")), r#"is "", not a path; write ./lake"#),
            (
                said(destination("file:///a%0Ab")),
                r#"is "file:///a%0Ab", which no pipeline file can say as a text; name it otherwise"#,
            ),
        ] {
            assert_eq!(outcome, expected);
        }
    }
}
