//! One user: his slices, and what became of him.

use std::sync::{Arc, OnceLock};

use futures::StreamExt;
use promptlake_model::{AppClasses, Owner, Slice, SliceScope, UserEnd, UserProfile, UserStatus, Window};
use tokio_util::sync::CancellationToken;

use super::attempts::Refusal;
use super::extract::Extraction;
use super::part::joined;
use super::pass::{Broken, Fault, ListReader, Tally};
use super::slice::{Gap, Reread, SliceReader, SliceReading};
use super::verdict::Verdict;
use crate::{ExtractError, Extracted, UserPlan};

/// Gaps that a reason names: it stands in one cell of a table.
const GAPS_NAMED_MAX: usize = 3;

/// A user while he is read: perhaps twice.
#[derive(Debug)]
pub(crate) struct UserReading {
    owner: Owner,
    profile: UserProfile,
    /// Of which apps his slices are.
    classes: AppClasses,
    tally: Tally,
    /// The first thing that kept him from being read to the end, when he was last asked.
    trouble: Option<Trouble>,
    /// What may be had when he is asked again.
    unfinished: Vec<Window>,
    gaps: Vec<Gap>,
}

/// What kept a user from being read to the end.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Trouble {
    status: UserStatus,
    http_status: Option<u16>,
    error_code: Option<String>,
    reason: String,
    /// Whether none of his slices is worth asking.
    settles_user: bool,
}

/// What of a user tells something about the tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// He was not asked to the end.
    Unknown,
    /// Graph answered as it answers an app that may ask.
    Answered,
    /// 403 that names no licence.
    Forbidden,
    /// He failed in another way.
    Failed,
}

impl UserReading {
    /// A user of whom nothing was read, and his slices.
    pub(crate) fn planned(plan: UserPlan) -> (Self, Vec<Arc<Slice>>) {
        let UserPlan { owner, profile, slices, was_read: _ } = plan;
        let classes = slices.first().map(|slice| history_of(slice).1.clone()).unwrap_or_default();
        let (tally, trouble) = Default::default();
        let reading =
            Self { owner, profile, classes, tally, trouble, unfinished: Vec::new(), gaps: Vec::new() };
        (reading, slices)
    }

    /// Reads slices of his, several at once.
    pub(crate) async fn read(&mut self, run: &Extraction<'_>, slices: Vec<Arc<Slice>>, reread: Reread) {
        let halt = run.halt.child_token();
        let answered = CancellationToken::new();
        let (owner, classes, halt, answered) = (self.owner, &self.classes, &halt, &answered);
        let (others, in_one_list) =
            (self.slice_of_all(run, slices.get(1..).unwrap_or_default()), OnceLock::new());
        let read = async |(place, mut slice): (usize, Arc<Slice>)| {
            // The first settles whether he may be asked at all: by its first page, or by its end.
            let _first_ended = (place == 0).then(|| answered.clone().drop_guard());
            if place > 0 {
                answered.cancelled().await;
                // Without a filter on the date each list is the whole history: one for all windows is enough.
                if *in_one_list.get_or_init(|| run.shared.date_filter_refused())
                    && let Some(all) = &others
                {
                    if place > 1 {
                        return SliceReading::default();
                    }
                    slice = Arc::clone(all);
                }
            }
            let window = history_of(&slice).0;
            let _slot = run.readers.acquire().await;
            if halt.is_cancelled() {
                return SliceReading::not_begun(window);
            }
            let lists =
                ListReader { shared: run.shared, outlet: &run.outlet, halt, answered, owner, classes };
            let reading = SliceReader::new(lists, reread, slice, window).read().await;
            if reading.broken.as_ref().is_some_and(Broken::settles_user) {
                halt.cancel();
            }
            reading
        };
        let readings = futures::stream::iter(slices.into_iter().enumerate()).map(read);
        let readings = readings.buffer_unordered(run.shared.settings.concurrency);
        for reading in readings.collect::<Vec<_>>().await {
            self.take(reading, run);
        }
    }

