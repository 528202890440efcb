//! What `verify` may find, in words, and what to do about it.

use std::fmt;

use promptlake_model::{PartitionDay, RunId, Table};
use serde::Serialize;

/// Something that is not as the ledger says.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Finding {
    /// The ledger contradicts itself.
    LedgerContradiction {
        /// The record that does.
        sequence: u64,
        /// What it says, in words.
        reason: String,
    },
    /// A published file is gone.
    FileGone {
        /// Its path.
        path: String,
        /// The rows that are missing by it.
        rows: u64,
    },
    /// A published file has another size.
    FileSize {
        /// Its path.
        path: String,
        /// The bytes that the ledger says.
        expected: u64,
        /// The bytes there.
        found: u64,
    },
    /// The bytes of a published file are others.
    FileChecksum {
        /// Its path.
        path: String,
        /// The checksum that the ledger says.
        expected: String,
        /// The checksum of its bytes.
        found: String,
    },
    /// A file that readers see is no Parquet file that can be read.
    FileUnreadable {
        /// Its path.
        path: String,
        /// What the decoder said.
        reason: String,
    },
    /// A published file has more or fewer rows.
    FileRows {
        /// Its path.
        path: String,
        /// The rows that the ledger says.
        expected: u64,
        /// The rows that its footer says.
        found: u64,
    },
    /// A published file has other columns than its table.
    FileSchema {
        /// Its path.
        path: String,
        /// The first difference, in words.
        reason: String,
    },
    /// Something lies in the directory of a table that no record names.
    ForeignFile {
        /// Its path.
        path: String,
        /// Its size in bytes.
        bytes: u64,
    },
    /// Rows of one key are there more than once.
    RowsTwice {
        /// The table.
        table: Table,
        /// The partition.
        day: PartitionDay,
        /// Rows beyond the first of their key.
        rows: u64,
        /// The files of one such pair.
        paths: [String; 2],
    },
    /// Rows lie in a partition that is not their day.
    RowsMisplaced {
        /// The file.
        path: String,
        /// How many of its rows.
        rows: u64,
    },
    /// A publish was begun and not finished, and its run has ended.
    PublishUnfinished {
        /// Its record.
        sequence: u64,
        /// Its run.
        run_id: RunId,
        /// Its files that readers do not see yet.
        files_missing: u64,
    },
    /// A file that was to be published is neither staged nor in its place.
    StagedFileGone {
        /// Where it should be staged.
        path: String,
        /// The rows that are missing by it.
        rows: u64,
    },
    /// A segment that holds rows which count is gone.
    SegmentGone {
        /// Its path.
        path: String,
        /// Its rows.
        rows: u64,
    },
    /// A segment that holds rows which count has another size.
    SegmentSize {
        /// Its path.
        path: String,
        /// The bytes that the ledger says.
        expected: u64,
        /// The bytes there.
        found: u64,
    },
    /// A run that has ended left staged objects that no record needs.
    StagedLeftover {
        /// The run.
        run_id: RunId,
        /// How many objects.
        objects: u64,
        /// Their bytes.
        bytes: u64,
    },
}

impl Finding {
    /// Whether `verify --repair`, or the next run, mends it without anybody's help.
    #[must_use]
    pub const fn is_repairable(&self) -> bool {
        matches!(self, Self::PublishUnfinished { .. } | Self::StagedLeftover { .. })
    }

    /// What to do about it.
    #[must_use]
    pub const fn advice(&self) -> &'static str {
        match self {
            Self::LedgerContradiction { .. } => "report it with the record: no run writes this",
            Self::FileGone { .. } | Self::FileSize { .. } | Self::FileChecksum { .. } => {
                "restore the file from a backup"
            }
            Self::FileUnreadable { .. } | Self::FileRows { .. } | Self::FileSchema { .. } => {
                "restore the file from a backup, or report it where it was never touched"
            }
            Self::ForeignFile { .. } => {
                "move it out of the lake: readers may take it for a part of the table; nothing here deletes it"
            }
            Self::RowsTwice { .. } => "move foreign files out of the lake; report it where there are none",
            Self::RowsMisplaced { .. } => "report it: no run writes this",
            Self::PublishUnfinished { .. } | Self::StagedLeftover { .. } => {
                "`promptlake verify --repair`, or the next run, mends it"
            }
            Self::StagedFileGone { .. } | Self::SegmentGone { .. } | Self::SegmentSize { .. } => {
                "restore _promptlake/staging from a backup: until then no run can start"
            }
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LedgerContradiction { sequence, reason } => write!(f, "record {sequence}: {reason}"),
            Self::FileGone { path, rows } => write!(f, "{path} is gone, with {rows} rows"),
            Self::FileSize { path, expected, found } | Self::SegmentSize { path, expected, found } => {
                write!(f, "{path} has {found} bytes, the ledger says {expected}")
            }
            Self::FileChecksum { path, expected, found } => {
                write!(f, "{path} has checksum {found}, the ledger says {expected}")
            }
            Self::FileUnreadable { path, reason } => write!(f, "{path} can't be read: {reason}"),
            Self::FileRows { path, expected, found } => {
                write!(f, "{path} has {found} rows, the ledger says {expected}")
            }
            Self::FileSchema { path, reason } => write!(f, "{path} is not what its table is: {reason}"),
            Self::ForeignFile { path, bytes } => write!(f, "{path} ({bytes} bytes) is named by no record"),
            Self::RowsTwice { table, day, rows, paths: [first, second] } => {
                write!(f, "{table} of {day} has {rows} rows twice, such as in {first} and {second}")
            }
            Self::RowsMisplaced { path, rows } => write!(f, "{path} has {rows} rows of another day"),
            Self::PublishUnfinished { sequence, run_id, files_missing } => {
                write!(
                    f,
                    "publish {sequence} of run {run_id} is not finished; {files_missing} files are not seen"
                )
            }
            Self::StagedFileGone { path, rows } => {
                write!(f, "{path} is gone before it was published, with {rows} rows")
            }
            Self::SegmentGone { path, rows } => write!(f, "{path} is gone, with {rows} rows that count"),
            Self::StagedLeftover { run_id, objects, bytes } => {
                write!(f, "run {run_id} left {objects} staged objects ({bytes} bytes) that no record needs")
            }
        }
    }
}
