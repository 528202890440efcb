//! Credentials over a script, and out of files that OpenSSL made.

mod certificate;
mod command;
mod kinds;
mod ready_token;

use std::path::PathBuf;

/// A file of `tests/certificates`.
fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/certificates").join(name)
}
