//! The records of the ledger: the only truth about what counts. Never changed, never deleted.
//!
//! A record is JSON, at the number after the last one read. It may do several things at once: a run whose rows fit
//! in memory commits and publishes them in one.

use std::collections::HashSet;

use promptlake_model::{
    AppClasses, Day, Owner, PartitionDay, RunId, SCHEMA_VERSION, SavedFile, Table, TenantId, Timestamp,
    Window,
};
use serde::{Deserialize, Serialize};

/// The version of this format. A newer one is refused: what it says might be misread.
pub(crate) const LEDGER_VERSION: u32 = 1;

/// The program and its version, as records and files name it.
pub(crate) const TOOL: &str = concat!("promptlake ", env!("CARGO_PKG_VERSION"));

/// One record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Record {
    pub(crate) ledger_version: u32,
    pub(crate) sequence: u64,
    /// Unique: after a lost answer it tells our record from another's.
    pub(crate) id: String,
    pub(crate) run_id: RunId,
    pub(crate) written_at: Timestamp,
    pub(crate) tool: String,
    pub(crate) schema_version: u32,
    /// In the first record alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) lake: Option<LakeFacts>,
    pub(crate) deed: Deed,
}

/// What never changes in a lake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LakeFacts {
    pub(crate) partition_by: Vec<String>,
}

/// What a record does.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Deed {
    /// A run that is given up: nothing it does from here on counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) abandoned: Option<RunId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) commit: Option<Commit>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) publish: Option<Publish>,
    /// Publishes, by their sequence, whose files all lie in their places.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) carried_out: Vec<u64>,
}

/// Rows and watermark, made durable together.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Commit {
    /// The tables that this run writes.
    pub(crate) tables: Vec<Table>,
    /// Where the rows are; empty where the same record publishes them.
    pub(crate) segments: Vec<SegmentEntry>,
    /// Windows that are complete.
    pub(crate) covered: Vec<Covered>,
    /// Saved files that are complete.
    pub(crate) files: Vec<CoveredFile>,
    /// Slices of which these are some rows, and which cover nothing yet.
    pub(crate) partial: Vec<Partial>,
    /// The days of the rows added, by user.
    pub(crate) touched: Vec<Touched>,
    /// Users of whom the source said for the first time that they have no licence or no history: once the directory
    /// no longer lists them, nobody asks for them again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) turned_away: Vec<Owner>,
}

/// A window of one user that is complete.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Covered {
    pub(crate) owner: Owner,
    pub(crate) window: Window,
    /// Of which apps; absent where it is complete for all of them.
    #[serde(default, skip_serializing_if = "AppClasses::is_all")]
    pub(crate) classes: AppClasses,
    pub(crate) page_count: u32,
    pub(crate) record_count: u64,
}

/// A saved file that is complete.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CoveredFile {
    pub(crate) tenant: TenantId,
    pub(crate) file: SavedFile,
}

/// A slice that is partly there, or was begun in vain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Partial {
    pub(crate) of: PartialOf,
    pub(crate) page_count: u32,
}

/// What a partial slice spans.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum PartialOf {
    History { owner: Owner, window: Window },
    File { tenant: TenantId, file: SavedFile },
}

/// The days of the rows that a commit adds for one user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Touched {
    pub(crate) owner: Owner,
    /// First and last partition day; `None` where all rows are undated, or rejects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) days: Option<DaySpan>,
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) undated: bool,
    /// The day of the run under which rejects of this user lie.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) rejects: Option<Day>,
}

/// Days from the first to the last, both inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DaySpan {
    pub(crate) first: Day,
    pub(crate) last: Day,
}

/// A sorted run of rows of one table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SegmentEntry {
    pub(crate) path: String,
    pub(crate) table: Table,
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    /// XXH3 (64 bits) of the object, 16 hex digits.
    pub(crate) xxh3: String,
    /// The largest batch in memory, in bytes: what a merge must hold of it at once.
    pub(crate) batch_bytes_max: u64,
}

/// Files that take the place of segments.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Publish {
    /// Paths of the segments used up.
    pub(crate) segments: Vec<String>,
    pub(crate) files: Vec<FileEntry>,
}

/// One published file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FileEntry {
    pub(crate) staged: String,
    pub(crate) path: String,
    pub(crate) table: Table,
    pub(crate) day: PartitionDay,
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    /// XXH3 (64 bits) of the file, 16 hex digits.
    pub(crate) xxh3: String,
    /// The owners of the first and the last row: which users can be in it, since it is sorted by them.
    pub(crate) owners: [Owner; 2],
}

/// What only the version of a record says, read before anything else is believed.
#[derive(Deserialize)]
struct Versioned {
    ledger_version: u32,
}

/// A record that can't be taken.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// It is no record: cut short, or changed by hand.
    #[error("parse it as a ledger record")]
    Parse(#[source] serde_json::Error),
    /// A newer version of the program wrote it.
    #[error("understand ledger version {found}; this program knows versions up to {LEDGER_VERSION}")]
    Newer {
        /// Its version.
        found: u32,
    },
    /// Its number is not that of its path.
    #[error("believe it: it says that it is record {found}")]
    Misplaced {
        /// The number inside.
        found: u64,
    },
}

impl Record {
    pub(crate) fn new(sequence: u64, id: String, run_id: RunId, written_at: Timestamp, deed: Deed) -> Self {
        Self {
            ledger_version: LEDGER_VERSION,
            sequence,
            id,
            run_id,
            written_at,
            tool: TOOL.to_owned(),
            schema_version: SCHEMA_VERSION,
            lake: None,
            deed,
        }
    }

    pub(crate) fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a record holds strings and numbers alone")
    }

    /// Whether it adds rows or coverage for one of these users.
    pub(crate) fn adds_for(&self, users: &HashSet<Owner>) -> Option<Owner> {
        let commit = self.deed.commit.as_ref()?;
        let begun = commit.partial.iter().filter_map(|partial| match &partial.of {
            PartialOf::History { owner, .. } => Some(*owner),
            PartialOf::File { .. } => None,
        });
        let covered = commit.covered.iter().map(|covered| covered.owner);
        let touched = commit.touched.iter().map(|touched| touched.owner);
        touched.chain(covered).chain(begun).find(|owner| users.contains(owner))
    }

    pub(crate) fn parse(sequence: u64, body: &[u8]) -> Result<Self, RecordError> {
        let versioned: Versioned = serde_json::from_slice(body).map_err(RecordError::Parse)?;
        if versioned.ledger_version > LEDGER_VERSION {
            return Err(RecordError::Newer { found: versioned.ledger_version });
        }
        let record: Self = serde_json::from_slice(body).map_err(RecordError::Parse)?;
        if record.sequence != sequence {
            return Err(RecordError::Misplaced { found: record.sequence });
        }
        Ok(record)
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
fn is_false(value: &bool) -> bool {
    !value
}
