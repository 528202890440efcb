//! Rows that are there twice, and rows in a partition that is not theirs.
//!
//! The keys of one partition are hashed and held. Where they would take more than they may, its files are read several
//! times, each time for a part of the hashes: memory stays bounded, and nothing depends on how a file is sorted.

use std::collections::BTreeMap;
use std::collections::hash_map::{Entry, HashMap};

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{ArrayRef, RecordBatch};
use arrow_row::{RowConverter, SortField};
use arrow_schema::ArrowError;
use object_store::ObjectMeta;
use object_store::path::Path;
use parquet::errors::ParquetError;
use promptlake_model::{PartitionDay, Table, Timestamp};
use xxhash_rust::xxh3::xxh3_128;

use super::Finding;
use super::files::unreadable;
use crate::account::Account;
use crate::columns::{Columns, read_footer};
use crate::error::LoadError;
use crate::lake::Means;

/// What a key takes in the map, the map's spare room included.
const KEY_BYTES: u64 = 64;

/// A file as readers of a glob find it.
struct File {
    path: Path,
    bytes: u64,
    rows: u64,
    named: bool,
}

/// One reading of a partition: the rows whose keys fall to it.
struct Pass {
    table: Table,
    day: PartitionDay,
    number: u64,
    passes: u64,
    converter: RowConverter,
    /// The file in which each key was first.
    keys: HashMap<u128, usize>,
    twice: u64,
    pair: Option<[usize; 2]>,
    /// Rows of another day, by file. Counted in the first pass alone.
    misplaced: BTreeMap<usize, u64>,
}

/// Reads the keys of every partition that was listed. What is in its place later is for the next time.
pub(super) async fn check(
    means: &Means,
    keys_bytes: usize,
    account: &Account,
    listed: &[ObjectMeta],
) -> Result<Vec<Finding>, LoadError> {
    let mut partitions: BTreeMap<(Table, PartitionDay), Vec<&ObjectMeta>> = BTreeMap::new();
    for object in listed.iter().filter(|object| object.location.as_ref().ends_with(".parquet")) {
        if let Some(partition) = partition_of(&object.location) {
            partitions.entry(partition).or_default().push(object);
        }
    }
    let mut findings = Vec::new();
    for ((table, day), objects) in partitions {
        let mut files = Vec::new();
        for object in objects {
            match look_at(means, account, object).await? {
                Ok(file) => files.push(file),
                Err(finding) => findings.push(finding),
            }
        }
        findings.extend(check_partition(means, keys_bytes, (table, day), files).await?);
    }
    Ok(findings)
}

fn partition_of(path: &Path) -> Option<(Table, PartitionDay)> {
    let mut parts = path.as_ref().split('/');
    let table = Table::from_name(parts.next()?)?;
    Some((table, PartitionDay::parse(parts.next()?.strip_prefix("date=")?)?))
}

/// A file and its rows. Of a foreign one only its footer tells, and one without breaks every reader of the table.
async fn look_at(
    means: &Means,
    account: &Account,
    object: &ObjectMeta,
) -> Result<Result<File, Finding>, LoadError> {
    let (path, bytes) = (object.location.clone(), object.size);
    if let Some(known) = account.files.get(path.as_ref()) {
        return Ok(Ok(File { path, bytes, rows: known.entry.rows, named: true }));
    }
    Ok(match read_footer(&means.store, &path, bytes).await {
        Ok(footer) => {
            let rows = footer.file_metadata().num_rows().unsigned_abs();
            Ok(File { path, bytes, rows, named: false })
        }
        Err(error) => Err(unreadable(path.to_string(), &error.into_finding()?)),
    })
}

async fn check_partition(
    means: &Means,
    keys_bytes: usize,
    (table, day): (Table, PartitionDay),
    files: Vec<File>,
) -> Result<Vec<Finding>, LoadError> {
    let rows: u64 = files.iter().map(|file| file.rows).sum();
    let passes = (rows * KEY_BYTES).div_ceil(keys_bytes.max(1) as u64).max(1);
    let (mut findings, mut twice, mut pair) = (Vec::new(), 0, None);
    for number in 0..passes {
        let failed = |source: ArrowError| LoadError::Sort { table, source };
        let mut pass = Pass::new((table, day), number, passes).map_err(failed)?;
        for (index, file) in files.iter().enumerate() {
            let (returned, result) = pass.read(means, index, file).await?;
            pass = returned;
            // What is wrong with a file that the ledger names was found by looking at it alone.
            if let Err(error) = result
                && number == 0
                && !file.named
            {
                findings.push(unreadable(file.path.to_string(), &error));
            }
        }
        twice += pass.twice;
        pair = pair.or(pass.pair);
        findings.extend(
            pass.misplaced
                .into_iter()
                .map(|(index, rows)| Finding::RowsMisplaced { path: files[index].path.to_string(), rows }),
        );
    }
    if let Some(pair) = pair {
        let paths = pair.map(|index| files[index].path.to_string());
        findings.push(Finding::RowsTwice { table, day, rows: twice, paths });
    }
    Ok(findings)
}

