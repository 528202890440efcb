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

pub(super) use graph::begins_in_the_past;
#[cfg(test)]
pub(super) use source::{BELONGS, Belongs};

use promptlake_model::Timestamp;

use super::error::{Fault, Problem};
use super::key_path::KeyPath;
use super::pipeline::{Destination, Pipeline, Source};
use super::tree::Tree;
use super::typed::PipelineFile;

/// Checks a whole file, in the order in which it is read. The tree says which keys were typed.
pub(super) fn pipeline(file: PipelineFile, tree: &Tree, now: Timestamp) -> Result<Pipeline, Problem> {
    let missing = |section| Fault::missing().at(KeyPath::of(section));
    let source = source::sources(&file.source.ok_or_else(|| missing("source"))?, tree, now)?;
    let transform = transform::transform(&file.transform.unwrap_or_default())?;
    let destination = file.destination.ok_or_else(|| missing("destination"))?;
    let destination = destination::destination(&destination)?;
    source_is_another_lake(&source, &destination)?;
    let run = run::limits(&file.run.unwrap_or_default())?;
    Ok(Pipeline { source, transform, destination, run })
}

/// Rows of a lake can't be made again in the lake itself: they are known there.
fn source_is_another_lake(source: &Source, destination: &Destination) -> Result<(), Problem> {
    match source {
        Source::Lake(lake) if lake.store.location == destination.store.location => {
            let fault = Fault::new("is that of destination.url: a lake is made again somewhere else");
            Err(fault
                .hint("name another destination.url, and swap the two lakes afterwards")
                .at(KeyPath::of("source").key("url")))
        }
        Source::Lake(_) | Source::Graph(_) | Source::Files(_) => Ok(()),
    }
}
