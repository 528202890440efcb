//! What is held in memory until there is enough of it for a segment.

use std::collections::BTreeMap;

use arrow_array::RecordBatch;
use arrow_schema::ArrowError;
use arrow_select::concat::concat_batches;
use promptlake_flow::BytePermit;
use promptlake_model::{Day, PageBatch, PartitionDay, Table, TableRows};

use crate::rows::{dated_schema, with_days};

/// A batch below this is short: its thirty columns with their buffers weigh as much as its rows, or more, and nobody
/// counts what the allocator adds to each of them.
const SHORT_BYTES: usize = 64 * 1024;

/// Short batches that are put together at once, so that what they weigh beside their rows stays small.
const SHORT_BATCHES_MAX: usize = 64;

/// The most that short batches weigh before they are put together: what is copied in a quarter of a millisecond, since
/// that happens on a thread for I/O.
const SHORT_BATCHES_BYTES_MAX: usize = 1024 * 1024;

/// Dated rows of all tables, in the order they came.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    tables: BTreeMap<Table, TableGathered>,
    bytes: usize,
    records: u64,
    /// Permits of pages whose rows go beyond the share of this stage.
    held: Vec<BytePermit>,
}

impl Gathered {
    /// Takes the rows of a page, whole: all tables of a record stay together.
    pub(crate) fn page(&mut self, page: &PageBatch) -> Result<(), ArrowError> {
        self.records += page.records.len() as u64;
        let record_days: Vec<PartitionDay> = page.records.iter().map(|record| record.day).collect();
        let reject_days: Vec<PartitionDay> = page.rejects.iter().map(|reject| reject.day).collect();
        for rows in &page.tables {
            let days = if rows.table == Table::Rejects { &reject_days } else { &record_days };
            self.rows(rows.table, &rows.batch, days_of_rows(rows, days))?;
        }
        Ok(())
    }

    /// Takes rows that all lie under one day.
    pub(crate) fn rows_of_day(
        &mut self,
        table: Table,
        rows: &RecordBatch,
        day: Day,
    ) -> Result<(), ArrowError> {
        let days = std::iter::repeat_n(PartitionDay::Day(day), rows.num_rows());
        self.rows(table, rows, days)
    }

    fn rows(
        &mut self,
        table: Table,
        rows: &RecordBatch,
        days: impl Iterator<Item = PartitionDay>,
    ) -> Result<(), ArrowError> {
        if rows.num_rows() > 0 {
            let dated = with_days(table, rows, days)?;
            let gathered = self.tables.entry(table).or_default();
            self.bytes -= gathered.bytes();
            gathered.push(table, dated)?;
            self.bytes += gathered.bytes();
        }
        Ok(())
    }

    /// What is held, in bytes.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.bytes
    }

    /// Records among it.
    pub(crate) fn records(&self) -> u64 {
        self.records
    }

    /// Keeps the permit of a page with its rows.
    pub(crate) fn hold(&mut self, permit: BytePermit) {
        self.held.push(permit);
    }

    /// Gives up everything, table by table, and the permits to be kept for as long as the rows are.
    pub(crate) fn take(&mut self) -> (BTreeMap<Table, Vec<RecordBatch>>, Vec<BytePermit>) {
        let taken = std::mem::take(self);
        let batches = |(table, gathered): (Table, TableGathered)| (table, gathered.into_batches());
        (taken.tables.into_iter().map(batches).collect(), taken.held)
    }
}

/// Dated rows of one table. A page of a few rows is not kept as a batch of its own.
#[derive(Debug, Default)]
struct TableGathered {
    batches: Vec<RecordBatch>,
    batches_bytes: usize,
    /// Came after all of `batches`, and are put together with what follows.
    short: Vec<RecordBatch>,
    short_bytes: usize,
}

impl TableGathered {
    fn bytes(&self) -> usize {
        self.batches_bytes + self.short_bytes
    }

    fn push(&mut self, table: Table, batch: RecordBatch) -> Result<(), ArrowError> {
        let bytes = batch.get_array_memory_size();
        if bytes >= SHORT_BYTES {
            self.put_together(table)?;
            self.keep(batch);
            return Ok(());
        }
        self.short.push(batch);
        self.short_bytes += bytes;
        if self.short.len() >= SHORT_BATCHES_MAX || self.short_bytes >= SHORT_BATCHES_BYTES_MAX {
            self.put_together(table)?;
        }
        Ok(())
    }

