//! A transformer, and the rows that it makes of a body.

use std::sync::Arc;

use arrow_array::Array as _;
use arrow_array::cast::AsArray as _;
use bytes::Bytes;
use promptlake_model::{
    Owner, PageBatch, PageForm, RawPage, RunId, SavedFile, Slice, SliceId, SliceScope, Table, TenantId,
    Timestamp, UserId,
};
use promptlake_transform::{Content, TransformSettings, Transformer};

/// 2025-06-01T06:00:00Z: when all of it happens.
const NOW: Timestamp = Timestamp::from_micros(1_748_757_600_000_000);

/// Every table, with everything in it.
pub(crate) fn transformer() -> Transformer {
    use Table::{Attachments, CardElements, Contexts, Links, Mentions, Raw};
    with(vec![Attachments, CardElements, Links, Contexts, Mentions, Raw], Content::Full)
}

/// Every table that is left where nobody's words are kept.
pub(crate) fn wordless_transformer() -> Transformer {
    with(vec![Table::Attachments, Table::Links, Table::Contexts, Table::Mentions], Content::None)
}

fn with(tables: Vec<Table>, content: Content) -> Transformer {
    let run_id = RunId::new(NOW, 7);
    Transformer::new(TransformSettings { tables, content, run_id, extracted_at: NOW, now: NOW })
}

/// The rows of a page.
pub(crate) struct Rows {
    pub(crate) batch: PageBatch,
}

impl Rows {
    /// Of a page of a saved file, which has no window that a record could lie outside of.
    pub(crate) fn of(transformer: &Transformer, form: PageForm, body: &[u8]) -> Self {
        let tenant = TenantId::parse("061ea7c2-cc15-418b-bfc0-9f6a7d98011c").expect("a GUID");
        let user = UserId::parse("7f3e1d20-54aa-4a8e-8f6b-2f1a9c0d7e11").expect("a GUID");
        let file = SavedFile { path: "1.json".to_owned(), bytes: 0, etag: String::new() };
        let slice = Arc::new(Slice { id: SliceId(0), tenant, scope: SliceScope::File(file) });
        let (owner, body) = (Owner { tenant, user }, Bytes::copy_from_slice(body));
        let page = RawPage { slice, owner, index: 0, form, body, provenance: None };
        Self { batch: transformer.page(&page) }
    }

    /// The rows of a table.
    pub(crate) fn count(&self, table: Table) -> usize {
        let rows = self.batch.tables.iter().find(|rows| rows.table == table);
        rows.map_or(0, |rows| rows.batch.num_rows())
    }

    /// The text in a column of texts; none where it is null.
    pub(crate) fn text(&self, table: Table, column: &str, row: usize) -> Option<String> {
        let rows = self.batch.tables.iter().find(|rows| rows.table == table)?;
        let texts = rows.batch.column_by_name(column)?.as_string_opt::<i32>()?;
        texts.is_valid(row).then(|| texts.value(row).to_owned())
    }
}
