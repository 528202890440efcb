//! Rows of one partition to the bytes of one Parquet file, as DuckDB and Spark both read them best.

use std::io::{self, Write};
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::{KeyValue, SortingColumn};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;
use promptlake_model::{Owner, RunId, SCHEMA_VERSION, Table, TenantId, UserId};
use xxhash_rust::xxh3::Xxh3;

use crate::record::TOOL;
use crate::segment::checksum_text;

/// Columns of whole texts: no value comes twice, so a dictionary would only be built to be thrown away, and their
/// minima and maxima prune nothing.
const TEXT_COLUMNS: [&str; 10] = [
    "body_content",
    "text",
    "model_text",
    "content",
    "card_text",
    "json",
    "json_bytes",
    "sha256",
    "raw_bytes",
    "url",
];

/// Values between two looks at the size of a page. The default of 1,024 is a gigabyte of texts of a megabyte.
const WRITE_BATCH_ROWS: usize = 64;

/// Columns of ids that people look single values up by. Their minima and maxima prune little: ids are spread over
/// every file of a day, and only the owners are in order over the whole of it.
const BLOOM_FILTER_COLUMNS: [&str; 6] =
    ["user_id", "record_id", "session_id", "interaction_id", "request_id", "reject_id"];

/// One look-up in a hundred reads a row group in vain, for ten to twenty bits a distinct value.
const BLOOM_FILTER_FALSE_POSITIVES: f64 = 0.01;

/// The least that a row takes in a row group: what a bloom filter must have room for at first. It is folded to what
/// its values need before it is written.
const ROW_BYTES_LEAST: usize = 32;

/// Encoded bytes are handed on in pieces, so that a row group is never copied to grow.
const PIECE_BYTES: usize = 512 * 1024;

/// How files are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileCompression {
    /// Not at all.
    Uncompressed,
    /// Zstandard of a level from 1 to 22.
    Zstd(i32),
}

/// What holds for all files of a merge.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FilePlan<'a> {
    pub(crate) compression: FileCompression,
    /// What a row group takes encoded, all of which is in memory until it is complete.
    pub(crate) row_group_bytes: usize,
    /// Where a file is complete.
    pub(crate) target_file_bytes: usize,
    /// The run that writes.
    pub(crate) run: &'a RunId,
    /// The last record of the ledger.
    pub(crate) after_record: u64,
}

/// How a table's files are written.
pub(crate) struct FileFormat {
    table: Table,
    properties: Arc<WriterProperties>,
    row_group_bytes: usize,
    target_file_bytes: usize,
}

/// What the ledger says of a file, apart from where it lies.
pub(crate) struct FileFacts {
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    pub(crate) xxh3: String,
    pub(crate) owners: [Owner; 2],
}

/// One file on its way. No I/O: it hands out bytes as they come.
pub(crate) struct FileEncoder {
    writer: ArrowWriter<Pieces>,
    checksum: Xxh3,
    rows: u64,
    bytes: u64,
    owners: Option<[Owner; 2]>,
    row_group_bytes: usize,
    target_file_bytes: usize,
}

/// What was encoded and not yet handed out.
#[derive(Default)]
struct Pieces {
    complete: Vec<Bytes>,
    growing: Vec<u8>,
}

impl FileFormat {
    pub(crate) fn new(table: Table, plan: FilePlan<'_>) -> Result<Self, ParquetError> {
        let compression = match plan.compression {
            FileCompression::Uncompressed => Compression::UNCOMPRESSED,
            FileCompression::Zstd(level) => Compression::ZSTD(ZstdLevel::try_new(level)?),
        };
        // The number of the record that publishes a file is not known before the file is complete; this one is.
        let metadata = [
            ("promptlake.schema_version", SCHEMA_VERSION.to_string()),
            ("promptlake.table", table.name().to_owned()),
            ("promptlake.run_id", plan.run.to_string()),
            ("promptlake.after_record", plan.after_record.to_string()),
            ("promptlake.tool", TOOL.to_owned()),
        ];
        let key_value = |(key, value): (&str, String)| KeyValue::new(key.to_owned(), value);
        let mut properties = WriterProperties::builder()
            .set_compression(compression)
            .set_created_by(TOOL.to_owned())
            .set_key_value_metadata(Some(metadata.into_iter().map(key_value).collect()))
            .set_max_row_group_bytes(None)
            .set_write_batch_size(WRITE_BATCH_ROWS)
            .set_sorting_columns(Some(sorting_columns(table)));
        for column in TEXT_COLUMNS {
            let path = ColumnPath::from(column);
            properties = properties
                .set_column_dictionary_enabled(path.clone(), false)
                .set_column_statistics_enabled(path, EnabledStatistics::None);
        }
        let values_max = (plan.row_group_bytes / ROW_BYTES_LEAST).max(1) as u64;
        for column in BLOOM_FILTER_COLUMNS {
            let path = ColumnPath::from(column);
            properties = properties
                .set_column_bloom_filter_fpp(path.clone(), BLOOM_FILTER_FALSE_POSITIVES)
                .set_column_bloom_filter_max_ndv(path, values_max);
        }
        let FilePlan { row_group_bytes, target_file_bytes, .. } = plan;
        Ok(Self { table, properties: Arc::new(properties.build()), row_group_bytes, target_file_bytes })
    }

