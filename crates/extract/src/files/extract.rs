//! All files looked through, then all files read.

use std::sync::Arc;

use object_store::{GetOptions, ObjectStore};
use promptlake_flow::{BytePermit, Event, Held, RequestKind, Sender};
use promptlake_model::{Owner, RawPage, SavedFile, Slice, SliceEnd, SliceOutcome, SliceScope};
use tokio_util::sync::CancellationToken;

use super::FilesSource;
use super::blocks::{Block, Blocks};
use super::inflate::{Inflated, ReadFault};
use super::list::{FileForm, saved_file};
use super::owners::{OwnerRule, OwnersSeen};
use super::pieces::{Piece, pieces};
use super::survey::{Part, survey_document, survey_lines};
use crate::{ExtractError, Extracted, PAGE_MEMORY_FACTOR, RefusedFile, UserTallies};

/// A file to read, and whose it is.
struct Surveyed {
    slice: Arc<Slice>,
    rule: OwnerRule,
}

/// How a file ended, unless by an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FileEnd {
    Read,
    Unreadable,
    Stopped,
}

/// The files being read.
struct Reading<'a> {
    source: &'a FilesSource,
    outlet: Sender<Extracted>,
    /// The caller's stop, and what a receiver that is gone comes to.
    stop: CancellationToken,
    users: UserTallies,
}

impl FilesSource {
    /// Reads the files of the slices, one after the other, and sends what there is.
    ///
    /// All are looked through before the first page is sent: a file that nobody owns, or that has a page beyond the
    /// limit, is refused by name. Every file that was begun ends with one [`Extracted::SliceEnd`]; at the end every
    /// user with pages has one [`Extracted::UserEnd`]. A file that is no page and no list of records gives one page,
    /// which becomes a reject, and ends cut off. When `stop` is cancelled, or the receiver is gone, nothing more is
    /// read.
    pub async fn extract(
        &self,
        slices: Vec<Arc<Slice>>,
        out: Sender<Extracted>,
        stop: CancellationToken,
    ) -> Result<(), ExtractError> {
        let surveyed = tokio::select! {
            biased;
            () = stop.cancelled() => return Ok(()),
            surveyed = self.survey_all(slices) => surveyed?,
        };
        let mut reading =
            Reading { source: self, outlet: out, stop: stop.child_token(), users: UserTallies::default() };
        let read = reading.read_all(&surveyed).await;
        reading.end_users(read.as_ref().err()).await;
        read
    }

    async fn survey_all(&self, slices: Vec<Arc<Slice>>) -> Result<Vec<Surveyed>, ExtractError> {
        let (mut surveyed, mut refused) = (Vec::with_capacity(slices.len()), Vec::new());
        for slice in slices {
            let file = file_of(&slice)?;
            match self.survey(file).await? {
                Ok(rule) => surveyed.push(Surveyed { slice, rule }),
                Err(reason) => refused.push(RefusedFile { path: file.path.clone(), reason }),
            }
        }
        if refused.is_empty() { Ok(surveyed) } else { Err(ExtractError::FilesRefused(refused)) }
    }

    /// The owners of a file, or why it can't be used.
    async fn survey(&self, file: &SavedFile) -> Result<Result<OwnerRule, String>, ExtractError> {
        let mut seen = OwnersSeen::default();
        let Some(form) = FileForm::of(&file.path) else {
            return Ok(Err("its name ends in none of .json, .ndjson, .jsonl".to_owned()));
        };
        let mut blocks = self.open(file, form).await?;
        loop {
            let block = match blocks.next().await {
                Ok(Some(block)) => block,
                Ok(None) => break,
                Err(fault) => return refuse(fault, file, self.settings.page_bytes_max),
            };
            for part in self.look_into(&block, form, file).await? {
                if let Err(reason) = seen.note(&part, block.first_line + part.line) {
                    return Ok(Err(reason));
                }
            }
        }
        let from_path = self.settings.user_id_from_path.as_ref().and_then(|find| find(&file.path));
        Ok(seen.settle(from_path, self.settings.user_id))
    }

