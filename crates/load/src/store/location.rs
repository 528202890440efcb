//! Where a lake is: a directory of this machine, or a prefix in the bucket of a provider.

use std::fmt;
use std::path::PathBuf;

use object_store::path::Path;

/// Whose store it is, which decides the names of its options and how a file is put in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provider {
    /// Amazon S3, and what speaks like it.
    S3,
    /// Azure Blob Storage, also where a hierarchical namespace makes it Data Lake Storage.
    Azure,
    /// Google Cloud Storage.
    Gcs,
}

/// Where a lake is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreLocation {
    /// In a directory of this machine, relative to the working directory where it is not absolute.
    Local(PathBuf),
    /// In a bucket.
    Remote(RemoteUrl),
}

/// A bucket and a prefix in it: `s3://bucket/prefix`, `gs://bucket/prefix`, `az://container/prefix` or
/// `abfss://container@account.dfs.core.windows.net/prefix`. In `OneLake` the container is a workspace:
/// `abfss://workspace@onelake.dfs.fabric.microsoft.com/item.Lakehouse/Files/folder`. It holds no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteUrl {
    provider: Provider,
    bucket: String,
    account: Option<AzureAccount>,
    prefix: Path,
}

/// An account of Azure, as `abfss://` names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AzureAccount {
    pub(super) name: String,
    /// What follows `dfs.` or `blob.` in the host.
    pub(super) cloud: &'static str,
}

impl AzureAccount {
    /// Whether it is the storage of Microsoft Fabric, whose containers are workspaces.
    fn is_onelake(&self) -> bool {
        self.cloud == FABRIC
    }
}

/// The clouds that Azure's accounts are in.
const AZURE_CLOUDS: [&str; 3] = ["core.windows.net", "core.usgovcloudapi.net", FABRIC];

/// Where `OneLake` is: it speaks as Azure's accounts do, and each region has an account of its own beside `onelake`.
const FABRIC: &str = "fabric.microsoft.com";

/// Regional accounts are called `westus-onelake`.
const ONELAKE: &str = "onelake";

/// In an item, only what lies below this folder is files; another one beside it is for tables of Delta Lake.
const ONELAKE_FILES: &str = "Files";

/// What is wrong with the URL of a store: a predicate that follows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UrlFault {
    /// No `://`, or a scheme of no store.
    #[error("which has not the scheme s3://, abfss://, az:// or gs://")]
    Scheme,
    /// A user or a password, which may be a secret.
    #[error("holds a user or a password")]
    Userinfo,
    /// A query or fragment, which may be a secret: SAS tokens come like that.
    #[error("has a query or a fragment")]
    QueryOrFragment,
    /// The bucket or container is not one.
    #[error("whose bucket is not 3 to 63 lower-case letters, digits, \".\" and \"-\"")]
    Bucket,
    /// `abfss://` without an account of Azure.
    #[error("which names no account, as container@account.dfs.core.windows.net does")]
    Account,
    /// The workspace of `OneLake` is not one, or its name can't stand in a URL.
    #[error("whose workspace is not made of letters, digits, \"-\" and \"_\": write its id")]
    Workspace,
    /// `OneLake` keeps files in items alone.
    #[error("which names no folder below Files of an item, as item.Lakehouse/Files/lake does")]
    OneLakeFolder,
    /// The prefix has something that a reader's glob would take for a pattern, or that needs escaping.
    #[error(
        "whose path is not made of letters, digits, \"-\", \"_\", \".\" and \"=\" between single slashes"
    )]
    Prefix,
}

impl UrlFault {
    /// Whether the URL may be shown: not where it may hold a secret.
    #[must_use]
    pub const fn may_quote(self) -> bool {
        !matches!(self, Self::Userinfo | Self::QueryOrFragment)
    }
}

