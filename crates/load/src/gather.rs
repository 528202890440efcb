//! What is held in memory until there is enough of it for a segment.

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use promptlake_flow::BytePermit;
use promptlake_model::{Day, PageBatch, PartitionDay, Table, TableRows};

use crate::rows::with_days;

/// Dated rows of all tables, in the order they came.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    tables: BTreeMap<Table, Vec<RecordBatch>>,
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
            self.bytes += dated.get_array_memory_size();
            self.tables.entry(table).or_default().push(dated);
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
        (taken.tables, taken.held)
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
