//! Where the lake is: a path of this machine, or the URL of a bucket.

use promptlake_load::{RemoteUrl, StoreLocation, UrlFault};

use super::{LocalPath, Setting};
use crate::settings::error::{Fault, nearest};

/// Right examples, by scheme.
const EXAMPLES: [(&str, &str); 4] = [
    ("s3", "s3://bucket/lake"),
    ("abfss", "abfss://container@account.dfs.core.windows.net/lake"),
    ("az", "az://container/lake"),
    ("gs", "gs://bucket/lake"),
];

/// A local directory, which need not exist, or a prefix in a bucket, which must.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LakeLocation(pub(crate) StoreLocation);

impl Setting for LakeLocation {
    const NOUN: &'static str = "a path or the URL of a bucket";

    /// What may hold a key is not quoted.
    fn parse(text: &str) -> Result<Self, Fault> {
        match text.split_once("://") {
            None if looks_like_a_url(text) => Err(Fault::new(
                "looks like the URL of a bucket, but lacks \"://\"",
            )
            .hint("write url = \"s3://bucket/lake\"; a folder of that name is written with ./ before it")),
            None | Some(("file", _)) => {
                LocalPath::parse(text).map(|LocalPath(path)| Self(StoreLocation::Local(path)))
            }
            Some((scheme, rest)) => RemoteUrl::parse(text)
                .map(|url| Self(StoreLocation::Remote(url)))
                .map_err(|fault| url_fault(scheme, rest, fault)),
        }
    }
}

/// The same, for an argument: what is wrong, and a right example.
pub(in crate::settings) fn lake_location(text: &str) -> Result<StoreLocation, String> {
    let told = |fault: Fault| fault.in_full();
    LakeLocation::parse(text).map(|LakeLocation(location)| location).map_err(told)
}

/// A slip of the pen in a URL must not become a folder of this machine.
fn looks_like_a_url(text: &str) -> bool {
    let first = text.split('/').next().unwrap_or_default();
    let scheme = first.split_once(':').map_or(first, |(scheme, _)| scheme);
    let is_scheme = scheme == "file" || scheme == "s3a" || EXAMPLES.iter().any(|(known, _)| *known == scheme);
    is_scheme && (first.contains(':') || text[first.len()..].starts_with("//"))
}

/// A right example of a URL in `OneLake`, where containers and paths are of their own kind.
const ONELAKE_EXAMPLE: &str = "abfss://workspace@onelake.dfs.fabric.microsoft.com/item.Lakehouse/Files/lake";

/// What is right where a URL of this scheme has this fault.
fn example_of(scheme: &str, fault: Option<UrlFault>) -> Option<(&'static str, &'static str)> {
    if matches!(fault, Some(UrlFault::Workspace | UrlFault::OneLakeFolder)) {
        return Some(("abfss", ONELAKE_EXAMPLE));
    }
    EXAMPLES.into_iter().find(|(known, _)| *known == scheme)
}

fn url_fault(scheme: &str, rest: &str, fault: UrlFault) -> Fault {
    let write = |example: &str| format!("write url = {example:?}");
    match example_of(scheme, Some(fault)) {
        None => {
            let unknown = Fault::new(format!("has the unknown scheme {:?}", format!("{scheme}://")));
            let near =
                nearest(scheme, &EXAMPLES.map(|(known, _)| known)).and_then(|near| example_of(near, None));
            unknown.hint(near.map_or_else(
                || format!("{}, or a local path such as \"./lake\"", write("s3://bucket/lake")),
                |(_, example)| write(example),
            ))
        }
        // A colon stands before a password.
        Some((_, example)) if fault.may_quote() && !rest.contains(':') => {
            Fault::is(&format!("{scheme}://{rest}"), &fault.to_string()).hint(write(example))
        }
        Some((_, example)) => {
            let said = if fault.may_quote() { format!("is a URL {fault}") } else { fault.to_string() };
            Fault::new(said).hint(write(example))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations() {
        for (text, expected) in [
            ("./lake", "./lake"),
            ("file:///srv/my%20lake", "/srv/my lake"),
            ("s3://bucket/a/b", "s3://bucket/a/b"),
            ("abfss://lake@contoso.dfs.core.windows.net/x", "abfss://lake@contoso.dfs.core.windows.net/x"),
            ("gs://bucket", "gs://bucket"),
            ("./s3:/bucket", "./s3:/bucket"),
            ("s3", "s3"),
            ("s3/lake", "s3/lake"),
            ("C:/lake", "C:/lake"),
            ("s3:/bucket/x", r#"looks like the URL of a bucket, but lacks "://""#),
            ("s3:bucket", r#"looks like the URL of a bucket, but lacks "://""#),
            ("gs//bucket/x", r#"looks like the URL of a bucket, but lacks "://""#),
            ("file:/srv/lake", r#"looks like the URL of a bucket, but lacks "://""#),
            ("~/lake", r#"begins with "~", which only a shell expands"#),
            ("", r#"is "", not a path"#),
            ("s3a://bucket/x", r#"has the unknown scheme "s3a://""#),
            ("ftp://jo:secret@server/x", r#"has the unknown scheme "ftp://""#),
            ("s3://jo:secret@bucket/x", "holds a user or a password"),
            (
                "abfss://jo:secret/x",
                "is a URL which names no account, as container@account.dfs.core.windows.net does",
            ),
            (
                "s3://B/x",
                r#"is "s3://B/x", whose bucket is not 3 to 63 lower-case letters, digits, "." and "-""#,
            ),
        ] {
            let outcome = match LakeLocation::parse(text) {
                Ok(LakeLocation(location)) => location.to_string(),
                Err(fault) => fault.to_string(),
            };
            assert_eq!(outcome, expected, "{text:?}");
        }
    }
}
