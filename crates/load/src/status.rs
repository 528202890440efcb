//! Status: what the books of a lake say, for a person or a monitor. It reads only, and may do so at any moment.
//!
//! Almost all of it is in the ledger. How the newest run of each user went is not: that is read from the published
//! table `users`, of which two columns and one entry per user are held.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use parquet::errors::ParquetError;
use promptlake_model::{Owner, RunId, Table, TenantId, Timestamp, UserId, UserStatus};
use serde::Serialize;

use crate::account::{Account, RunAccount};
use crate::columns::Columns;
use crate::error::LoadError;
use crate::heartbeat::{self, Heartbeat, Life, ProcessIdentity};
use crate::intervals::IntervalSet;
use crate::lake::{Means, known_path};
use crate::layout;
use crate::verify::now;

/// What a lake holds and how it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Status {
    /// Records of the ledger; 0 where there is no lake.
    pub records: u64,
    /// Every run that left a trace, in the order of their ids, which is that of their starts.
    pub runs: Vec<RunStatus>,
    /// Users, by how far they came.
    pub users: UsersStatus,
    /// What is complete.
    pub coverage: CoverageStatus,
    /// How far coverage is behind now; `None` where nothing is covered.
    pub lag: Option<Lag>,
    /// What is published and what waits for it, by table; tables without a row are left out.
    pub tables: BTreeMap<&'static str, TableStatus>,
    /// Publishes whose files are not all known to be in their places.
    pub unfinished_publishes: u64,
}

/// One run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RunStatus {
    /// Its id.
    pub run_id: RunId,
    /// How it stands.
    pub state: RunState,
    /// What the ledger says of it; `None` where it made no record.
    pub ledger: Option<RunRecords>,
    /// Rows that it committed and that are not published.
    pub unpublished_rows: u64,
    /// What shows that it may live; also of a run that is dead, until another cleans up.
    pub heartbeat: Option<HeartbeatStatus>,
}

/// How a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// It ended, and left nothing to do.
    Done,
    /// It was given up, by itself or by another, and left nothing to do.
    Abandoned,
    /// Its heartbeat is fresh, or was when its process was last seen.
    MayLive,
    /// It ended before it had finished: the next run finishes what it left.
    LeftSomething,
}

/// The records of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RunRecords {
    /// The program and its version.
    pub tool: String,
    /// The number of its first record.
    pub first_record: u64,
    /// The number of its last record.
    pub last_record: u64,
    /// When it made the first, by its own clock.
    pub first_at: Timestamp,
    /// When it made the last, by its own clock.
    pub last_at: Timestamp,
    /// How often it committed.
    pub commits: u64,
    /// How often it published.
    pub publishes: u64,
}

/// A heartbeat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HeartbeatStatus {
    /// The host of its process.
    pub host: String,
    /// The number of its process there.
    pub process_id: u32,
    /// How long ago it was renewed, in seconds.
    pub age_seconds: i64,
}

/// Users.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct UsersStatus {
    /// Of whom at least one window is covered.
    pub covered: u64,
    /// Of whom slices were begun, and none is whole yet.
    pub begun_not_covered: u64,
    /// By the status of their newest row in the published table `users`.
    pub by_outcome: BTreeMap<&'static str, u64>,
}

/// Coverage over all users.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct CoverageStatus {
    /// Windows that are covered without a gap.
    pub intervals: u64,
    /// Gaps between the windows of a user.
    pub gaps: u64,
    /// The earliest start.
    pub earliest: Option<Timestamp>,
    /// The newest end.
    pub newest: Option<Timestamp>,
}

/// How far the newest window of a user ends before now, over the users of whom anything is covered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Lag {
    /// The user who is farthest behind, in seconds.
    pub max_seconds: i64,
    /// Half of the users are no farther behind, in seconds.
    pub median_seconds: i64,
}

/// One table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct TableStatus {
    /// Files that are published.
    pub files: u64,
    /// Their rows.
    pub rows: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Rows that count, and are not published or not known to be.
    pub unpublished_rows: u64,
}

/// What lies beside the ledger, by run.
struct Traces {
    heartbeats: BTreeMap<RunId, (Life, HeartbeatStatus)>,
    staged: BTreeSet<RunId>,
}