    async fn open(&self, file: &SavedFile, form: FileForm) -> Result<Blocks, ExtractError> {
        let location = self.location(&file.path);
        let got = self.settings.store.get_opts(&location, GetOptions::default()).await;
        let got = got.map_err(|source| ExtractError::ReadFile { path: file.path.clone(), source })?;
        if saved_file(file.path.clone(), &got.meta) != *file {
            return Err(ExtractError::FileChanged { path: file.path.clone() });
        }
        let bytes = Inflated::new(got.into_stream(), form.gzip, self.context.pool.clone());
        let memory = self.context.pages_budget.clone();
        Ok(Blocks::new(bytes, memory, form.lines, self.settings.page_bytes_max))
    }

    async fn look_into(
        &self,
        block: &Block,
        form: FileForm,
        file: &SavedFile,
    ) -> Result<Vec<Part>, ExtractError> {
        let bytes = block.bytes.clone();
        let survey = if form.lines { survey_lines } else { survey_document };
        let what = || format!("the saved file {:?}", file.path);
        let looked = self.context.pool.run(move || survey(&bytes)).await;
        looked.map_err(|source| ExtractError::Compute { what: what(), source })
    }
}

impl Reading<'_> {
    async fn read_all(&mut self, files: &[Surveyed]) -> Result<(), ExtractError> {
        for Surveyed { slice, rule } in files {
            if self.stop.is_cancelled() || self.outlet.is_closed() {
                self.stop.cancel();
                return Ok(());
            }
            let mut page_count = 0;
            let ended = self.read_file(slice, rule, &mut page_count).await;
            let whole = matches!(ended, Ok(FileEnd::Read));
            let outcome = if whole { SliceOutcome::Whole } else { SliceOutcome::CutOff };
            self.source.context.observer.observe(&Event::FileRead);
            let end = SliceEnd { slice: Arc::clone(slice), page_count, outcome };
            // Without a receiver nobody waits for it: the next turn of the loop sees that.
            let _ = self.outlet.send(Extracted::SliceEnd(end)).await;
            if ended? == FileEnd::Stopped {
                self.stop.cancel();
            }
        }
        Ok(())
    }

    async fn read_file(
        &mut self,
        slice: &Arc<Slice>,
        rule: &OwnerRule,
        page_count: &mut u32,
    ) -> Result<FileEnd, ExtractError> {
        let file = file_of(slice)?;
        let changed = || ExtractError::FileChanged { path: file.path.clone() };
        let form = FileForm::of(&file.path).ok_or_else(changed)?;
        let mut blocks = self.source.open(file, form).await?;
        let (mut before, mut end) = (None, FileEnd::Read);
        loop {
            let next = tokio::select! {
                biased;
                () = self.stop.cancelled() => return Ok(FileEnd::Stopped),
                next = blocks.next() => next,
            };
            let Some(block) = next.map_err(|fault| broken(fault, file))? else { return Ok(end) };
            let parts = self.source.look_into(&block, form, file).await?;
            let pieces = pieces(&parts, rule, before).ok_or_else(changed)?;
            before = pieces.last().map(|piece| piece.owner).or(before);
            if pieces.iter().any(|piece| piece.unreadable_file) {
                end = FileEnd::Unreadable;
            }
            if self.send(slice, block, pieces, page_count).await == FileEnd::Stopped {
                return Ok(FileEnd::Stopped);
            }
        }
    }

    /// Sends the pieces of a block as pages. Each takes its share of the memory with it.
    async fn send(
        &mut self,
        slice: &Arc<Slice>,
        block: Block,
        pieces: Vec<Piece>,
        page_count: &mut u32,
    ) -> FileEnd {
        let Block { bytes, permit, .. } = block;
        let body_bytes = bytes.len() as u64;
        let answered = Event::Answered { kind: RequestKind::File, status: Some(200), body_bytes };
        self.source.context.observer.observe(&answered);
        let mut left: usize = pieces.iter().map(|piece| piece.range.len()).sum();
        let mut permit = Some(permit);
        for piece in pieces {
            left -= piece.range.len();
            let share = self.share(&mut permit, piece.range.len(), left).await;
            let owner = Owner { tenant: self.source.settings.tenant, user: piece.owner };
            let body = bytes.slice(piece.range.clone());
            let page = RawPage {
                slice: Arc::clone(slice),
                owner,
                index: *page_count,
                form: piece.form,
                body,
                provenance: None,
            };
            if self.outlet.send(Extracted::Page(Held { value: page, permit: share })).await.is_err() {
                return FileEnd::Stopped;
            }
            *page_count += 1;
            self.count(&piece, slice);
        }
        FileEnd::Read
    }

    /// A permit for `bytes` of a block of which `left` remain: the block's own for the last, else one taken after the
    /// block's has shrunk by as much.
    async fn share(&self, block: &mut Option<BytePermit>, bytes: usize, left: usize) -> BytePermit {
        match block.take() {
            Some(mut permit) if left == 0 => {
                permit.settle_at(bytes.saturating_mul(PAGE_MEMORY_FACTOR));
                permit
            }
            mut rest => {
                if let Some(permit) = &mut rest {
                    permit.settle_at(left.saturating_mul(PAGE_MEMORY_FACTOR));
                }
                *block = rest;
                self.source.context.pages_budget.acquire(bytes.saturating_mul(PAGE_MEMORY_FACTOR)).await
            }
        }
    }

    fn count(&mut self, piece: &Piece, slice: &Slice) {
        let owner = Owner { tenant: self.source.settings.tenant, user: piece.owner };
        let reason = || format!("{} is no page and no list of records", slice.scope);
        self.users.count(owner, piece.records, piece.unreadable_file.then(reason));
    }

    /// The end of every user who had pages. After an error nobody is known to be complete.
    async fn end_users(self, error: Option<&ExtractError>) {
        for end in self.users.ends(error.map(ToString::to_string), self.stop.is_cancelled()) {
            if self.outlet.send(Extracted::UserEnd(end)).await.is_err() {
                return;
            }
        }
    }
}

