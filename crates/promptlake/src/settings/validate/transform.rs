//! `[transform]`.

use std::collections::BTreeSet;

use promptlake_model::Table;
use promptlake_transform::Content;

use super::section::Section;
use crate::settings::error::{Fault, Problem};
use crate::settings::pipeline::Transform;
use crate::settings::typed::{List, TransformTable};

const TRANSFORM: Section = Section("transform");

pub(super) fn transform(typed: &TransformTable) -> Result<Transform, Problem> {
    let content = TRANSFORM.optional("content", typed.content.as_ref())?.unwrap_or_default();
    let is_left_out = |table: Table| content == Content::None && table.is_of_words();
    let Some(List(names)) = &typed.tables else {
        let tables = Table::ALL.into_iter().filter(|table| !is_left_out(*table)).collect();
        return Ok(Transform { tables, content });
    };
    let mut tables: BTreeSet<_> = Table::ALL.into_iter().filter(|table| table.always_written()).collect();
    for (index, name) in names.iter().enumerate() {
        let fault = |fault: Fault| fault.at(TRANSFORM.path("tables").index(index));
        let table = name.read().map_err(fault)?;
        if is_left_out(table) {
            let why = Fault::is(table.name(), "which holds what content = \"none\" leaves out");
            return Err(fault(why.hint("leave the table out, or write content = \"full\"".to_owned())));
        }
        tables.insert(table);
    }
    Ok(Transform { tables, content })
}
