//! From the description of a credential to one that can be shown: secrets and what the platform says of itself are read
//! here and nowhere else.

use std::env::VarError;
use std::io;
use std::path::{Path, PathBuf};

use promptlake_extract::{
    ClientCertificate, Credential, CredentialError, ExtractError, ManagedEndpoint, ManagedIdentity,
    SecretCommand,
};
use promptlake_model::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::failure::Failure;
use crate::settings::{self, RealTenant, SecretPlace, ServerOrigin};

/// Where virtual machines find their identity, unless the environment names another place.
const IMDS_ORIGIN: &str = "http://169.254.169.254";

/// The environment of the process, or one made up by a test.
pub(crate) type Environment<'a> = &'a (dyn Fn(&str) -> Result<String, VarError> + Sync);

/// A credential, and where it logs in.
#[derive(Debug)]
pub(crate) struct Ready {
    pub(crate) credential: Credential,
    pub(crate) login_url: Url,
}

/// Why a credential is not ready.
#[derive(Debug)]
pub(crate) enum NotReady {
    /// What the settings name is not there: a mistake, which ends the run.
    Mistake(Failure),
    /// A certificate has ended, or a tool fails: the affair of this tenant alone.
    Credential(CredentialError),
}

impl From<Failure> for NotReady {
    fn from(failure: Failure) -> Self {
        Self::Mistake(failure)
    }
}

impl From<NotReady> for Failure {
    fn from(not_ready: NotReady) -> Self {
        match not_ready {
            NotReady::Mistake(failure) => failure,
            NotReady::Credential(error) => ExtractError::Credential(error).into(),
        }
    }
}

/// Reads what the description names. The clock says whether a certificate is valid.
pub(crate) async fn ready(
    tenant: &RealTenant,
    environment: Environment<'_>,
    now: Timestamp,
) -> Result<Ready, NotReady> {
    let mut login_url = tenant.cloud.login_url.clone();
    let credential = match &tenant.credential {
        settings::Credential::ClientSecret { client_id, place } => Credential::ClientSecret {
            client_id: client_id.to_string(),
            secret: client_secret(place, environment).await?,
        },
        settings::Credential::Certificate { client_id, path, password_env } => {
            let password = password_env
                .as_deref()
                .map(|name| required(environment, name, &format!("set {name} to the password of the PFX")));
            let password = password.transpose()?.map(SecretString::from);
            let hint = "name a PEM file with key and certificate, or a PFX";
            let bytes = read_file(path, "source.credential.path", hint)?;
            let certificate = ClientCertificate::from_bytes(&bytes, password.as_ref(), now, path)
                .map_err(NotReady::Credential)?;
            Credential::Certificate { client_id: client_id.to_string(), certificate }
        }
        settings::Credential::WorkloadIdentity { client_id } => {
            let host = optional(environment, "AZURE_AUTHORITY_HOST")?;
            if let Some(host) = host.filter(|_| !tenant.cloud.is_custom) {
                login_url = authority(&host)?;
            }
            workload_identity(client_id.as_ref().map(ToString::to_string), environment)?
        }
        settings::Credential::ManagedIdentity { client_id } => Credential::ManagedIdentity(ManagedIdentity {
            endpoint: managed_endpoint(environment)?,
            client_id: client_id.as_ref().map(ToString::to_string),
        }),
        settings::Credential::Token { command } => Credential::TokenCommand(SecretCommand::new(&command.0)),
    };
    Ok(Ready { credential, login_url })
}

/// Reads a file that a setting names.
pub(crate) fn read_file(path: &Path, setting: &str, hint: &str) -> Result<Vec<u8>, Failure> {
    std::fs::read(path)
        .map_err(|error| Failure::setting(&error, &format!("read {setting}: {}", path.display()), hint))
}

