//! Keys that are no settings, but that someone will type: of another version, or the secret itself.

use super::key_path::KeyPath;

enum Reason {
    /// Described, but not by this version.
    NotYet,
    /// The file must not hold it.
    Secret,
    /// It stands in another section; how it is written there.
    Elsewhere(&'static str),
}

const REFUSED: &[(&str, Reason)] = &[
    ("source.audit", Reason::NotYet),
    ("source.client_secret", Reason::Secret),
    ("source.credential.client_secret", Reason::Secret),
    ("source.credential.password", Reason::Secret),
    ("source.credential.secret", Reason::Secret),
    ("source.credential.token", Reason::Secret),
    ("source.credential.value", Reason::Secret),
    ("source.password", Reason::Secret),
    ("source.secret", Reason::Secret),
    ("source.token", Reason::Secret),
    ("run.audit", Reason::NotYet),
    ("run.single_writer", Reason::Elsewhere("write it below [destination]: single_writer = true")),
];

fn reason(path: &KeyPath) -> Option<&'static Reason> {
    let path = dotted(path);
    REFUSED.iter().find(|(key, _)| *key == path).map(|(_, reason)| reason)
}

/// Whatever item of a list it is in.
fn dotted(path: &KeyPath) -> String {
    path.keys().collect::<Vec<_>>().join(".")
}

/// What is wrong with such a key, after its name.
pub(super) fn predicate(path: &KeyPath) -> Option<&'static str> {
    reason(path).map(|reason| match reason {
        Reason::NotYet => "is not supported by this version",
        Reason::Elsewhere(_) => "is not a setting of this section",
        Reason::Secret => "would put a secret into the settings",
    })
}

/// What to do instead, where there is an instead.
pub(super) fn hint(path: &KeyPath) -> Option<&'static str> {
    reason(path).map(|reason| match reason {
        Reason::NotYet => "remove it; `promptlake audit FILE` asks again for what is covered",
        Reason::Elsewhere(how) => how,
        Reason::Secret => {
            "name where the secret is: credential = { kind = \"client_secret\", env = \"PROMPTLAKE_CLIENT_SECRET\" }"
        }
    })
}
