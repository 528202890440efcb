//! The nouns that cross a boundary between two stages, in the order of the flow. No I/O, no policy.
//!
//! ```text
//! Slice ─▶ RawPage ─▶ PageBatch ─▶ (segment, commit, staged and published file: inside `load`)
//! ```
//!
//! A type is named for the state of its data. What only one crate needs lives there, not here.

mod app_classes;
mod batch;
mod identity;
mod page;
mod slice;
mod table;
mod time;
mod unknown_fields;
mod user;

pub use app_classes::AppClasses;
pub use batch::{PageBatch, PageReading, RecordKey, RejectKey, TableRows};
pub use identity::{NotAGuid, NotARunId, Owner, RecordId, RunId, TenantId, UserId};
pub use page::{PageForm, Provenance, RawPage, framed_records, push_framed};
pub use slice::{SavedFile, Slice, SliceEnd, SliceId, SliceIds, SliceOutcome, SliceScope, UserEnd};
pub use table::{Column, ColumnType, SCHEMA_VERSION, Table};
pub use time::{Day, PartitionDay, Timestamp, Window};
pub use unknown_fields::UnknownFields;
pub use user::{UserProfile, UserStatus};
