//! The object store as the commit protocol needs it: create once, replace, look up, place, delete.
//!
//! On a local file system a record or file counts only when it is on the disk: the store is opened with fsync of
//! files and of the directories that name them.

mod error;
mod location;
mod open;
mod options;
mod place;
mod probe;
mod writer;

pub use error::{OpenError, StoreError};
pub use location::{Provider, RemoteUrl, StoreLocation, UrlFault};
pub use open::StoreSettings;
pub use options::{OptionFault, ServerFault};
pub use probe::{ProbeError, ProbeStep};
pub use writer::ObjectWriter;

use std::io::ErrorKind;
use std::ops::Range;
use std::path::{Path as FsPath, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};

use error::{failed, found, local_error};

/// Requests to delete under way at once: enough to hide a store's latency, few enough for its limits.
const DELETIONS_AT_ONCE: usize = 16;

impl StoreError {
    pub(crate) const fn is_not_found(&self) -> bool {
        matches!(self.source, object_store::Error::NotFound { .. })
    }
}

/// Whether a conditional put made the object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Created {
    /// It was made.
    Made,
    /// There was one already: ours, of an attempt whose answer got lost, or another's.
    Existed,
}

/// How a staged object becomes a published one, so that it is seen whole or not at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Placing {
    /// A hard link where there is none. Over an existing target a local copy leaves a third name behind when it is
    /// repeated, so there it is a rename.
    Link,
    /// The store copies by itself, and shows the copy when it is whole.
    Copy,
    /// The store's own copy shows an empty object before it is done.
    Stream,
}

/// The store below one lake's root. Every path is relative to that.
#[derive(Debug, Clone)]
pub struct Store {
    objects: Arc<dyn ObjectStore>,
    local_root: Option<PathBuf>,
    placing: Placing,
    single_writer: bool,
}

impl Store {
    /// A lake in a local directory, which is made where it is missing.
    pub fn local(root: &FsPath) -> Result<Self, StoreError> {
        let failed = |source| StoreError { operation: "open", path: root.display().to_string(), source };
        std::fs::create_dir_all(root).map_err(|error| failed(local_error(error)))?;
        let objects = LocalFileSystem::new_with_prefix(root).map_err(failed)?.with_fsync(true);
        let local_root = Some(root.to_owned());
        Ok(Self { local_root, placing: Placing::Link, ..Self::new(Arc::new(objects)) })
    }

    /// A lake in a store of one's own, as tests use it. Its copies must be seen whole or not at all.
    #[must_use]
    pub fn new(objects: Arc<dyn ObjectStore>) -> Self {
        Self { objects, local_root: None, placing: Placing::Copy, single_writer: false }
    }

    /// The same store for a run that is known to be the only one to write, as [`StoreSettings::single_writer`] says.
    #[must_use]
    pub fn with_single_writer(self, single_writer: bool) -> Self {
        Self { single_writer, ..self }
    }

    /// Whether the user says that nobody but this run writes: then nothing may rely on a conditional put.
    #[must_use]
    pub const fn is_single_writer(&self) -> bool {
        self.single_writer
    }

    /// Makes an object where there is none. A store for a single writer may ignore the condition or not know it: it
    /// is looked first, so that at least no other run's object is overwritten that is there to be seen.
    pub async fn create(&self, path: &Path, body: Bytes) -> Result<Created, StoreError> {
        if !self.single_writer {
            return self.put_if_absent(path, body).await;
        }
        if self.head(path).await?.is_some() {
            return Ok(Created::Existed);
        }
        match self.put_if_absent(path, body.clone()).await {
            Err(StoreError { source: object_store::Error::NotImplemented { .. }, .. }) => {
                self.replace(path, body).await.map(|()| Created::Made)
            }
            answered => answered,
        }
    }

    async fn put_if_absent(&self, path: &Path, body: Bytes) -> Result<Created, StoreError> {
        let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        match self.objects.put_opts(path, PutPayload::from_bytes(body), options).await {
            Ok(_) => Ok(Created::Made),
            Err(object_store::Error::AlreadyExists { .. }) => Ok(Created::Existed),
            Err(source) => Err(failed("create", path, source)),
        }
    }

    /// Writes an object, replacing whatever is there.
    pub async fn replace(&self, path: &Path, body: Bytes) -> Result<(), StoreError> {
        let put = self.objects.put(path, PutPayload::from_bytes(body)).await;
        put.map(drop).map_err(|source| failed("write", path, source))
    }

    /// The whole of an object, or that there is none.
    pub async fn get(&self, path: &Path) -> Result<Option<Bytes>, StoreError> {
        let got = match self.objects.get(path).await {
            Ok(got) => got.bytes().await,
            Err(error) => Err(error),
        };
        found(got).map_err(|source| failed("read", path, source))
    }

    /// A range of an object, which must be there.
    pub async fn get_range(&self, path: &Path, range: Range<u64>) -> Result<Bytes, StoreError> {
        self.objects.get_range(path, range).await.map_err(|source| failed("read", path, source))
    }

    /// Ranges of an object, which must be there, in their order.
    pub async fn get_ranges(&self, path: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>, StoreError> {
        self.objects.get_ranges(path, ranges).await.map_err(|source| failed("read", path, source))
    }

    /// What lies at a path, or that nothing does.
    pub async fn head(&self, path: &Path) -> Result<Option<ObjectMeta>, StoreError> {
        found(self.objects.head(path).await).map_err(|source| failed("look up", path, source))
    }

    /// Every object below a directory, at every depth; none where there is no such directory.
    pub async fn list(&self, below: &Path) -> Result<Vec<ObjectMeta>, StoreError> {
        let listed = self.objects.list(Some(below)).try_collect().await;
        listed.map_err(|source| failed("list", below, source))
    }

    /// Whether any object lies below a directory.
    pub async fn holds_any(&self, below: &Path) -> Result<bool, StoreError> {
        let first = self.objects.list(Some(below)).try_next().await;
        first.map(|object| object.is_some()).map_err(|source| failed("list", below, source))
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

    /// Deletes an object; one that is gone already is no error.
    pub async fn delete(&self, path: &Path) -> Result<(), StoreError> {
        let deleted = found(self.objects.delete(path).await);
        deleted.map(drop).map_err(|source| failed("delete", path, source))
    }

    /// Deletes everything below a directory.
    pub async fn delete_below(&self, directory: &Path) -> Result<(), StoreError> {
        let listed = self.list(directory).await?;
        let deletions = listed.iter().map(|object| self.delete(&object.location));
        stream::iter(deletions).buffer_unordered(DELETIONS_AT_ONCE).try_collect::<()>().await?;
        let Some(root) = &self.local_root else { return Ok(()) };
        // What a killed writer left half-written has a name that the store does not list.
        match tokio::fs::remove_dir_all(root.join(directory.as_ref())).await {
            // A run that slept may write there again just now: the next one deletes it.
            Err(error) if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::DirectoryNotEmpty) => {
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
    #[must_use]
    pub fn writer(&self, path: Path) -> ObjectWriter {
        ObjectWriter::new(Arc::clone(&self.objects), path)
    }
}
