//! Verify: the whole ledger, read record by record, against every object that it names.
//!
//! It reads only, and holds blocks of files, the keys of one partition at a time, and what the ledger names. It may
//! run while others write: whatever may be on its way in a run that may live is no finding.
//!
//! Rows are looked for twice within a partition. That a record lies in two partitions can't be found this way; but
//! the partition of a row with a day of its own must be that day, and this is looked at row by row.

mod doubles;
mod files;
mod finding;
mod staging;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::{StreamExt, TryStreamExt, stream};
use object_store::ObjectMeta;
use object_store::path::Path;
use promptlake_model::{RunId, Table};
use serde::Serialize;

use crate::account::Account;
use crate::error::LoadError;
use crate::heartbeat::{self, Life, ProcessIdentity};
use crate::lake::Means;

pub use finding::Finding;

/// Files looked at at once: each holds a block or two.
const FILES_AT_ONCE: usize = 4;

/// Findings that are kept: whoever has more has one cause for all of them.
const FINDINGS_MAX: usize = 1_000;

/// How a lake is verified.
#[derive(Debug, Clone, Copy)]
pub struct VerifySettings {
    /// When a heartbeat counts as that of a dead run.
    pub stale_after: Duration,
    /// What the keys of a partition may take, in bytes; where they take more, its files are read several times.
    pub keys_bytes: usize,
}

/// What was looked at, and what was found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Verification {
    /// Records of the ledger; 0 where there is no lake.
    pub records: u64,
    /// Files whose publish is carried out.
    pub files: u64,
    /// Their rows, as the ledger says.
    pub rows: u64,
    /// Their bytes, as the ledger says.
    pub bytes: u64,
    /// Rows that count, and are not published or not known to be.
    pub unpublished_rows: u64,
    /// Runs that may live: what is on its way in them was left alone.
    pub runs_that_may_live: BTreeSet<RunId>,
    /// What is not as it should be.
    pub findings: Vec<Finding>,
    /// Findings beyond those that are kept.
    pub more_findings: u64,
}

/// What lay in the lake before the ledger was read: a file is named before it is seen, so that none of these can be
/// too new for the ledger.
struct Listed {
    of_tables: Vec<ObjectMeta>,
    staged: Vec<ObjectMeta>,
}

impl Verification {
    fn add(&mut self, findings: impl IntoIterator<Item = Finding>) {
        for finding in findings {
            if self.findings.len() < FINDINGS_MAX {
                self.findings.push(finding);
            } else {
                self.more_findings += 1;
            }
        }
    }
}

/// Verifies a lake. What is wrong with it is a finding; a failure is what kept it from being looked at.
pub async fn verify(means: &Means, settings: VerifySettings) -> Result<Verification, LoadError> {
    let mut heartbeats = heartbeats(means, settings.stale_after).await?;
    let listed = list(means).await?;
    let mut account = Account::read(&means.store).await?;
    // A run that came up in between is one as well.
    heartbeats.extend(self::heartbeats(means, settings.stale_after).await?);
    let young = now(means) - heartbeat::delta(settings.stale_after);
    let alive = runs_that_may_live(&heartbeats, &account, &listed.staged, young);

    let mut verification = Verification::default();
    verification.add(staging::check(means, &mut account, &listed.staged, &alive).await?);
    let contradictions = account.contradictions.iter().cloned();
    verification
        .add(contradictions.map(|(sequence, reason)| Finding::LedgerContradiction { sequence, reason }));
    verification.add(foreign_files(&account, &listed.of_tables));
    verification.add(check_files(means, &account).await?);
    verification.add(doubles::check(means, settings.keys_bytes, &account, &listed.of_tables).await?);

    verification.records = account.head;
    verification.files = account.published().count() as u64;
    verification.rows = account.published().map(|file| file.entry.rows).sum();
    verification.bytes = account.published().map(|file| file.entry.bytes).sum();
    verification.unpublished_rows = account.unpublished_rows().values().sum();
    verification.runs_that_may_live = alive;
    verification.findings.sort();
    Ok(verification)
}

pub(crate) fn now(means: &Means) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(means.clock.now_micros()).unwrap_or_default()
}

async fn list(means: &Means) -> Result<Listed, LoadError> {
    let mut of_tables = Vec::new();
    for table in Table::ALL {
        of_tables.extend(means.store.list(&Path::from(table.name())).await?);
    }
    let staged = means.store.list(&crate::layout::staging_dir()).await?;
    Ok(Listed { of_tables, staged })
}

/// Whether each run that has a heartbeat may live. Ages are by the local clock: nothing here is written, so that the
/// store has no time of its own to compare them with.
async fn heartbeats(means: &Means, stale_after: Duration) -> Result<BTreeMap<RunId, bool>, LoadError> {
    let (now, here) = (now(means), ProcessIdentity::of_this_process());
    let heartbeats = heartbeat::read_all(&means.store).await?.into_iter();
    let lives = heartbeats.map(|(heartbeat, renewed)| {
        let may_live = heartbeat.life(&here, now - renewed, stale_after) != Life::Ended;
        (heartbeat.run_id, may_live)
    });
    Ok(lives.collect())
}

/// Runs by their heartbeats; where one has none, by what it staged, as a run does that starts.
fn runs_that_may_live(
    heartbeats: &BTreeMap<RunId, bool>,
    account: &Account,
    staged: &[ObjectMeta],
    young: DateTime<Utc>,
) -> BTreeSet<RunId> {
    let staged = staged.iter().filter(|object| object.last_modified > young);
    let staging = staged.filter_map(|object| crate::layout::staging_run(&object.location));
    let staging = staging.filter(|run| !heartbeats.contains_key(run));
    let beating = heartbeats.iter().filter(|(_, may_live)| **may_live).map(|(run, _)| run.clone());
    beating.chain(staging).filter(|run| !account.abandoned.contains(run)).collect()
}

fn foreign_files(account: &Account, listed: &[ObjectMeta]) -> Vec<Finding> {
    let foreign = listed.iter().filter(|object| !account.files.contains_key(object.location.as_ref()));
    foreign
        .map(|object| Finding::ForeignFile { path: object.location.to_string(), bytes: object.size })
        .collect()
}

/// Every file that should be in its place: those of open publishes are looked at with what is staged.
async fn check_files(means: &Means, account: &Account) -> Result<Vec<Finding>, LoadError> {
    let checked = stream::iter(account.published()).map(|file| files::check(means, file));
    checked.buffer_unordered(FILES_AT_ONCE).try_concat().await
}
