//! The options of a store, under the names that `object_store` gives them.
//!
//! Only those in these tables are taken: an option that is misspelt must not be passed over in silence, one that holds
//! a secret does not belong into a file, and the bucket stands in the URL. Whatever else `object_store` knows can be
//! set in the environment, which it reads as well.

use std::str::FromStr;

use object_store::aws::AmazonS3ConfigKey;
use object_store::azure::AzureConfigKey;
use object_store::gcp::GoogleConfigKey;
use url::{Host, Url};

use super::location::Provider;

/// What an option takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Takes {
    Text,
    Boolean,
    /// The URL of a server.
    Server,
    /// What nobody else may know.
    Secret,
    /// What the URL of the lake says already.
    InUrl,
}

use Takes::{Boolean, InUrl, Secret, Server, Text};

/// By the first name that `object_store` has for each.
const S3: &[(&str, Takes)] = &[
    ("aws_region", Text),
    ("aws_default_region", Text),
    ("aws_endpoint", Server),
    ("aws_endpoint_url_s3", Server),
    ("aws_endpoint_url_sts", Server),
    ("aws_virtual_hosted_style_request", Boolean),
    ("aws_s3_express", Boolean),
    ("aws_server_side_encryption", Text),
    ("aws_sse_kms_key_id", Text),
    ("aws_sse_bucket_key_enabled", Boolean),
    ("aws_sse_customer_key_base64", Secret),
    ("aws_access_key_id", Text),
    ("aws_secret_access_key", Secret),
    ("aws_session_token", Secret),
    ("aws_web_identity_token_file", Text),
    ("aws_role_arn", Text),
    ("aws_role_session_name", Text),
    ("aws_container_credentials_relative_uri", Text),
    ("aws_container_authorization_token_file", Text),
    ("aws_imdsv1_fallback", Boolean),
    ("aws_checksum_algorithm", Text),
    ("aws_conditional_put", Text),
    ("aws_unsigned_payload", Boolean),
    ("aws_skip_signature", Boolean),
    ("aws_disable_tagging", Boolean),
    ("aws_disable_bulk_delete", Boolean),
    ("aws_request_payer", Boolean),
    ("aws_bucket", InUrl),
];

const AZURE: &[(&str, Takes)] = &[
    ("azure_storage_account_name", Text),
    ("azure_storage_endpoint", Server),
    ("azure_storage_authority_host", Server),
    ("azure_storage_client_id", Text),
    ("azure_storage_tenant_id", Text),
    ("azure_object_id", Text),
    ("azure_msi_resource_id", Text),
    ("azure_federated_token_file", Text),
    ("azure_credential_type", Text),
    ("azure_use_azure_cli", Boolean),
    ("azure_skip_signature", Boolean),
    ("azure_disable_tagging", Boolean),
    ("azure_storage_account_key", Secret),
    ("azure_storage_sas_key", Secret),
    ("azure_storage_client_secret", Secret),
    ("azure_storage_token", Secret),
    ("azure_storage_encryption_key", Secret),
    ("azure_fabric_session_token", Secret),
    ("azure_container_name", InUrl),
];

const GCS: &[(&str, Takes)] = &[
    ("google_service_account", Text),
    ("google_application_credentials", Text),
    ("google_base_url", Server),
    ("google_skip_signature", Boolean),
    ("google_service_account_key", Secret),
    ("google_bearer_token", Secret),
    ("google_bucket", InUrl),
];

/// Of the HTTP client, after the prefix of any provider. Time-outs of requests are not among them: they keep a run
/// from outliving its heartbeat.
const CLIENT: &[(&str, Takes)] = &[
    ("allow_http", Boolean),
    ("connect_timeout", Text),
    ("http1_only", Boolean),
    ("http2_only", Boolean),
    ("proxy_ca_certificate", Text),
    ("proxy_excludes", Text),
    // It may hold a user and a password.
    ("proxy_url", Secret),
];

/// What is wrong with an option: a predicate that follows its name. No value of it is ever shown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OptionFault {
    /// It is none of this provider.
    #[error("is not an option of {}", .0.name())]
    Unknown(Provider),
    /// It would put a secret into the settings.
    #[error("would put a secret into the settings")]
    Secret {
        /// The environment variable that takes it.
        variable: String,
    },
    /// The URL of the lake says it.
    #[error("says again what destination.url says")]
    InUrl,
    /// It takes true or false.
    #[error("is neither \"true\" nor \"false\"")]
    Boolean,
    /// It takes the URL of a server.
    #[error("{0}")]
    Server(#[from] ServerFault),
}