fn file_of(slice: &Slice) -> Result<&SavedFile, ExtractError> {
    match &slice.scope {
        SliceScope::File(file) => Ok(file),
        scope @ SliceScope::History { .. } => Err(ExtractError::ForeignSlice { scope: scope.to_string() }),
    }
}

/// What keeps a file from being used refuses it by name; what keeps it from being read ends everything.
fn refuse<T>(
    fault: ReadFault,
    file: &SavedFile,
    bytes_max: usize,
) -> Result<Result<T, String>, ExtractError> {
    Ok(Err(match fault {
        ReadFault::NotGzip => "it is no whole gzip file".to_owned(),
        ReadFault::Utf16 => "it is UTF-16: save it as UTF-8".to_owned(),
        ReadFault::TooLarge { line } => format!(
            "what begins in line {line} has more than {bytes_max} bytes, which is the limit: write one page or \
             record a line, as NDJSON, or raise run.memory_limit"
        ),
        fault => return Err(broken(fault, file)),
    }))
}

/// The second pass meets only what the first one passed, unless the file is another by then.
fn broken(fault: ReadFault, file: &SavedFile) -> ExtractError {
    let path = file.path.clone();
    match fault {
        ReadFault::Store(source) => ExtractError::ReadFile { path, source },
        ReadFault::Panicked(source) => {
            ExtractError::Compute { what: format!("the saved file {path:?}"), source }
        }
        ReadFault::NotGzip | ReadFault::Utf16 | ReadFault::TooLarge { .. } => {
            ExtractError::FileChanged { path }
        }
    }
}
