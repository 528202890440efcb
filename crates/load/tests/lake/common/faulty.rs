//! A store with one fault, over another.

use std::collections::BTreeMap;
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
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    ObjectStoreExt, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result,
    UploadPart,
};

/// What is wrong with a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It overwrites where it should only make.
    IgnoresConditions,
    /// It does not know conditional puts.
    NoConditions,
    /// Every so many changes answer 500 and do nothing.
    FailsEvery(usize),
    /// The first conditional put of a record answers 409, and nothing lands.
    Conflicts,
    /// Every so many changes are made, and the answer gets lost.
    ForgetsEvery(usize),
    /// Nothing can be written.
    NoWrites,
    /// Nothing can be copied.
    NoCopies,
    /// A copy answers before it is done: two looks later it is.
    CopiesLate,
    /// Deleting says that it worked, and does nothing.
    NoDeletes,
    /// The second part of an upload is lost.
    NoSecondPart,
}

/// A store with a fault.
#[derive(Debug, Clone)]
pub(crate) struct Faulty {
    inner: Arc<dyn ObjectStore>,
    fault: Fault,
    changes: Arc<AtomicUsize>,
    conflicts: Arc<AtomicUsize>,
    /// Uploads that were aborted.
    pub(crate) aborted: Arc<AtomicUsize>,
    /// Copies that are not done, with the looks at each.
    copying: Arc<Mutex<BTreeMap<Path, (Path, usize)>>>,
}

fn broken(text: &str) -> Error {
    Error::Generic { store: "faulty", source: text.into() }
}

impl Faulty {
    pub(crate) fn new(fault: Fault, inner: Arc<dyn ObjectStore>) -> Self {
        let (changes, conflicts, aborted) = Default::default();
        Self { inner, fault, changes, conflicts, aborted, copying: Arc::default() }
    }

    /// Somebody looks at a copy: the second time it is done.
    async fn look(&self, path: &Path) -> Result<()> {
        let done = {
            let mut copying = self.copying.lock().unwrap();
            let Some((_, looks)) = copying.get_mut(path) else { return Ok(()) };
            *looks += 1;
            if *looks < 3 { None } else { copying.remove(path) }
        };
        match done {
            Some((from, _)) => self.inner.copy(&from, path).await,
            None => Ok(()),
        }
    }

    /// Whether this change does nothing, and whether its answer gets lost. The probe is spared: it has tests of its own.
    fn turn(&self, path: &Path) -> (bool, bool) {
        if path.as_ref().starts_with("_promptlake/probe/") {
            return (false, false);
        }
        let number = self.changes.fetch_add(1, Ordering::SeqCst) + 1;
        match self.fault {
            Fault::FailsEvery(n) => (number.is_multiple_of(n), false),
            Fault::ForgetsEvery(n) => (false, number.is_multiple_of(n)),
            _ => (false, false),
        }
    }
}

impl fmt::Display for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}", self.fault, self.inner)
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl ObjectStore for Faulty {
    async fn put_opts(&self, path: &Path, payload: PutPayload, mut options: PutOptions) -> Result<PutResult> {
        let (fails, forgets) = self.turn(path);
        let conditional = options.mode == PutMode::Create;
        match self.fault {
            Fault::NoWrites => return Err(broken("503")),
            Fault::NoConditions if conditional => {
                return Err(Error::NotImplemented {
                    operation: "create".into(),
                    implementer: "faulty".into(),
                });
            }
            Fault::IgnoresConditions => options.mode = PutMode::Overwrite,
            // S3 says so where a put at the same time did not land in the end.
            Fault::Conflicts
                if conditional
                    && path.as_ref().starts_with("_promptlake/ledger/")
                    && self.conflicts.fetch_add(1, Ordering::SeqCst) == 0 =>
            {
                return Err(Error::AlreadyExists { path: path.to_string(), source: "409".into() });
            }
            _ if fails => return Err(broken("500")),
            _ => {}
        }
        let put = self.inner.put_opts(path, payload, options).await;
        if forgets { put.and(Err(broken("the answer got lost"))) } else { put }
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let inner = self.inner.put_multipart_opts(path, options).await?;
        Ok(Box::new(FaultyUpload { inner, store: self.clone(), parts: 0 }))
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        self.look(path).await?;
        self.inner.get_opts(path, options).await
    }

    async fn get_ranges(&self, path: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.inner.get_ranges(path, ranges).await
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let store = self.clone();
        if self.fault == Fault::NoDeletes {
            return paths;
        }
        let tried = paths.map(move |path| {
            let path = path?;
            if store.turn(&path).0 { Err(broken("500")) } else { Ok(path) }
        });
        self.inner.delete_stream(tried.boxed())
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
        let (fails, forgets) = self.turn(to);
        if fails || self.fault == Fault::NoCopies {
            return Err(broken("500"));
        }
        if self.fault == Fault::CopiesLate && !to.as_ref().starts_with("_promptlake/") {
            self.copying.lock().unwrap().insert(to.clone(), (from.clone(), 0));
            return Ok(());
        }
        let copied = self.inner.copy_opts(from, to, options).await;
        if forgets { copied.and(Err(broken("the answer got lost"))) } else { copied }
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.inner.rename_opts(from, to, options).await
    }
}

#[derive(Debug)]
struct FaultyUpload {
    inner: Box<dyn MultipartUpload>,
    store: Faulty,
    parts: usize,
}

#[async_trait]
impl MultipartUpload for FaultyUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        self.parts += 1;
        if self.store.fault == Fault::NoSecondPart && self.parts == 2 {
            return Box::pin(async { Err(broken("the part got lost")) });
        }
        self.inner.put_part(data)
    }

    async fn complete(&mut self) -> Result<PutResult> {
        self.inner.complete().await
    }

    async fn abort(&mut self) -> Result<()> {
        self.store.aborted.fetch_add(1, Ordering::SeqCst);
        self.inner.abort().await
    }
}
