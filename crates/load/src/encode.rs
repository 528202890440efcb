//! Rows of one partition to the bytes of one Parquet file, as DuckDB and Spark both read them best.

use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
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

/// How files are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileCompression {
    /// Not at all.
    Uncompressed,
    /// Zstandard of a level from 1 to 22.
    Zstd(i32),
}

/// How a table's files are written.
pub(crate) struct FileFormat {
    table: Table,
    properties: Arc<WriterProperties>,
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
    writer: ArrowWriter<Vec<u8>>,
    checksum: Xxh3,
    rows: u64,
    bytes: u64,
    owners: Option<[Owner; 2]>,
}

impl FileFormat {
    /// `row_group_bytes` is what a row group takes encoded, all of which is in memory until it is complete.
    pub(crate) fn new(
        table: Table,
        compression: FileCompression,
        row_group_bytes: usize,
        run: &RunId,
    ) -> Result<Self, ParquetError> {
        let compression = match compression {
            FileCompression::Uncompressed => Compression::UNCOMPRESSED,
            FileCompression::Zstd(level) => Compression::ZSTD(ZstdLevel::try_new(level)?),
        };
        let metadata = [
            ("promptlake.schema_version", SCHEMA_VERSION.to_string()),
            ("promptlake.table", table.name().to_owned()),
            ("promptlake.run_id", run.to_string()),
        ];
        let key_value = |(key, value): (&str, String)| KeyValue::new(key.to_owned(), value);
        let mut properties = WriterProperties::builder()
            .set_compression(compression)
            .set_created_by(TOOL.to_owned())
            .set_key_value_metadata(Some(metadata.into_iter().map(key_value).collect()))
            .set_max_row_group_bytes(Some(row_group_bytes))
            .set_write_batch_size(WRITE_BATCH_ROWS)
            .set_sorting_columns(Some(sorting_columns(table)));
        for column in TEXT_COLUMNS {
            let path = ColumnPath::from(column);
            properties = properties
                .set_column_dictionary_enabled(path.clone(), false)
                .set_column_statistics_enabled(path, EnabledStatistics::None);
        }
        Ok(Self { table, properties: Arc::new(properties.build()) })
    }

    pub(crate) fn start(&self) -> Result<FileEncoder, ParquetError> {
        let properties = WriterProperties::clone(&self.properties);
        let writer = ArrowWriter::try_new(Vec::new(), self.table.schema(), Some(properties))?;
        Ok(FileEncoder { writer, checksum: Xxh3::new(), rows: 0, bytes: 0, owners: None })
    }
}

impl FileEncoder {
    /// Takes rows in the table's order; gives the bytes that are complete.
    pub(crate) fn write(&mut self, rows: &RecordBatch) -> Result<Bytes, ParquetError> {
        let Some(last) = rows.num_rows().checked_sub(1) else { return Ok(Bytes::new()) };
        let first = self.owners.map_or_else(|| owner_at(rows, 0), |owners| Ok(owners[0]))?;
        self.owners = Some([first, owner_at(rows, last)?]);
        self.writer.write(rows)?;
        self.rows += rows.num_rows() as u64;
        Ok(self.drain())
    }

    /// What the file will take, as far as it is known.
    pub(crate) fn bytes_estimate(&self) -> usize {
        self.writer.bytes_written() + self.writer.in_progress_size()
    }

    /// The last bytes; `None` where no row was ever written.
    pub(crate) fn finish(mut self) -> Result<Option<(Bytes, FileFacts)>, ParquetError> {
        let Some(owners) = self.owners else { return Ok(None) };
        self.writer.finish()?;
        let last = self.drain();
        let xxh3 = checksum_text(&self.checksum);
        Ok(Some((last, FileFacts { rows: self.rows, bytes: self.bytes, xxh3, owners })))
    }

    fn drain(&mut self) -> Bytes {
        let bytes = std::mem::take(self.writer.inner_mut());
        self.checksum.update(&bytes);
        self.bytes += bytes.len() as u64;
        Bytes::from(bytes)
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
