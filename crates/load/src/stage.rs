//! Staging: rows in memory, or a merge of segments, become a segment that no record names yet.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};

use arrow_array::RecordBatch;
use arrow_schema::ArrowError;
use futures::{StreamExt, TryStreamExt, stream};
use promptlake_model::Table;

use crate::error::LoadError;
use crate::failpoint;
use crate::lake::{Lake, known_path};
use crate::layout;
use crate::merge::{DayRows, Merger, SortedRun, Step};
use crate::merge_memory;
use crate::record::SegmentEntry;
use crate::segment::{SegmentDecoder, SegmentEncoder};
use crate::sorted::SortedRows;

/// The objects that a run has staged, counted for each table by itself: names depend on what is written, not on which
/// of two tables was faster.
#[derive(Debug, Default)]
pub(crate) struct StagedNumbers([AtomicU32; Table::ALL.len()]);

impl StagedNumbers {
    /// From 1.
    pub(crate) fn next(&self, table: Table) -> u32 {
        self.0[table as usize].fetch_add(1, Ordering::Relaxed) + 1
    }
}

pub(crate) fn segment_run(entry: &SegmentEntry) -> SortedRun {
    SortedRun::Segment(Box::new(SegmentDecoder::new(entry.clone())))
}

impl Lake {
    /// Sorts the rows of each table and stages them as a segment, as many tables at once as the memory of merges has
    /// room for. In the order of the tables.
    pub(crate) async fn write_segments(
        &self,
        tables: BTreeMap<Table, Vec<RecordBatch>>,
    ) -> Result<Vec<SegmentEntry>, LoadError> {
        let writes: Vec<_> =
            tables.into_iter().map(|(table, batches)| self.write_segment(table, batches)).collect();
        stream::iter(writes).buffered(Table::ALL.len()).try_collect().await
    }

    async fn write_segment(&self, table: Table, rows: Vec<RecordBatch>) -> Result<SegmentEntry, LoadError> {
        let failed = move |source| LoadError::Sort { table, source };
        let _held = self.merge_budget.acquire(merge_memory::of_sorting(&rows)).await;
        let sorted = self.means.pool.run(move || SortedRows::sort(table, rows)).await?.map_err(failed)?;
        let merger = Merger::new(table, vec![SortedRun::Memory(sorted)]).map_err(failed)?;
        self.stage_segment(table, merger).await
    }

    /// Writes sorted rows as a segment, and looks up that it is there.
    pub(crate) async fn stage_segment(
        &self,
        table: Table,
        mut merger: Merger,
    ) -> Result<SegmentEntry, LoadError> {
        let failed = move |source| LoadError::Sort { table, source };
        let path = layout::segment(&self.run.id, table, self.next_number(table));
        let mut upload = self.means.store.writer(path.clone());
        let mut encoder = SegmentEncoder::new(table).map_err(failed)?;
        while let Some(given) = self.next_rows(table, &mut merger).await? {
            let encoded = self.means.pool.run(move || {
                let bytes = encoder.write(&given.rows)?;
                Ok::<_, ArrowError>((encoder, bytes))
            });
            let (returned, bytes) = encoded.await?.map_err(failed)?;
            encoder = returned;
            upload.write(bytes).await?;
        }
        let (last, entry) = encoder.finish(path.to_string(), table).map_err(failed)?;
        upload.write(last).await?;
        upload.finish().await?;
        self.look_up(&path, entry.bytes).await?;
        failpoint::reach("segment.staged");
        Ok(entry)
    }

    /// The next rows of a merge: computes on the pool, fetches what it lacks here.
    pub(crate) async fn next_rows(
        &self,
        table: Table,
        merger: &mut Merger,
    ) -> Result<Option<DayRows>, LoadError> {
        let failed = move |source| LoadError::Merge { table, source };
        let nothing = || Merger::new(table, Vec::new()).map_err(|source| failed(source.into()));
        loop {
            let mut working = std::mem::replace(merger, nothing()?);
            let stepped = self.means.pool.run(move || {
                let step = working.step();
                (working, step)
            });
            let (returned, step) = stepped.await?;
            *merger = returned;
            match step.map_err(failed)? {
                Step::Rows(rows) => return Ok(Some(rows)),
                Step::Done => return Ok(None),
                Step::Needs(runs) => self.fetch_blocks(merger, runs).await?,
            }
        }
    }

    async fn fetch_blocks(&self, merger: &mut Merger, runs: Vec<usize>) -> Result<(), LoadError> {
        for run in runs {
            let Some((path, range)) = merger.missing_block(run) else { continue };
            let block = self.means.store.get_range(&known_path(&path), range).await?;
            merger.feed(run, block);
        }
        Ok(())
    }
}
