//! Publish: what compaction made becomes what readers see.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use arrow_array::RecordBatch;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use promptlake_flow::Event;
use promptlake_model::{RunId, Table};

use crate::error::LoadError;
use crate::failpoint;
use crate::lake::{Lake, known_path};
use crate::ledger::Appended;
use crate::record::{Commit, Deed, FileEntry, Publish, SegmentEntry};

/// Files put in their places at once: each waits for the disk several times, and a disk likes company.
const RENAMES_AT_ONCE: usize = 8;

/// How often, and how many times, a store is asked for a copy that it said was done: a minute in all, far above what a
/// server takes to copy one file.
const PLACED_LOOK_EVERY: Duration = Duration::from_millis(200);
const PLACED_LOOKS_MAX: u32 = 300;

/// How a publish ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Published {
    /// There was nothing to publish.
    Nothing,
    /// The record of this number is carried out.
    Done(u64),
    /// A stop was asked for before the record was made: what is committed stays for the next run.
    Stopped,
}

/// One try at a publish.
enum Tried {
    Done(u64),
    /// Another run used up the segments first.
    Overtaken,
    Stopped,
}

impl Lake {
    /// Publishes what this run has committed.
    pub(crate) async fn publish_own(&mut self) -> Result<Published, LoadError> {
        let own = self.run.id.clone();
        self.publish_of(|run| *run == own).await
    }

    /// Publishes what runs that are given up had committed. Another run may be at it as well: exactly one of the two
    /// makes the record.
    pub(crate) async fn publish_ended(&mut self, runs: &BTreeSet<RunId>) -> Result<Published, LoadError> {
        self.publish_of(|run| runs.contains(run)).await
    }

    async fn publish_of(&mut self, is_of: impl Fn(&RunId) -> bool) -> Result<Published, LoadError> {
        loop {
            let segments = self.ledger.books().segments_of(&is_of);
            if segments.is_empty() {
                return Ok(Published::Nothing);
            }
            match self.try_to_publish(segments).await? {
                Tried::Done(sequence) => return Ok(Published::Done(sequence)),
                Tried::Stopped => return Ok(Published::Stopped),
                Tried::Overtaken => {}
            }
        }
    }

    async fn try_to_publish(&mut self, segments: Vec<SegmentEntry>) -> Result<Tried, LoadError> {
        let stop = self.stop.clone();
        let compacted = tokio::select! {
            biased;
            () = stop.cancelled() => return Ok(Tried::Stopped),
            compacted = self.compact(&segments, BTreeMap::new()) => compacted,
        };
        let compacted = match compacted {
            Ok(compacted) => compacted,
            Err(error) => {
                // A segment that is gone may be one that another run has just used up.
                self.ledger.catch_up().await?;
                let waiting = self.ledger.books().segments_of(|_| true);
                return if segments.iter().all(|segment| waiting.contains(segment)) {
                    Err(error)
                } else {
                    Ok(Tried::Overtaken)
                };
            }
        };
        failpoint::reach("publish.compacted");
        let publish = Publish {
            segments: segments.into_iter().map(|entry| entry.path).collect(),
            files: compacted.files,
        };
        let tried = match self.append(Deed { publish: Some(publish.clone()), ..Deed::default() }).await? {
            Appended::Made(sequence) => {
                self.see_through(sequence, &publish).await?;
                Tried::Done(sequence)
            }
            Appended::Overtaken => {
                for file in &publish.files {
                    self.means.store.delete(&known_path(&file.staged)).await?;
                }
                Tried::Overtaken
            }
        };
        for path in compacted.longer_segments {
            self.means.store.delete(&known_path(&path)).await?;
        }
        Ok(tried)
    }

    /// Commits and publishes rows that never were a segment, by one record. Gives its number.
    pub(crate) async fn publish_directly(
        &mut self,
        tables: BTreeMap<Table, Vec<RecordBatch>>,
        commit: Commit,
    ) -> Result<u64, LoadError> {
        let compacted = self.compact(&[], tables).await?;
        failpoint::reach("publish.compacted");
        let publish = Publish { segments: Vec::new(), files: compacted.files };
        let deed = Deed { commit: Some(commit), publish: Some(publish.clone()), ..Deed::default() };
        match self.append(deed).await? {
            Appended::Made(sequence) => {
                self.see_through(sequence, &publish).await?;
                Ok(sequence)
            }
            Appended::Overtaken => unreachable!("a publish without segments has nothing that others use up"),
        }
    }

    /// Carries out a publish of our own and says so.
    async fn see_through(&mut self, sequence: u64, publish: &Publish) -> Result<(), LoadError> {
        failpoint::reach("publish.recorded");
        self.carry_out(publish).await?;
        self.append(Deed { carried_out: vec![sequence], ..Deed::default() }).await?;
        failpoint::reach("publish.carried_out");
        Ok(())
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
        failpoint::reach("publish.segments_deleted");
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

    /// Puts a staged file in its place. Another run may be doing the same: a staged file that is gone was placed.
    async fn put_in_place(&self, file: &FileEntry) -> Result<(), LoadError> {
        let (store, staged, path) = (&self.means.store, known_path(&file.staged), known_path(&file.path));
        if self.lies_at(&path, file.bytes).await? {
            store.sync_directories(&path).await?;
        } else {
            let looked_up = self.look_up(&staged, file.bytes).await;
            failpoint::reach("place.looked_up");
            let placed = match looked_up {
                Ok(()) => store.place(&staged, &path, file.bytes).await.map_err(LoadError::from),
                Err(error) => Err(error),
            };
            // Whoever else carries this out may have been quicker between our looks.
            if !self.lies_at(&path, file.bytes).await? {
                placed?;
                self.wait_until_placed(&path, file.bytes).await?;
            }
        }
        failpoint::reach("place.placed");
        // Gone after a rename; left over where an earlier attempt was cut off in between.
        store.delete(&staged).await?;
        failpoint::reach("place.staged_deleted");
        Ok(())
    }

    /// Waits for a store whose copy answered before it was done.
    async fn wait_until_placed(&self, path: &Path, bytes: u64) -> Result<(), LoadError> {
        for _ in 0..PLACED_LOOKS_MAX {
            tokio::time::sleep(PLACED_LOOK_EVERY).await;
            if self.lies_at(path, bytes).await? {
                return Ok(());
            }
        }
        self.look_up(path, bytes).await
    }

    async fn lies_at(&self, path: &Path, bytes: u64) -> Result<bool, LoadError> {
        Ok(self.means.store.head(path).await?.is_some_and(|object| object.size == bytes))
    }
}