    /// A slice of all that several are of; `None` where there are not several.
    fn slice_of_all(&self, run: &Extraction<'_>, slices: &[Arc<Slice>]) -> Option<Arc<Slice>> {
        let [_, _, ..] = slices else { return None };
        let windows = || slices.iter().map(|slice| history_of(slice).0);
        let window =
            Window { from: windows().map(|it| it.from).min()?, to: windows().map(|it| it.to).max()? };
        Some(self.slice_of(run, window))
    }

    fn slice_of(&self, run: &Extraction<'_>, window: Window) -> Arc<Slice> {
        let scope = SliceScope::History { owner: self.owner, window, classes: self.classes.clone() };
        Arc::new(Slice { id: run.shared.slice_ids.take(), tenant: self.owner.tenant, scope })
    }

    fn take(&mut self, reading: SliceReading, run: &Extraction<'_>) {
        self.tally.add(reading.tally);
        self.gaps.extend(reading.gaps);
        self.unfinished.extend(reading.unfinished);
        let Some(broken) = reading.broken else { return };
        let trouble = match broken {
            Broken::Refused(refusal) if refusal.verdict == Verdict::NotFound && self.tally.pages > 0 => {
                Trouble::part_not_found(refusal)
            }
            broken => Trouble::of(broken, run),
        };
        // What settles a user stops his other slices: that they were stopped says nothing.
        if self.trouble.as_ref().is_none_or(|old| trouble.settles_user && old.is_interruption()) {
            self.trouble = Some(trouble);
        }
    }

    pub(crate) fn standing(&self) -> Standing {
        match &self.trouble {
            _ if self.tally.pages > 0 => Standing::Answered,
            None => Standing::Unknown,
            Some(trouble) => match (trouble.status, trouble.http_status) {
                (UserStatus::Unlicensed | UserStatus::NotFound, _) => Standing::Answered,
                (UserStatus::Failed, Some(403)) => Standing::Forbidden,
                (UserStatus::Interrupted, _) => Standing::Unknown,
                _ => Standing::Failed,
            },
        }
    }

    /// Whether asking him again at the end of the run may give more.
    pub(crate) fn is_worth_another_try(&self) -> bool {
        let failed = |trouble: &Trouble| trouble.status == UserStatus::Failed;
        !self.unfinished.is_empty() && self.trouble.as_ref().is_none_or(failed)
    }

    /// What is asked when he is asked again. What kept him before is forgotten; what was read of him is not.
    pub(crate) fn retry(&mut self, run: &Extraction<'_>) -> Vec<Arc<Slice>> {
        self.trouble = None;
        let windows = joined(std::mem::take(&mut self.unfinished));
        windows.into_iter().map(|window| self.slice_of(run, window)).collect()
    }

    /// Sends his end.
    pub(crate) async fn end(self, run: &Extraction<'_>) {
        let end = self.into_end();
        tracing::debug!(user = %end.owner.user, status = %end.status, http_status = end.http_status, "user ended");
        // Without a receiver nobody waits for it.
        let _ = run.outlet.send(Extracted::UserEnd(end)).await;
    }

    fn into_end(self) -> UserEnd {
        let Self { owner, profile, tally, trouble, unfinished, gaps, .. } = self;
        let page_count = tally.pages;
        // Without trouble what is unfinished is a list that moved, and that the run had no time to read again.
        let trouble = trouble.or_else(|| (!unfinished.is_empty()).then(Trouble::stopped));
        let trouble = match (trouble, Trouble::of_gaps(gaps)) {
            (Some(trouble), Some(gaps)) => {
                Some(Trouble { reason: format!("{}; {}", trouble.reason, gaps.reason), ..trouble })
            }
            (trouble, gaps) => trouble.or(gaps),
        };
        if let Some(Trouble { status, http_status, error_code, reason, .. }) = trouble {
            let reason = Some(reason);
            return UserEnd { owner, profile, status, http_status, error_code, reason, page_count };
        }
        let status = if tally.records > 0 { UserStatus::Extracted } else { UserStatus::Empty };
        UserEnd { owner, profile, status, http_status: None, error_code: None, reason: None, page_count }
    }
}

