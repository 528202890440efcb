//! One window of one user: its pages, from the first to the one that names no next.

use std::sync::Arc;

use promptlake_flow::Held;
use promptlake_model::{Owner, PageForm, RawPage, Slice, Window};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::attempts::{CallFault, Refusal};
use super::call::Fetched;
use super::client::Shared;
use super::envelope::{PageHead, read_page_head};
use super::trail::Trail;
use super::verdict::Verdict;
use crate::extracted::Outlet;
use crate::{ExtractError, Extracted};

/// Ten million records of one user in one window. A source that names ever new pages must come to an end.
const PAGES_MAX: u32 = 100_000;

/// A paging token lives for a time nobody knows; if it dies this often the slice does not end by asking again.
const RESTARTS_MAX: u32 = 3;

/// What was read of a slice.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct SliceTally {
    /// The pages sent on, over all restarts.
    pub(crate) pages: u32,
    /// The records in them.
    pub(crate) records: u64,
}

/// Why a slice did not reach its last page.
#[derive(Debug)]
pub(crate) enum Broken {
    /// The run is being stopped.
    Stopped,
    /// Nothing of the tenant can be read.
    Tenant(Box<ExtractError>),
    /// The status settles it for the user.
    Refused(Refusal),
    /// This slice only.
    Failed { status: Option<u16>, code: Option<String>, reason: String },
    /// The paging token is no longer known.
    Stale(Refusal),
}

/// Reads the slices of one user.
pub(crate) struct SliceReader<'a> {
    pub(crate) shared: &'a Shared,
    pub(crate) outlet: &'a Outlet,
    /// Nothing more is asked once it is cancelled; what is on its way is dropped.
    pub(crate) halt: &'a CancellationToken,
    pub(crate) owner: Owner,
}

impl SliceReader<'_> {
    /// Reads a slice and sends its pages. The tally counts what was sent, however it ends.
    pub(crate) async fn read(
        &self,
        slice: &Arc<Slice>,
        window: Window,
        tally: &mut SliceTally,
    ) -> Result<(), Broken> {
        let mut restarts = 0;
        loop {
            match self.read_once(slice, window, tally).await {
                Err(Broken::Stale(refusal)) if restarts >= RESTARTS_MAX => {
                    let Refusal { status, code, .. } = refusal;
                    let reason = format!("the next page was gone, also after {restarts} restarts");
                    return Err(Broken::Failed { status: Some(status), code, reason });
                }
                Err(Broken::Stale(refusal)) => {
                    tracing::debug!(user = %self.owner.user, status = refusal.status, "slice restarted");
                    restarts += 1;
                }
                ended => return ended,
            }
        }
    }

    async fn read_once(
        &self,
        slice: &Arc<Slice>,
        window: Window,
        tally: &mut SliceTally,
    ) -> Result<(), Broken> {
        let mut trail = Trail::default();
        let mut fetched = self.unless_halted(self.first_page(window)).await?;
        for _ in 0..PAGES_MAX {
            let next_link = fetched.value.next_link.take();
            self.send(slice, fetched, tally).await?;
            let Some(next_link) = next_link else { return Ok(()) };
            let url = trail.follow(&next_link).map_err(|astray| failed(astray.to_string()))?;
            fetched = self.unless_halted(self.next_page(&url)).await?;
        }
        Err(failed(format!("there are more than {PAGES_MAX} pages, which is the limit")))
    }

    /// The first page, without a filter on the date where the tenant takes none.
    async fn first_page(&self, window: Window) -> Result<Fetched<PageHead>, Broken> {
        if !self.shared.date_filter_refused() {
            match self.fetch(&self.shared.history_url(self.owner.user, Some(window))).await {
                Err(CallFault::Refused(Refusal { verdict: Verdict::BadRequest, .. })) => {}
                Err(fault) => return Err(stale_or_final(fault, &[Verdict::TokenGone])),
                Ok(fetched) => return Ok(fetched),
            }
        }
        let unfiltered = self.fetch(&self.shared.history_url(self.owner.user, None)).await;
        let fetched = unfiltered.map_err(|fault| stale_or_final(fault, &[Verdict::TokenGone]))?;
        // It was the filter, and nothing else that was wrong with the request.
        self.shared.give_up_date_filter();
        Ok(fetched)
    }

    async fn next_page(&self, url: &Url) -> Result<Fetched<PageHead>, Broken> {
        let stale = [Verdict::TokenGone, Verdict::BadRequest];
        self.fetch(url).await.map_err(|fault| stale_or_final(fault, &stale))
    }

    async fn fetch(&self, url: &Url) -> Result<Fetched<PageHead>, CallFault> {
        self.shared.caller.get(self.shared.interactions(), url, read_page_head).await
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
        tally: &mut SliceTally,
    ) -> Result<(), Broken> {
        let Fetched { value: PageHead { records, .. }, body, permit } = fetched;
        let slice = Arc::clone(slice);
        let page = RawPage { slice, owner: self.owner, index: tally.pages, form: PageForm::Page, body };
        let sent = self.outlet.send(Extracted::Page(Held { value: page, permit })).await;
        sent.map_err(|_| Broken::Stopped)?;
        tally.pages += 1;
        tally.records += records;
        Ok(())
    }
}

fn stale_or_final(fault: CallFault, stale: &[Verdict]) -> Broken {
    match fault {
        CallFault::Tenant(error) => Broken::Tenant(error),
        CallFault::Refused(refusal) if stale.contains(&refusal.verdict) => Broken::Stale(refusal),
        CallFault::Refused(refusal) => Broken::Refused(refusal),
        CallFault::Failed { status, code, reason } => Broken::Failed { status, code, reason },
    }
}

fn failed(reason: String) -> Broken {
    Broken::Failed { status: Some(200), code: None, reason }
}
