//! The pipeline file: where from, what, where to, and within which limits.
//!
//! What was typed is one type ([`typed::PipelineFile`]), what is true is another ([`Pipeline`]); between them
//! lies one pure function, [`Pipeline::from_toml`]. It reads no environment, no file and no clock: a
//! credential stays a description, and a relative start stays relative.
//!
//! ```text
//! text ─▶ Tree ─▶ (--set) ─▶ PipelineFile ─▶ Pipeline
//!        places              names, types    values, limits, what goes together
//! ```
//!
//! A wrong setting costs the reader a run, so every error names the key, the place, the value where it is
//! harmless, what is wrong with it, and a right example.

pub(crate) mod answers;
mod deserialize;
mod error;
mod examples;
mod json_schema;
mod key_path;
mod overrides;
mod pipeline;
#[cfg(test)]
mod reference;
mod refused_keys;
mod syntax;
mod tree;
mod typed;
mod validate;
mod value;

#[cfg(test)]
mod tests;

pub(crate) use error::SettingsError;
pub(crate) use json_schema::json_schema;
pub(crate) use overrides::Override;
pub(crate) use pipeline::{
    Credential, Destination, EmulatedTenant, FilesSource, GraphSource, GraphTenant, LakeSource, Pipeline,
    RealTenant, SecretPlace, Source, Users,
};
pub(crate) use value::{ClientId, Compression, CredentialKind, ServerOrigin, Start, UserRef};

use promptlake_load::StoreLocation;
use promptlake_model::Timestamp;
use serde::Deserialize;

use tree::{Place, Tree};
use typed::PipelineFile;

/// Reads where a lake is, as `destination.url` says it.
pub(crate) fn lake_location(text: &str) -> Result<StoreLocation, String> {
    value::lake_location(text)
}

impl Pipeline {
    /// Reads and checks a pipeline file. `origin` names it in messages; `now` tells a start in the future.
    ///
    /// The overrides are applied in their order, the last of a key wins, and then everything is checked as
    /// though it had stood in the file. The first thing wrong is reported.
    pub(crate) fn from_toml(
        text: &str,
        origin: &str,
        overrides: &[Override],
        now: Timestamp,
    ) -> Result<Self, SettingsError> {
        let mut tree = Tree::parse(text).map_err(|syntax| SettingsError::not_toml(origin, text, &syntax))?;
        for item in overrides {
            tree.set(item).map_err(|problem| problem.found_at(origin, Place::Override))?;
        }
        PipelineFile::deserialize(tree.root())
            .and_then(|file| validate::pipeline(file, &tree, now))
            .map_err(|problem| problem.found_in(origin, &tree))
    }
}
