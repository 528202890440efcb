//! From settings and the environment to a store.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::prefix::PrefixStore;
use object_store::{ClientConfigKey, ObjectStore, RetryConfig};

use super::error::OpenError;
use super::location::{Provider, RemoteUrl, StoreLocation};
use super::options::{ServerFault, check_server};
use super::{Placing, Store};

/// How long one request may take. `object_store` gives it 30 s, in which a store has not always copied a file of
/// 4 GiB, nor a slow line carried a part.
const REQUEST_TIMEOUT: Duration = Duration::from_mins(4);

/// Within how long of the first attempt another may begin. With the last attempt it makes 7 minutes, below the
/// 10 after which others take a run for dead, so no request of a run that was given up is still on its way.
const RETRY_WITHIN: Duration = Duration::from_mins(3);

/// Attempts after the first, with pauses that double from 0.1 s to 15 s: they end before `RETRY_WITHIN` does only
/// where the store answers at once.
const RETRIES_MAX: usize = 10;

/// What a store is opened with. It holds no secret: those are in the environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreSettings {
    /// Where the lake is.
    pub location: StoreLocation,
    /// Options under the names of `object_store`, each accepted by [`Provider::check_option`]. They come before what
    /// the environment says. A local lake has none.
    pub options: BTreeMap<String, String>,
    /// Whether a store that ignores conditional puts is taken: nobody but this run writes, says the user.
    pub single_writer: bool,
}

impl Store {
    /// Opens the store of a lake; a local directory is made where it is missing. Nothing is asked of a remote store
    /// yet: [`Store::probe`] does that.
    pub fn open(settings: &StoreSettings) -> Result<Self, OpenError> {
        let store = match &settings.location {
            StoreLocation::Local(root) => Self::local(root).map_err(OpenError::Local)?,
            StoreLocation::Remote(url) => {
                let objects = open_remote(url, &settings.options)?;
                let placing = match url.provider() {
                    Provider::S3 | Provider::Gcs => Placing::Copy,
                    Provider::Azure => Placing::Stream,
                };
                Self { placing, ..Self::new(objects) }
            }
        };
        Ok(Self { single_writer: settings.single_writer, ..store })
    }
}

fn open_remote(
    url: &RemoteUrl,
    options: &BTreeMap<String, String>,
) -> Result<Arc<dyn ObjectStore>, OpenError> {
    let provider = url.provider();
    let failed = |source| OpenError::Options { provider, url: url.to_string(), source };
    let prefix = url.prefix().clone();
    Ok(match provider {
        Provider::S3 => {
            let store = s3(url, options)?.build().map_err(failed)?;
            Arc::new(PrefixStore::new(store, prefix))
        }
        Provider::Azure => {
            let store = azure(url, options)?.build().map_err(failed)?;
            Arc::new(PrefixStore::new(store, prefix))
        }
        Provider::Gcs => {
            let store = gcs(url, options)?.build().map_err(failed)?;
            Arc::new(PrefixStore::new(store, prefix))
        }
    })
}

fn s3(url: &RemoteUrl, options: &BTreeMap<String, String>) -> Result<AmazonS3Builder, OpenError> {
    let mut builder = AmazonS3Builder::from_env();
    for (name, value) in options {
        let key: AmazonS3ConfigKey = name.parse().map_err(|source| bad_option(url, source))?;
        builder = builder.with_config(key, value);
    }
    let servers =
        [AmazonS3ConfigKey::Endpoint, AmazonS3ConfigKey::S3Endpoint, AmazonS3ConfigKey::StsEndpoint];
    check_servers(servers, |key| builder.get_config_value(key))?;
    let timeout = AmazonS3ConfigKey::Client(ClientConfigKey::Timeout);
    Ok(builder.with_bucket_name(url.bucket()).with_config(timeout, timeout_text()).with_retry(retries()))
}

fn azure(url: &RemoteUrl, options: &BTreeMap<String, String>) -> Result<MicrosoftAzureBuilder, OpenError> {
    let mut builder = MicrosoftAzureBuilder::from_env();
    if let Some(account) = url.account() {
        let endpoint = format!("https://{}.blob.{}", account.name, account.cloud);
        builder = builder.with_account(&account.name).with_endpoint(endpoint);
    }
    for (name, value) in options {
        let key: AzureConfigKey = name.parse().map_err(|source| bad_option(url, source))?;
        builder = builder.with_config(key, value);
    }
    check_servers([AzureConfigKey::Endpoint, AzureConfigKey::AuthorityHost], |key| {
        builder.get_config_value(key)
    })?;
    // It would change the server to the one of another variable, behind the check.
    if builder.get_config_value(&AzureConfigKey::UseEmulator).is_some_and(|value| !is_off(&value)) {
        let option = AzureConfigKey::UseEmulator.as_ref().to_owned();
        return Err(OpenError::Server { option, fault: ServerFault::Url });
    }
    let timeout = AzureConfigKey::Client(ClientConfigKey::Timeout);
    Ok(builder.with_container_name(url.bucket()).with_config(timeout, timeout_text()).with_retry(retries()))
}

/// Every spelling that `object_store` takes for false.
fn is_off(value: &str) -> bool {
    ["false", "0", "off", "no", "n"].iter().any(|off| value.eq_ignore_ascii_case(off))
}

fn gcs(url: &RemoteUrl, options: &BTreeMap<String, String>) -> Result<GoogleCloudStorageBuilder, OpenError> {
    let mut builder = GoogleCloudStorageBuilder::from_env();
    for (name, value) in options {
        let key: GoogleConfigKey = name.parse().map_err(|source| bad_option(url, source))?;
        builder = builder.with_config(key, value);
    }
    check_servers([GoogleConfigKey::BaseUrl], |key| builder.get_config_value(key))?;
    let timeout = GoogleConfigKey::Client(ClientConfigKey::Timeout);
    Ok(builder.with_bucket_name(url.bucket()).with_config(timeout, timeout_text()).with_retry(retries()))
}

/// What the environment says is checked like what the file says.
fn check_servers<K: AsRef<str>>(
    keys: impl IntoIterator<Item = K>,
    value: impl Fn(&K) -> Option<String>,
) -> Result<(), OpenError> {
    for key in keys {
        if let Some(Err(fault)) = value(&key).map(|server| check_server(&server)) {
            return Err(OpenError::Server { option: key.as_ref().to_owned(), fault });
        }
    }
    Ok(())
}

fn bad_option(url: &RemoteUrl, source: object_store::Error) -> OpenError {
    OpenError::Options { provider: url.provider(), url: url.to_string(), source }
}

fn timeout_text() -> String {
    format!("{}s", REQUEST_TIMEOUT.as_secs())
}

fn retries() -> RetryConfig {
    RetryConfig { max_retries: RETRIES_MAX, retry_timeout: RETRY_WITHIN, ..RetryConfig::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_account_of_a_url_says_which_server_is_asked() {
        for (url, server) in [
            ("abfss://lake@contoso.dfs.core.windows.net/x", "https://contoso.blob.core.windows.net"),
            (
                "abfss://copilot@onelake.dfs.fabric.microsoft.com/my.Lakehouse/Files/lake",
                "https://onelake.blob.fabric.microsoft.com",
            ),
        ] {
            let builder = azure(&RemoteUrl::parse(url).unwrap(), &BTreeMap::new()).unwrap();
            assert_eq!(builder.get_config_value(&AzureConfigKey::Endpoint).as_deref(), Some(server));
        }
    }
}
