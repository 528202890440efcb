//! Where everything lies in the lake. Readers glob `<table>/**/*.parquet` and nothing else, so whatever is not
//! published lies outside every table's directory and does not end in `.parquet`.

use object_store::path::Path;
use promptlake_model::{PartitionDay, RunId, Table};

use crate::store::{Store, StoreError};

const LEDGER: &str = "_promptlake/ledger";
const CHECKPOINTS: &str = "_promptlake/checkpoints";
const RUNS: &str = "_promptlake/runs";
const PROBE: &str = "_promptlake/probe";
const STAGING: &str = "_promptlake/staging";
const REPORTS: &str = "_promptlake/reports";

/// The tables of which a lake has files.
pub async fn tables_with_files(store: &Store) -> Result<Vec<Table>, StoreError> {
    let mut found = Vec::new();
    for table in Table::ALL {
        if store.holds_any(&path(table.name().to_owned())).await? {
            found.push(table);
        }
    }
    Ok(found)
}

/// Twenty digits hold every `u64`, and keep the order of the numbers in the order of the names.
const SEQUENCE_DIGITS: usize = 20;

fn path(text: String) -> Path {
    // `Path::from` would escape again what is escaped already.
    Path::parse(text).expect("run ids, table names and days are slugs")
}

pub(crate) fn ledger_dir() -> Path {
    path(LEDGER.to_owned())
}

pub(crate) fn record(sequence: u64) -> Path {
    path(format!("{LEDGER}/{sequence:0SEQUENCE_DIGITS$}.json"))
}

/// The number of a ledger record's path; `None` for anything else that lies there.
pub(crate) fn record_sequence(path: &Path) -> Option<u64> {
    numbered(path)
}

pub(crate) fn checkpoints_dir() -> Path {
    path(CHECKPOINTS.to_owned())
}

/// The checkpoint after the record of this number.
pub(crate) fn checkpoint(sequence: u64) -> Path {
    path(format!("{CHECKPOINTS}/{sequence:0SEQUENCE_DIGITS$}.json"))
}

/// The number of a checkpoint's path; `None` for anything else that lies there.
pub(crate) fn checkpoint_sequence(path: &Path) -> Option<u64> {
    numbered(path)
}

fn numbered(path: &Path) -> Option<u64> {
    let digits = path.filename()?.strip_suffix(".json")?;
    let all_digits = digits.len() == SEQUENCE_DIGITS && digits.bytes().all(|b| b.is_ascii_digit());
    all_digits.then(|| digits.parse().ok()).flatten()
}

pub(crate) fn runs_dir() -> Path {
    path(RUNS.to_owned())
}

pub(crate) fn heartbeat(run: &RunId) -> Path {
    path(format!("{RUNS}/{run}.json"))
}

/// The run that a heartbeat's path belongs to.
pub(crate) fn heartbeat_run(path: &Path) -> Option<RunId> {
    RunId::parse(path.filename()?.strip_suffix(".json")?)
}

/// What a run says of itself when it has ended. Nobody but people and their programs reads it.
pub(crate) fn report(run: &RunId) -> Path {
    path(format!("{REPORTS}/{run}.json"))
}

pub(crate) fn probe_dir() -> Path {
    path(PROBE.to_owned())
}

pub(crate) fn probe_of(run: &RunId) -> Path {
    path(format!("{PROBE}/{run}"))
}

/// An object by which a run tries the store.
pub(crate) fn probe(run: &RunId, name: &str) -> Path {
    path(format!("{PROBE}/{run}/{name}"))
}

pub(crate) fn staging_dir() -> Path {
    path(STAGING.to_owned())
}

pub(crate) fn staging_of(run: &RunId) -> Path {
    path(format!("{STAGING}/{run}"))
}

/// The run that a staged object belongs to.
pub(crate) fn staging_run(path: &Path) -> Option<RunId> {
    let rest = path.as_ref().strip_prefix(STAGING)?.strip_prefix('/')?;
    RunId::parse(rest.split('/').next()?)
}

/// Numbers are a table's own: tables are written at the same time, and no name may depend on which came first.
pub(crate) fn segment(run: &RunId, table: Table, number: u32) -> Path {
    path(format!("{STAGING}/{run}/{table}-{number}.segment"))
}

pub(crate) fn staged_file(run: &RunId, table: Table, number: u32) -> Path {
    path(format!("{STAGING}/{run}/{table}-{number}.staged"))
}

pub(crate) fn published_file(table: Table, day: PartitionDay, run: &RunId, number: u32) -> Path {
    path(format!("{table}/date={day}/{run}-{number}.parquet"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_read_back() {
        let run = RunId::parse("20260102T030405Z-00000000000000ff").unwrap();
        assert_eq!(record(7).as_ref(), "_promptlake/ledger/00000000000000000007.json");
        assert_eq!(record_sequence(&record(u64::MAX)), Some(u64::MAX));
        assert_eq!(record_sequence(&path(format!("{LEDGER}/7.json"))), None);
        assert_eq!(heartbeat_run(&heartbeat(&run)), Some(run.clone()));
        assert_eq!(staging_run(&segment(&run, Table::Links, 3)), Some(run.clone()));
        assert_eq!(staging_run(&record(1)), None);
    }

    #[test]
    fn only_what_is_published_is_seen_by_a_glob() {
        let run = RunId::parse("r").unwrap();
        let published = published_file(Table::Links, PartitionDay::Undated, &run, 1);
        assert_eq!(published.as_ref(), "links/date=__HIVE_DEFAULT_PARTITION__/r-1.parquet");
        for unpublished in [
            segment(&run, Table::Links, 1),
            staged_file(&run, Table::Links, 1),
            record(1),
            heartbeat(&run),
            report(&run),
        ] {
            assert!(!unpublished.as_ref().ends_with(".parquet"));
            assert!(Table::ALL.iter().all(|table| !unpublished.as_ref().starts_with(table.name())));
        }
    }
}
