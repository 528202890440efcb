//! The object store as the commit protocol needs it: create once, replace, look up, rename, delete.
//!
//! On a local file system a record or file counts only when it is on the disk: the store is opened with fsync of
//! files and of the directories that name them.

use std::ops::Range;
use std::path::{Path as FsPath, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures::TryStreamExt;
use object_store::buffered::BufWriter;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};
use tokio::io::AsyncWriteExt;

/// What a writer holds back before it sends: the least that S3 takes as a part that is not the last.
const UPLOAD_PART_BYTES: usize = 5 * 1024 * 1024;

/// An operation on the store failed.
#[derive(Debug, thiserror::Error)]
#[error("{operation} {path} in the lake")]
pub struct StoreError {
    /// What was tried, as a verb.
    pub operation: &'static str,
    /// On what.
    pub path: String,
    /// What the store said.
    #[source]
    pub source: object_store::Error,
}

impl StoreError {
    pub(crate) const fn is_not_found(&self) -> bool {
        matches!(self.source, object_store::Error::NotFound { .. })
    }
}

/// Whether a conditional put made the object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Created {
    /// It was made.
    Made,
    /// There was one already: ours, of an attempt whose answer got lost, or another's.
    Existed,
}

/// The store below one lake's root.
#[derive(Debug, Clone)]
pub struct Store {
    objects: Arc<dyn ObjectStore>,
    local_root: Option<PathBuf>,
}

impl Store {
    /// A lake in a local directory, which is made where it is missing.
    pub fn local(root: &FsPath) -> Result<Self, StoreError> {
        let failed = |source| StoreError { operation: "open", path: root.display().to_string(), source };
        std::fs::create_dir_all(root).map_err(|error| failed(local_error(error)))?;
        let objects = LocalFileSystem::new_with_prefix(root).map_err(failed)?.with_fsync(true);
        Ok(Self { objects: Arc::new(objects), local_root: Some(root.to_owned()) })
    }

    /// A lake in a store of one's own, as tests use it.
    #[must_use]
    pub fn new(objects: Arc<dyn ObjectStore>) -> Self {
        Self { objects, local_root: None }
    }

    pub(crate) async fn create(&self, path: &Path, body: Bytes) -> Result<Created, StoreError> {
        let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        match self.objects.put_opts(path, PutPayload::from_bytes(body), options).await {
            Ok(_) => Ok(Created::Made),
            Err(object_store::Error::AlreadyExists { .. }) => Ok(Created::Existed),
            Err(source) => Err(failed("create", path, source)),
        }
    }

    pub(crate) async fn replace(&self, path: &Path, body: Bytes) -> Result<(), StoreError> {
        let put = self.objects.put(path, PutPayload::from_bytes(body)).await;
        put.map(drop).map_err(|source| failed("write", path, source))
    }

    pub(crate) async fn get(&self, path: &Path) -> Result<Option<Bytes>, StoreError> {
        let got = match self.objects.get(path).await {
            Ok(got) => got.bytes().await,
            Err(error) => Err(error),
        };
        found(got).map_err(|source| failed("read", path, source))
    }

    pub(crate) async fn get_range(&self, path: &Path, range: Range<u64>) -> Result<Bytes, StoreError> {
        self.objects.get_range(path, range).await.map_err(|source| failed("read", path, source))
    }

    pub(crate) async fn get_ranges(
        &self,
        path: &Path,
        ranges: &[Range<u64>],
    ) -> Result<Vec<Bytes>, StoreError> {
        self.objects.get_ranges(path, ranges).await.map_err(|source| failed("read", path, source))
    }

    /// What lies at a path, or that nothing does.
    pub(crate) async fn head(&self, path: &Path) -> Result<Option<ObjectMeta>, StoreError> {
        found(self.objects.head(path).await).map_err(|source| failed("look up", path, source))
    }

    pub(crate) async fn list(&self, below: &Path) -> Result<Vec<ObjectMeta>, StoreError> {
        let listed = self.objects.list(Some(below)).try_collect().await;
        listed.map_err(|source| failed("list", below, source))
    }