async fn client_secret(place: &SecretPlace, environment: Environment<'_>) -> Result<SecretString, NotReady> {
    let (secret, named) = match place {
        SecretPlace::Env(name) => {
            let hint = format!("set {name} to the value of the app's client secret");
            (required(environment, name, &hint)?, format!("environment variable {name}"))
        }
        SecretPlace::File(path) => {
            let hint = "name a file that holds the client secret alone";
            let text = read_file(path, "source.credential", hint)?;
            let text = String::from_utf8(text).map_err(|_| {
                let odd = io::Error::other("it is no text");
                Failure::setting(&odd, &format!("read source.credential: {}", path.display()), hint)
            })?;
            (text, path.display().to_string())
        }
        // An empty answer is refused there.
        SecretPlace::Command(line) => {
            return SecretCommand::new(&line.0).run().await.map_err(NotReady::Credential);
        }
    };
    let secret = SecretString::from(secret);
    let trimmed = SecretString::from(secret.expose_secret().trim());
    if trimmed.expose_secret().is_empty() {
        let empty = io::Error::other("it is empty");
        let hint = "put the value of the app's client secret there";
        return Err(Failure::setting(&empty, &format!("read source.credential: {named}"), hint).into());
    }
    Ok(trimmed)
}

fn workload_identity(client_id: Option<String>, environment: Environment<'_>) -> Result<Credential, Failure> {
    let webhook = "run where workload identity is set up, which sets it, or set it yourself";
    let client_id = match client_id {
        Some(id) => id,
        None => required(environment, "AZURE_CLIENT_ID", "set it, or write source.client_id")?,
    };
    let token_file = PathBuf::from(required(environment, "AZURE_FEDERATED_TOKEN_FILE", webhook)?);
    Ok(Credential::WorkloadIdentity { client_id, token_file })
}

/// Where Entra ID is, by the word of the platform.
fn authority(host: &str) -> Result<Url, Failure> {
    ServerOrigin::read(host).map(|origin| origin.0).map_err(|problem| {
        let error = io::Error::other(problem);
        let hint = "it is an origin such as https://login.microsoftonline.com/";
        Failure::setting(&error, "use the environment variable AZURE_AUTHORITY_HOST", hint)
    })
}

fn managed_endpoint(environment: Environment<'_>) -> Result<ManagedEndpoint, Failure> {
    let url = |name: &str, text: &str| {
        let parsed =
            Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        parsed.ok_or_else(|| {
            let error = io::Error::other("it is no URL with http or https");
            Failure::setting(&error, &format!("use the environment variable {name}"), "the platform sets it")
        })
    };
    let endpoint = optional(environment, "IDENTITY_ENDPOINT")?;
    let header = optional(environment, "IDENTITY_HEADER")?;
    match (endpoint, header) {
        (Some(endpoint), Some(header)) => Ok(ManagedEndpoint::AppService {
            url: url("IDENTITY_ENDPOINT", &endpoint)?,
            header: SecretString::from(header),
        }),
        (Some(_), None) => {
            let error =
                io::Error::other("IDENTITY_HEADER is not set beside it, as on a machine of Azure Arc");
            let hint = "managed identities of virtual machines, App Service, Functions and Container Apps are \
                        supported; use a certificate here";
            Err(Failure::setting(&error, "use the environment variable IDENTITY_ENDPOINT", hint))
        }
        (None, _) => {
            // The name by which Azure's own libraries let the metadata service be replaced.
            let name = "AZURE_POD_IDENTITY_AUTHORITY_HOST";
            let origin = optional(environment, name)?.unwrap_or_else(|| IMDS_ORIGIN.to_owned());
            Ok(ManagedEndpoint::Imds { origin: url(name, &origin)? })
        }
    }
}