    pub(crate) fn start(&self) -> Result<FileEncoder, ParquetError> {
        let properties = WriterProperties::clone(&self.properties);
        let writer = ArrowWriter::try_new(Pieces::default(), self.table.schema(), Some(properties))?;
        let Self { row_group_bytes, target_file_bytes, .. } = *self;
        let checksum = Xxh3::new();
        Ok(FileEncoder {
            writer,
            checksum,
            rows: 0,
            bytes: 0,
            owners: None,
            row_group_bytes,
            target_file_bytes,
        })
    }
}

impl FileEncoder {
    /// Takes rows in the table's order; gives the bytes that are complete: those of whole row groups.
    pub(crate) fn write(&mut self, rows: &RecordBatch) -> Result<Vec<Bytes>, ParquetError> {
        let Some(last) = rows.num_rows().checked_sub(1) else { return Ok(Vec::new()) };
        let first = self.owners.map_or_else(|| owner_at(rows, 0), |owners| Ok(owners[0]))?;
        self.owners = Some([first, owner_at(rows, last)?]);
        self.writer.write(rows)?;
        self.rows += rows.num_rows() as u64;
        if self.writer.in_progress_size() >= self.row_group_bytes {
            self.writer.flush()?;
        }
        Ok(self.drain())
    }

    /// Whether the file ends here: with the row group that took it to its target. What an open row group will take is
    /// not known, and a file that ended by a guess could be any number of times too short; thus all files of a day
    /// but the last reach the target.
    pub(crate) fn is_full(&self) -> bool {
        self.bytes >= self.target_file_bytes as u64
    }

    /// The last bytes. A file without a row is an error: nobody asked for it.
    pub(crate) fn finish(mut self) -> Result<(Vec<Bytes>, FileFacts), ParquetError> {
        let no_rows = || ParquetError::General("a file has no rows".into());
        let owners = self.owners.ok_or_else(no_rows)?;
        self.writer.finish()?;
        let last = self.drain();
        let xxh3 = checksum_text(&self.checksum);
        Ok((last, FileFacts { rows: self.rows, bytes: self.bytes, xxh3, owners }))
    }

    fn drain(&mut self) -> Vec<Bytes> {
        let pieces = self.writer.inner_mut().take();
        for piece in &pieces {
            self.checksum.update(piece);
            self.bytes += piece.len() as u64;
        }
        pieces
    }
}

impl Pieces {
    fn take(&mut self) -> Vec<Bytes> {
        if !self.growing.is_empty() {
            self.complete.push(Bytes::from(std::mem::take(&mut self.growing)));
        }
        std::mem::take(&mut self.complete)
    }
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.growing.extend_from_slice(bytes);
        if self.growing.len() >= PIECE_BYTES {
            self.complete.push(Bytes::from(std::mem::take(&mut self.growing)));
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Every table begins with tenant and user.
fn owner_at(rows: &RecordBatch, row: usize) -> Result<Owner, ParquetError> {
    let text = |column: usize| rows.column(column).as_string::<i32>().value(row);
    let no_guid = |error: promptlake_model::NotAGuid| ParquetError::External(Box::new(error));
    Ok(Owner {
        tenant: TenantId::parse(text(0)).map_err(no_guid)?,
        user: UserId::parse(text(1)).map_err(no_guid)?,
    })
}

fn sorting_columns(table: Table) -> Vec<SortingColumn> {
    let schema = table.schema();
    let index = |column: &&str| schema.index_of(column).ok().and_then(|index| i32::try_from(index).ok());
    let sorting = |column_idx| SortingColumn { column_idx, descending: false, nulls_first: true };
    table.sort_columns().iter().filter_map(index).map(sorting).collect()
}
