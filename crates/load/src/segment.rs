//! Segments: sorted rows on their way, as Arrow IPC with LZ4. Cheap to write, read once by a merge, never seen by
//! readers of the lake.

use std::ops::Range;

use arrow_array::RecordBatch;
use arrow_buffer::Buffer;
use arrow_ipc::CompressionType;
use arrow_ipc::reader::StreamDecoder;
use arrow_ipc::writer::{IpcWriteOptions, StreamWriter};
use arrow_schema::ArrowError;
use bytes::Bytes;
use promptlake_model::Table;
use xxhash_rust::xxh3::Xxh3;

use crate::record::SegmentEntry;
use crate::rows::dated_schema;

/// What is read of a segment at once: about one compressed batch.
const BLOCK_BYTES: u64 = 128 * 1024;

/// A segment could not be read back.
#[derive(Debug, thiserror::Error)]
pub enum SegmentError {
    /// Its bytes are no Arrow IPC.
    #[error("decode segment {path}")]
    Decode {
        /// Its path.
        path: String,
        /// What Arrow said.
        #[source]
        source: ArrowError,
    },
    /// Its bytes are not those that were committed.
    #[error("believe segment {path}: its checksum is {found}, the ledger says {committed}")]
    Checksum {
        /// Its path.
        path: String,
        /// The checksum of what was read.
        found: String,
        /// The checksum that was committed.
        committed: String,
    },
}

/// Encodes batches to a segment's bytes. No I/O: it hands out bytes as they come.
pub(crate) struct SegmentEncoder {
    writer: StreamWriter<Vec<u8>>,
    checksum: Xxh3,
    rows: u64,
    bytes: u64,
    batch_bytes_max: u64,
}

impl SegmentEncoder {
    pub(crate) fn new(table: Table) -> Result<Self, ArrowError> {
        let options = IpcWriteOptions::default().try_with_compression(Some(CompressionType::LZ4_FRAME))?;
        let writer = StreamWriter::try_new_with_options(Vec::new(), &dated_schema(table), options)?;
        Ok(Self { writer, checksum: Xxh3::new(), rows: 0, bytes: 0, batch_bytes_max: 0 })
    }

    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<Bytes, ArrowError> {
        self.writer.write(batch)?;
        self.rows += batch.num_rows() as u64;
        self.batch_bytes_max = self.batch_bytes_max.max(batch.get_array_memory_size() as u64);
        Ok(self.drain())
    }

    /// The last bytes, and what the ledger says of the segment at `path`.
    pub(crate) fn finish(mut self, path: String, table: Table) -> Result<(Bytes, SegmentEntry), ArrowError> {
        self.writer.finish()?;
        let last = self.drain();
        let entry = SegmentEntry {
            path,
            table,
            rows: self.rows,
            bytes: self.bytes,
            xxh3: checksum_text(&self.checksum),
            batch_bytes_max: self.batch_bytes_max,
        };
        Ok((last, entry))
    }

    fn drain(&mut self) -> Bytes {
        let bytes = std::mem::take(self.writer.get_mut());
        self.checksum.update(&bytes);
        self.bytes += bytes.len() as u64;
        Bytes::from(bytes)
    }
}

/// Decodes a segment from blocks that somebody else fetches.
pub(crate) struct SegmentDecoder {
    entry: SegmentEntry,
    decoder: StreamDecoder,
    block: Buffer,
    checksum: Xxh3,
    fetched: u64,
}

/// What a decoder gives, or needs.
pub(crate) enum Decoded {
    Batch(RecordBatch),
    NeedsBlock,
    End,
}

impl SegmentDecoder {
    pub(crate) fn new(entry: SegmentEntry) -> Self {
        let block = Buffer::from(Vec::<u8>::new());
        Self { entry, decoder: StreamDecoder::new(), block, checksum: Xxh3::new(), fetched: 0 }
    }

    pub(crate) fn path(&self) -> &str {
        &self.entry.path
    }

    /// The bytes that it needs next.
    pub(crate) fn next_block(&self) -> Range<u64> {
        self.fetched..(self.fetched + BLOCK_BYTES).min(self.entry.bytes)
    }

    pub(crate) fn feed(&mut self, block: Bytes) {
        self.checksum.update(&block);
        self.fetched += block.len() as u64;
        self.block = Buffer::from(block);
    }

    pub(crate) fn decode(&mut self) -> Result<Decoded, SegmentError> {
        let failed = |source| SegmentError::Decode { path: self.entry.path.clone(), source };
        while let Some(batch) = self.decoder.decode(&mut self.block).map_err(failed)? {
            if batch.num_rows() > 0 {
                return Ok(Decoded::Batch(batch));
            }
        }
        if self.fetched < self.entry.bytes {
            return Ok(Decoded::NeedsBlock);
        }
        let found = checksum_text(&self.checksum);
        if found != self.entry.xxh3 {
            let (path, committed) = (self.entry.path.clone(), self.entry.xxh3.clone());
            return Err(SegmentError::Checksum { path, found, committed });
        }
        Ok(Decoded::End)
    }

    /// What a merge holds of a segment at once: a block, a batch, and the batch's sort keys, which are no larger.
    pub(crate) fn memory_bytes(entry: &SegmentEntry) -> u64 {
        BLOCK_BYTES + 2 * entry.batch_bytes_max
    }
}

pub(crate) fn checksum_text(checksum: &Xxh3) -> String {
    format!("{:016x}", checksum.digest())
}
