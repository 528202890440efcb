//! Placing a file: what is staged becomes what readers see, whole or not at all.

use object_store::ObjectStoreExt;
use object_store::path::Path;

use super::error::{StoreError, failed};
use super::writer::UPLOAD_PART_BYTES;
use super::{Placing, Store};

impl Store {
    /// Puts a staged object of so many bytes in its final place, replacing whatever is there. Readers see the target
    /// as it was or whole, never a part. The staged object may be left or gone afterwards; what lies at the target is
    /// for the caller to look up, and what is left of the staged one for him to delete.
    pub async fn place(&self, from: &Path, to: &Path, bytes: u64) -> Result<(), StoreError> {
        match self.placing {
            Placing::Link => self.place_by_link(from, to).await,
            Placing::Copy => self.objects.copy(from, to).await.map_err(|e| failed("publish", to, e)),
            Placing::Stream => self.place_by_stream(from, to, bytes).await,
        }
    }

    /// A second name, synced before the caller takes away the first: were it moved, the power could go when the one name
    /// is off the disk and the other not on it.
    async fn place_by_link(&self, from: &Path, to: &Path) -> Result<(), StoreError> {
        match self.objects.copy_if_not_exists(from, to).await {
            // Not of this size, else nobody would place it: a rename replaces it.
            Err(object_store::Error::AlreadyExists { .. }) => {
                self.objects.rename(from, to).await.map_err(|e| failed("publish", to, e))?;
            }
            linked => linked.map_err(|e| failed("publish", to, e))?,
        }
        // Up to the root: whoever made a directory may have been killed before it was on the disk.
        self.sync_directories(to).await
    }

    /// Azure's copy may answer before it is done, and shows an empty blob meanwhile. One upload, whose list of blocks
    /// is committed at its end, shows nothing until it is whole.
    async fn place_by_stream(&self, from: &Path, to: &Path, bytes: u64) -> Result<(), StoreError> {
        let mut writer = self.writer(to.clone());
        let mut begin = 0;
        while begin < bytes {
            let end = bytes.min(begin + UPLOAD_PART_BYTES as u64);
            writer.write(self.get_range(from, begin..end).await?).await?;
            begin = end;
        }
        writer.finish().await
    }
}
