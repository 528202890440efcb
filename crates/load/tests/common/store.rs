//! Stores that fail: one dies after a number of changes, as if the process were gone; one loses answers or requests.

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
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

/// Changes that may still happen before the store dies. The probe at the start is not counted: a death in it is
/// tested by itself.
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

    fn change(&self, path: &Path) -> Result<()> {
        if path.as_ref().starts_with("_promptlake/probe/") {
            return self.look();
        }
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

#[async_trait]
impl ObjectStore for Dying {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.change(path)?;
        self.inner.put_opts(path, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.change(path)?;
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
        let allowed = paths.map(move |path| path.and_then(|path| dying.change(&path).map(|()| path))).boxed();
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
        self.change(to)?;
        self.inner.copy_opts(from, to, options).await
    }
}

/// What gets lost between a writer and the store, at every conditional put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lost {
    /// The object is made, and the answer is an error.
    Answer,
    /// The first request never arrives; later ones do.
    Request,
}

/// A store that loses the answer to each conditional put of a record, or the first request.
#[derive(Debug, Clone)]
pub(crate) struct Forgetful {
    inner: Arc<dyn ObjectStore>,
    lost: Lost,
    puts: Arc<AtomicUsize>,
}

impl Forgetful {
    pub(crate) fn new(inner: Arc<dyn ObjectStore>, lost: Lost) -> Self {
        Self { inner, lost, puts: Arc::default() }
    }
}

impl fmt::Display for Forgetful {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "forgetful {}", self.inner)
    }
}

#[async_trait]
impl ObjectStore for Forgetful {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let timed_out = || Error::Generic { store: "forgetful", source: "the request timed out".into() };
        if options.mode != PutMode::Create || !path.as_ref().starts_with("_promptlake/ledger/") {
            return self.inner.put_opts(path, payload, options).await;
        }
        let before = self.puts.fetch_add(1, Ordering::SeqCst);
        match self.lost {
            Lost::Answer => {
                self.inner.put_opts(path, payload, options).await?;
                Err(timed_out())
            }
            Lost::Request if before == 0 => Err(timed_out()),
            Lost::Request => self.inner.put_opts(path, payload, options).await,
        }
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(path, options).await
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        self.inner.get_opts(path, options).await
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}
