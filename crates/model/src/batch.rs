//! The rows of one page: all tables of a record travel together from here on.

use std::sync::Arc;

use arrow_array::RecordBatch;

use crate::{Owner, PartitionDay, RecordId, Slice, Table, Timestamp, UnknownFields};

/// The rows of one page, a record batch per table.
#[derive(Debug, Clone)]
pub struct PageBatch {
    /// The slice it belongs to.
    pub slice: Arc<Slice>,
    /// Whose records these are.
    pub owner: Owner,
    /// The page's place in the slice, from 0.
    pub index: u32,
    /// Whether the page could be read at all.
    pub reading: PageReading,
    /// The key of each record that lies in the slice's window, in the source's order.
    pub records: Vec<RecordKey>,
    /// The key of each thing that could not be read.
    pub rejects: Vec<RejectKey>,
    /// Fields of its records that nobody knows.
    pub unknown_fields: UnknownFields,
    /// Markers in its bodies that name no attachment of theirs.
    pub lost_markers: u64,
    /// A batch for each table that is written and has rows here.
    pub tables: Vec<TableRows>,
}

/// Whether a page could be read at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageReading {
    /// Every record became rows, a reject, or fell outside the window.
    Read,
    /// It is no page: one reject stands for it, and its slice is not whole.
    Unreadable,
}

/// What known rows are looked up by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordKey {
    /// The record's key.
    pub id: RecordId,
    /// The partition of its rows.
    pub day: PartitionDay,
    /// When it was made, where it says so: what tells whether it came late.
    pub created_at: Option<Timestamp>,
}

/// A reject is looked up by the hash of its owner and its raw bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RejectKey {
    /// `rejects.reject_id`.
    pub id: RecordId,
    /// The partition of its row: the day of the run.
    pub day: PartitionDay,
}

/// The rows of one table, and which record each belongs to.
#[derive(Debug, Clone)]
pub struct TableRows {
    /// The table.
    pub table: Table,
    /// Its rows, in the schema of [`Table::schema`].
    pub batch: RecordBatch,
    /// For record `i` (of [`PageBatch::rejects`] for that table, else of [`PageBatch::records`]) the row after
    /// its last one: its rows are `ends[i − 1]..ends[i]`.
    pub ends: Vec<u32>,
}
