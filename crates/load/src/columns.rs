//! Reads some columns of a Parquet file that lies in the store: fetches here, decodes on the compute threads, and
//! holds what one row group has of these columns.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::RecordBatch;
use object_store::path::Path;
use parquet::DecodeResult;
use parquet::arrow::ProjectionMask;
use parquet::arrow::push_decoder::{ParquetPushDecoder, ParquetPushDecoderBuilder};
use parquet::errors::ParquetError;
use parquet::file::metadata::{
    ColumnChunkMetaData, PageIndexPolicy, ParquetMetaData, ParquetMetaDataPushDecoder,
};
use promptlake_flow::{ComputePool, JobPanicked};

use crate::error::LoadError;
use crate::store::{Store, StoreError};

/// What is read of a file's end first: the footer of most files at once.
const TAIL_BYTES: u64 = 64 * 1024;

/// Rows decoded at once: small next to a row group.
const DECODE_ROWS: usize = 4096;

/// Fewer of them where they are long: what they are meant to take together.
const DECODE_BYTES: usize = 4 * 1024 * 1024;

/// A Parquet file could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ColumnsError {
    #[error("fetch it")]
    Store(#[from] StoreError),
    #[error("decode it")]
    Parquet(#[from] ParquetError),
    #[error("compute")]
    Job(#[from] JobPanicked),
}

impl ColumnsError {
    /// Apart from what is wrong with the file itself, which is a finding and no failure.
    pub(crate) fn into_finding(self) -> Result<ParquetError, LoadError> {
        match self {
            Self::Parquet(error) => Ok(error),
            Self::Store(error) => Err(error.into()),
            Self::Job(error) => Err(error.into()),
        }
    }
}

/// What the end of a Parquet file of this size says.
pub(crate) async fn read_footer(
    store: &Store,
    path: &Path,
    bytes: u64,
) -> Result<ParquetMetaData, ColumnsError> {
    let mut decoder =
        ParquetMetaDataPushDecoder::try_new(bytes)?.with_page_index_policy(PageIndexPolicy::Skip);
    let tail = bytes.saturating_sub(TAIL_BYTES)..bytes;
    let mut wanted: Vec<Range<u64>> = Vec::from([tail]);
    loop {
        let blocks = store.get_ranges(path, &wanted).await?;
        decoder.push_ranges(wanted, blocks)?;
        match decoder.try_decode()? {
            DecodeResult::NeedsData(ranges) => wanted = within(ranges, bytes)?,
            DecodeResult::Data(metadata) => return Ok(metadata),
            DecodeResult::Finished => return Err(ParquetError::General("it has no footer".into()).into()),
        }
    }
}

/// The columns of a file that were asked for, batch by batch.
pub(crate) struct Columns {
    store: Store,
    pool: ComputePool,
    path: Path,
    bytes: u64,
    /// The most that a row group has of these columns, compressed.
    row_group_bytes_max: usize,
    decoder: Option<ParquetPushDecoder>,
}

impl Columns {
    /// The named columns, in the order of the file; a name that it does not have is left out.
    pub(crate) async fn open(
        (store, pool): (&Store, &ComputePool),
        path: &Path,
        bytes: u64,
        names: &[&str],
    ) -> Result<Self, ColumnsError> {
        let metadata = Arc::new(read_footer(store, path, bytes).await?);
        let builder = ParquetPushDecoderBuilder::try_new_decoder(metadata)?;
        let projection = ProjectionMask::columns(builder.parquet_schema(), names.iter().copied());
        let row_group_bytes_max = row_group_bytes_max(builder.metadata(), &projection);
        let rows_at_once = rows_at_once(builder.metadata(), &projection);
        let decoder = builder.with_projection(projection).with_batch_size(rows_at_once).build()?;
        let (store, pool, path) = (store.clone(), pool.clone(), path.clone());
        Ok(Self { store, pool, path, bytes, row_group_bytes_max, decoder: Some(decoder) })
    }

    /// The most that a row group has of these columns, compressed: what is held to read on.
    pub(crate) const fn row_group_bytes_max(&self) -> usize {
        self.row_group_bytes_max
    }

    pub(crate) async fn next(&mut self) -> Result<Option<RecordBatch>, ColumnsError> {
        while let Some(mut decoder) = self.decoder.take() {
            let decoded = self.pool.run(move || {
                let result = decoder.try_decode();
                (decoder, result)
            });
            let (mut decoder, result) = decoded.await?;
            match result? {
                DecodeResult::NeedsData(ranges) => {
                    let ranges = within(ranges, self.bytes)?;
                    let blocks = self.store.get_ranges(&self.path, &ranges).await?;
                    decoder.push_ranges(ranges, blocks)?;
                    self.decoder = Some(decoder);
                }
                DecodeResult::Data(rows) => {
                    self.decoder = Some(decoder);
                    return Ok(Some(rows));
                }
                DecodeResult::Finished => return Ok(None),
            }
        }
        Ok(None)
    }
}

/// The sizes of the columns of each row group that are read, with its rows.
fn row_groups<'a>(
    metadata: &'a ParquetMetaData,
    projection: &'a ProjectionMask,
    size: impl Fn(&ColumnChunkMetaData) -> i64 + 'a,
) -> impl Iterator<Item = (usize, usize)> {
    metadata.row_groups().iter().map(move |group| {
        let columns = group.columns().iter().enumerate();
        let read = columns.filter(|(leaf, _)| projection.leaf_included(*leaf));
        let bytes: i64 = read.map(|(_, column)| size(column)).sum();
        (usize::try_from(bytes).unwrap_or(usize::MAX), usize::try_from(group.num_rows()).unwrap_or(1))
    })
}

fn row_group_bytes_max(metadata: &ParquetMetaData, projection: &ProjectionMask) -> usize {
    let sizes = row_groups(metadata, projection, ColumnChunkMetaData::compressed_size);
    sizes.map(|(bytes, _)| bytes).max().unwrap_or(0)
}

fn rows_at_once(metadata: &ParquetMetaData, projection: &ProjectionMask) -> usize {
    let sizes = row_groups(metadata, projection, ColumnChunkMetaData::uncompressed_size);
    let row_bytes = sizes.map(|(bytes, rows)| bytes / rows.max(1)).max().unwrap_or(0);
    (DECODE_BYTES / row_bytes.max(1)).clamp(1, DECODE_ROWS)
}

/// A footer that was changed may point anywhere: what it asks for must lie in the file, or the store fails.
fn within(ranges: Vec<Range<u64>>, bytes: u64) -> Result<Vec<Range<u64>>, ParquetError> {
    if ranges.iter().all(|range| range.start < range.end && range.end <= bytes) {
        return Ok(ranges);
    }
    Err(ParquetError::General("its footer points outside the file".into()))
}