/// What is wrong with the URL of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ServerFault {
    /// It is no URL of https or http.
    #[error("is not a URL of https, or of http on a loopback address")]
    Url,
    /// It holds what may be a secret.
    #[error("holds a user, a password, a query or a fragment")]
    Secret,
    /// Prompts, answers and the credentials of the store would be read by whoever is on the way.
    #[error("is http to another machine")]
    Http,
}

impl Provider {
    /// As a person calls it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::S3 => "S3",
            Self::Azure => "Azure Blob Storage",
            Self::Gcs => "Google Cloud Storage",
        }
    }

    /// What the names of its options and environment variables begin with.
    const fn prefix(self) -> &'static str {
        match self {
            Self::S3 => "aws_",
            Self::Azure => "azure_",
            Self::Gcs => "google_",
        }
    }

    const fn options(self) -> &'static [(&'static str, Takes)] {
        match self {
            Self::S3 => S3,
            Self::Azure => AZURE,
            Self::Gcs => GCS,
        }
    }

    /// The options that may be set, for a message that lists them.
    #[must_use]
    pub fn option_names(self) -> Vec<String> {
        let settable = |takes: Takes| !matches!(takes, Secret | InUrl);
        let own = self.options().iter().filter(|(_, takes)| settable(*takes));
        let client = CLIENT.iter().filter(|(_, takes)| settable(*takes));
        own.map(|(name, _)| (*name).to_owned())
            .chain(client.map(|(name, _)| format!("{}{name}", self.prefix())))
            .collect()
    }

    /// Whether an option may be set to a value. Reads neither file nor environment.
    pub fn check_option(self, name: &str, value: &str) -> Result<(), OptionFault> {
        let canonical = self.canonical(name).ok_or(OptionFault::Unknown(self))?;
        let known = self.options().iter().chain(CLIENT).find(|(known, _)| *known == canonical);
        match known.ok_or(OptionFault::Unknown(self))?.1 {
            Text => Ok(()),
            Boolean if matches!(value, "true" | "false") => Ok(()),
            Boolean => Err(OptionFault::Boolean),
            Server => Ok(check_server(value)?),
            Secret => Err(OptionFault::Secret { variable: self.variable(name) }),
            InUrl => Err(OptionFault::InUrl),
        }
    }

    /// The first of the names that `object_store` has for an option.
    fn canonical(self, name: &str) -> Option<String> {
        match self {
            Self::S3 => AmazonS3ConfigKey::from_str(name).ok().map(|key| key.as_ref().to_owned()),
            Self::Azure => AzureConfigKey::from_str(name).ok().map(|key| key.as_ref().to_owned()),
            Self::Gcs => GoogleConfigKey::from_str(name).ok().map(|key| key.as_ref().to_owned()),
        }
    }

    fn variable(self, name: &str) -> String {
        let canonical = self.canonical(name).unwrap_or_else(|| name.to_owned());
        // Both names are read; this one is what Azure's own tools and documents call it.
        if canonical == "azure_storage_sas_key" {
            return "AZURE_STORAGE_SAS_TOKEN".into();
        }
        let prefixed = if canonical.starts_with(self.prefix()) {
            canonical
        } else {
            format!("{}{canonical}", self.prefix())
        };
        prefixed.to_ascii_uppercase()
    }
}

/// Whether what goes to a server stays between it and this machine: https, or http that does not leave the machine.
pub(super) fn check_server(text: &str) -> Result<(), ServerFault> {
    let url = Url::parse(text).map_err(|_| ServerFault::Url)?;
    let bare = url.username().is_empty() && url.password().is_none();
    if !bare || url.query().is_some() || url.fragment().is_some() {
        return Err(ServerFault::Secret);
    }
    match (url.scheme(), url.host()) {
        ("https", Some(_)) => Ok(()),
        ("http", Some(host)) if is_loopback(&host) => Ok(()),
        ("http", Some(_)) => Err(ServerFault::Http),
        _ => Err(ServerFault::Url),
    }
}

