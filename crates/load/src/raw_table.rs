//! The table `raw` of a lake, read again: what every other table can be made from.

use std::collections::VecDeque;

use arrow_array::cast::AsArray as _;
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{Array as _, RecordBatch, StringArray};
use bytes::Bytes;
use object_store::path::Path;
use promptlake_flow::ComputePool;
use promptlake_model::{
    Owner, Provenance, RunId, SavedFile, Table, TenantId, Timestamp, UserId, push_framed,
};

use crate::columns::Columns;
use crate::lake::known_path;
use crate::store::{Store, StoreError};

/// What is read of a row.
const COLUMNS: [&str; 6] = ["tenant_id", "user_id", "json", "json_bytes", "run_id", "extracted_at"];

/// Bytes of records that are given at once, a longer record aside: about as much as a page of Graph.
const GROUP_BYTES: usize = 256 * 1024;

/// The table `raw` of a lake could not be read.
#[derive(Debug, thiserror::Error)]
pub enum RawTableError {
    /// The store failed.
    #[error("find the files of the table raw")]
    List(#[source] StoreError),
    /// There is no such table.
    #[error("read the table raw, of which this lake has no file")]
    NoTable,
    /// A file could not be read.
    #[error("read {path}")]
    File {
        /// Which.
        path: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Records of one user that one run had read, side by side.
#[derive(Debug, PartialEq, Eq)]
pub struct RecordGroup {
    /// Whose they are.
    pub owner: Owner,
    /// Who read them, and when.
    pub provenance: Provenance,
    /// They, in the form [`promptlake_model::PageForm::Framed`].
    pub framed: Bytes,
    /// How many they are.
    pub count: u64,
}

/// The table `raw` of a lake.
#[derive(Debug, Clone)]
pub struct RawTable {
    store: Store,
    pool: ComputePool,
}

impl RawTable {
    /// The table of the lake in a store. Nothing is read yet.
    #[must_use]
    pub const fn new(store: Store, pool: ComputePool) -> Self {
        Self { store, pool }
    }

    /// Its files, sorted by path; at least one.
    pub async fn files(&self) -> Result<Vec<SavedFile>, RawTableError> {
        let found = self.store.list(&Path::from(Table::Raw.name())).await.map_err(RawTableError::List)?;
        let published = found.into_iter().filter(|object| object.location.extension() == Some("parquet"));
        let mut files: Vec<SavedFile> = published
            .map(|object| SavedFile {
                path: object.location.to_string(),
                bytes: object.size,
                etag: object.e_tag.unwrap_or_else(|| object.last_modified.timestamp_micros().to_string()),
            })
            .collect();
        files.sort();
        if files.is_empty() { Err(RawTableError::NoTable) } else { Ok(files) }
    }

    /// Begins to read a file.
    pub async fn read(&self, file: &SavedFile) -> Result<RawRecords, RawTableError> {
        let path = file.path.clone();
        let means = (&self.store, &self.pool);
        match Columns::open(means, &known_path(&path), file.bytes, &COLUMNS).await {
            Ok(columns) => Ok(RawRecords { path, columns, groups: VecDeque::new() }),
            Err(error) => Err(failed(&path, error)),
        }
    }
}

/// The records of a file, in its order.
pub struct RawRecords {
    path: String,
    columns: Columns,
    groups: VecDeque<RecordGroup>,
}

impl RawRecords {
    /// The most bytes that are held to read on: a row group of the columns, compressed.
    #[must_use]
    pub fn held_bytes_max(&self) -> usize {
        self.columns.row_group_bytes_max()
    }

    /// The next records; none at the end.
    pub async fn next(&mut self) -> Result<Option<RecordGroup>, RawTableError> {
        while self.groups.is_empty() {
            let next = self.columns.next().await.map_err(|error| failed(&self.path, error))?;
            let Some(rows) = next else { return Ok(None) };
            self.groups = groups(&rows).map_err(|error| failed(&self.path, error))?.into();
        }
        Ok(self.groups.pop_front())
    }
}

fn failed(path: &str, error: impl std::error::Error + Send + Sync + 'static) -> RawTableError {
    RawTableError::File { path: path.to_owned(), source: Box::new(error) }
}

/// A row is not as the table's are.
#[derive(Debug, thiserror::Error)]
#[error("the column {column} is missing, or holds what the table raw can't")]
struct OddColumn {
    column: &'static str,
}

/// The columns of rows, each of its type.
struct RawColumns<'a> {
    tenant_id: &'a StringArray,
    user_id: &'a StringArray,
    json: &'a StringArray,
    rows: &'a RecordBatch,
    run_id: &'a StringArray,
}

impl<'a> RawColumns<'a> {
    fn of(rows: &'a RecordBatch) -> Result<Self, OddColumn> {
        let text = |column| {
            let found = rows.column_by_name(column).and_then(|array| array.as_string_opt::<i32>());
            found.ok_or(OddColumn { column })
        };
        Ok(Self {
            tenant_id: text("tenant_id")?,
            user_id: text("user_id")?,
            json: text("json")?,
            run_id: text("run_id")?,
            rows,
        })
    }

    /// Whose a record is and who read it.
    fn keys(&self, row: usize) -> Result<(Owner, Provenance), OddColumn> {
        let odd = |column| move || OddColumn { column };
        let tenant =
            TenantId::parse(self.tenant_id.value(row)).map_err(|_| OddColumn { column: "tenant_id" })?;
        let user = UserId::parse(self.user_id.value(row)).map_err(|_| OddColumn { column: "user_id" })?;
        let run_id = RunId::parse(self.run_id.value(row)).ok_or_else(odd("run_id"))?;
        let instants = self.rows.column_by_name("extracted_at");
        let instants = instants.and_then(|array| array.as_primitive_opt::<TimestampMicrosecondType>());
        let extracted_at = Timestamp::from_micros(instants.ok_or_else(odd("extracted_at"))?.value(row));
        Ok((Owner { tenant, user }, Provenance { run_id, extracted_at }))
    }

    /// The record as it was received.
    fn record(&self, row: usize) -> &[u8] {
        let exact = self.rows.column_by_name("json_bytes").and_then(|array| array.as_binary_opt::<i32>());
        match exact.filter(|bytes| bytes.is_valid(row)) {
            Some(bytes) => bytes.value(row),
            None => self.json.value(row).as_bytes(),
        }
    }
}

fn groups(rows: &RecordBatch) -> Result<Vec<RecordGroup>, OddColumn> {
    let columns = RawColumns::of(rows)?;
    let mut groups = Vec::new();
    let mut open: Option<((Owner, Provenance), Vec<u8>, u64)> = None;
    let mut close = |open: Option<((Owner, Provenance), Vec<u8>, u64)>| {
        groups.extend(open.map(|((owner, provenance), framed, count)| RecordGroup {
            owner,
            provenance,
            framed: Bytes::from(framed),
            count,
        }));
    };
    for row in 0..rows.num_rows() {
        let (keys, record) = (columns.keys(row)?, columns.record(row));
        let fits = |(others, framed, _): &((Owner, Provenance), Vec<u8>, u64)| {
            *others == keys && framed.len() + record.len() <= GROUP_BYTES
        };
        let (keys, mut framed, count) = match open.take() {
            Some(same) if fits(&same) => same,
            other => {
                close(other);
                (keys, Vec::new(), 0)
            }
        };
        push_framed(&mut framed, record);
        open = Some((keys, framed, count + 1));
    }
    close(open);
    Ok(groups)
}
