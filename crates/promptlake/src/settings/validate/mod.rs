//! From what was typed to what is true: values, limits, and what goes together.

mod credential;
mod destination;
mod emulator;
mod files;
mod graph;
mod run;
mod section;
mod source;
mod transform;
mod users;

#[cfg(test)]
pub(super) use source::BELONGS;

use promptlake_model::Timestamp;

use super::error::{Fault, Problem};
use super::key_path::KeyPath;
use super::pipeline::Pipeline;
use super::tree::Tree;
use super::typed::PipelineFile;

/// Checks a whole file, in the order in which it is read. The tree says which keys were typed.
pub(super) fn pipeline(file: PipelineFile, tree: &Tree, now: Timestamp) -> Result<Pipeline, Problem> {
    let missing = |section| Fault::missing().at(KeyPath::of(section));
    let source = source::sources(&file.source.ok_or_else(|| missing("source"))?, tree, now)?;
    let transform = transform::transform(&file.transform.unwrap_or_default())?;
    let destination = file.destination.ok_or_else(|| missing("destination"))?;
    let destination = destination::destination(&destination)?;
    let run = run::limits(&file.run.unwrap_or_default())?;
    Ok(Pipeline { source, transform, destination, run })
}
