//! A merge to staged files: rows are encoded while what is encoded already is being stored.

use arrow_array::RecordBatch;
use bytes::Bytes;
use object_store::path::Path;
use promptlake_flow::Event;
use promptlake_model::{PartitionDay, Table};
use tokio::sync::mpsc;

use crate::encode::{FileEncoder, FileFacts, FileFormat};
use crate::error::LoadError;
use crate::failpoint;
use crate::lake::Lake;
use crate::layout;
use crate::merge::{DayRows, Merger};
use crate::record::FileEntry;
use crate::rows::without_days;
use crate::sorted::BATCH_BYTES;
use crate::store::ObjectWriter;

/// Encoded row groups that wait for the store. One: it is as heavy as the one that is being encoded.
const PARTS_WAITING: usize = 1;

/// A batch beyond this is a record of megabytes: nothing is merged ahead while it is encoded.
const AHEAD_BYTES_MAX: usize = 4 * BATCH_BYTES;

/// What the encoding side tells the storing side.
enum FilePart {
    /// A file begins.
    Begin(FilePlace),
    /// Its next bytes.
    Bytes(Vec<Bytes>),
    /// It is complete.
    End(FileFacts),
}

/// Where a file lies, now and once it is published.
struct FilePlace {
    staged: Path,
    path: Path,
    day: PartitionDay,
}

struct OpenFile {
    encoder: FileEncoder,
    day: PartitionDay,
}

/// How the encoding side writes, and to whom.
struct FileParts<'a> {
    format: &'a FileFormat,
    sender: mpsc::Sender<FilePart>,
}

/// Why encoding ended before its end.
enum Ended {
    Failed(LoadError),
    /// The storing side is gone, and says why.
    NotStored,
}

impl From<LoadError> for Ended {
    fn from(error: LoadError) -> Self {
        Self::Failed(error)
    }
}

impl FileParts<'_> {
    async fn send(&self, part: FilePart) -> Result<(), Ended> {
        self.sender.send(part).await.map_err(|_| Ended::NotStored)
    }

    async fn send_bytes(&self, bytes: Vec<Bytes>) -> Result<(), Ended> {
        if bytes.is_empty() { Ok(()) } else { self.send(FilePart::Bytes(bytes)).await }
    }
}

impl Lake {
    /// Writes what a merge gives as files, each of one day, which ends where it has reached its target size.
    pub(crate) async fn write_files(
        &self,
        table: Table,
        merger: Merger,
        format: &FileFormat,
    ) -> Result<Vec<FileEntry>, LoadError> {
        let (sender, receiver) = mpsc::channel(PARTS_WAITING);
        let encode = self.encode_files(table, merger, FileParts { format, sender });
        // Whichever fails closes the channel, and the other one ends.
        let (encoded, stored) = tokio::join!(encode, self.store_files(table, receiver));
        let files = stored?;
        match encoded {
            Err(Ended::Failed(error)) => Err(error),
            Ok(()) | Err(Ended::NotStored) => Ok(files),
        }
    }

    async fn encode_files(
        &self,
        table: Table,
        mut merger: Merger,
        parts: FileParts<'_>,
    ) -> Result<(), Ended> {
        let mut open = None::<OpenFile>;
        let mut next = self.next_rows(table, &mut merger).await?;
        while let Some(DayRows { day, rows }) = next {
            if let Some(file) = open.take_if(|file| file.day != day || file.encoder.is_full()) {
                self.end_file(table, file, &parts).await?;
            }
            let file = match open.take() {
                Some(file) => file,
                None => self.begin_file(table, day, &parts).await?,
            };
            let is_light = rows.get_array_memory_size() <= AHEAD_BYTES_MAX;
            let write = self.write_rows(table, file, rows, &parts);
            let (written, merged) = if is_light {
                tokio::join!(write, self.next_rows(table, &mut merger))
            } else {
                (write.await, self.next_rows(table, &mut merger).await)
            };
            (open, next) = (Some(written?), merged?);
        }
        match open {
            Some(file) => self.end_file(table, file, &parts).await,
            None => Ok(()),
        }
    }

    async fn begin_file(
        &self,
        table: Table,
        day: PartitionDay,
        parts: &FileParts<'_>,
    ) -> Result<OpenFile, Ended> {
        let encoder = parts.format.start().map_err(|source| LoadError::Parquet { table, source })?;
        let number = self.next_number(table);
        let staged = layout::staged_file(&self.run.id, table, number);
        let path = layout::published_file(table, day, &self.run.id, number);
        parts.send(FilePart::Begin(FilePlace { staged, path, day })).await?;
        Ok(OpenFile { encoder, day })
    }

    async fn write_rows(
        &self,
        table: Table,
        file: OpenFile,
        rows: RecordBatch,
        parts: &FileParts<'_>,
    ) -> Result<OpenFile, Ended> {
        let OpenFile { mut encoder, day } = file;
        let row_count = rows.num_rows() as u64;
        let encoded = self.means.pool.run(move || {
            let bytes = encoder.write(&without_days(table, &rows)?)?;
            Ok((encoder, bytes))
        });
        let encoded = encoded.await.map_err(LoadError::from)?;
        let (encoder, bytes) = encoded.map_err(|source| LoadError::Parquet { table, source })?;
        parts.send_bytes(bytes).await?;
        self.means.observer.observe(&Event::Merged { table: table.name(), rows: row_count });
        Ok(OpenFile { encoder, day })
    }

    async fn end_file(&self, table: Table, file: OpenFile, parts: &FileParts<'_>) -> Result<(), Ended> {
        let finished = self.means.pool.run(move || file.encoder.finish()).await.map_err(LoadError::from)?;
        let (last, facts) = finished.map_err(|source| LoadError::Parquet { table, source })?;
        parts.send_bytes(last).await?;
        parts.send(FilePart::End(facts)).await
    }

    /// The storing side: puts what it is given where it belongs, and looks up that it is there.
    async fn store_files(
        &self,
        table: Table,
        mut parts: mpsc::Receiver<FilePart>,
    ) -> Result<Vec<FileEntry>, LoadError> {
        let mut files = Vec::new();
        let mut open = None::<(FilePlace, ObjectWriter)>;
        while let Some(part) = parts.recv().await {
            match (part, open.take()) {
                (FilePart::Begin(place), _) => {
                    let upload = self.means.store.writer(place.staged.clone());
                    open = Some((place, upload));
                }
                (FilePart::Bytes(pieces), Some((place, mut upload))) => {
                    for piece in pieces {
                        upload.write(piece).await?;
                    }
                    open = Some((place, upload));
                }
                (FilePart::End(facts), Some((place, upload))) => {
                    upload.finish().await?;
                    self.look_up(&place.staged, facts.bytes).await?;
                    failpoint::reach("merge.file_staged");
                    files.push(file_entry(table, &place, facts));
                }
                (FilePart::Bytes(_) | FilePart::End(_), None) => unreachable!("a file begins first"),
            }
        }
        Ok(files)
    }
}

fn file_entry(table: Table, place: &FilePlace, facts: FileFacts) -> FileEntry {
    FileEntry {
        staged: place.staged.to_string(),
        path: place.path.to_string(),
        table,
        day: place.day,
        rows: facts.rows,
        bytes: facts.bytes,
        xxh3: facts.xxh3,
        owners: facts.owners,
    }
}
