//! What is staged against what the ledger needs of it.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt, TryStreamExt, stream};
use object_store::ObjectMeta;
use promptlake_model::RunId;

use super::Finding;
use crate::account::Account;
use crate::error::LoadError;
use crate::lake::{Means, known_path};
use crate::layout;
use crate::record::{FileEntry, Publish, SegmentEntry};

/// Objects looked up at once.
const LOOK_UPS_AT_ONCE: usize = 16;

/// Unfinished publishes, missing segments, leftovers. Reads the ledger on where something seems to be missing: a
/// run that lives may have used it up meanwhile.
pub(super) async fn check(
    means: &Means,
    account: &mut Account,
    listed: &[ObjectMeta],
    alive: &BTreeSet<RunId>,
) -> Result<Vec<Finding>, LoadError> {
    // A record that uses a segment up comes before its deletion: what is missing though no record came is gone.
    let mut findings = loop {
        let (head, findings) = (account.head, check_segments(means, account).await?);
        if !findings.is_empty() {
            account.read_on(&means.store).await?;
        }
        if account.head == head {
            break findings;
        }
    };
    for (sequence, (run, publish)) in &account.open {
        if !alive.contains(run) {
            findings.extend(check_publish(means, (*sequence, run), publish).await?);
        }
    }
    findings.extend(leftovers(means, account, listed, alive).await?);
    Ok(findings)
}

async fn check_segments(means: &Means, account: &Account) -> Result<Vec<Finding>, LoadError> {
    let checked = stream::iter(account.segments.values()).map(|(_, segment)| check_segment(means, segment));
    let found: Vec<Option<Finding>> = checked.buffer_unordered(LOOK_UPS_AT_ONCE).try_collect().await?;
    Ok(found.into_iter().flatten().collect())
}

async fn check_segment(means: &Means, segment: &SegmentEntry) -> Result<Option<Finding>, LoadError> {
    let path = segment.path.clone();
    Ok(match means.store.head(&known_path(&path)).await? {
        None => Some(Finding::SegmentGone { path, rows: segment.rows }),
        Some(there) if there.size != segment.bytes => {
            Some(Finding::SegmentSize { path, expected: segment.bytes, found: there.size })
        }
        Some(_) => None,
    })
}

async fn check_publish(
    means: &Means,
    (sequence, run): (u64, &RunId),
    publish: &Publish,
) -> Result<Vec<Finding>, LoadError> {
    let looked_up = stream::iter(&publish.files).map(|file| look_up(means, file));
    let files: Vec<Place> = looked_up.buffer_unordered(LOOK_UPS_AT_ONCE).try_collect().await?;
    let files_missing = files.iter().filter(|place| !matches!(place, Place::Final)).count() as u64;
    let gone = files.into_iter().filter_map(|place| match place {
        Place::Nowhere { path, rows } => Some(Finding::StagedFileGone { path, rows }),
        Place::Final | Place::Staged => None,
    });
    let unfinished = Finding::PublishUnfinished { sequence, run_id: run.clone(), files_missing };
    Ok(gone.chain([unfinished]).collect())
}

/// Where a file is that is to be published.
enum Place {
    Final,
    Staged,
    Nowhere { path: String, rows: u64 },
}

async fn look_up(means: &Means, file: &FileEntry) -> Result<Place, LoadError> {
    let has = async |path: &str| {
        let there = means.store.head(&known_path(path)).await?;
        Ok::<_, LoadError>(there.is_some_and(|object| object.size == file.bytes))
    };
    if has(&file.path).await? {
        return Ok(Place::Final);
    }
    if has(&file.staged).await? {
        return Ok(Place::Staged);
    }
    // It may have been moved between the two looks.
    if has(&file.path).await? {
        return Ok(Place::Final);
    }
    Ok(Place::Nowhere { path: file.staged.clone(), rows: file.rows })
}

/// Staged objects that no record needs, of runs that have ended, and that are still there.
async fn leftovers(
    means: &Means,
    account: &Account,
    listed: &[ObjectMeta],
    alive: &BTreeSet<RunId>,
) -> Result<Vec<Finding>, LoadError> {
    let named = account.named_staged();
    let mut by_run: BTreeMap<RunId, (u64, u64)> = BTreeMap::new();
    for object in listed.iter().filter(|object| !named.contains(object.location.as_ref())) {
        let Some(run) = layout::staging_run(&object.location).filter(|run| !alive.contains(run)) else {
            continue;
        };
        if means.store.head(&object.location).await?.is_some() {
            let (objects, bytes) = by_run.entry(run).or_default();
            *objects += 1;
            *bytes += object.size;
        }
    }
    let finding = |(run_id, (objects, bytes))| Finding::StagedLeftover { run_id, objects, bytes };
    Ok(by_run.into_iter().map(finding).collect())
}
