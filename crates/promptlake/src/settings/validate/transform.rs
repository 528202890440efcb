//! `[transform]`.

use std::collections::BTreeSet;

use promptlake_model::Table;

use super::section::Section;
use crate::settings::error::Problem;
use crate::settings::pipeline::Transform;
use crate::settings::typed::{List, TransformTable};

const TRANSFORM: Section = Section("transform");

pub(super) fn transform(typed: &TransformTable) -> Result<Transform, Problem> {
    TRANSFORM.optional("content", typed.content.as_ref())?;
    let Some(List(names)) = &typed.tables else {
        let supported = Table::ALL.into_iter().filter(|table| *table != Table::CardElements);
        return Ok(Transform { tables: supported.collect() });
    };
    let mut tables: BTreeSet<_> = Table::ALL.into_iter().filter(|table| table.always_written()).collect();
    for (index, name) in names.iter().enumerate() {
        tables.insert(name.read().map_err(|fault| fault.at(TRANSFORM.path("tables").index(index)))?);
    }
    Ok(Transform { tables })
}
