//! A file's bytes, decompressed where they are compressed.

use std::io::Write;

use bytes::{Buf, Bytes};
use flate2::write::MultiGzDecoder;
use futures::StreamExt;
use futures::stream::BoxStream;
use promptlake_flow::{ComputePool, JobPanicked};

/// Deflate makes at most 1,032 bytes of one: so little goes in at once that no more than 4 MiB come out.
const FEED_BYTES: usize = 4 * 1024;

/// Why the bytes end.
#[derive(Debug)]
pub(crate) enum ReadFault {
    /// The store.
    Store(object_store::Error),
    /// It is no gzip, or was cut short.
    NotGzip,
    /// It is UTF-16.
    Utf16,
    /// A page, array or line beyond the limit.
    TooLarge {
        /// The line it begins in, from 1.
        line: u64,
    },
    /// A defect of ours.
    Panicked(JobPanicked),
}

/// The bytes of one file.
pub(crate) struct Inflated {
    stream: BoxStream<'static, Result<Bytes, object_store::Error>>,
    pool: ComputePool,
    compressed: Bytes,
    decoder: Decoder,
}

enum Decoder {
    Plain,
    Gzip(Box<MultiGzDecoder<Vec<u8>>>),
    Finished,
}

impl Inflated {
    pub(crate) fn new(
        stream: BoxStream<'static, Result<Bytes, object_store::Error>>,
        gzip: bool,
        pool: ComputePool,
    ) -> Self {
        let decoder =
            if gzip { Decoder::Gzip(Box::new(MultiGzDecoder::new(Vec::new()))) } else { Decoder::Plain };
        Self { stream, pool, compressed: Bytes::new(), decoder }
    }

    /// The next bytes, possibly none; `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, ReadFault> {
        if self.compressed.has_remaining() {
            return self.inflate().await.map(Some);
        }
        match (self.stream.next().await, &self.decoder) {
            (Some(chunk), Decoder::Plain) => chunk.map(Some).map_err(ReadFault::Store),
            (Some(chunk), _) => {
                self.compressed = chunk.map_err(ReadFault::Store)?;
                Ok(Some(Bytes::new()))
            }
            (None, Decoder::Gzip(_)) => self.finish().await.map(Some),
            (None, _) => Ok(None),
        }
    }

    async fn inflate(&mut self) -> Result<Bytes, ReadFault> {
        let piece = self.compressed.split_to(self.compressed.len().min(FEED_BYTES));
        let Decoder::Gzip(mut decoder) = std::mem::replace(&mut self.decoder, Decoder::Finished) else {
            return Err(ReadFault::NotGzip);
        };
        let job = move || {
            let written = decoder.write_all(&piece);
            let bytes = std::mem::take(decoder.get_mut());
            (written, bytes, decoder)
        };
        let (written, bytes, decoder) = self.pool.run(job).await.map_err(ReadFault::Panicked)?;
        written.map_err(|_| ReadFault::NotGzip)?;
        self.decoder = Decoder::Gzip(decoder);
        Ok(bytes.into())
    }

    /// What was still inside, once the checksum is right.
    async fn finish(&mut self) -> Result<Bytes, ReadFault> {
        let Decoder::Gzip(decoder) = std::mem::replace(&mut self.decoder, Decoder::Finished) else {
            return Ok(Bytes::new());
        };
        let finished = self.pool.run(move || decoder.finish()).await.map_err(ReadFault::Panicked)?;
        finished.map(Bytes::from).map_err(|_| ReadFault::NotGzip)
    }
}
