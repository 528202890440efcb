//! What can be wrong with a credential on this side, before anybody is asked. No message holds a secret.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// A credential that can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialError {
    /// A file that holds a secret, a token or a certificate could not be read.
    #[error("read {path:?}")]
    ReadFile {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file holds something else than a secret or a token.
    #[error("use {path:?}, which {problem}")]
    FileContent {
        /// The file.
        path: PathBuf,
        /// What is wrong with what it holds: a predicate.
        problem: &'static str,
    },
    /// A certificate can't be used.
    #[error("use the certificate in {path:?}: {problem}")]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: CertificateProblem,
    },
    /// The command could not be started, or not be waited for.
    #[error("run the command of source.credential")]
    Command(#[source] io::Error),
    /// The command ended with something else than 0. What it printed on its standard output is not said.
    #[error("run the command of source.credential, which ended with {end}{}", after_colon(.said))]
    CommandFailed {
        /// Its exit code, or the signal.
        end: String,
        /// The beginning of what it printed on its standard error.
        said: String,
    },
    /// The command did not end.
    #[error("run the command of source.credential within {} s", .0.as_secs())]
    CommandTooSlow(Duration),
    /// What the command printed can't be used.
    #[error("use what the command of source.credential printed, which {0}")]
    CommandOutput(&'static str),
}

/// What is wrong with a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CertificateProblem {
    /// Neither of the two formats.
    NoFormat,
    /// PEM, but broken.
    BrokenPem,
    /// A PFX that the password does not open.
    WrongPassword,
    /// A PFX that is broken, or encrypted in a way that is not known here.
    BrokenPfx,
    /// A password for what needs none.
    NeedlessPassword,
    /// A PEM key that is encrypted.
    EncryptedKey,
    /// No key.
    NoKey,
    /// Several keys.
    SeveralKeys(usize),
    /// A key that is not RSA.
    NotRsa,
    /// A key that is broken.
    BrokenKey,
    /// A key with too few bits.
    KeyTooSmall {
        /// How many it has.
        bits: usize,
    },
    /// No certificate.
    NoCertificate,
    /// A certificate that is broken.
    BrokenCertificate,
    /// None of the certificates is that of the key.
    NotOfTheKey,
    /// It has expired.
    Expired {
        /// When, as RFC 3339.
        at: String,
    },
    /// It is not valid yet.
    NotYetValid {
        /// From when on, as RFC 3339.
        from: String,
    },
}

impl CredentialError {
    /// The next thing to do.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::ReadFile { .. } => "check the path, and that this user may read the file",
            Self::FileContent { .. } => "the file holds the secret or the token alone",
            Self::Certificate { problem, .. } => problem.hint(),
            Self::Command(_) | Self::CommandFailed { .. } | Self::CommandTooSlow(_) => {
                "run the command by hand, as the same user: it prints the secret or the token, asks nothing, and ends with 0"
            }
            Self::CommandOutput(_) => {
                "the command prints the secret or the token alone, or for kind \"token\" what \
                 `az account get-access-token` prints"
            }
        }
    }
}

impl CertificateProblem {
    fn hint(&self) -> &'static str {
        match self {
            Self::NoFormat | Self::BrokenPem | Self::NoKey | Self::NoCertificate => {
                "the file holds the private key and the certificate, as PEM (both, one after the other) or as PFX"
            }
            Self::WrongPassword | Self::BrokenPfx => {
                "name the variable that holds the PFX's password: password_env = \"PROMPTLAKE_PFX_PASSWORD\""
            }
            Self::NeedlessPassword => "remove password_env: it belongs to a PFX",
            Self::EncryptedKey => {
                "decrypt it with `openssl pkey`, or make a PFX with `openssl pkcs12 -export` and give its password_env"
            }
            Self::SeveralKeys(_) => "leave one key in the file",
            Self::NotRsa | Self::BrokenKey | Self::KeyTooSmall { .. } => {
                "make a new RSA key of 2048 bits or more, and register its certificate with the app"
            }
            Self::BrokenCertificate | Self::NotOfTheKey => {
                "put the certificate into the file that was made for this key"
            }
            Self::Expired { .. } => "make a new certificate and register it with the app",
            Self::NotYetValid { .. } => "check this machine's clock",
        }
    }
}

impl fmt::Display for CertificateProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoFormat => f.write_str("it is neither PEM nor PFX"),
            Self::BrokenPem => f.write_str("its PEM is broken"),
            Self::WrongPassword => f.write_str("the password does not open it"),
            Self::BrokenPfx => f.write_str("it is no PFX that can be read, or its password is another"),
            Self::NeedlessPassword => f.write_str("it is PEM, which takes no password"),
            Self::EncryptedKey => f.write_str("its key is encrypted PEM"),
            Self::NoKey => f.write_str("it has no private key"),
            Self::SeveralKeys(keys) => write!(f, "it has {keys} private keys"),
            Self::NotRsa => f.write_str("its key is not an RSA key, which is what Entra ID takes"),
            Self::BrokenKey => f.write_str("its key is no RSA key that can be used"),
            Self::KeyTooSmall { bits } => write!(f, "its key has {bits} bits, below the least of 2048"),
            Self::NoCertificate => f.write_str("it has a private key, but no certificate"),
            Self::BrokenCertificate => f.write_str("its certificate is not X.509"),
            Self::NotOfTheKey => f.write_str("its certificate belongs to another key"),
            Self::Expired { at } => write!(f, "it expired at {at}"),
            Self::NotYetValid { from } => write!(f, "it is valid only from {from} on"),
        }
    }
}

fn after_colon(said: &str) -> String {
    if said.is_empty() { String::new() } else { format!(": {said}") }
}
