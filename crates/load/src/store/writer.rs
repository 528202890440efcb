//! Writing one object piece by piece, in bounded memory.

use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStore, ObjectStoreExt, PutPayload, UploadPart};

use super::error::{StoreError, failed};

/// A part of an upload: the least that S3 takes as a part that is not the last. Every part but the last has this very
/// size, as R2 demands; 10,000 of them, the most of S3, hold 48 GiB.
pub(super) const UPLOAD_PART_BYTES: usize = 5 * 1024 * 1024;

/// Parts of one buffer under way at once. They are slices of it, so they take no memory of their own.
const PARTS_AT_ONCE: usize = 4;

/// Writes one object piece by piece; it is seen when it is finished, whole.
///
/// Between two writes it holds less than one part; while a buffer is written, that and the buffer. After an error, or
/// dropped before its end, what was uploaded is aborted, as far as the store can be reached and the runtime still
/// runs: a multipart upload that is never aborted has no name but a price, so the bucket needs a lifecycle rule that
/// aborts incomplete uploads.
#[derive(Debug)]
pub struct ObjectWriter {
    objects: Arc<dyn ObjectStore>,
    path: Path,
    /// Less than one part.
    held: Vec<u8>,
    upload: Option<Box<dyn MultipartUpload>>,
}

impl ObjectWriter {
    pub(super) const fn new(objects: Arc<dyn ObjectStore>, path: Path) -> Self {
        Self { objects, path, held: Vec::new(), upload: None }
    }

    /// Adds bytes. Returns when all but the last part of them are uploaded.
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), StoreError> {
        match self.try_write(bytes).await {
            Ok(()) => Ok(()),
            Err(source) => Err(self.aborted(source).await),
        }
    }

    /// Makes the object seen, replacing what is there.
    pub async fn finish(mut self) -> Result<(), StoreError> {
        match self.try_finish().await {
            Ok(()) => {
                self.upload = None;
                Ok(())
            }
            Err(source) => Err(self.aborted(source).await),
        }
    }

    async fn try_write(&mut self, mut bytes: Bytes) -> object_store::Result<()> {
        if self.held.len() + bytes.len() < UPLOAD_PART_BYTES {
            // A copy: a slice would keep the whole of a large buffer alive.
            self.held.extend_from_slice(&bytes);
            return Ok(());
        }
        let upload = match &mut self.upload {
            Some(upload) => upload,
            none => none.insert(self.objects.put_multipart(&self.path).await?),
        };
        let mut parts: Vec<UploadPart> = Vec::new();
        let filling = UPLOAD_PART_BYTES - self.held.len();
        let first = [std::mem::take(&mut self.held).into(), bytes.split_to(filling)];
        parts.push(upload.put_part(first.into_iter().filter(|piece: &Bytes| !piece.is_empty()).collect()));
        while bytes.len() >= UPLOAD_PART_BYTES {
            parts.push(upload.put_part(PutPayload::from_bytes(bytes.split_to(UPLOAD_PART_BYTES))));
        }
        self.held.extend_from_slice(&bytes);
        stream::iter(parts).buffer_unordered(PARTS_AT_ONCE).try_collect().await
    }

    async fn try_finish(&mut self) -> object_store::Result<()> {
        let last = PutPayload::from(std::mem::take(&mut self.held));
        match &mut self.upload {
            None => self.objects.put(&self.path, last).await.map(drop),
            Some(upload) => {
                if last.content_length() > 0 {
                    upload.put_part(last).await?;
                }
                upload.complete().await.map(drop)
            }
        }
    }

    async fn aborted(&mut self, source: object_store::Error) -> StoreError {
        if let Some(upload) = self.upload.take() {
            abort(upload, &self.path).await;
        }
        failed("write", &self.path, source)
    }
}

impl Drop for ObjectWriter {
    fn drop(&mut self) {
        let (Some(upload), Ok(runtime)) = (self.upload.take(), tokio::runtime::Handle::try_current()) else {
            return;
        };
        let path = self.path.clone();
        // Nobody is left to wait for it: whoever drops a writer is leaving with an error of its own.
        drop(runtime.spawn(async move { abort(upload, &path).await }));
    }
}

async fn abort(mut upload: Box<dyn MultipartUpload>, path: &Path) {
    if let Err(error) = upload.abort().await {
        tracing::debug!(%path, %error, "could not abort an upload that failed");
    }
}
