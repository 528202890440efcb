//! A body to rows: no record may be lost without a reject.

use promptlake_model::{PageForm, PageReading, Table};
use serde_json::Value;

use crate::rows::{Rows, transformer, wordless_transformer};

const FORMS: [PageForm; 4] = [PageForm::Page, PageForm::RecordArray, PageForm::RecordLines, PageForm::Framed];

pub(crate) fn law(input: &[u8]) {
    for form in FORMS {
        let rows = Rows::of(&transformer(), form, input);
        assert_whole(&rows);
        if let Some(records) = records_of(input, form) {
            let found = (rows.batch.reading, rows.batch.records.len() + rows.batch.rejects.len());
            assert_eq!(found, (PageReading::Read, records), "{form:?}");
        }
        let wordless = Rows::of(&wordless_transformer(), form, input);
        assert_eq!(wordless.batch.records, rows.batch.records, "{form:?}");
        assert_eq!(wordless.batch.rejects, rows.batch.rejects, "{form:?}");
    }
}

/// The rows of every table belong to the records, and none is left over.
fn assert_whole(rows: &Rows) {
    let batch = &rows.batch;
    for table in &batch.tables {
        let owners = if table.table == Table::Rejects { batch.rejects.len() } else { batch.records.len() };
        assert_eq!(table.ends.len(), owners, "{}", table.table);
        assert!(table.ends.is_sorted(), "{}", table.table);
        let rows = table.batch.num_rows();
        assert_eq!(table.ends.last().map(|end| *end as usize), Some(rows), "{}", table.table);
    }
    assert_eq!(rows.count(Table::Interactions), batch.records.len());
    assert_eq!(rows.count(Table::Raw), batch.records.len());
    assert_eq!(rows.count(Table::Rejects), batch.rejects.len());
    if batch.reading == PageReading::Unreadable {
        assert_eq!((batch.records.len(), batch.rejects.len()), (0, 1));
    }
}

/// How many records a body has, as far as somebody else can tell.
fn records_of(input: &[u8], form: PageForm) -> Option<usize> {
    let list = |value: &Value| value.as_array().map(Vec::len);
    match form {
        PageForm::RecordLines => {
            let without_mark = input.strip_prefix(b"\xef\xbb\xbf").unwrap_or(input);
            Some(
                without_mark
                    .split(|byte| *byte == b'\n')
                    .filter(|line| !line.trim_ascii().is_empty())
                    .count(),
            )
        }
        PageForm::Framed => None,
        PageForm::RecordArray => list(&serde_json::from_slice(input).ok()?),
        PageForm::Page => {
            let page: Value = serde_json::from_slice(input).ok()?;
            match (page.get("value"), page.get("response")) {
                (None, Some(response)) => list(response.get("value")?),
                (value, _) => list(value?),
            }
        }
    }
}
