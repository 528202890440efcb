//! The reports of runs, beside the ledger: each an object of its own, written once, when its run has ended.
//!
//! They take no part in the protocol. No run lists or reads them, and recovery leaves them alone: a lake has one for each
//! run that ever ended, some kilobytes each, until somebody deletes them.

use bytes::Bytes;
use promptlake_model::RunId;

use crate::layout;
use crate::store::{Store, StoreError};

/// Puts the report of a run in its place in the lake.
pub async fn keep_report(store: &Store, run: &RunId, report: Vec<u8>) -> Result<(), StoreError> {
    store.replace(&layout::report(run), Bytes::from(report)).await
}
