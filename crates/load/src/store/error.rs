//! What a store refuses, and what to do about it.

use std::error::Error;

use object_store::path::Path;

use super::location::Provider;
use super::options::ServerFault;

/// An operation on the store failed.
#[derive(Debug, thiserror::Error)]
#[error("{operation} {path} in the lake")]
pub struct StoreError {
    /// What was tried, as a verb.
    pub operation: &'static str,
    /// On what.
    pub path: String,
    /// What the store said.
    #[source]
    pub source: object_store::Error,
}

/// A store could not be opened: its settings, or those of the environment, are wrong.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory of a local lake could not be made.
    #[error("open the lake")]
    Local(#[source] StoreError),
    /// A server that credentials and data would go to, whether the file names it or the environment.
    #[error("use the server of {option}, which {fault}")]
    Server {
        /// The option.
        option: String,
        /// What is wrong with its value, which is not shown.
        fault: ServerFault,
    },
    /// The options and the environment together are no store.
    #[error("open the lake {url}")]
    Options {
        /// Whose store it would be.
        provider: Provider,
        /// The lake.
        url: String,
        /// What is missing or wrong.
        #[source]
        source: object_store::Error,
    },
}

impl OpenError {
    /// The next thing to do.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Local(error) => error.hint(),
            Self::Server { .. } => {
                "name an https URL; http is for servers on this machine, such as http://127.0.0.1:9000".into()
            }
            Self::Options { provider, .. } => credentials_hint(*provider).into(),
        }
    }
}

/// Where credentials come from. They never stand in the pipeline file.
const fn credentials_hint(provider: Provider) -> &'static str {
    match provider {
        Provider::S3 => {
            "credentials are read from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a web identity, ECS, EKS or the \
             instance; profiles and SSO of ~/.aws are not read: eval \"$(aws configure export-credentials --format env)\""
        }
        Provider::Azure => {
            "name the account by abfss://container@account.dfs.core.windows.net/… or azure_storage_account_name; \
             credentials are read from AZURE_STORAGE_ACCOUNT_KEY, AZURE_STORAGE_SAS_TOKEN, AZURE_CLIENT_ID with \
             AZURE_CLIENT_SECRET and AZURE_TENANT_ID, a workload or managed identity, or with azure_use_azure_cli"
        }
        Provider::Gcs => {
            "credentials are read from GOOGLE_SERVICE_ACCOUNT (a path), GOOGLE_APPLICATION_CREDENTIALS or the instance"
        }
    }
}

impl StoreError {
    /// The next thing to do.
    #[must_use]
    pub fn hint(&self) -> String {
        use object_store::Error as Said;
        let said = chain(&self.source);
        let mentions = |needles: &[&str]| needles.iter().any(|needle| said.contains(needle));
        let hint = match &self.source {
            _ if mentions(&["NoSuchBucket", "ContainerNotFound", "bucket does not exist"]) => {
                "make the bucket or container that destination.url names: promptlake makes none"
            }
            _ if mentions(&["169.254.169.254", "metadata.google.internal", "MissingCredential"]) => {
                return self.provider().map_or("check the credentials of the store", credentials_hint).into();
            }
            Said::PermissionDenied { .. } => {
                "the store took the credentials but not the operation: it takes rights to read, write, list and \
                 delete below destination.url"
            }
            Said::Unauthenticated { .. } => {
                return self.provider().map_or("check the credentials of the store", credentials_hint).into();
            }
            Said::NotSupported { .. } | Said::NotImplemented { .. } => {
                "this store can't do what a lake needs; see destination.options for what can be switched"
            }
            _ if mentions(&["incorrectly configured region", "AuthorizationHeaderMalformed"]) => {
                "set aws_region in [destination.options] to the region of the bucket"
            }
            _ => "check that destination.url exists, can be reached and written, and has room",
        };
        hint.into()
    }

    /// Whose store answered, as far as its errors tell.
    fn provider(&self) -> Option<Provider> {
        let said = chain(&self.source);
        let is = |name: &str| said.contains(name);
        if is("S3") || is("amazonaws") || is("latest/api/token") {
            Some(Provider::S3)
        } else if is("Azure") || is("core.windows.net") || is("api-version") {
            Some(Provider::Azure)
        } else if is("GCS") || is("google") {
            Some(Provider::Gcs)
        } else {
            None
        }
    }
}

/// An error and each of its causes, in one text.
fn chain(error: &dyn Error) -> String {
    let mut said = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        said = format!("{said}: {error}");
        cause = error.source();
    }
    said
}

pub(super) fn failed(operation: &'static str, path: &Path, source: object_store::Error) -> StoreError {
    StoreError { operation, path: path.to_string(), source }
}

pub(super) fn local_error(error: std::io::Error) -> object_store::Error {
    object_store::Error::Generic { store: "lake", source: Box::new(error) }
}

pub(super) fn found<T>(result: object_store::Result<T>) -> object_store::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(object_store::Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_say_what_to_do() {
        use object_store::Error as Said;
        let generic = |store, text: &str| Said::Generic { store, source: text.into() };
        let denied = Said::PermissionDenied { path: "x".into(), source: "403".into() };
        let no_bucket =
            Said::NotFound { path: "x".into(), source: "<Code>NoSuchBucket</Code>".to_owned().into() };
        for (source, expected) in [
            (no_bucket, "make the bucket"),
            (denied, "rights to read, write, list and delete"),
            (generic("S3", "PUT http://169.254.169.254/latest/api/token"), "export-credentials --format env"),
            (generic("MicrosoftAzure", "GET http://169.254.169.254/metadata"), "AZURE_STORAGE_ACCOUNT_KEY"),
            (generic("S3", "normally indicates an incorrectly configured region"), "aws_region"),
            (generic("lake", "No space left on device"), "has room"),
        ] {
            let hint = StoreError { operation: "write", path: "x".into(), source }.hint();
            assert!(hint.contains(expected), "{hint}");
        }
    }
}
