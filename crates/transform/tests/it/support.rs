//! What the tests share: a user, a transformer, pages, and rows as text.

use std::fmt::Write as _;
use std::sync::Arc;

use arrow_array::cast::AsArray as _;
use arrow_array::types::{Int32Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array as _, ArrayRef};
use arrow_schema::DataType;
use bytes::Bytes;
use promptlake_model::{
    Owner, PageBatch, PageForm, RawPage, RunId, SavedFile, Slice, SliceId, SliceScope, Table, TableRows,
    TenantId, Timestamp, UserId,
};
use promptlake_transform::{Content, TransformSettings, Transformer};

pub(crate) const OPTIONAL: [Table; 6] =
    [Table::Attachments, Table::CardElements, Table::Links, Table::Contexts, Table::Mentions, Table::Raw];

pub(crate) fn owner() -> Owner {
    Owner {
        tenant: TenantId::parse("061ea7c2-cc15-418b-bfc0-9f6a7d98011c").unwrap(),
        user: UserId::parse("7f3e1d20-54aa-4a8e-8f6b-2f1a9c0d7e11").unwrap(),
    }
}

pub(crate) fn instant(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

pub(crate) fn settings(tables: &[Table]) -> TransformSettings {
    let extracted_at = instant("2025-06-01T06:00:00Z");
    let run_id = RunId::new(extracted_at, 7);
    TransformSettings {
        tables: tables.to_vec(),
        content: Content::Full,
        run_id,
        extracted_at,
        now: extracted_at,
    }
}

pub(crate) fn transformer(tables: &[Table]) -> Transformer {
    Transformer::new(settings(tables))
}

pub(crate) fn page_of(scope: SliceScope, form: PageForm, body: impl Into<Bytes>) -> RawPage {
    let owner = owner();
    let slice = Arc::new(Slice { id: SliceId(0), tenant: owner.tenant, scope });
    RawPage { slice, owner, index: 3, form, body: body.into(), provenance: None }
}

/// A page of a saved file: no window.
pub(crate) fn page(form: PageForm, body: impl Into<Bytes>) -> RawPage {
    let file = SavedFile { path: "pages/1.json".to_owned(), bytes: 0, etag: String::new() };
    page_of(SliceScope::File(file), form, body)
}

/// The rows of a page with one record, in every table.
pub(crate) fn record(json: &str) -> PageBatch {
    transformer(&OPTIONAL).page(&page(PageForm::RecordLines, json.to_owned()))
}

pub(crate) fn rows(batch: &PageBatch, table: Table) -> Option<&TableRows> {
    batch.tables.iter().find(|rows| rows.table == table)
}

/// A value as text; none where it is null.
pub(crate) fn value(batch: &PageBatch, table: Table, column: &str, row: usize) -> Option<String> {
    let column = rows(batch, table)?.batch.column_by_name(column).expect("the column is the table's");
    column.is_valid(row).then(|| text_of(column, row))
}

fn text_of(column: &ArrayRef, row: usize) -> String {
    match column.data_type() {
        DataType::Boolean => column.as_boolean().value(row).to_string(),
        DataType::Int32 => column.as_primitive::<Int32Type>().value(row).to_string(),
        DataType::Int64 => column.as_primitive::<Int64Type>().value(row).to_string(),
        DataType::Utf8 => column.as_string::<i32>().value(row).to_owned(),
        DataType::Binary => hex(column.as_binary::<i32>().value(row)),
        DataType::Timestamp(..) => {
            Timestamp::from_micros(column.as_primitive::<TimestampMicrosecondType>().value(row)).to_string()
        }
        other => panic!("no table has a column of {other}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes everything");
        text
    })
}

/// Every row with its columns that are not null, and the keys.
pub(crate) fn shown(batch: &PageBatch) -> String {
    let mut text = String::new();
    for key in &batch.records {
        writeln!(text, "record {} in {}", key.id, key.day).unwrap();
    }
    for key in &batch.rejects {
        writeln!(text, "reject {} in {}", key.id, key.day).unwrap();
    }
    for TableRows { table, batch, ends } in &batch.tables {
        writeln!(text, "\n== {table}, ends {ends:?}").unwrap();
        for row in 0..batch.num_rows() {
            writeln!(text, "-- {row}").unwrap();
            for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
                if column.is_valid(row) {
                    writeln!(text, "{}: {:?}", field.name(), text_of(column, row)).unwrap();
                }
            }
        }
    }
    text
}