impl RemoteUrl {
    /// Reads the URL of a bucket and a prefix.
    pub fn parse(text: &str) -> Result<Self, UrlFault> {
        let (scheme, rest) = text.split_once("://").ok_or(UrlFault::Scheme)?;
        let provider = match scheme {
            "s3" => Provider::S3,
            "az" | "abfss" => Provider::Azure,
            "gs" => Provider::Gcs,
            _ => return Err(UrlFault::Scheme),
        };
        if rest.contains(['?', '#']) {
            return Err(UrlFault::QueryOrFragment);
        }
        let (authority, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let (bucket, account) = match (scheme, authority.rsplit_once('@')) {
            ("abfss", Some((container, _))) if container.contains([':', '@']) => {
                return Err(UrlFault::Userinfo);
            }
            ("abfss", Some((container, host))) => (container, Some(azure_account(host)?)),
            ("abfss", None) => return Err(UrlFault::Account),
            (_, Some(_)) => return Err(UrlFault::Userinfo),
            (_, None) => (authority, None),
        };
        let is_onelake = account.as_ref().is_some_and(AzureAccount::is_onelake);
        match is_onelake {
            true if !is_workspace(bucket) => return Err(UrlFault::Workspace),
            false if !is_bucket(bucket, provider) => return Err(UrlFault::Bucket),
            true | false => {}
        }
        let prefix = parse_prefix(prefix)?;
        if is_onelake && !is_in_files(&prefix) {
            return Err(UrlFault::OneLakeFolder);
        }
        Ok(Self { provider, bucket: bucket.to_owned(), account, prefix })
    }

    /// Whether it is in `OneLake`, the storage of Microsoft Fabric.
    #[must_use]
    pub fn is_onelake(&self) -> bool {
        self.account.as_ref().is_some_and(AzureAccount::is_onelake)
    }

    /// Whether the account of an Azure container stands in the URL: `abfss://` has it, `az://` does not.
    #[must_use]
    pub const fn names_account(&self) -> bool {
        self.account.is_some()
    }

    /// Whose store it is.
    #[must_use]
    pub const fn provider(&self) -> Provider {
        self.provider
    }

    /// The bucket; with Azure the container.
    #[must_use]
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    pub(super) const fn account(&self) -> Option<&AzureAccount> {
        self.account.as_ref()
    }

    pub(super) const fn prefix(&self) -> &Path {
        &self.prefix
    }
}

impl StoreLocation {
    /// The root of the lake in the words of `DuckDB`: a glob of a table begins with it. `DuckDB` writes the account of
    /// Azure before the container, and reads Data Lake Storage as Blob Storage as well.
    #[must_use]
    pub fn in_duckdb(&self) -> String {
        match self {
            Self::Remote(RemoteUrl { bucket, account: Some(account), prefix, .. }) => {
                joined(&format!("az://{}.blob.{}/{bucket}", account.name, account.cloud), prefix)
            }
            other => other.to_string(),
        }
    }
}

impl fmt::Display for StoreLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local(path) => path.display().fmt(f),
            Self::Remote(url) => url.fmt(f),
        }
    }
}

impl fmt::Display for RemoteUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bucket = &self.bucket;
        let root = match (self.provider, &self.account) {
            (Provider::S3, _) => format!("s3://{bucket}"),
            (Provider::Gcs, _) => format!("gs://{bucket}"),
            (Provider::Azure, None) => format!("az://{bucket}"),
            (Provider::Azure, Some(AzureAccount { name, cloud })) => {
                format!("abfss://{bucket}@{name}.dfs.{cloud}")
            }
        };
        f.write_str(&joined(&root, &self.prefix))
    }
}

fn joined(root: &str, prefix: &Path) -> String {
    if prefix.is_root() { root.to_owned() } else { format!("{root}/{prefix}") }
}

fn azure_account(host: &str) -> Result<AzureAccount, UrlFault> {
    let (name, domain) = host.split_once('.').ok_or(UrlFault::Account)?;
    let domain = domain.strip_prefix("dfs.").or_else(|| domain.strip_prefix("blob."));
    let cloud = AZURE_CLOUDS.into_iter().find(|cloud| domain == Some(cloud)).ok_or(UrlFault::Account)?;
    let is_name = if cloud == FABRIC {
        name == ONELAKE || name.strip_suffix("-onelake").is_some_and(is_lower_case)
    } else {
        (3..=24).contains(&name.len()) && is_lower_case(name)
    };
    if is_name { Ok(AzureAccount { name: name.to_owned(), cloud }) } else { Err(UrlFault::Account) }
}

fn is_lower_case(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
}

/// A workspace may have any name, a blank in it too; what needs no escaping is taken, and else its id says the same.
fn is_workspace(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
}

/// Whether a path in a workspace names an item, its files, and a folder among them.
fn is_in_files(prefix: &Path) -> bool {
    let mut parts = prefix.parts();
    parts.next().is_some()
        && parts.next().is_some_and(|part| part.as_ref() == ONELAKE_FILES)
        && parts.next().is_some()
}

fn is_bucket(name: &str, provider: Provider) -> bool {
    let is_end = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let is_inner = |b: u8| match b {
        b'a'..=b'z' | b'0'..=b'9' | b'-' => true,
        b'.' => provider != Provider::Azure,
        b'_' => provider == Provider::Gcs,
        _ => false,
    };
    let bytes = name.as_bytes();
    (3..=63).contains(&bytes.len())
        && is_end(bytes.first())
        && is_end(bytes.last())
        && bytes.iter().all(|b| is_inner(*b))
}