    /// Makes one batch of the short ones.
    fn put_together(&mut self, table: Table) -> Result<(), ArrowError> {
        if let [_, _, ..] = self.short.as_slice() {
            let batch = concat_batches(&dated_schema(table), &self.short)?;
            self.short.clear();
            self.keep(batch);
        } else if let Some(batch) = self.short.pop() {
            self.keep(batch);
        }
        self.short_bytes = 0;
        Ok(())
    }

    fn keep(&mut self, batch: RecordBatch) {
        self.batches_bytes += batch.get_array_memory_size();
        self.batches.push(batch);
    }

    fn into_batches(mut self) -> Vec<RecordBatch> {
        self.batches.append(&mut self.short);
        self.batches
    }
}

fn days_of_rows<'a>(
    rows: &'a TableRows,
    days: &'a [PartitionDay],
) -> impl Iterator<Item = PartitionDay> + 'a {
    let starts = std::iter::once(0).chain(rows.ends.iter().copied());
    let counts = rows.ends.iter().zip(starts).map(|(end, start)| (end - start) as usize);
    days.iter().zip(counts).flat_map(|(day, count)| std::iter::repeat_n(*day, count))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::cast::AsArray;
    use arrow_array::{ArrayRef, Int32Array, StringArray, new_null_array};

    use super::*;

    /// Rows of `contexts` with these ordinals, each with a name of so many bytes.
    fn rows(ordinals: std::ops::Range<i32>, name_bytes: usize) -> RecordBatch {
        let schema = Table::Contexts.schema();
        let count = ordinals.len();
        let column = |field: &Arc<arrow_schema::Field>| -> ArrayRef {
            match field.name().as_str() {
                "context_ordinal" => Arc::new(Int32Array::from_iter_values(ordinals.clone())),
                _ if field.data_type() == &arrow_schema::DataType::Utf8 => {
                    Arc::new(StringArray::from_iter_values(vec!["x".repeat(name_bytes); count]))
                }
                _ => new_null_array(field.data_type(), count),
            }
        };
        RecordBatch::try_new(Arc::clone(&schema), schema.fields().iter().map(column).collect()).unwrap()
    }

    fn ordinals(batches: &[RecordBatch]) -> Vec<i32> {
        let of = |batch: &RecordBatch| {
            let column = batch.column_by_name("context_ordinal").unwrap();
            column.as_primitive::<arrow_array::types::Int32Type>().values().to_vec()
        };
        batches.iter().flat_map(of).collect()
    }

    #[test]
    fn short_batches_are_put_together_in_the_order_they_came() {
        let mut gathered = Gathered::default();
        for ordinal in 0..1_000 {
            // Every hundredth is long.
            let name_bytes = if ordinal % 100 == 99 { SHORT_BYTES } else { 1 };
            gathered
                .rows_of_day(Table::Contexts, &rows(ordinal..ordinal + 1, name_bytes), Day(20_000))
                .unwrap();
        }
        let weighed = gathered.memory_bytes();
        let (tables, _) = gathered.take();
        let batches = &tables[&Table::Contexts];
        assert_eq!(ordinals(batches), (0..1_000).collect::<Vec<_>>());
        // Between two long ones there are 99 short ones, which are one batch of 64 and one of the rest.
        assert_eq!(batches.len(), 30);
        assert_eq!(weighed, batches.iter().map(RecordBatch::get_array_memory_size).sum::<usize>());
        assert_eq!((gathered.memory_bytes(), gathered.take().0.len()), (0, 0));
    }

    #[test]
    fn what_short_batches_weigh_before_they_are_put_together_is_bounded() {
        let mut gathered = Gathered::default();
        for ordinal in 0..200 {
            // Just short, one by one.
            gathered.rows_of_day(Table::Contexts, &rows(ordinal..ordinal + 1, 5_000), Day(20_000)).unwrap();
            let waiting = &gathered.tables[&Table::Contexts];
            assert!(waiting.short_bytes < SHORT_BATCHES_BYTES_MAX + SHORT_BYTES);
            assert!(waiting.short.len() < SHORT_BATCHES_MAX);
        }
        assert_eq!(ordinals(&gathered.take().0[&Table::Contexts]), (0..200).collect::<Vec<_>>());
    }
}
