//! Rows of pages to published Parquet files, exactly once, for readers who only glob.
//!
//! ```text
//! gate ─▶ gather ─▶ segment ─▶ commit ─▶ merge ─▶ publish
//! ```
//!
//! Segments and one ledger record, made by a conditional put, make rows and watermark durable together. A merge and a
//! second record make them visible by renames. A run that starts finishes what the ledger says and deletes what
//! nobody named. A crash at any instant leaves each record exactly once after the next run.

mod account;
mod audit;
mod book_rows;
mod books;
mod checkpoint;
mod columns;
mod compact;
mod encode;
mod error;
mod failpoint;
mod files;
mod gate;
mod gather;
mod heartbeat;
mod intervals;
mod keys;
mod lake;
mod late;
mod layout;
mod ledger;
mod loader;
mod merge;
mod merge_memory;
mod progress;
mod publish;
mod raw_table;
mod record;
mod recover;
mod report;
mod rows;
mod sample;
mod segment;
mod shard;
mod sorted;
mod stage;
mod status;
mod store;
mod user_books;
mod verify;

pub use audit::{Audited, Auditor};
pub use books::{Books, Wanted, WantedStart};
pub use encode::FileCompression;
pub use error::LoadError;
#[cfg(feature = "failpoints")]
pub use failpoint::NAMES as FAILPOINTS;
pub use heartbeat::HeartbeatError;
pub use lake::{LakeSettings, Means, Run};
pub use late::Lacking;
pub use layout::tables_with_files;
pub use ledger::LedgerError;
pub use loader::{Loaded, Loader, Loading};
pub use merge::MergeError;
pub use raw_table::{RawRecords, RawTable, RawTableError, RecordGroup};
pub use record::RecordError;
pub use report::keep_report;
pub use sample::{Draw, SampleSize};
pub use segment::SegmentError;
pub use shard::{NotAShard, Scope, Shard};
pub use status::{
    CoverageStatus, HeartbeatStatus, Lag, RunRecords, RunState, RunStatus, Status, TableStatus, UsersStatus,
    status,
};
pub use store::{
    Created, ObjectWriter, OpenError, OptionFault, ProbeError, ProbeStep, Provider, RemoteUrl, ServerFault,
    Store, StoreError, StoreLocation, StoreSettings, UrlFault,
};
pub use verify::{Finding, Verification, VerifySettings, verify};
