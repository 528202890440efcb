//! One pass over a list: its pages, from the first to the one that names no next.

use std::sync::Arc;

use promptlake_flow::{Held, Sender};
use promptlake_model::{AppClasses, Owner, PageForm, RawPage, Slice, Window};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::attempts::{CallFault, Refusal};
use super::call::Fetched;
use super::client::Shared;
use super::envelope::{PageHead, read_page_head};
use super::filter::FirstPage;
use super::part::{FailedAt, Part};
use super::repeats::Repeats;
use super::trail::Trail;
use super::verdict::Verdict;
use crate::{ExtractError, Extracted};

/// What was read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// The pages sent on.
    pub(crate) pages: u32,
    /// The records in them.
    pub(crate) records: u64,
    /// Those among them that had come before in the same list.
    pub(crate) repeated: u64,
}

/// What was wrong with an answer, in the words of `users`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) status: Option<u16>,
    pub(crate) code: Option<String>,
    pub(crate) reason: String,
}

/// Why a list was not read to its last page.
#[derive(Debug)]
pub(crate) enum Broken {
    /// The run is being stopped, or the user is settled.
    Stopped,
    /// Nothing of the tenant can be read.
    Tenant(Box<ExtractError>),
    /// The status settles it for the user.
    Refused(Refusal),
    /// This list only.
    Failed(Fault),
    /// This list, and a part of it may be had.
    TooMuch(FailedAt, Fault),
    /// The paging token is no longer known.
    Stale(Refusal),
}

/// Reads lists of one user.
pub(crate) struct ListReader<'a> {
    pub(crate) shared: &'a Shared,
    pub(crate) outlet: &'a Sender<Extracted>,
    /// Nothing more is asked once it is cancelled; what is on its way is dropped.
    pub(crate) halt: &'a CancellationToken,
    /// Cancelled with the first page: Graph answers for this user.
    pub(crate) answered: &'a CancellationToken,
    pub(crate) owner: Owner,
    pub(crate) classes: &'a AppClasses,
}

impl ListReader<'_> {
    /// Reads the list of a part and sends its pages as those of a slice. The tally counts what was sent, however it
    /// ends.
    pub(crate) async fn read(
        &self,
        slice: &Arc<Slice>,
        part: &Part,
        tally: &mut Tally,
    ) -> Result<(), Broken> {
        let (mut trail, mut repeats) = (Trail::default(), Repeats::default());
        let pages_max = self.shared.settings.pages_max;
        let mut fetched = self.unless_halted(self.first_page(part)).await?;
        for _ in 0..pages_max {
            let next_link = fetched.value.next_link.take();
            tally.repeated += repeats.take(&fetched.value.record_hashes);
            self.send(slice, fetched, tally).await?;
            let Some(next_link) = next_link else { return Ok(()) };
            let url = trail.follow(&next_link).map_err(|astray| failed(astray.to_string()))?;
            fetched = self.unless_halted(self.next_page(&url, part)).await?;
        }
        Err(failed(format!(
            "there are more than {pages_max} pages, which is the limit: see source.pages_max"
        )))
    }

    /// The first page, without a filter on the date where the tenant takes none.
    async fn first_page(&self, part: &Part) -> Result<Fetched<PageHead>, Broken> {
        let broken = |fault| {
            Broken::of(fault, FailedAt::FirstPage).stale_where(|verdict| verdict == Verdict::TokenGone)
        };
        if !self.shared.date_filter_refused() {
            match self.fetch(&self.first_url(part, Some(part.window)), part).await {
                Err(CallFault::Refused(Refusal { verdict: Verdict::BadRequest, .. })) => {}
                Err(fault) => return Err(broken(fault)),
                Ok(fetched) => {
                    self.shared.note_date_filter_taken();
                    return Ok(fetched);
                }
            }
        }
        let fetched = self.fetch(&self.first_url(part, None), part).await.map_err(broken)?;
        // It was the filter on the date, and nothing else that was wrong with the request.
        self.shared.give_up_date_filter();
        Ok(fetched)
    }

    fn first_url(&self, part: &Part, window: Option<Window>) -> Url {
        let (page_records, model) = (part.page_records(), self.shared.settings.model);
        let first_page = FirstPage { page_records, window, classes: self.classes, model };
        self.shared.history_url(self.owner.user, &first_page)
    }

    async fn next_page(&self, url: &Url, part: &Part) -> Result<Fetched<PageHead>, Broken> {
        // Whose list was begun has a history: what is not found is the page.
        let is_stale =
            |verdict| matches!(verdict, Verdict::TokenGone | Verdict::BadRequest | Verdict::NotFound);
        let fetched = self.fetch(url, part).await;
        fetched.map_err(|fault| Broken::of(fault, FailedAt::LaterPage).stale_where(is_stale))
    }

    async fn fetch(&self, url: &Url, part: &Part) -> Result<Fetched<PageHead>, CallFault> {
        let lane = self.shared.interactions(self.owner.user, part.proof_failures());
        self.shared.caller.get(lane, url, read_page_head).await
    }

    async fn unless_halted<T>(&self, page: impl Future<Output = Result<T, Broken>>) -> Result<T, Broken> {
        tokio::select! {
            biased;
            () = self.halt.cancelled() => Err(Broken::Stopped),
            page = page => page,
        }
    }

    async fn send(
        &self,
        slice: &Arc<Slice>,
        fetched: Fetched<PageHead>,
        tally: &mut Tally,
    ) -> Result<(), Broken> {
        let Fetched { value: PageHead { records, .. }, body, permit } = fetched;
        let slice = Arc::clone(slice);
        let page = RawPage {
            slice,
            owner: self.owner,
            index: tally.pages,
            form: PageForm::Page,
            body,
            provenance: None,
        };
        let sent = self.outlet.send(Extracted::Page(Held { value: page, permit })).await;
        sent.map_err(|_| Broken::Stopped)?;
        tally.pages += 1;
        tally.records += records;
        self.answered.cancel();
        Ok(())
    }
}

impl Tally {
    pub(crate) fn add(&mut self, other: Self) {
        self.pages += other.pages;
        self.records += other.records;
        self.repeated += other.repeated;
    }
}

impl Broken {
    fn of(fault: CallFault, failed_at: FailedAt) -> Self {
        match fault {
            CallFault::Tenant(error) => Self::Tenant(error),
            CallFault::Refused(refusal) => Self::Refused(refusal),
            CallFault::Failed { status, code, reason } => Self::Failed(Fault { status, code, reason }),
            CallFault::TooMuch { status, code, reason } => {
                Self::TooMuch(failed_at, Fault { status: Some(status), code, reason })
            }
        }
    }

    fn stale_where(self, is_stale: impl Fn(Verdict) -> bool) -> Self {
        match self {
            Self::Refused(refusal) if is_stale(refusal.verdict) => Self::Stale(refusal),
            other => other,
        }
    }
}

fn failed(reason: String) -> Broken {
    Broken::Failed(Fault { status: Some(200), code: None, reason })
}
