//! `source.credential`, and the app that it belongs to.

use super::section::Section;
use crate::settings::error::{Fault, Problem};
use crate::settings::pipeline::{Credential, SecretPlace};
use crate::settings::typed::{CredentialTable, SourceTable};
use crate::settings::value::{ClientId, CredentialKind};

const SOURCE: Section = Section("source");
const CREDENTIAL: Section = Section("source.credential");

pub(super) fn credential(source: &SourceTable) -> Result<Credential, Problem> {
    let Some(typed) = &source.credential else {
        client_id(source)?;
        return Err(SOURCE.fault("credential", Fault::missing()));
    };
    let kind = CREDENTIAL.required("kind", typed.kind.as_ref())?;
    nothing_misplaced(kind, source, typed)?;
    Ok(match kind {
        CredentialKind::ClientSecret => {
            Credential::ClientSecret { client_id: client_id(source)?, place: secret_place(typed)? }
        }
        CredentialKind::Certificate => Credential::Certificate {
            client_id: client_id(source)?,
            path: CREDENTIAL.required("path", typed.path.as_ref())?.0,
            password_env: CREDENTIAL
                .optional("password_env", typed.password_env.as_ref())?
                .map(|name| name.0),
        },
        CredentialKind::WorkloadIdentity => Credential::WorkloadIdentity {
            client_id: SOURCE.optional("client_id", source.client_id.as_ref())?,
        },
        CredentialKind::ManagedIdentity => Credential::ManagedIdentity {
            client_id: CREDENTIAL.optional("client_id", typed.client_id.as_ref())?,
        },
        CredentialKind::Token => {
            Credential::Token { command: CREDENTIAL.required("command", typed.command.as_ref())? }
        }
    })
}

fn client_id(source: &SourceTable) -> Result<ClientId, Problem> {
    SOURCE.required("client_id", source.client_id.as_ref())
}

/// What a credential of a kind says beside its kind.
fn takes(kind: CredentialKind) -> &'static [&'static str] {
    match kind {
        CredentialKind::ClientSecret => &["env", "file", "command"],
        CredentialKind::Certificate => &["path", "password_env"],
        CredentialKind::WorkloadIdentity => &[],
        CredentialKind::ManagedIdentity => &["client_id"],
        CredentialKind::Token => &["command"],
    }
}

/// A setting without effect would let its author believe in it.
fn nothing_misplaced(
    kind: CredentialKind,
    source: &SourceTable,
    typed: &CredentialTable,
) -> Result<(), Problem> {
    let misplaced = || Fault::misplaced(format!("means nothing with credential.kind = {:?}", kind.name()));
    let fields = [
        ("env", typed.env.is_some()),
        ("file", typed.file.is_some()),
        ("command", typed.command.is_some()),
        ("path", typed.path.is_some()),
        ("password_env", typed.password_env.is_some()),
        ("client_id", typed.client_id.is_some()),
    ];
    for (key, is_typed) in fields {
        if is_typed && !takes(kind).contains(&key) {
            let advice = match takes(kind) {
                [] => format!("remove {key}: this kind takes nothing else"),
                taken => format!("remove {key}: this kind takes {}", taken.join(", ")),
            };
            return Err(CREDENTIAL.fault(key, misplaced().hint(advice)));
        }
    }
    let advice = match kind {
        CredentialKind::ManagedIdentity => {
            "remove client_id; which of several identities is meant stands in the credential: \
             credential = { kind = \"managed_identity\", client_id = \"04b07795-8ddb-461a-bbee-02f9e1bf7b46\" }"
        }
        CredentialKind::Token => "remove client_id: the token says whose it is",
        _ => return Ok(()),
    };
    match source.client_id {
        Some(_) => Err(SOURCE.fault("client_id", misplaced().hint(advice))),
        None => Ok(()),
    }
}

fn secret_place(typed: &CredentialTable) -> Result<SecretPlace, Problem> {
    let env = CREDENTIAL.optional("env", typed.env.as_ref())?;
    let file = CREDENTIAL.optional("file", typed.file.as_ref())?;
    let command = CREDENTIAL.optional("command", typed.command.as_ref())?;
    let both =
        |one, other| Err(SOURCE.fault("credential", Fault::new(format!("has both {one} and {other}"))));
    match (env, file, command) {
        (Some(name), None, None) => Ok(SecretPlace::Env(name.0)),
        (None, Some(path), None) => Ok(SecretPlace::File(path.0)),
        (None, None, Some(line)) => Ok(SecretPlace::Command(line)),
        (Some(_), Some(_), _) => both("env", "file"),
        (Some(_), None, Some(_)) => both("env", "command"),
        (None, Some(_), Some(_)) => both("file", "command"),
        (None, None, None) => {
            Err(SOURCE.fault("credential", Fault::new("has none of env, file and command")))
        }
    }
}