/// Reads how a lake stands. `stale_after` is when a heartbeat counts as that of a dead run.
pub async fn status(means: &Means, stale_after: Duration) -> Result<Status, LoadError> {
    let traces = traces(means, stale_after).await?;
    let account = Account::read(&means.store).await?;
    let begun_not_covered = account.begun.iter().filter(|owner| !account.coverage.contains_key(owner));
    let users = UsersStatus {
        covered: account.coverage.len() as u64,
        begun_not_covered: begun_not_covered.count() as u64,
        by_outcome: outcomes(means, &account).await?,
    };
    let now = Timestamp::from_micros(means.clock.now_micros());
    Ok(Status {
        records: account.head,
        runs: runs(&account, traces),
        users,
        coverage: coverage(&account),
        lag: lag(&account, now),
        tables: tables(&account),
        unfinished_publishes: account.open.len() as u64,
    })
}

async fn traces(means: &Means, stale_after: Duration) -> Result<Traces, LoadError> {
    let (now, here) = (now(means), ProcessIdentity::of_this_process());
    let heartbeats = heartbeat::read_all(&means.store).await?.into_iter().map(|(heartbeat, renewed)| {
        let age = now - renewed;
        let life = heartbeat.life(&here, age, stale_after);
        let Heartbeat { run_id, process, .. } = heartbeat;
        let ProcessIdentity { host, process_id, .. } = process;
        (run_id, (life, HeartbeatStatus { host, process_id, age_seconds: age.num_seconds() }))
    });
    let heartbeats = heartbeats.collect();
    let staged = means.store.list(&layout::staging_dir()).await?;
    let staged = staged.iter().filter_map(|object| layout::staging_run(&object.location)).collect();
    Ok(Traces { heartbeats, staged })
}

fn runs(account: &Account, mut traces: Traces) -> Vec<RunStatus> {
    let mut unpublished: BTreeMap<&RunId, u64> = BTreeMap::new();
    for (run, segment) in account.segments.values() {
        *unpublished.entry(run).or_default() += segment.rows;
    }
    for (run, publish) in account.open.values() {
        *unpublished.entry(run).or_default() += publish.files.iter().map(|file| file.rows).sum::<u64>();
    }
    let known = account.runs.keys().chain(traces.heartbeats.keys()).chain(&traces.staged);
    let known: BTreeSet<RunId> = known.chain(unpublished.keys().copied()).cloned().collect();
    let status = |run_id: RunId| {
        let heartbeat = traces.heartbeats.remove(&run_id);
        let abandoned = account.abandoned.contains(&run_id);
        let alive = matches!(heartbeat, Some((Life::Alive(_), _))) && !abandoned;
        let left =
            heartbeat.is_some() || traces.staged.contains(&run_id) || unpublished.contains_key(&run_id);
        let state = match (alive, left, abandoned) {
            (true, _, _) => RunState::MayLive,
            (false, true, _) => RunState::LeftSomething,
            (false, false, true) => RunState::Abandoned,
            (false, false, false) => RunState::Done,
        };
        RunStatus {
            state,
            ledger: account.runs.get(&run_id).map(RunRecords::from),
            unpublished_rows: unpublished.get(&run_id).copied().unwrap_or(0),
            heartbeat: heartbeat.map(|(_, heartbeat)| heartbeat),
            run_id,
        }
    };
    known.into_iter().map(status).collect()
}

impl From<&RunAccount> for RunRecords {
    fn from(run: &RunAccount) -> Self {
        Self {
            tool: run.tool.clone(),
            first_record: run.first_record,
            last_record: run.last_record,
            first_at: run.first_at,
            last_at: run.last_at,
            commits: run.commits,
            publishes: run.publishes,
        }
    }
}

fn coverage(account: &Account) -> CoverageStatus {
    let mut coverage = CoverageStatus::default();
    for set in account.coverage.values().flat_map(HashMap::values) {
        let windows = set.clone().into_windows();
        coverage.intervals += windows.len() as u64;
        coverage.gaps += windows.len().saturating_sub(1) as u64;
        let (first, last) = (windows.first().map(|w| w.from), windows.last().map(|w| w.to));
        coverage.earliest = coverage.earliest.into_iter().chain(first).min();
        coverage.newest = coverage.newest.into_iter().chain(last).max();
    }
    coverage
}