    /// What lies below a directory with a path after `offset`.
    pub(crate) async fn list_after(
        &self,
        below: &Path,
        offset: &Path,
    ) -> Result<Vec<ObjectMeta>, StoreError> {
        let listed = self.objects.list_with_offset(Some(below), offset).try_collect().await;
        listed.map_err(|source| failed("list", below, source))
    }

    /// Moves an object, replacing whatever is there; the target is seen whole or not at all.
    pub(crate) async fn rename(&self, from: &Path, to: &Path) -> Result<(), StoreError> {
        self.objects.rename(from, to).await.map_err(|source| failed("publish", to, source))
    }

    /// Deletes an object; one that is gone already is no error.
    pub(crate) async fn delete(&self, path: &Path) -> Result<(), StoreError> {
        let deleted = found(self.objects.delete(path).await);
        deleted.map(drop).map_err(|source| failed("delete", path, source))
    }

    /// Deletes everything below a directory.
    pub(crate) async fn delete_below(&self, directory: &Path) -> Result<(), StoreError> {
        for object in self.list(directory).await? {
            self.delete(&object.location).await?;
        }
        let Some(root) = &self.local_root else { return Ok(()) };
        // What a killed writer left half-written has a name that the store does not list.
        match tokio::fs::remove_dir_all(root.join(directory.as_ref())).await {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(failed("delete", directory, local_error(error)))
            }
            _ => Ok(()),
        }
    }

    /// Syncs the directories that lead to an object: it may have been put there by a process that was killed before
    /// it had done so. A remote store has nothing to sync.
    pub(crate) async fn sync_directories(&self, path: &Path) -> Result<(), StoreError> {
        let Some(root) = self.local_root.clone() else { return Ok(()) };
        let below: PathBuf = root.join(path.as_ref());
        let synced = tokio::task::spawn_blocking(move || {
            let directories = below.ancestors().skip(1).take_while(|directory| directory.starts_with(&root));
            directories.map(std::fs::File::open).try_for_each(|directory| directory?.sync_all())
        });
        let synced = synced.await.unwrap_or_else(|error| Err(std::io::Error::other(error)));
        synced.map_err(|error| failed("sync", path, local_error(error)))
    }

    /// A writer of one object that is seen only when it is finished.
    pub(crate) fn writer(&self, path: Path) -> ObjectWriter {
        let objects = Arc::clone(&self.objects);
        let writer =
            BufWriter::with_capacity(objects, path.clone(), UPLOAD_PART_BYTES).with_max_concurrency(1);
        ObjectWriter { writer, path }
    }
}

/// Writes one object piece by piece. It holds back a part, and what was written at once beyond it.
#[derive(Debug)]
pub(crate) struct ObjectWriter {
    writer: BufWriter,
    path: Path,
}

impl ObjectWriter {
    pub(crate) async fn write(&mut self, bytes: Bytes) -> Result<(), StoreError> {
        if let Err(source) = self.writer.put(bytes).await {
            // A multipart upload that is not aborted is stored, and paid for, without a name.
            if let Err(abort) = self.writer.abort().await {
                tracing::debug!(path = %self.path, error = %abort, "could not abort an upload that failed");
            }
            return Err(failed("write", &self.path, source));
        }
        Ok(())
    }

    pub(crate) async fn finish(mut self) -> Result<(), StoreError> {
        let finished = self.writer.shutdown().await;
        finished.map_err(|error| failed("write", &self.path, local_error(error)))
    }
}

fn failed(operation: &'static str, path: &Path, source: object_store::Error) -> StoreError {
    StoreError { operation, path: path.to_string(), source }
}

fn local_error(error: std::io::Error) -> object_store::Error {
    object_store::Error::Generic { store: "lake", source: Box::new(error) }
}

fn found<T>(result: object_store::Result<T>) -> object_store::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(object_store::Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}
