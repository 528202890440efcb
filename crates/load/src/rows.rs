//! Rows with the day of their partition in front, and the order that they are sorted in.

use std::sync::{Arc, LazyLock};

use arrow_array::cast::AsArray;
use arrow_array::types::Date32Type;
use arrow_array::{Array, ArrayRef, Date32Array, RecordBatch};
use arrow_row::{RowConverter, Rows, SortField};
use arrow_schema::ArrowError;
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use promptlake_model::{PartitionDay, Table};

/// The schema of a table with the column `date` in front: what segments hold and what is merged.
pub(crate) fn dated_schema(table: Table) -> SchemaRef {
    static SCHEMAS: LazyLock<[SchemaRef; Table::ALL.len()]> = LazyLock::new(|| {
        Table::ALL.map(|table| {
            let date = Arc::new(Field::new("date", DataType::Date32, true));
            let columns = table.schema();
            Arc::new(Schema::new(
                [date].into_iter().chain(columns.fields().iter().cloned()).collect::<Vec<_>>(),
            ))
        })
    });
    Arc::clone(&SCHEMAS[table as usize])
}

/// Puts the day of each row in front.
pub(crate) fn with_days(
    table: Table,
    rows: &RecordBatch,
    days: impl Iterator<Item = PartitionDay>,
) -> Result<RecordBatch, ArrowError> {
    let date: Date32Array = days.map(PartitionDay::date32).collect();
    let columns = std::iter::once(Arc::new(date) as ArrayRef).chain(rows.columns().iter().cloned());
    RecordBatch::try_new(dated_schema(table), columns.collect())
}

/// The rows as readers see them: the day is in the path alone.
pub(crate) fn without_days(table: Table, rows: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    RecordBatch::try_new(table.schema(), rows.columns()[1..].to_vec())
}

/// The day of a row.
pub(crate) fn day_at(rows: &RecordBatch, row: usize) -> PartitionDay {
    let dates = rows.column(0).as_primitive::<Date32Type>();
    PartitionDay::from_date32(dates.is_valid(row).then(|| dates.value(row)))
}

/// What each row occupies in its variable-length columns, in bytes: how batches are cut by size, since one record
/// can be a thousand times as long as its neighbour.
pub(crate) fn row_bytes(rows: &RecordBatch) -> Vec<u32> {
    let fixed = u32::try_from(rows.num_columns() * size_of::<u64>()).unwrap_or(u32::MAX);
    let mut bytes = vec![fixed; rows.num_rows()];
    for column in rows.columns() {
        let offsets = match column.data_type() {
            DataType::Utf8 => column.as_string::<i32>().offsets().clone(),
            DataType::Binary => column.as_binary::<i32>().offsets().clone(),
            _ => continue,
        };
        for (row, pair) in bytes.iter_mut().zip(offsets.windows(2)) {
            *row = row.saturating_add((pair[1] - pair[0]).unsigned_abs());
        }
    }
    bytes
}

/// The order of a table's rows in the lake: by day, then by the table's own columns, nulls first.
pub(crate) struct SortOrder {
    converter: RowConverter,
    columns: Vec<usize>,
}

impl SortOrder {
    pub(crate) fn of(table: Table) -> Result<Self, ArrowError> {
        let schema = dated_schema(table);
        let own = table.sort_columns().iter().map(|column| schema.index_of(column));
        let columns: Vec<usize> = std::iter::once(Ok(0)).chain(own).collect::<Result<_, _>>()?;
        let field = |column: &usize| SortField::new(schema.field(*column).data_type().clone());
        let converter = RowConverter::new(columns.iter().map(field).collect())?;
        Ok(Self { converter, columns })
    }

    /// The rows in a form whose bytes compare as the rows do.
    pub(crate) fn keys(&self, rows: &RecordBatch) -> Result<Rows, ArrowError> {
        let columns: Vec<ArrayRef> =
            self.columns.iter().map(|column| Arc::clone(rows.column(*column))).collect();
        self.converter.convert_columns(&columns)
    }
}