fn is_loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
        Host::Domain(name) => *name == "localhost",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options() {
        use Provider::{Azure, Gcs, S3};
        for (provider, name, value, expected) in [
            (S3, "aws_region", "eu-central-1", ""),
            (S3, "region", "eu-central-1", ""),
            (S3, "aws_endpoint", "https://minio.example.com:9000", ""),
            (S3, "aws_endpoint_url", "http://127.0.0.1:9000", ""),
            (S3, "aws_endpoint", "http://[::1]:9000", ""),
            (S3, "aws_endpoint", "http://minio:9000", "is http to another machine"),
            (S3, "aws_endpoint", "minio", "is not a URL of https, or of http on a loopback address"),
            (S3, "aws_endpoint", "https://jo:pw@minio", "holds a user, a password, a query or a fragment"),
            (S3, "aws_allow_http", "true", ""),
            (S3, "aws_allow_http", "yes", "is neither \"true\" nor \"false\""),
            (S3, "aws_server_side_encryption", "aws:kms", ""),
            (S3, "aws_sse_kms_key_id", "arn:aws:kms:eu-central-1:1:key/2", ""),
            (S3, "aws_secret_access_key", "x", "AWS_SECRET_ACCESS_KEY"),
            (S3, "secret_access_key", "x", "AWS_SECRET_ACCESS_KEY"),
            (S3, "aws_token", "x", "AWS_SESSION_TOKEN"),
            (S3, "aws_sse_customer_key_base64", "x", "AWS_SSE_CUSTOMER_KEY_BASE64"),
            (S3, "aws_proxy_url", "http://jo:pw@proxy", "AWS_PROXY_URL"),
            (S3, "aws_bucket", "x", "says again what destination.url says"),
            (S3, "aws_regoin", "x", "is not an option of S3"),
            (S3, "aws_timeout", "1s", "is not an option of S3"),
            (S3, "aws_allow_invalid_certificates", "true", "is not an option of S3"),
            (S3, "azure_storage_account_name", "x", "is not an option of S3"),
            (Azure, "azure_storage_account_name", "contoso", ""),
            (Azure, "azure_client_id", "x", ""),
            (Azure, "azure_storage_access_key", "x", "AZURE_STORAGE_ACCOUNT_KEY"),
            (Azure, "account_key", "x", "AZURE_STORAGE_ACCOUNT_KEY"),
            (Azure, "azure_storage_sas_token", "x", "AZURE_STORAGE_SAS_TOKEN"),
            (Azure, "azure_client_secret", "x", "AZURE_STORAGE_CLIENT_SECRET"),
            (Azure, "azure_storage_token", "x", "AZURE_STORAGE_TOKEN"),
            (Azure, "azure_container_name", "x", "says again what destination.url says"),
            (Gcs, "google_service_account", "/run/key.json", ""),
            (Gcs, "google_service_account_key", "{}", "GOOGLE_SERVICE_ACCOUNT_KEY"),
            (Gcs, "google_bearer_token", "x", "GOOGLE_BEARER_TOKEN"),
            (Gcs, "google_base_url", "http://gcs:4443", "is http to another machine"),
        ] {
            let said = match provider.check_option(name, value) {
                Ok(()) => String::new(),
                Err(OptionFault::Secret { variable }) => variable,
                Err(fault) => fault.to_string(),
            };
            assert_eq!(said, expected, "{name} = {value}");
        }
    }

    #[test]
    fn every_option_is_one_of_object_store() {
        for provider in [Provider::S3, Provider::Azure, Provider::Gcs] {
            let own = provider.options().iter().map(|(name, _)| (*name).to_owned());
            for name in own {
                assert_eq!(provider.canonical(&name), Some(name.clone()), "{name}");
            }
            for (name, _) in CLIENT {
                let prefixed = format!("{}{name}", provider.prefix());
                assert_eq!(provider.canonical(&prefixed).as_deref(), Some(*name), "{prefixed}");
            }
        }
    }

    #[test]
    fn the_environment_takes_every_secret_under_the_name_that_is_said() {
        for provider in [Provider::S3, Provider::Azure, Provider::Gcs] {
            for (name, _) in provider.options().iter().chain(CLIENT).filter(|(_, takes)| *takes == Secret) {
                let variable = provider.variable(name).to_ascii_lowercase();
                assert_eq!(provider.canonical(&variable).as_deref(), Some(*name), "{variable}");
            }
        }
    }
}
