//! Compaction: committed segments, and rows that never were one, become sorted, well-sized staged files.

use std::collections::BTreeMap;

use arrow_array::RecordBatch;
use futures::{StreamExt, TryStreamExt, stream};
use promptlake_model::Table;

use crate::encode::{FileFormat, FilePlan};
use crate::error::LoadError;
use crate::lake::Lake;
use crate::merge::{Merger, SortedRun};
use crate::merge_memory::{TableShare, fan_in};
use crate::record::{FileEntry, SegmentEntry};
use crate::sorted::SortedRows;
use crate::stage::segment_run;

/// Runs merged at once, whatever memory allows: each costs a request for every block of it.
const MERGE_FAN_IN_MAX: usize = 512;

/// What compaction made.
#[derive(Debug, Default)]
pub(crate) struct Compacted {
    /// Files that wait to be published, all of them looked up, in the order of the tables.
    pub(crate) files: Vec<FileEntry>,
    /// Longer segments made on the way, which no record names: to be deleted once the files are published.
    pub(crate) longer_segments: Vec<String>,
}

/// What there is to merge of one table.
struct TableWork {
    table: Table,
    segments: Vec<SegmentEntry>,
    rows: Vec<RecordBatch>,
}

impl Lake {
    /// Makes staged files of segments and of rows in memory. Nobody knows of them until a record names them.
    ///
    /// Tables are merged side by side, as many as the memory of merges has room for. What is made depends on neither
    /// that nor the machine: the same segments and rows give the same files under the same names.
    pub(crate) async fn compact(
        &self,
        segments: &[SegmentEntry],
        mut in_memory: BTreeMap<Table, Vec<RecordBatch>>,
    ) -> Result<Compacted, LoadError> {
        let work = Table::ALL.into_iter().map(|table| TableWork {
            table,
            segments: segments.iter().filter(|entry| entry.table == table).cloned().collect(),
            rows: in_memory.remove(&table).unwrap_or_default(),
        });
        let work = work.filter(|work| !work.segments.is_empty() || !work.rows.is_empty());
        let tables: Vec<_> = work.map(|work| self.compact_table(work)).collect();
        let made: Vec<Compacted> = stream::iter(tables).buffered(Table::ALL.len()).try_collect().await?;
        let mut compacted = Compacted::default();
        for of_table in made {
            compacted.files.extend(of_table.files);
            compacted.longer_segments.extend(of_table.longer_segments);
        }
        Ok(compacted)
    }

    async fn compact_table(&self, work: TableWork) -> Result<Compacted, LoadError> {
        let TableWork { table, segments, rows } = work;
        let sort_failed = move |source| LoadError::Sort { table, source };
        let share = TableShare::of(self.settings.merge_bytes, self.settings.target_file_bytes);
        let _held = self.merge_budget.acquire(share.needed_bytes(&segments, &rows)).await;
        let mut longer_segments = Vec::new();
        let segments = self.fit_segments(table, segments, &mut longer_segments).await?;
        let mut runs: Vec<SortedRun> = segments.iter().map(segment_run).collect();
        if !rows.is_empty() {
            let sorted = self.means.pool.run(move || SortedRows::sort(table, rows)).await?;
            runs.push(SortedRun::Memory(sorted.map_err(sort_failed)?));
        }
        let merger = Merger::new(table, runs).map_err(sort_failed)?;
        let files = self.write_files(table, merger, &self.file_format(table, share)?).await?;
        Ok(Compacted { files, longer_segments })
    }

    /// Merges segments into longer ones until what is left can be merged at once.
    async fn fit_segments(
        &self,
        table: Table,
        mut segments: Vec<SegmentEntry>,
        longer_segments: &mut Vec<String>,
    ) -> Result<Vec<SegmentEntry>, LoadError> {
        let share = TableShare::of(self.settings.merge_bytes, self.settings.target_file_bytes);
        loop {
            let fits = fan_in(&segments, share.runs_bytes, MERGE_FAN_IN_MAX);
            if fits >= segments.len() {
                return Ok(segments);
            }
            let rest = segments.split_off(fits);
            let runs = segments.iter().map(segment_run).collect();
            let merger = Merger::new(table, runs).map_err(|source| LoadError::Sort { table, source })?;
            let longer = self.stage_segment(table, merger).await?;
            longer_segments.push(longer.path.clone());
            segments = rest;
            segments.push(longer);
        }
    }

    fn file_format(&self, table: Table, share: TableShare) -> Result<FileFormat, LoadError> {
        let plan = FilePlan {
            compression: self.settings.compression,
            row_group_bytes: share.row_group_bytes,
            target_file_bytes: self.settings.target_file_bytes,
            run: &self.run.id,
            after_record: self.ledger.books().head,
        };
        FileFormat::new(table, plan).map_err(|source| LoadError::Parquet { table, source })
    }
}
