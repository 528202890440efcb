//! Compaction: committed segments, and rows that never were one, become sorted, well-sized staged files.

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use object_store::path::Path;
use promptlake_flow::Event;
use promptlake_model::{PartitionDay, Table};

use crate::encode::{FileEncoder, FileFormat};
use crate::error::LoadError;
use crate::failpoint;
use crate::lake::{Lake, segment_run};
use crate::layout;
use crate::merge::{DayRows, Merger, SortedRun};
use crate::record::{FileEntry, SegmentEntry};
use crate::rows::without_days;
use crate::segment::SegmentDecoder;
use crate::sorted::SortedRows;
use crate::store::ObjectWriter;

/// A row group is at most this share of what a merge may hold: it is in memory twice while it is written.
const ROW_GROUPS_OF_MERGE_MEMORY: usize = 4;

/// Readers work row group by row group: above this one they gain nothing more.
const ROW_GROUP_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Runs merged at once, whatever memory allows: each costs a request for every block of it.
const MERGE_FAN_IN_MAX: usize = 512;

/// What compaction made.
#[derive(Debug, Default)]
pub(crate) struct Compacted {
    /// Files that wait to be published, all of them looked up.
    pub(crate) files: Vec<FileEntry>,
    /// Longer segments made on the way, which no record names: to be deleted once the files are published.
    pub(crate) longer_segments: Vec<String>,
}

struct OpenFile {
    encoder: FileEncoder,
    upload: ObjectWriter,
    staged: Path,
    path: Path,
    day: PartitionDay,
}

impl Lake {
    /// Makes staged files of segments and of rows in memory. Nobody knows of them until a record names them.
    pub(crate) async fn compact(
        &mut self,
        segments: &[SegmentEntry],
        mut in_memory: BTreeMap<Table, Vec<RecordBatch>>,
    ) -> Result<Compacted, LoadError> {
        let mut compacted = Compacted::default();
        for table in Table::ALL {
            let of_table: Vec<SegmentEntry> =
                segments.iter().filter(|entry| entry.table == table).cloned().collect();
            let rows = in_memory.remove(&table).unwrap_or_default();
            if of_table.is_empty() && rows.is_empty() {
                continue;
            }
            let of_table = self.fit_segments(table, of_table, &mut compacted.longer_segments).await?;
            compacted.files.extend(self.merge_table(table, &of_table, rows).await?);
        }
        Ok(compacted)
    }

    /// Merges segments into longer ones until what is left can be merged at once.
    async fn fit_segments(
        &mut self,
        table: Table,
        mut segments: Vec<SegmentEntry>,
        longer_segments: &mut Vec<String>,
    ) -> Result<Vec<SegmentEntry>, LoadError> {
        loop {
            let fits = fan_in(&segments, self.settings.merge_bytes / 2);
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

    async fn merge_table(
        &mut self,
        table: Table,
        segments: &[SegmentEntry],
        rows: Vec<RecordBatch>,
    ) -> Result<Vec<FileEntry>, LoadError> {
        let sort_failed = move |source| LoadError::Sort { table, source };
        let mut runs: Vec<SortedRun> = segments.iter().map(segment_run).collect();
        if !rows.is_empty() {
            let sorted = self.means.pool.run(move || SortedRows::sort(table, rows)).await?;
            runs.push(SortedRun::Memory(sorted.map_err(sort_failed)?));
        }
        let mut merger = Merger::new(table, runs).map_err(sort_failed)?;
        let format = self.file_format(table)?;
        let (mut files, mut open) = (Vec::new(), None::<OpenFile>);
        while let Some(given) = self.next_rows(table, &mut merger).await? {
            let full = |file: &OpenFile| file.encoder.bytes_estimate() >= self.settings.target_file_bytes;
            if let Some(file) = open.take_if(|file| file.day != given.day || full(file)) {
                files.extend(self.close_file(table, file).await?);
            }
            let file = match open.take() {
                Some(file) => file,
                None => self.open_file(table, &format, given.day)?,
            };
            open = Some(self.write_rows(table, file, given).await?);
        }
        if let Some(file) = open {
            files.extend(self.close_file(table, file).await?);
        }
        Ok(files)
    }

    fn file_format(&self, table: Table) -> Result<FileFormat, LoadError> {
        let row_group_bytes =
            (self.settings.merge_bytes / ROW_GROUPS_OF_MERGE_MEMORY / 2).min(ROW_GROUP_BYTES_MAX);
        FileFormat::new(table, self.settings.compression, row_group_bytes, &self.run.id)
            .map_err(|source| LoadError::Parquet { table, source })
    }

    fn open_file(
        &mut self,
        table: Table,
        format: &FileFormat,
        day: PartitionDay,
    ) -> Result<OpenFile, LoadError> {
        let encoder = format.start().map_err(|source| LoadError::Parquet { table, source })?;
        let number = self.next_number();
        let staged = layout::staged_file(&self.run.id, number);
        let path = layout::published_file(table, day, &self.run.id, number);
        let upload = self.means.store.writer(staged.clone());
        Ok(OpenFile { encoder, upload, staged, path, day })
    }

    async fn write_rows(
        &self,
        table: Table,
        mut file: OpenFile,
        given: DayRows,
    ) -> Result<OpenFile, LoadError> {
        let rows = given.rows.num_rows() as u64;
        let mut encoder = file.encoder;
        let encoded = self.means.pool.run(move || {
            let rows = without_days(table, &given.rows)
                .map_err(|error: ArrowError| parquet::errors::ParquetError::from(error))?;
            let bytes = encoder.write(&rows)?;
            Ok((encoder, bytes))
        });
        let (returned, bytes) = encoded.await?.map_err(|source| LoadError::Parquet { table, source })?;
        file.encoder = returned;
        if !bytes.is_empty() {
            file.upload.write(bytes).await?;
        }
        self.means.observer.observe(&Event::Merged { table: table.name(), rows });
        Ok(file)
    }

    async fn close_file(&self, table: Table, file: OpenFile) -> Result<Option<FileEntry>, LoadError> {
        let OpenFile { encoder, mut upload, staged, path, day } = file;
        let finished = self.means.pool.run(move || encoder.finish()).await?;
        let Some((last, facts)) = finished.map_err(|source| LoadError::Parquet { table, source })? else {
            return Ok(None);
        };
        upload.write(last).await?;
        upload.finish().await?;
        self.look_up(&staged, facts.bytes).await?;
        failpoint::reach("merge.file_staged");
        Ok(Some(FileEntry {
            staged: staged.to_string(),
            path: path.to_string(),
            table,
            day,
            rows: facts.rows,
            bytes: facts.bytes,
            xxh3: facts.xxh3,
            owners: facts.owners,
        }))
    }
}

/// How many of the segments, from the first, can be merged at once within `memory_bytes`; at least two, since fewer
/// would merge nothing.
fn fan_in(segments: &[SegmentEntry], memory_bytes: usize) -> usize {
    let mut held = 0;
    let fits = |entry: &&SegmentEntry| {
        held += SegmentDecoder::memory_bytes(entry);
        held <= memory_bytes as u64
    };
    segments.iter().take(MERGE_FAN_IN_MAX).take_while(fits).count().max(2)
}