fn required(environment: Environment<'_>, name: &str, hint: &str) -> Result<String, Failure> {
    let what = format!("read source.credential: environment variable {name}");
    let problem = match environment(name) {
        Ok(value) if !value.trim().is_empty() => return Ok(value),
        Ok(_) => "it is empty",
        Err(VarError::NotPresent) => "it is not set",
        // The error itself would quote what may be a secret.
        Err(VarError::NotUnicode(_)) => "it is no text",
    };
    Err(Failure::setting(&io::Error::other(problem), &what, hint))
}

/// A variable that is empty is not set.
fn optional(environment: Environment<'_>, name: &str) -> Result<Option<String>, Failure> {
    match environment(name) {
        Ok(value) => Ok(Some(value).filter(|value| !value.trim().is_empty())),
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(_)) => {
            let odd = io::Error::other("it is no text");
            let what = format!("read source.credential: environment variable {name}");
            Err(Failure::setting(&odd, &what, "set it to a text, or unset it"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Pipeline, Source};

    const NOW: &str = "2030-01-01T00:00:00Z";

    /// What becomes of a credential as it is typed, in an environment of these variables.
    async fn readied(app: bool, credential: &str, variables: &[(&str, &str)]) -> Result<Ready, String> {
        let client_id = if app { "client_id = \"04b07795-8ddb-461a-bbee-02f9e1bf7b46\"\n" } else { "" };
        let text = format!(
            "[source]\ntenant_id = \"aaaabbbb-0000-cccc-1111-dddd2222eeee\"\n{client_id}\
             credential = {{ {credential} }}\n[destination]\nurl = \"./lake\"\n"
        );
        let now = Timestamp::parse(NOW).unwrap();
        let pipeline = Pipeline::from_toml(&text, "lake.toml", &[], now).unwrap();
        let Source::Graph(mut sources) = pipeline.source else { panic!("a source of kind graph") };
        let settings::GraphTenant::Real(tenant) = sources.remove(0).tenant else { panic!("a real tenant") };
        let environment = |name: &str| {
            let found = variables.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned()).ok_or(VarError::NotPresent)
        };
        ready(&tenant, &environment, now).await.map_err(|error| Failure::from(error).to_string())
    }

    fn fixture(name: &str) -> String {
        format!("{}/../extract/tests/certificates/{name}", env!("CARGO_MANIFEST_DIR"))
    }

    async fn secret(credential: &str, variables: &[(&str, &str)]) -> String {
        match readied(true, credential, variables).await {
            Ok(Ready { credential: Credential::ClientSecret { secret, .. }, .. }) => {
                secret.expose_secret().to_owned()
            }
            Ok(_) => panic!("a client secret"),
            Err(text) => text,
        }
    }

    #[tokio::test]
    async fn a_client_secret_is_in_one_of_three_places() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "s3cret\n").unwrap();
        let in_file = format!("kind = \"client_secret\", file = \"{}\"", file.path().display());
        for (credential, variables) in [
            (r#"kind = "client_secret", env = "S""#, &[("S", "s3cret")][..]),
            (&in_file, &[]),
            (r#"kind = "client_secret", command = "echo s3cret""#, &[]),
        ] {
            assert_eq!(secret(credential, variables).await, "s3cret", "{credential}");
        }
        std::fs::write(file.path(), "\n").unwrap();
        let said = secret(&in_file, &[]).await;
        assert!(
            said.ends_with("it is empty\n\nhint: put the value of the app's client secret there"),
            "{said}"
        );
        let unset = "error: failed to read source.credential: environment variable S\n  caused by: it is not set\n\n\
                     hint: set S to the value of the app's client secret";
        assert_eq!(secret(r#"kind = "client_secret", env = "S""#, &[]).await, unset);
        let failing =
            secret(r#"kind = "client_secret", command = "echo s3cret; echo locked >&2; exit 2""#, &[]).await;
        let ended = "error: failed to get a token\n  caused by: run the command of source.credential, which ended with \
                     exit code 2: locked\n\nhint: run the command by hand, as the same user: it prints the secret or \
                     the token, asks nothing, and ends with 0";
        assert_eq!(failing, ended);
    }

    #[tokio::test]
    async fn a_certificate_is_read_before_anybody_is_asked() {
        let pfx =
            format!("kind = \"certificate\", path = \"{}\", password_env = \"P\"", fixture("app-aes.pfx"));
        let ready = readied(true, &pfx, &[("P", "pfx-marker")]).await.unwrap();
        assert!(matches!(ready.credential, Credential::Certificate { .. }));
        let wrong = readied(true, &pfx, &[("P", "other")]).await.unwrap_err();
        assert!(wrong.contains("the password does not open it") && !wrong.contains("other"), "{wrong}");
        let unset = readied(true, &pfx, &[]).await.unwrap_err();
        assert!(unset.ends_with("hint: set P to the password of the PFX"), "{unset}");
        let missing = readied(true, r#"kind = "certificate", path = "no.pem""#, &[]).await.unwrap_err();
        assert!(missing.starts_with("error: failed to read source.credential.path: no.pem"), "{missing}");
    }

    #[tokio::test]
    async fn a_workload_identity_is_what_the_platform_says() {
        let kind = r#"kind = "workload_identity""#;
        let file = ("AZURE_FEDERATED_TOKEN_FILE", "/var/run/token");
        let id = ("AZURE_CLIENT_ID", "from-the-platform");
        let ready = readied(false, kind, &[file, id]).await.unwrap();
        assert_eq!(ready.credential.client_id(), Some("from-the-platform"));
        assert_eq!(ready.login_url.as_str(), "https://login.microsoftonline.com/");
        let authority = ("AZURE_AUTHORITY_HOST", "https://login.microsoftonline.us/");
        let ready = readied(true, kind, &[file, id, authority]).await.unwrap();
        assert_eq!(ready.credential.client_id(), Some("04b07795-8ddb-461a-bbee-02f9e1bf7b46"));
        assert_eq!(ready.login_url.as_str(), "https://login.microsoftonline.us/");
        for (variables, said) in [
            (&[file][..], "environment variable AZURE_CLIENT_ID\n  caused by: it is not set"),
            (&[id], "environment variable AZURE_FEDERATED_TOKEN_FILE\n  caused by: it is not set"),
            (&[id, ("AZURE_FEDERATED_TOKEN_FILE", " ")], "TOKEN_FILE\n  caused by: it is empty"),
            (&[file, id, ("AZURE_AUTHORITY_HOST", "http://login.test")], "http to another machine"),
        ] {
            let text = readied(false, kind, variables).await.unwrap_err();
            assert!(text.contains(said), "{text}");
        }
    }

    #[tokio::test]
    async fn a_managed_identity_is_where_the_platform_says() {
        let kind = r#"kind = "managed_identity""#;
        let (endpoint, header) =
            (("IDENTITY_ENDPOINT", "http://localhost:42356/msi/token"), ("IDENTITY_HEADER", "h"));
        for (variables, place) in [
            (&[][..], "http://169.254.169.254"),
            (&[("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:81")], "http://127.0.0.1:81"),
            (&[endpoint, header], "http://localhost:42356"),
        ] {
            let ready = readied(false, kind, variables).await.unwrap();
            let debug = format!("{:?}", ready.credential);
            let Credential::ManagedIdentity(identity) = ready.credential else {
                panic!("a managed identity")
            };
            assert!(format!("{identity:?}").contains(&format!("{place:?}")), "{identity:?}");
            assert!(debug.contains("client_id: None"), "{debug}");
        }
        let arc = readied(false, kind, &[endpoint]).await.unwrap_err();
        assert!(arc.contains("Azure Arc"), "{arc}");
        let odd = readied(false, kind, &[("IDENTITY_ENDPOINT", "localhost"), header]).await.unwrap_err();
        assert!(odd.contains("it is no URL with http or https"), "{odd}");
    }
}
