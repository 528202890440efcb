//! `[source]` with `kind = "files"`.

use super::section::Section;
use crate::settings::error::{Fault, Problem};
use crate::settings::pipeline::FilesSource;
use crate::settings::typed::SourceTable;

const SOURCE: Section = Section("source");

pub(super) fn source(typed: &SourceTable) -> Result<FilesSource, Problem> {
    let path = SOURCE.required("path", typed.path.as_ref())?.0;
    if path.to_string_lossy().contains(['*', '?']) {
        let fault = Fault::is(&path.to_string_lossy(), "a pattern, not a path");
        return Err(SOURCE.fault(
            "path",
            fault.hint("name the folder, such as path = \"./saved\": every file in it is read, at any depth"),
        ));
    }
    Ok(FilesSource {
        path,
        tenant_id: SOURCE.required("tenant_id", typed.tenant_id.as_ref())?,
        user_id: SOURCE.optional("user_id", typed.user_id.as_ref())?,
        user_id_from_path: SOURCE.optional("user_id_from_path", typed.user_id_from_path.as_ref())?,
    })
}
