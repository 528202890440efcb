//! What can go wrong between rows and published files.

use arrow_schema::ArrowError;
use parquet::errors::ParquetError;
use promptlake_flow::JobPanicked;
use promptlake_model::{Owner, RunId, Table, Timestamp};

use crate::heartbeat::HeartbeatError;
use crate::ledger::LedgerError;
use crate::merge::MergeError;
use crate::store::{ProbeError, StoreError};

/// Loading failed. What was committed before stays; the next run finishes it.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The store failed.
    #[error("use the destination")]
    Store(#[from] StoreError),
    /// The store does not do what a lake needs.
    #[error("begin")]
    Probe(#[from] ProbeError),
    /// The ledger could not be read or continued.
    #[error("keep the ledger")]
    Ledger(#[from] LedgerError),
    /// A heartbeat could not be read or renewed.
    #[error("keep the heartbeat")]
    Heartbeat(#[from] HeartbeatError),
    /// Another run is at work on this lake.
    #[error("start while run {run} writes to this lake ({whereabouts})")]
    OtherRun {
        /// The other run.
        run: RunId,
        /// Its host and process, and until when it is taken for alive.
        whereabouts: String,
    },
    /// The run to be taken over left nothing behind.
    #[error("take over run {run}, which has left nothing unfinished")]
    NothingToTakeOver {
        /// The run.
        run: RunId,
    },
    /// The run to be taken over is at work on this machine.
    #[error("take over run {run}, which lives: it is process {process_id} of this machine")]
    TakeOverOfLiveRun {
        /// The run.
        run: RunId,
        /// Its process.
        process_id: u32,
    },
    /// Another run committed rows of a user that are not published yet: they can't be looked up.
    #[error("read user {} while run {run} holds rows of his that are not published", owner.user)]
    UserInCommon {
        /// The user.
        owner: Owner,
        /// The other run.
        run: RunId,
    },
    /// Coverage that lies in the future would hide records that are yet to come.
    #[error("believe the lake: user {} is covered until {until}, but it is {now}", owner.user)]
    FutureCoverage {
        /// Of whom.
        owner: Owner,
        /// Until when.
        until: Timestamp,
        /// The time of this run.
        now: Timestamp,
    },
    /// Rows could not be put together.
    #[error("sort rows of {table}")]
    Sort {
        /// The table.
        table: Table,
        /// What Arrow said.
        #[source]
        source: ArrowError,
    },
    /// Sorted rows could not be merged.
    #[error("merge rows of {table}")]
    Merge {
        /// The table.
        table: Table,
        /// Why.
        #[source]
        source: MergeError,
    },
    /// A Parquet file could not be made or read.
    #[error("encode or read Parquet of {table}")]
    Parquet {
        /// The table.
        table: Table,
        /// What Parquet said.
        #[source]
        source: ParquetError,
    },
    /// A staged object does not have the size that was written, or is gone.
    #[error("find {path} with {expected} bytes; found {found:?}")]
    Staged {
        /// Its path.
        path: String,
        /// The bytes written.
        expected: u64,
        /// The bytes there; `None` where nothing is.
        found: Option<u64>,
    },
    /// A published file that the ledger names is gone: whoever deleted it did not tell the ledger.
    #[error("look up known rows in {path}, which is gone")]
    PublishedGone {
        /// Its path.
        path: String,
    },
    /// A computation panicked: a defect of this program.
    #[error("compute")]
    Job(#[from] JobPanicked),
}

impl LoadError {
    /// The next thing to do.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Store(error) => error.hint(),
            Self::Probe(error) => error.hint(),
            Self::Ledger(error) => ledger_hint(error),
            Self::Heartbeat(_) | Self::Staged { .. } => {
                "check the destination; the next run goes on from the last commit".into()
            }
            Self::OtherRun { run, .. } => {
                format!("wait until it has ended, then run again; if you know that it has: --take-over {run}")
            }
            Self::NothingToTakeOver { .. } => {
                "run without --take-over; `promptlake status` names runs".into()
            }
            Self::TakeOverOfLiveRun { process_id, .. } => {
                format!("wait until it has ended, or end it first: kill {process_id}")
            }
            Self::UserInCommon { .. } => "run again when the other run has ended".into(),
            Self::FutureCoverage { .. } => {
                "check the clock of this machine; one that ran ahead wrote this coverage".into()
            }
            Self::Sort { .. } | Self::Merge { .. } | Self::Parquet { .. } => {
                "run again: what is committed stays; if it fails again, report it with this message".into()
            }
            Self::PublishedGone { .. } => {
                "restore the file: without it nobody can tell which of its records are there already".into()
            }
            Self::Job(_) => "this is a defect of promptlake; report it with this message".into(),
        }
    }
}

fn ledger_hint(error: &LedgerError) -> String {
    match error {
        LedgerError::Store(_) | LedgerError::InDoubt { .. } => {
            "check the destination; the next run goes on from the last commit".into()
        }
        LedgerError::Record { .. } => {
            "use the version of promptlake that wrote this lake, or restore the record from a backup".into()
        }
        LedgerError::Missing { .. } => {
            "restore _promptlake/ledger from a backup; lifecycle rules must spare _promptlake/".into()
        }
        LedgerError::Partitioning { found, .. } => {
            format!("set destination.partition_by = {found:?}, or write to another destination")
        }
        LedgerError::Job(_) => "this is a defect of promptlake; report it with this message".into(),
        LedgerError::Lost { .. } | LedgerError::Abandoned { .. } => {
            "run again when the other run has ended: what this one committed stays".into()
        }
    }
}