fn lag(account: &Account, now: Timestamp) -> Option<Lag> {
    let ends = account.coverage.values().filter_map(|sets| sets.values().filter_map(IntervalSet::end).max());
    let mut seconds: Vec<i64> = ends.map(|end| (now.micros() - end.micros()) / 1_000_000).collect();
    seconds.sort_unstable();
    let middle = seconds.len().checked_sub(1)? / 2;
    Some(Lag { max_seconds: *seconds.last()?, median_seconds: seconds[middle] })
}

fn tables(account: &Account) -> BTreeMap<&'static str, TableStatus> {
    let mut tables: BTreeMap<&'static str, TableStatus> = BTreeMap::new();
    for file in account.published() {
        let table = tables.entry(file.entry.table.name()).or_default();
        table.files += 1;
        table.rows += file.entry.rows;
        table.bytes += file.entry.bytes;
    }
    for (table, rows) in account.unpublished_rows() {
        tables.entry(table.name()).or_default().unpublished_rows += rows;
    }
    tables
}

/// How many users have which status in their newest row. A file of `users` that can't be read is left out, since
/// `verify` is there to find it.
async fn outcomes(means: &Means, account: &Account) -> Result<BTreeMap<&'static str, u64>, LoadError> {
    let mut newest = HashMap::new();
    for file in account.published().filter(|file| file.entry.table == Table::Users) {
        let path = known_path(&file.entry.path);
        let Some(there) = means.store.head(&path).await? else {
            tracing::warn!(%path, "a file of the table users is gone");
            continue;
        };
        let names = ["tenant_id", "user_id", "status", "extracted_at"];
        let opened = Columns::open((&means.store, &means.pool), &path, there.size, &names).await;
        let read = match opened {
            Ok(mut columns) => loop {
                match columns.next().await {
                    Ok(Some(rows)) => newest = take_outcomes(means, newest, rows).await?,
                    Ok(None) => break Ok(()),
                    Err(error) => break Err(error),
                }
            },
            Err(error) => Err(error),
        };
        if let Err(error) = read {
            let error = error.into_finding()?;
            tracing::warn!(%path, %error, "a file of the table users can't be read");
        }
    }
    let mut counts = BTreeMap::new();
    for (_, status) in newest.into_values() {
        *counts.entry(status).or_default() += 1;
    }
    Ok(counts)
}

type Outcomes = HashMap<Owner, (i64, &'static str)>;

async fn take_outcomes(
    means: &Means,
    mut newest: Outcomes,
    rows: RecordBatch,
) -> Result<Outcomes, LoadError> {
    let taken = means.pool.run(move || newest_outcomes(&mut newest, &rows).map(|()| newest)).await?;
    taken.map_err(|source| LoadError::Parquet { table: Table::Users, source })
}

fn newest_outcomes(newest: &mut Outcomes, rows: &RecordBatch) -> Result<(), ParquetError> {
    let missing = |name: &str| ParquetError::General(format!("there is no column {name}"));
    let text = |name: &str| {
        let column = rows.column_by_name(name).and_then(|column| column.as_string_opt::<i32>());
        column.ok_or_else(|| missing(name))
    };
    let (tenants, users, statuses) = (text("tenant_id")?, text("user_id")?, text("status")?);
    let at = rows.column_by_name("extracted_at");
    let at = at.and_then(|column| column.as_primitive_opt::<TimestampMicrosecondType>());
    let at = at.ok_or_else(|| missing("extracted_at"))?;
    let no_guid = |error: promptlake_model::NotAGuid| ParquetError::External(Box::new(error));
    for row in 0..rows.num_rows() {
        let tenant = TenantId::parse(tenants.value(row)).map_err(no_guid)?;
        let user = UserId::parse(users.value(row)).map_err(no_guid)?;
        let known = UserStatus::ALL.iter().map(|status| status.as_str());
        let status = known.into_iter().find(|status| *status == statuses.value(row)).unwrap_or("unknown");
        let outcome = (at.value(row), status);
        newest
            .entry(Owner { tenant, user })
            .and_modify(|old| {
                if old.0 <= outcome.0 {
                    *old = outcome;
                }
            })
            .or_insert(outcome);
    }
    Ok(())
}