/// The window and the classes of a slice.
fn history_of(slice: &Slice) -> (Window, &AppClasses) {
    let SliceScope::History { window, classes, .. } = &slice.scope else {
        unreachable!("plans are checked before anything is read")
    };
    (*window, classes)
}

impl Broken {
    /// Whether his other slices are worth no request.
    const fn settles_user(&self) -> bool {
        matches!(self, Self::Stopped | Self::Tenant(_) | Self::Refused(_) | Self::Stale(_))
    }
}

impl Trouble {
    /// What a broken slice means for its user. What is fatal for the tenant is handed to the run.
    fn of(broken: Broken, run: &Extraction<'_>) -> Self {
        let settles_user = broken.settles_user();
        match broken {
            Broken::Stopped => Self::stopped(),
            Broken::Tenant(error) => {
                let trouble = Self::of_tenant(&error);
                run.end_with(*error);
                trouble
            }
            Broken::Refused(refusal) | Broken::Stale(refusal) => Self::refused(refusal),
            Broken::Failed(fault) | Broken::TooMuch(_, fault) => {
                let Fault { status, code, reason } = fault;
                let (http_status, error_code) = (status, code);
                Self { status: UserStatus::Failed, http_status, error_code, reason, settles_user }
            }
        }
    }

    fn stopped() -> Self {
        Self {
            status: UserStatus::Interrupted,
            http_status: None,
            error_code: None,
            reason: "the run was stopped before he was read to the end".to_owned(),
            settles_user: true,
        }
    }

    fn of_tenant(error: &ExtractError) -> Self {
        let (http_status, error_code) = match error {
            ExtractError::TokenRejected { code } => (Some(401), code.clone()),
            ExtractError::PaymentRequired { code } => (Some(402), code.clone()),
            _ => (None, None),
        };
        let reason = error.to_string();
        Self { status: UserStatus::Failed, http_status, error_code, reason, settles_user: true }
    }

    /// A part of a history that has others: that it is not found is no word on the user.
    fn part_not_found(refusal: Refusal) -> Self {
        let reason = "Graph answered 404 for a part of a history of which it gave others".to_owned();
        let (status, http_status) = (UserStatus::Failed, Some(refusal.status));
        Self { status, http_status, error_code: refusal.code, reason, settles_user: false }
    }

    fn refused(refusal: Refusal) -> Self {
        let (status, reason) = match refusal.verdict {
            Verdict::Unlicensed => {
                (UserStatus::Unlicensed, "Graph says that the user has no licence".to_owned())
            }
            Verdict::NotFound => (UserStatus::NotFound, "Graph knows no history of the user".to_owned()),
            Verdict::Forbidden => (UserStatus::Failed, "Graph forbids to read this user".to_owned()),
            _ => (UserStatus::Failed, format!("Graph answered {}", refusal.status)),
        };
        let (http_status, error_code) = (Some(refusal.status), refusal.code);
        Self { status, http_status, error_code, reason, settles_user: true }
    }

    /// What is not read of a user of whom all else is.
    fn of_gaps(mut gaps: Vec<Gap>) -> Option<Self> {
        gaps.sort_unstable_by_key(|gap| gap.window.from);
        let first = gaps.first()?.fault.clone();
        let windows = joined(gaps.iter().map(|gap| gap.window).collect());
        let named: Vec<String> = windows.iter().take(GAPS_NAMED_MAX).map(Window::to_string).collect();
        let more = if windows.len() > GAPS_NAMED_MAX { ", …" } else { "" };
        let (count, named) = (windows.len(), named.join(", "));
        let windows =
            if count == 1 { "1 window is read".to_owned() } else { format!("{count} windows are read") };
        let reason = format!("all but {windows}: {named}{more}: {}", first.reason);
        Some(Self {
            status: UserStatus::Failed,
            http_status: first.status,
            error_code: first.code,
            reason,
            settles_user: false,
        })
    }

    fn is_interruption(&self) -> bool {
        self.status == UserStatus::Interrupted
    }
}