impl Pass {
    fn new((table, day): (Table, PartitionDay), number: u64, passes: u64) -> Result<Self, ArrowError> {
        let schema = table.schema();
        let fields = key_columns(table).map(|column| {
            let field = schema.field_with_name(column)?;
            Ok(SortField::new(field.data_type().clone()))
        });
        let converter = RowConverter::new(fields.collect::<Result<_, ArrowError>>()?)?;
        let (keys, misplaced) = (HashMap::new(), BTreeMap::new());
        Ok(Self { table, day, number, passes, converter, keys, twice: 0, pair: None, misplaced })
    }

    /// Reads a file to its end, or to where it can't be read.
    async fn read(
        mut self,
        means: &Means,
        index: usize,
        file: &File,
    ) -> Result<(Self, Result<(), ParquetError>), LoadError> {
        let names: Vec<&str> = key_columns(self.table).chain(["created_at"]).collect();
        let means_to_read = (&means.store, &means.pool);
        let mut columns = match Columns::open(means_to_read, &file.path, file.bytes, &names).await {
            Ok(columns) => columns,
            Err(error) => return Ok((self, Err(error.into_finding()?))),
        };
        loop {
            let batch = match columns.next().await {
                Ok(Some(batch)) => batch,
                Ok(None) => return Ok((self, Ok(()))),
                Err(error) => return Ok((self, Err(error.into_finding()?))),
            };
            let (returned, taken) = means
                .pool
                .run(move || {
                    let taken = self.take(index, &batch);
                    (self, taken)
                })
                .await?;
            self = returned;
            if let Err(error) = taken {
                return Ok((self, Err(error)));
            }
        }
    }

    fn take(&mut self, index: usize, batch: &RecordBatch) -> Result<(), ParquetError> {
        let column = |name: &str| {
            let found = batch.column_by_name(name).map(ArrayRef::clone);
            found.ok_or_else(|| ParquetError::General(format!("it has no column {name}")))
        };
        let columns: Vec<ArrayRef> = key_columns(self.table).map(column).collect::<Result<_, _>>()?;
        let rows = self.converter.convert_columns(&columns)?;
        for row in &rows {
            let key = xxh3_128(row.data());
            if key % u128::from(self.passes) != u128::from(self.number) {
                continue;
            }
            match self.keys.entry(key) {
                Entry::Vacant(free) => {
                    free.insert(index);
                }
                Entry::Occupied(first) => {
                    self.twice += 1;
                    self.pair.get_or_insert([*first.get(), index]);
                }
            }
        }
        if self.number == 0 {
            let misplaced = misplaced_rows(self.day, batch);
            if misplaced > 0 {
                *self.misplaced.entry(index).or_default() += misplaced;
            }
        }
        Ok(())
    }
}

/// The columns that no two rows of a table have in common: its order without what a record's key holds already.
fn key_columns(table: Table) -> impl Iterator<Item = &'static str> {
    const WITHIN_RECORD_ID: [&str; 3] = ["session_id", "created_at", "interaction_id"];
    table.sort_columns().iter().copied().filter(|column| !WITHIN_RECORD_ID.contains(column))
}

/// Rows that say another day than their partition. Those without a day lie where their version or id says, and what
/// is undated had reasons that only the run knew that wrote it.
fn misplaced_rows(day: PartitionDay, batch: &RecordBatch) -> u64 {
    let created = batch.column_by_name("created_at");
    let created = created.and_then(|column| column.as_primitive_opt::<TimestampMicrosecondType>());
    let (Some(created), PartitionDay::Day(day)) = (created, day) else { return 0 };
    created.iter().flatten().filter(|micros| Timestamp::from_micros(*micros).day() != day).count() as u64
}
