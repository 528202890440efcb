//! Publish: committed segments become sorted, well-sized files that readers see.

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use promptlake_flow::Event;
use promptlake_model::{PartitionDay, Table};

use crate::encode::{FileEncoder, FileFormat};
use crate::error::LoadError;
use crate::lake::{Lake, known_path, segment_run};
use crate::layout;
use crate::merge::{DayRows, Merger, SortedRun};
use crate::record::{Commit, Deed, FileEntry, Publish, SegmentEntry};
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

/// Files put in their places at once: each waits for the disk several times, and a disk likes company.
const RENAMES_AT_ONCE: usize = 8;

/// Rows that are committed by the very record that publishes them.
pub(crate) struct Direct {
    pub(crate) tables: BTreeMap<Table, Vec<RecordBatch>>,
    pub(crate) commit: Commit,
}

struct OpenFile {
    encoder: FileEncoder,
    upload: ObjectWriter,
    staged: Path,
    path: Path,
    day: PartitionDay,
}

impl Lake {
    /// Publishes every committed segment; with `direct` also rows that never were one. Gives the record's number,
    /// or nothing where there was nothing to do.
    pub(crate) async fn publish(&mut self, direct: Option<Direct>) -> Result<Option<u64>, LoadError> {
        let (mut in_memory, commit) = direct.map_or_else(Default::default, |d| (d.tables, Some(d.commit)));
        let mut publish = Publish::default();
        let mut longer_segments = Vec::new();
        for table in Table::ALL {
            let of_table = |(_, entry): &&(_, SegmentEntry)| entry.table == table;
            let segments =
                self.ledger.books().segments.iter().filter(of_table).map(|(_, entry)| entry.clone());
            let segments: Vec<SegmentEntry> = segments.collect();
            let rows = in_memory.remove(&table).unwrap_or_default();
            if segments.is_empty() && rows.is_empty() {
                continue;
            }
            publish.segments.extend(segments.iter().map(|entry| entry.path.clone()));
            let segments = self.fit_segments(table, segments, &mut longer_segments).await?;
            publish.files.extend(self.merge_table(table, &segments, rows).await?);
        }
        if publish.files.is_empty() && commit.is_none() {
            return Ok(None);
        }
        let deed = Deed { commit, publish: Some(publish.clone()), ..Deed::default() };
        let sequence = self.append(deed).await?;
        self.carry_out(&publish).await?;
        self.append(Deed { carried_out: vec![sequence], ..Deed::default() }).await?;
        for path in longer_segments {
            self.means.store.delete(&known_path(&path)).await?;
        }
        Ok(Some(sequence))
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

    /// Does what a publish record says, as often as it is asked to: puts the files in their places, `interactions`
    /// last, so that whoever finds a record finds its children; then deletes what they were made of.
    pub(crate) async fn carry_out(&self, publish: &Publish) -> Result<(), LoadError> {
        let (parents, children): (Vec<_>, Vec<_>) =
            publish.files.iter().partition(|file| file.table == Table::Interactions);
        for files in [children, parents] {
            let in_place = files.into_iter().map(|file| self.put_in_place(file));
            stream::iter(in_place).buffer_unordered(RENAMES_AT_ONCE).try_collect::<()>().await?;
        }
        for segment in &publish.segments {
            self.means.store.delete(&known_path(segment)).await?;
        }
        for table in Table::ALL {
            let of_table: Vec<&FileEntry> = publish.files.iter().filter(|file| file.table == table).collect();
            if !of_table.is_empty() {
                self.means.observer.observe(&Event::Published {
                    table: table.name(),
                    files: of_table.len() as u64,
                    rows: of_table.iter().map(|file| file.rows).sum(),
                    bytes: of_table.iter().map(|file| file.bytes).sum(),
                });
            }
        }
        Ok(())
    }

    async fn put_in_place(&self, file: &FileEntry) -> Result<(), LoadError> {
        let (staged, path) = (known_path(&file.staged), known_path(&file.path));
        let there = self.means.store.head(&path).await?;
        if there.is_none_or(|object| object.size != file.bytes) {
            self.look_up(&staged, file.bytes).await?;
            self.means.store.rename(&staged, &path).await?;
            self.look_up(&path, file.bytes).await?;
        } else {
            self.means.store.sync_directories(&path).await?;
        }
        // Gone after a rename; left over where an earlier attempt was cut off in between.
        self.means.store.delete(&staged).await?;
        Ok(())
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
