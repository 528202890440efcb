//! One user: his slices one after the other, and what became of him.

use std::sync::Arc;

use promptlake_model::{Owner, Slice, SliceEnd, SliceOutcome, SliceScope, UserEnd, UserProfile, UserStatus};

use super::attempts::Refusal;
use super::extract::Extraction;
use super::slice::{Broken, SliceReader, SliceTally};
use super::verdict::Verdict;
use crate::{ExtractError, Extracted, UserPlan};

/// What kept a user from being read to the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trouble {
    status: UserStatus,
    http_status: Option<u16>,
    error_code: Option<String>,
    reason: Option<String>,
    /// Whether his other slices are worth asking.
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

/// Reads a user's slices and sends his end.
pub(crate) async fn read_user(run: &Extraction<'_>, plan: UserPlan) -> Standing {
    let reader = SliceReader { shared: run.shared, outlet: &run.outlet, halt: &run.halt, owner: plan.owner };
    let mut tally = SliceTally::default();
    let mut trouble: Option<Trouble> = None;
    for slice in &plan.slices {
        if run.halt.is_cancelled() {
            trouble.get_or_insert_with(Trouble::interrupted);
            break;
        }
        let Some(broken) = read_slice(&reader, slice, &mut tally).await else { continue };
        let new = Trouble::of(broken, run);
        let settles_user = new.settles_user;
        trouble.get_or_insert(new);
        if settles_user {
            break;
        }
    }
    let standing = standing(tally, trouble.as_ref());
    let end = user_end(plan.owner, plan.profile, tally, trouble);
    tracing::debug!(user = %end.owner.user, status = %end.status, http_status = end.http_status, "user ended");
    // Without a receiver nobody waits for it.
    let _ = run.outlet.send(Extracted::UserEnd(end)).await;
    standing
}

/// Reads a slice and sends its end; says why it broke, if it did.
async fn read_slice(reader: &SliceReader<'_>, slice: &Arc<Slice>, total: &mut SliceTally) -> Option<Broken> {
    let SliceScope::History { window, .. } = slice.scope else {
        unreachable!("plans are checked before anything is read")
    };
    let mut tally = SliceTally::default();
    let ended = reader.read(slice, window, &mut tally).await;
    total.pages += tally.pages;
    total.records += tally.records;
    let outcome = if ended.is_ok() { SliceOutcome::Whole } else { SliceOutcome::CutOff };
    let end = SliceEnd { slice: Arc::clone(slice), page_count: tally.pages, outcome };
    match (ended, reader.outlet.send(Extracted::SliceEnd(end)).await) {
        (Ok(()), Ok(())) => None,
        (Ok(()), Err(_)) => Some(Broken::Stopped),
        (Err(broken), _) => Some(broken),
    }
}

impl Trouble {
    /// What a broken slice means for its user. What is fatal for the tenant is handed to the run.
    fn of(broken: Broken, run: &Extraction<'_>) -> Self {
        match broken {
            Broken::Stopped => Self::interrupted(),
            Broken::Tenant(error) => {
                let trouble = Self::of_tenant(&error);
                run.end_with(*error);
                trouble
            }
            Broken::Refused(refusal) | Broken::Stale(refusal) => Self::refused(refusal),
            Broken::Failed { status, code, reason } => Self {
                status: UserStatus::Failed,
                http_status: status,
                error_code: code,
                reason: Some(reason),
                settles_user: false,
            },
        }
    }

    fn interrupted() -> Self {
        Self {
            status: UserStatus::Interrupted,
            http_status: None,
            error_code: None,
            reason: Some("the run was stopped before he was read to the end".to_owned()),
            settles_user: true,
        }
    }

    fn of_tenant(error: &ExtractError) -> Self {
        let (http_status, error_code) = match error {
            ExtractError::TokenRejected { code } => (Some(401), code.clone()),
            ExtractError::PaymentRequired { code } => (Some(402), code.clone()),
            _ => (None, None),
        };
        let reason = Some(error.to_string());
        Self { status: UserStatus::Failed, http_status, error_code, reason, settles_user: true }
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
        Self {
            status,
            http_status: Some(refusal.status),
            error_code: refusal.code,
            reason: Some(reason),
            settles_user: true,
        }
    }
}

fn standing(tally: SliceTally, trouble: Option<&Trouble>) -> Standing {
    match trouble {
        _ if tally.pages > 0 => Standing::Answered,
        None => Standing::Unknown,
        Some(trouble) => match (trouble.status, trouble.http_status) {
            (UserStatus::Unlicensed | UserStatus::NotFound, _) => Standing::Answered,
            (UserStatus::Failed, Some(403)) => Standing::Forbidden,
            (UserStatus::Interrupted, _) => Standing::Unknown,
            _ => Standing::Failed,
        },
    }
}

fn user_end(owner: Owner, profile: UserProfile, tally: SliceTally, trouble: Option<Trouble>) -> UserEnd {
    let page_count = tally.pages;
    if let Some(Trouble { status, http_status, error_code, reason, .. }) = trouble {
        return UserEnd { owner, profile, status, http_status, error_code, reason, page_count };
    }
    let status = if tally.records > 0 { UserStatus::Extracted } else { UserStatus::Empty };
    UserEnd { owner, profile, status, http_status: None, error_code: None, reason: None, page_count }
}
