//! A store that dies: after a number of changes nothing answers any more, as if the process were gone.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

/// Changes that may still happen before the store dies.
#[derive(Debug, Clone)]
pub(crate) struct Dying {
    inner: Arc<dyn ObjectStore>,
    changes_left: Arc<AtomicUsize>,
}

impl Dying {
    pub(crate) fn after(changes: usize, inner: Arc<dyn ObjectStore>) -> Self {
        Self { inner, changes_left: Arc::new(AtomicUsize::new(changes)) }
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.changes_left.load(Ordering::SeqCst) == 0
    }

    fn change(&self) -> Result<()> {
        let left =
            self.changes_left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        left.map(drop).map_err(|_| Self::dead())
    }

    fn look(&self) -> Result<()> {
        if self.is_dead() { Err(Self::dead()) } else { Ok(()) }
    }

    fn dead() -> Error {
        Error::Generic { store: "dying", source: "the process is gone".into() }
    }
}

impl fmt::Display for Dying {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "dying {}", self.inner)
    }
}

// A rename is a copy and a delete here, so that a death in between is played as well.
#[async_trait]
impl ObjectStore for Dying {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.change()?;
        self.inner.put_opts(path, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.change()?;
        self.inner.put_multipart_opts(path, options).await
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        self.look()?;
        self.inner.get_opts(path, options).await
    }

    async fn get_ranges(&self, path: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.look()?;
        self.inner.get_ranges(path, ranges).await
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let dying = self.clone();
        let allowed = paths.map(move |path| dying.change().and(path)).boxed();
        self.inner.delete_stream(allowed)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let dying = self.clone();
        self.inner.list(prefix).map(move |object| dying.look().and(object)).boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.look()?;
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.change()?;
        self.inner.copy_opts(from, to, options).await
    }
}
