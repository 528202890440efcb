//! Stores that fail: one dies after a number of changes, as if the process were gone; one loses answers or requests;
//! one is late; one has a door that a test opens.

use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result,
};
use tokio::sync::watch;

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

/// When a put whose answer was an error arrives after all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arrives {
    /// Before the writer's next request.
    Next,
    /// After the writer's next request.
    AfterNext,
    /// When the test says so.
    Later,
}

/// A store whose n-th ledger record arrives late: its writer is told of a time-out.
#[derive(Debug, Clone)]
pub(crate) struct Late {
    inner: Arc<dyn ObjectStore>,
    /// Ledger records until the one that is late.
    left: Arc<AtomicUsize>,
    arrives: Arrives,
    on_its_way: Arc<Mutex<Option<(Path, PutPayload)>>>,
}

impl Late {
    pub(crate) fn new(inner: Arc<dyn ObjectStore>, record: usize, arrives: Arrives) -> Self {
        Self { inner, left: Arc::new(AtomicUsize::new(record)), arrives, on_its_way: Arc::default() }
    }

    /// Lets the late put arrive now. Gives whether it was taken; `None` where none is on its way.
    pub(crate) async fn arrive(&self) -> Option<Result<PutResult>> {
        let (path, payload) = self.on_its_way.lock().unwrap().take()?;
        let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        Some(self.inner.put_opts(&path, payload, options).await)
    }
}

impl fmt::Display for Late {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "late {}", self.inner)
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl ObjectStore for Late {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let timed_out = Error::Generic { store: "late", source: "the request timed out".into() };
        if options.mode != PutMode::Create || !path.as_ref().starts_with("_promptlake/ledger/") {
            return self.inner.put_opts(path, payload, options).await;
        }
        if self.left.fetch_sub(1, Ordering::SeqCst) == 1 {
            *self.on_its_way.lock().unwrap() = Some((path.clone(), payload));
            return Err(timed_out);
        }
        if self.arrives == Arrives::Next {
            drop(self.arrive().await);
        }
        let put = self.inner.put_opts(path, payload, options).await;
        if self.arrives == Arrives::AfterNext {
            drop(self.arrive().await);
        }
        put
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

    async fn get_ranges(&self, path: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.inner.get_ranges(path, ranges).await
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.inner.rename_opts(from, to, options).await
    }
}

/// What a door holds back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Behind {
    /// Ledger records: whatever was staged before is there.
    Records,
    /// Renames and copies into place: the record that names the files is there.
    Places,
}

/// A store with a door: some changes wait until it is open. A writer behind it sleeps, and its heartbeat with it.
#[derive(Debug, Clone)]
pub(crate) struct Door {
    inner: Arc<dyn ObjectStore>,
    behind: Behind,
    open: watch::Sender<bool>,
    waiting: watch::Sender<usize>,
}

impl Door {
    pub(crate) fn closed(inner: Arc<dyn ObjectStore>, behind: Behind) -> Self {
        Self { inner, behind, open: watch::Sender::new(false), waiting: watch::Sender::new(0) }
    }

    pub(crate) fn open(&self) {
        self.open.send_replace(true);
    }

    /// Waits until somebody waits at the door.
    pub(crate) async fn reached(&self) {
        self.waiting.subscribe().wait_for(|waiting| *waiting > 0).await.unwrap();
    }

    async fn pass(&self, behind: Behind) {
        if behind == self.behind {
            self.waiting.send_modify(|waiting| *waiting += 1);
            self.open.subscribe().wait_for(|open| *open).await.unwrap();
            self.waiting.send_modify(|waiting| *waiting -= 1);
        }
    }
}

impl fmt::Display for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "door {}", self.inner)
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl ObjectStore for Door {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        if path.as_ref().starts_with("_promptlake/ledger/") {
            self.pass(Behind::Records).await;
        }
        self.inner.put_opts(path, payload, options).await
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

    async fn get_ranges(&self, path: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.inner.get_ranges(path, ranges).await
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        if !to.as_ref().starts_with("_promptlake/") {
            self.pass(Behind::Places).await;
        }
        self.inner.copy_opts(from, to, options).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        if !to.as_ref().starts_with("_promptlake/") {
            self.pass(Behind::Places).await;
        }
        self.inner.rename_opts(from, to, options).await
    }
}
