//! A lake made again from the table `raw` of another: nothing is asked of Graph, and every row is as it was, by the same
//! run and at the same instant, save for what this version reads better.

use std::sync::Arc;

use promptlake_extract::{ExtractError, Extracted, PAGE_MEMORY_FACTOR, RunContext, UserTallies};
use promptlake_flow::{Event, Held, RequestKind, Sender};
use promptlake_load::{RawRecords, RawTable, RawTableError, RecordGroup, Store};
use promptlake_model::{PageForm, RawPage, SavedFile, Slice, SliceEnd, SliceOutcome, SliceScope, TenantId};
use tokio_util::sync::CancellationToken;

use crate::failure::Failure;

/// What of the pages' memory the row group may take from which records are read: the rest is for these.
const ROW_GROUP_SHARE: usize = 2;

/// Reads the table `raw` of a lake, a file after the other. Each is a slice.
pub(crate) struct LakeReader {
    table: RawTable,
    context: RunContext,
}

impl LakeReader {
    /// A file of a lake may hold records of several tenants: in the books it belongs to none of them.
    pub(crate) const TENANT: TenantId = TenantId::NIL;

    pub(crate) fn new(store: Store, context: RunContext) -> Self {
        Self { table: RawTable::new(store, context.pool.clone()), context }
    }

    /// Its files; at least one.
    pub(crate) async fn list(&self) -> Result<Vec<SavedFile>, Failure> {
        let hint = "name a lake that was written with raw among transform.tables";
        self.table.files().await.map_err(|error| Failure::setting(&error, "use source.url", hint))
    }

    /// Reads the files of the slices and sends their records. Every file that was begun ends with one
    /// [`Extracted::SliceEnd`], and at the end every user who has records with one [`Extracted::UserEnd`].
    pub(crate) async fn extract(
        self,
        slices: Vec<Arc<Slice>>,
        pages: Sender<Extracted>,
        stop: CancellationToken,
    ) -> Result<(), ExtractError> {
        let mut reading =
            Reading { source: &self, pages, stop: stop.child_token(), users: UserTallies::default() };
        let read = reading.read_all(slices).await;
        reading.end_users(read.as_ref().err()).await;
        read
    }
}

/// The files of a lake being read.
struct Reading<'a> {
    source: &'a LakeReader,
    pages: Sender<Extracted>,
    /// The caller's stop, and what a receiver that is gone comes to.
    stop: CancellationToken,
    users: UserTallies,
}

impl Reading<'_> {
    async fn read_all(&mut self, slices: Vec<Arc<Slice>>) -> Result<(), ExtractError> {
        for slice in slices {
            if self.stop.is_cancelled() || self.pages.is_closed() {
                self.stop.cancel();
                return Ok(());
            }
            let SliceScope::File(file) = &slice.scope else { continue };
            let mut page_count = 0;
            let read = self.read_file(&slice, file, &mut page_count).await;
            let is_whole = matches!(read, Ok(Read::Whole));
            let outcome = if is_whole { SliceOutcome::Whole } else { SliceOutcome::CutOff };
            self.source.context.observer.observe(&Event::FileRead);
            let end = SliceEnd { slice: Arc::clone(&slice), page_count, outcome };
            // Without a receiver nobody waits for it: the next turn of the loop sees that.
            let _ = self.pages.send(Extracted::SliceEnd(end)).await;
            read.map_err(|error| of_lake(file, error))?;
        }
        Ok(())
    }

    async fn read_file(
        &mut self,
        slice: &Arc<Slice>,
        file: &SavedFile,
        page_count: &mut u32,
    ) -> Result<Read, RawTableError> {
        let mut records = self.source.table.read(file).await?;
        let memory = &self.source.context.pages_budget;
        let held_bytes = records.held_bytes_max().min(memory.total_bytes() / ROW_GROUP_SHARE);
        let held = memory.acquire(held_bytes).await;
        while let Some(group) = self.next(&mut records).await? {
            // A record that is longer goes alone, and must not wait for what is held here.
            let room = memory.total_bytes().saturating_sub(held.bytes());
            let permit =
                memory.acquire(group.framed.len().saturating_mul(PAGE_MEMORY_FACTOR).min(room)).await;
            let value = self.page(slice, group, *page_count);
            if self.pages.send(Extracted::Page(Held { value, permit })).await.is_err() {
                return Ok(Read::Stopped);
            }
            *page_count += 1;
        }
        Ok(if self.stop.is_cancelled() { Read::Stopped } else { Read::Whole })
    }

    /// The next records; none at the end of the file, or of the run.
    async fn next(&self, records: &mut RawRecords) -> Result<Option<RecordGroup>, RawTableError> {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Ok(None),
            next = records.next() => next,
        }
    }

    fn page(&mut self, slice: &Arc<Slice>, group: RecordGroup, index: u32) -> RawPage {
        let RecordGroup { owner, provenance, framed, count } = group;
        let body_bytes = framed.len() as u64;
        let answered = Event::Answered { kind: RequestKind::File, status: Some(200), body_bytes };
        self.source.context.observer.observe(&answered);
        self.users.count(owner, count, None);
        RawPage {
            slice: Arc::clone(slice),
            owner,
            index,
            form: PageForm::Framed,
            body: framed,
            provenance: Some(provenance),
        }
    }

    async fn end_users(self, error: Option<&ExtractError>) {
        for end in self.users.ends(error.map(ToString::to_string), self.stop.is_cancelled()) {
            if self.pages.send(Extracted::UserEnd(end)).await.is_err() {
                return;
            }
        }
    }
}

/// How the reading of a file ended, unless by an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Read {
    Whole,
    Stopped,
}

fn of_lake(file: &SavedFile, error: RawTableError) -> ExtractError {
    ExtractError::ReadLake { path: file.path.clone(), source: Box::new(error) }
}
