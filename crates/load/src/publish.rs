//! Publish: what compaction made becomes what readers see.

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use futures::{StreamExt, TryStreamExt, stream};
use promptlake_flow::Event;
use promptlake_model::Table;

use crate::error::LoadError;
use crate::lake::{Lake, known_path};
use crate::record::{Commit, Deed, FileEntry, Publish, SegmentEntry};

/// Files put in their places at once: each waits for the disk several times, and a disk likes company.
const RENAMES_AT_ONCE: usize = 8;

/// Rows that are committed by the very record that publishes them.
pub(crate) struct Direct {
    pub(crate) tables: BTreeMap<Table, Vec<RecordBatch>>,
    pub(crate) commit: Commit,
}

impl Lake {
    /// Publishes every committed segment; with `direct` also rows that never were one. Gives the record's number,
    /// or nothing where there was nothing to do.
    pub(crate) async fn publish(&mut self, direct: Option<Direct>) -> Result<Option<u64>, LoadError> {
        let (in_memory, commit) = direct.map_or_else(Default::default, |d| (d.tables, Some(d.commit)));
        let segments: Vec<SegmentEntry> =
            self.ledger.books().segments.iter().map(|(_, entry)| entry.clone()).collect();
        let compacted = self.compact(&segments, in_memory).await?;
        if compacted.files.is_empty() && commit.is_none() {
            return Ok(None);
        }
        let publish = Publish {
            segments: segments.into_iter().map(|entry| entry.path).collect(),
            files: compacted.files,
        };
        let deed = Deed { commit, publish: Some(publish.clone()), ..Deed::default() };
        let sequence = self.append(deed).await?;
        self.carry_out(&publish).await?;
        self.append(Deed { carried_out: vec![sequence], ..Deed::default() }).await?;
        for path in compacted.longer_segments {
            self.means.store.delete(&known_path(&path)).await?;
        }
        Ok(Some(sequence))
    }

    /// Does what a publish record says, as often as it is asked to: puts the files in their places, `interactions`
    /// last, so that whoever finds a record finds its children; then deletes what they were made of.
    pub(crate) async fn carry_out(&self, publish: &Publish) -> Result<(), LoadError> {
        let (parents, children): (Vec<_>, Vec<_>) =
            publish.files.iter().partition(|file| file.table == Table::Interactions);
        for files in [children, parents] {
            let in_place = files.into_iter().map(|file| self.put_in_place(file));
            stream::iter(in_place).buffer_unordered(RENAMES_AT_ONCE).try_collect::<()>().await?;
        }
        for segment in &publish.segments {
            self.means.store.delete(&known_path(segment)).await?;
        }
        for table in Table::ALL {
            let of_table: Vec<&FileEntry> = publish.files.iter().filter(|file| file.table == table).collect();
            if !of_table.is_empty() {
                self.means.observer.observe(&Event::Published {
                    table: table.name(),
                    files: of_table.len() as u64,
                    rows: of_table.iter().map(|file| file.rows).sum(),
                    bytes: of_table.iter().map(|file| file.bytes).sum(),
                });
            }
        }
        Ok(())
    }

    async fn put_in_place(&self, file: &FileEntry) -> Result<(), LoadError> {
        let (staged, path) = (known_path(&file.staged), known_path(&file.path));
        let there = self.means.store.head(&path).await?;
        if there.is_none_or(|object| object.size != file.bytes) {
            self.look_up(&staged, file.bytes).await?;
            self.means.store.place(&staged, &path, file.bytes).await?;
            self.look_up(&path, file.bytes).await?;
        } else {
            self.means.store.sync_directories(&path).await?;
        }
        // Gone after a rename; left over where an earlier attempt was cut off in between.
        self.means.store.delete(&staged).await?;
        Ok(())
    }
}
