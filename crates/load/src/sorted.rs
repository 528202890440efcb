//! Rows of one table in memory, sorted: a run of an external sort before it is written anywhere.

use arrow_array::RecordBatch;
use arrow_schema::ArrowError;
use arrow_select::interleave::interleave_record_batch;
use promptlake_model::Table;

use crate::rows::{SortOrder, row_bytes};

/// A batch of a sorted run: small, since a merge holds one of each run, large enough that a batch's own overhead of
/// some kilobytes does not count.
pub(crate) const BATCH_BYTES: usize = 256 * 1024;

/// The most rows of a batch: of narrow tables, what [`BATCH_BYTES`] holds.
pub(crate) const BATCH_ROWS_MAX: usize = 4096;

/// Sorted rows of one table, given out batch by batch.
#[derive(Debug)]
pub(crate) struct SortedRows {
    batches: Vec<RecordBatch>,
    bytes: Vec<Vec<u32>>,
    /// Where each row stands: batch and row within it, in the table's order.
    order: Vec<(usize, usize)>,
    given: usize,
}

impl SortedRows {
    /// Sorts dated rows of one table. Equal rows keep the order they came in.
    pub(crate) fn sort(table: Table, batches: Vec<RecordBatch>) -> Result<Self, ArrowError> {
        let sort_order = SortOrder::of(table)?;
        let keys = batches.iter().map(|batch| sort_order.keys(batch)).collect::<Result<Vec<_>, _>>()?;
        let rows_of =
            |(index, batch): (usize, &RecordBatch)| (0..batch.num_rows()).map(move |row| (index, row));
        let mut order: Vec<_> = batches.iter().enumerate().flat_map(rows_of).collect();
        order.sort_by(|a, b| keys[a.0].row(a.1).cmp(&keys[b.0].row(b.1)));
        drop(keys);
        let bytes = batches.iter().map(row_bytes).collect();
        Ok(Self { batches, bytes, order, given: 0 })
    }

    /// The next batch, in order; `None` at the end.
    pub(crate) fn next_batch(&mut self) -> Result<Option<RecordBatch>, ArrowError> {
        let rest = &self.order[self.given..];
        if rest.is_empty() {
            return Ok(None);
        }
        let mut bytes = 0;
        let fits = |place: &&(usize, usize)| {
            bytes += self.bytes[place.0][place.1] as usize;
            bytes <= BATCH_BYTES
        };
        // A row that is larger than a batch goes alone.
        let rows = rest.iter().take(BATCH_ROWS_MAX).take_while(fits).count().max(1);
        let batch = self.put_together(&rest[..rows])?;
        self.given += rows;
        Ok(Some(batch))
    }

    fn put_together(&self, places: &[(usize, usize)]) -> Result<RecordBatch, ArrowError> {
        // A page of one record of many megabytes is not copied.
        if let [(batch, 0)] = places
            && self.batches[*batch].num_rows() == 1
        {
            return Ok(self.batches[*batch].clone());
        }
        let sources: Vec<&RecordBatch> = self.batches.iter().collect();
        interleave_record_batch(&sources, places)
    }
}