/// Readers glob below the prefix, so nothing in it may look like a pattern; and what is written as it is needs no
/// escaping by anybody.
fn parse_prefix(text: &str) -> Result<Path, UrlFault> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.=/".contains(&b);
    if text.starts_with('/') || !text.bytes().all(plain) {
        return Err(UrlFault::Prefix);
    }
    Path::parse(text).map_err(|_| UrlFault::Prefix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        const BUCKET: &str = "whose bucket is not 3 to 63 lower-case letters, digits, \".\" and \"-\"";
        const PREFIX: &str =
            "whose path is not made of letters, digits, \"-\", \"_\", \".\" and \"=\" between single slashes";
        const ACCOUNT: &str = "which names no account, as container@account.dfs.core.windows.net does";
        const WORKSPACE: &str =
            "whose workspace is not made of letters, digits, \"-\" and \"_\": write its id";
        const FOLDER: &str =
            "which names no folder below Files of an item, as item.Lakehouse/Files/lake does";
        for (text, expected) in [
            ("s3://my.bucket-1/some/prefix", "S3 my.bucket-1 some/prefix s3://my.bucket-1/some/prefix"),
            ("s3://bucket", "S3 bucket  s3://bucket"),
            ("s3://bucket/", "S3 bucket  s3://bucket"),
            ("s3://bucket/a/", "S3 bucket a s3://bucket/a"),
            ("gs://my_bucket/env=prod", "Gcs my_bucket env=prod gs://my_bucket/env=prod"),
            ("az://container/lake", "Azure container lake az://container/lake"),
            (
                "abfss://lake@contoso.dfs.core.windows.net/a/b",
                "Azure lake a/b az://contoso.blob.core.windows.net/lake/a/b",
            ),
            (
                "abfss://lake@contoso.blob.core.usgovcloudapi.net",
                "Azure lake  az://contoso.blob.core.usgovcloudapi.net/lake",
            ),
            (
                "abfss://Copilot_1@onelake.dfs.fabric.microsoft.com/my.Lakehouse/Files/lake",
                "Azure Copilot_1 my.Lakehouse/Files/lake \
                 az://onelake.blob.fabric.microsoft.com/Copilot_1/my.Lakehouse/Files/lake",
            ),
            (
                "abfss://copilot@westus-onelake.dfs.fabric.microsoft.com/my.Lakehouse/Files/lake",
                "Azure copilot my.Lakehouse/Files/lake \
                 az://westus-onelake.blob.fabric.microsoft.com/copilot/my.Lakehouse/Files/lake",
            ),
            ("abfss://copilot@contoso.dfs.fabric.microsoft.com/my.Lakehouse/Files/lake", ACCOUNT),
            ("abfss://my team@onelake.dfs.fabric.microsoft.com/my.Lakehouse/Files/lake", WORKSPACE),
            ("abfss://copilot@onelake.dfs.fabric.microsoft.com", FOLDER),
            ("abfss://copilot@onelake.dfs.fabric.microsoft.com/lake", FOLDER),
            ("abfss://copilot@onelake.dfs.fabric.microsoft.com/my.Lakehouse/Files", FOLDER),
            ("abfss://copilot@onelake.dfs.fabric.microsoft.com/my.Lakehouse/Tables/lake", FOLDER),
            ("./lake", "which has not the scheme s3://, abfss://, az:// or gs://"),
            ("https://bucket.s3.amazonaws.com/x", "which has not the scheme s3://, abfss://, az:// or gs://"),
            ("s3://key:secret@bucket/x", "holds a user or a password"),
            ("az://container@account/x", "holds a user or a password"),
            ("abfss://jo:secret@contoso.dfs.core.windows.net/x", "holds a user or a password"),
            ("az://container/x?sig=secret", "has a query or a fragment"),
            ("s3://bucket/x#y", "has a query or a fragment"),
            ("s3:///x", BUCKET),
            ("s3://Bucket/x", BUCKET),
            ("s3://bucket:9000/x", BUCKET),
            ("az://my.container/x", BUCKET),
            ("s3://ab/x", BUCKET),
            ("abfss://lake/x", ACCOUNT),
            ("abfss://lake@contoso.example.com/x", ACCOUNT),
            ("abfss://lake@contoso/x", ACCOUNT),
            ("s3://bucket//x", PREFIX),
            ("s3://bucket/a//b", PREFIX),
            ("s3://bucket/../x", PREFIX),
            ("s3://bucket/a*", PREFIX),
            ("s3://bucket/my lake", PREFIX),
            ("s3://bucket/%20", PREFIX),
        ] {
            let outcome = match RemoteUrl::parse(text) {
                Ok(url) => {
                    let duckdb = StoreLocation::Remote(url.clone()).in_duckdb();
                    format!("{:?} {} {} {duckdb}", url.provider(), url.bucket(), url.prefix())
                }
                Err(fault) => fault.to_string(),
            };
            assert_eq!(outcome, expected, "{text}");
        }
    }

    #[test]
    fn what_was_typed_is_what_is_shown() {
        for text in [
            "s3://bucket/a/b",
            "gs://bucket",
            "abfss://lake@contoso.dfs.core.windows.net/x",
            "abfss://copilot@onelake.dfs.fabric.microsoft.com/my.Lakehouse/Files/lake",
        ] {
            assert_eq!(RemoteUrl::parse(text).map(|url| url.to_string()), Ok(text.to_owned()));
        }
    }
}
