//! A file or directory of this machine, by its path or by a `file://` URL.

use std::path::PathBuf;

use url::Url;

use super::Setting;
use crate::settings::error::Fault;

/// Schemes of stores: they belong to the lake, and sources are files of this machine.
const STORES: [&str; 6] = ["s3", "abfss", "abfs", "az", "azure", "gs"];

/// A path, relative to the working directory where it is not absolute. It need not exist yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LocalPath(pub(crate) PathBuf);

impl Setting for LocalPath {
    const NOUN: &'static str = "a path";

    /// Of a URL with another scheme only the scheme is quoted: the rest may hold a key.
    fn parse(text: &str) -> Result<Self, Fault> {
        if text.trim().is_empty() || text.contains(char::is_control) {
            return Err(Fault::is(text, "not a path"));
        }
        if text == "~" || text.starts_with("~/") {
            let advice = "write the path in full, such as \"/srv/lake\", or from the working directory, such as \"./lake\"";
            return Err(Fault::new("begins with \"~\", which only a shell expands").hint(advice));
        }
        let Some((scheme, _)) = text.split_once("://") else {
            return Ok(Self(text.into()));
        };
        let local_only = "a local path belongs here, such as \"./lake\" or \"file:///srv/lake\"";
        if scheme == "file" {
            let path = Url::parse(text).ok().and_then(|url| url.to_file_path().ok());
            let fault = || Fault::is(text, "which names no file of this machine").hint(local_only);
            return path.map(Self).ok_or_else(fault);
        }
        let wrong = if STORES.contains(&scheme) {
            format!("has the scheme {scheme}://, which this version does not support")
        } else {
            format!("has the unknown scheme {:?}", format!("{scheme}://"))
        };
        Err(Fault::new(wrong).hint(local_only))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        super::super::check::<LocalPath>(&[
            ("./lake", r#"LocalPath("./lake")"#),
            ("/srv/lake", r#"LocalPath("/srv/lake")"#),
            ("file:///srv/my%20lake", r#"LocalPath("/srv/my lake")"#),
            ("file://server/lake", r#"is "file://server/lake", which names no file of this machine"#),
            ("s3://bucket/prefix", "has the scheme s3://, which this version does not support"),
            (
                "abfss://c@a.dfs.core.windows.net/x",
                "has the scheme abfss://, which this version does not support",
            ),
            ("az://container/x", "has the scheme az://, which this version does not support"),
            ("gs://bucket/x", "has the scheme gs://, which this version does not support"),
            ("ftp://jo:secret@server/x", r#"has the unknown scheme "ftp://""#),
            ("", r#"is "", not a path"#),
            ("  ", r#"is "  ", not a path"#),
            ("a\nb", r#"is "a\nb", not a path"#),
        ]);
    }
}
