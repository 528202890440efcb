//! The k-way merge: sorted runs become one sorted run, a day at a time, in memory that does not depend on how many
//! rows or days there are.
//!
//! Pure: when it lacks a block it says so, and somebody with a store fetches it.

use std::cmp::Ordering;
use std::ops::Range;

use arrow_array::RecordBatch;
use arrow_row::Rows;
use arrow_schema::ArrowError;
use arrow_select::interleave::interleave_record_batch;
use bytes::Bytes;
use promptlake_model::{PartitionDay, Table};

use crate::rows::{SortOrder, day_at, row_bytes};
use crate::segment::{Decoded, SegmentDecoder, SegmentError};
use crate::sorted::{BATCH_BYTES, BATCH_ROWS_MAX, SortedRows};

/// A merge failed.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// A segment could not be read back.
    #[error("read a sorted run")]
    Segment(#[from] SegmentError),
    /// Arrow could not put rows together.
    #[error("put sorted rows together")]
    Arrow(#[from] ArrowError),
}

/// Where sorted rows come from.
pub(crate) enum SortedRun {
    Memory(SortedRows),
    Segment(Box<SegmentDecoder>),
}

/// What the merge has to say next.
pub(crate) enum Step {
    /// Rows of one day, in order.
    Rows(DayRows),
    /// These runs lack their next block: [`Merger::missing_block`] says which.
    Needs(Vec<usize>),
    /// All rows were given.
    Done,
}

/// Dated rows, all of one day.
pub(crate) struct DayRows {
    pub(crate) day: PartitionDay,
    pub(crate) rows: RecordBatch,
}

/// A merge in progress.
pub(crate) struct Merger {
    order: SortOrder,
    cursors: Vec<Cursor>,
    /// Cursors with a row, the least first: a binary heap of their indices.
    heap: Vec<usize>,
    /// Cursors without a batch. Nothing may be given out while there is one: its next row may be the least.
    empty: Vec<usize>,
    output: Output,
}

struct Cursor {
    run: SortedRun,
    batch: RecordBatch,
    keys: Option<Rows>,
    bytes: Vec<u32>,
    row: usize,
    /// The batch's place among the sources of the output of this number.
    source: Option<(u64, usize)>,
}

/// Rows picked for the next batch.
#[derive(Default)]
struct Output {
    number: u64,
    sources: Vec<RecordBatch>,
    picks: Vec<(usize, usize)>,
    bytes: usize,
    day: Option<PartitionDay>,
}

impl Merger {
    pub(crate) fn new(table: Table, runs: Vec<SortedRun>) -> Result<Self, ArrowError> {
        let nothing = RecordBatch::new_empty(crate::rows::dated_schema(table));
        let cursor =
            |run| Cursor { run, batch: nothing.clone(), keys: None, bytes: Vec::new(), row: 0, source: None };
        let cursors: Vec<Cursor> = runs.into_iter().map(cursor).collect();
        let empty = (0..cursors.len()).collect();
        Ok(Self { order: SortOrder::of(table)?, cursors, heap: Vec::new(), empty, output: Output::default() })
    }

    /// Goes on until there is something to say. After [`Step::Needs`], feed every run named before the next step.
    pub(crate) fn step(&mut self) -> Result<Step, MergeError> {
        loop {
            let needs = self.refill()?;
            if !needs.is_empty() {
                return Ok(Step::Needs(needs));
            }
            let Some(least) = self.heap.first().copied() else {
                return Ok(self.output.give()?.map_or(Step::Done, Step::Rows));
            };
            let day = day_at(&self.cursors[least].batch, self.cursors[least].row);
            if self.output.is_full_for(day)
                && let Some(rows) = self.output.give()?
            {
                return Ok(Step::Rows(rows));
            }
            self.output.pick(day, &mut self.cursors[least]);
            self.advance(least);
        }
    }

    /// The path of a run's segment and the bytes that it lacks.
    pub(crate) fn missing_block(&self, run: usize) -> Option<(String, Range<u64>)> {
        match &self.cursors[run].run {
            SortedRun::Memory(_) => None,
            SortedRun::Segment(segment) => Some((segment.path().to_owned(), segment.next_block())),
        }
    }

    pub(crate) fn feed(&mut self, run: usize, block: Bytes) {
        if let SortedRun::Segment(segment) = &mut self.cursors[run].run {
            segment.feed(block);
        }
    }

    /// Gives each empty cursor its next batch. Names those that lack a block; those at their end are let go.
    fn refill(&mut self) -> Result<Vec<usize>, MergeError> {
        let alone = self.cursors.len() == 1;
        let mut needs = Vec::new();
        for index in std::mem::take(&mut self.empty) {
            let batch = match self.cursors[index].run.next_batch()? {
                Decoded::Batch(batch) => batch,
                Decoded::End => continue,
                Decoded::NeedsBlock => {
                    needs.push(index);
                    continue;
                }
            };
            // A run alone is never compared.
            let keys = if alone { None } else { Some(self.order.keys(&batch)?) };
            self.cursors[index].load(batch, keys);
            self.heap.push(index);
            self.sift_up(self.heap.len() - 1);
        }
        self.empty.clone_from(&needs);
        Ok(needs)
    }

    fn advance(&mut self, least: usize) {
        let cursor = &mut self.cursors[least];
        cursor.row += 1;
        if cursor.row == cursor.batch.num_rows() {
            // Not held while the next one is decoded: either may be a row of many megabytes.
            cursor.load(RecordBatch::new_empty(cursor.batch.schema()), None);
            self.heap.swap_remove(0);
            self.empty.push(least);
        }
        self.sift_down(0);
    }

    /// By the rows under the cursors, then by cursor, so that the merge of the same runs is always the same.
    fn compare(&self, a: usize, b: usize) -> Ordering {
        let key = |index: usize| {
            let cursor = &self.cursors[index];
            cursor.keys.as_ref().map(|keys| keys.row(cursor.row))
        };
        key(a).cmp(&key(b)).then(a.cmp(&b))
    }

    fn sift_up(&mut self, mut place: usize) {
        while place > 0 {
            let parent = (place - 1) / 2;
            if self.compare(self.heap[place], self.heap[parent]).is_ge() {
                return;
            }
            self.heap.swap(place, parent);
            place = parent;
        }
    }

    fn sift_down(&mut self, mut place: usize) {
        loop {
            let children = 2 * place + 1..(2 * place + 3).min(self.heap.len());
            let Some(child) = children.min_by(|a, b| self.compare(self.heap[*a], self.heap[*b])) else {
                return;
            };
            if self.compare(self.heap[place], self.heap[child]).is_le() {
                return;
            }
            self.heap.swap(place, child);
            place = child;
        }
    }
}

impl SortedRun {
    fn next_batch(&mut self) -> Result<Decoded, MergeError> {
        match self {
            Self::Memory(rows) => Ok(rows.next_batch()?.map_or(Decoded::End, Decoded::Batch)),
            Self::Segment(segment) => Ok(segment.decode()?),
        }
    }
}

impl Cursor {
    fn load(&mut self, batch: RecordBatch, keys: Option<Rows>) {
        self.bytes = row_bytes(&batch);
        self.batch = batch;
        self.keys = keys;
        self.row = 0;
        self.source = None;
    }
}

impl Output {
    fn is_full_for(&self, day: PartitionDay) -> bool {
        self.bytes >= BATCH_BYTES
            || self.picks.len() >= BATCH_ROWS_MAX
            || self.day.is_some_and(|own| own != day)
    }

    fn pick(&mut self, day: PartitionDay, cursor: &mut Cursor) {
        let source = match cursor.source {
            Some((number, source)) if number == self.number => source,
            _ => {
                self.sources.push(cursor.batch.clone());
                cursor.source = Some((self.number, self.sources.len() - 1));
                self.sources.len() - 1
            }
        };
        self.picks.push((source, cursor.row));
        self.bytes += cursor.bytes[cursor.row] as usize;
        self.day = Some(day);
    }

    fn give(&mut self) -> Result<Option<DayRows>, ArrowError> {
        let Some(day) = self.day else { return Ok(None) };
        let rows = match self.sources.as_slice() {
            // Picked in order: it is the batch itself, which may be a single row of many megabytes.
            [whole] if whole.num_rows() == self.picks.len() => whole.clone(),
            sources => interleave_record_batch(&sources.iter().collect::<Vec<_>>(), &self.picks)?,
        };
        *self = Self { number: self.number + 1, ..Self::default() };
        Ok(Some(DayRows { day, rows }))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::cast::AsArray;
    use arrow_array::{ArrayRef, StringArray, new_null_array};
    use promptlake_model::Day;

    use super::*;
    use crate::rows::{dated_schema, with_days};
    use crate::segment::SegmentEncoder;

    const TABLE: Table = Table::Contexts;

    /// Rows that differ in their day and interaction id alone.
    fn rows(days_and_ids: &[(i32, u32)]) -> RecordBatch {
        let ids: Vec<String> = days_and_ids.iter().map(|(_, id)| format!("{id:05}")).collect();
        let schema = TABLE.schema();
        let column = |field: &Arc<arrow_schema::Field>| -> ArrayRef {
            match field.name().as_str() {
                "tenant_id" | "user_id" | "record_id" => Arc::new(StringArray::from(vec!["x"; ids.len()])),
                "interaction_id" => Arc::new(StringArray::from(ids.clone())),
                _ => new_null_array(field.data_type(), ids.len()),
            }
        };
        let batch = RecordBatch::try_new(schema.clone(), schema.fields().iter().map(column).collect());
        let days = days_and_ids.iter().map(|(day, _)| PartitionDay::Day(Day(*day)));
        with_days(TABLE, &batch.unwrap(), days).unwrap()
    }

    fn segment(rows: RecordBatch) -> (SortedRun, Bytes) {
        let mut sorted = SortedRows::sort(TABLE, vec![rows]).unwrap();
        let mut encoder = SegmentEncoder::new(TABLE).unwrap();
        let mut bytes = Vec::new();
        while let Some(batch) = sorted.next_batch().unwrap() {
            bytes.extend_from_slice(&encoder.write(&batch).unwrap());
        }
        let (last, entry) = encoder.finish("s".into(), TABLE).unwrap();
        bytes.extend_from_slice(&last);
        (SortedRun::Segment(Box::new(SegmentDecoder::new(entry))), Bytes::from(bytes))
    }

    fn merge(runs: Vec<(SortedRun, Bytes)>) -> Result<Vec<(i32, u32)>, MergeError> {
        let (runs, objects): (Vec<_>, Vec<_>) = runs.into_iter().unzip();
        let mut merger = Merger::new(TABLE, runs)?;
        let mut merged = Vec::new();
        let id = dated_schema(TABLE).index_of("interaction_id").unwrap();
        loop {
            match merger.step()? {
                Step::Done => return Ok(merged),
                Step::Needs(runs) => {
                    for run in runs {
                        let (_, range) = merger.missing_block(run).expect("memory needs no block");
                        let at = |byte| usize::try_from(byte).unwrap();
                        merger.feed(run, objects[run].slice(at(range.start)..at(range.end)));
                    }
                }
                Step::Rows(given) => {
                    let ids = given.rows.column(id).as_string::<i32>();
                    let day = given.day.date32().unwrap();
                    merged.extend(ids.iter().map(|id| (day, id.unwrap().parse().unwrap())));
                }
            }
        }
    }

    #[test]
    fn many_runs_become_one_in_order_with_every_row() {
        let spread =
            |run: u32| (0..5_000_u32).map(|n| ((n * 7 % 13).cast_signed(), n * 11 + run)).collect::<Vec<_>>();
        let mut expected: Vec<_> = (0..11).flat_map(spread).collect();
        expected.sort_by_key(|(day, id)| (*day, format!("{id:05}")));
        let mut runs: Vec<_> = (0..10).map(|run| segment(rows(&spread(run)))).collect();
        let memory = SortedRows::sort(TABLE, vec![rows(&spread(10))]).unwrap();
        runs.push((SortedRun::Memory(memory), Bytes::new()));
        assert_eq!(merge(runs).unwrap(), expected);
    }

    #[test]
    fn a_run_alone_is_given_as_it_is_and_no_run_gives_nothing() {
        assert_eq!(merge(vec![segment(rows(&[(2, 1), (1, 9)]))]).unwrap(), [(1, 9), (2, 1)]);
        assert_eq!(merge(vec![]).unwrap(), []);
    }

    #[test]
    fn a_segment_whose_bytes_changed_is_refused() {
        let (run, bytes) = segment(rows(&[(1, 1), (1, 2)]));
        let mut changed = bytes.to_vec();
        let last = changed.len() - 1;
        changed[last] ^= 1;
        let refused = merge(vec![(run, Bytes::from(changed))]).unwrap_err();
        assert!(matches!(refused, MergeError::Segment(_)), "{refused:?}");
    }
}
