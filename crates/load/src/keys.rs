//! Looks up the keys of one user in published files: only the row groups that can hold him, only the key columns.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use object_store::path::Path;
use parquet::DecodeResult;
use parquet::arrow::ProjectionMask;
use parquet::arrow::push_decoder::ParquetPushDecoderBuilder;
use parquet::errors::ParquetError;
use parquet::file::metadata::{
    PageIndexPolicy, ParquetMetaData, ParquetMetaDataPushDecoder, RowGroupMetaData,
};
use promptlake_flow::ComputePool;
use promptlake_model::{Owner, PageBatch, RecordId, Table};

use crate::books::Books;
use crate::error::LoadError;
use crate::gate::{Gate, LookUp, WantedKeys};
use crate::lake::known_path;
use crate::record::FileEntry;
use crate::store::Store;

/// What is read of a file's end first: the footer of most files at once.
const TAIL_BYTES: u64 = 64 * 1024;

/// Rows decoded at once: small next to a row group.
const DECODE_ROWS: usize = 4096;

/// Where keys are looked up.
#[derive(Clone, Copy)]
pub(crate) struct KeyReader<'a> {
    pub(crate) store: &'a Store,
    pub(crate) pool: &'a ComputePool,
}

impl KeyReader<'_> {
    /// Lets the gate know the keys of a user and partition, or, where they are too many, those of the page.
    pub(crate) async fn tell_gate(
        self,
        gate: &mut Gate,
        books: &Books,
        look_up: &LookUp,
        page: &PageBatch,
    ) -> Result<(), LoadError> {
        let LookUp { owner, table, day } = *look_up;
        let files = books.files_of(table, day, owner);
        let mut keys = self.keys_in(&files, owner, &gate.wanted(look_up, page)).await?;
        if keys.is_none() {
            gate.no_room(look_up);
            keys = self.keys_in(&files, owner, &WantedKeys::of_page(look_up, page)).await?;
        }
        gate.learn(look_up, keys.unwrap_or_default());
        Ok(())
    }

    /// The keys of `owner` in published files of `interactions` or `rejects`; `None` where there are more than wanted.
    pub(crate) async fn keys_in(
        self,
        files: &[&FileEntry],
        owner: Owner,
        wanted: &WantedKeys,
    ) -> Result<Option<Vec<RecordId>>, LoadError> {
        let mut keys = Vec::new();
        for file in files {
            if !read_keys(self, file, owner, &mut Collected { wanted, keys: &mut keys }).await? {
                return Ok(None);
            }
        }
        Ok(Some(keys))
    }
}

/// What was found so far.
struct Collected<'a> {
    wanted: &'a WantedKeys,
    keys: &'a mut Vec<RecordId>,
}

impl Collected<'_> {
    /// Takes what is wanted of some keys. Whether there is still room.
    fn take(&mut self, found: impl Iterator<Item = RecordId>) -> bool {
        match self.wanted {
            WantedKeys::All { most } => {
                self.keys.extend(found);
                self.keys.len() <= *most
            }
            WantedKeys::These(wanted) => {
                self.keys.extend(found.filter(|key| wanted.contains(key)));
                true
            }
        }
    }
}

/// Whether there was room for all keys of the file. The run that publishes it may be putting it in its place just
/// now: then it is read where it was staged.
async fn read_keys(
    reader: KeyReader<'_>,
    file: &FileEntry,
    owner: Owner,
    collected: &mut Collected<'_>,
) -> Result<bool, LoadError> {
    for path in [&file.path, &file.staged, &file.path] {
        let path = known_path(path);
        if reader.store.head(&path).await?.is_none() {
            continue;
        }
        match read_keys_at(reader, &path, file, owner, collected).await {
            // Placed and deleted between two requests: it lies at its path by now.
            Err(LoadError::Store(error)) if error.is_not_found() => {}
            done => return done,
        }
    }
    Err(LoadError::PublishedGone { path: file.path.clone() })
}

async fn read_keys_at(
    reader: KeyReader<'_>,
    path: &Path,
    file: &FileEntry,
    owner: Owner,
    collected: &mut Collected<'_>,
) -> Result<bool, LoadError> {
    let KeyReader { store, pool } = reader;
    let table = file.table;
    let failed = move |source| LoadError::Parquet { table, source };
    let metadata = Arc::new(read_footer(store, path, file).await?);
    let user = owner.user.to_string();
    let row_groups: Vec<usize> =
        (0..metadata.num_row_groups()).filter(|index| may_hold(metadata.row_group(*index), &user)).collect();
    let builder = ParquetPushDecoderBuilder::try_new_decoder(metadata).map_err(failed)?;
    let columns = ["tenant_id", "user_id", key_column(table)];
    let projection = ProjectionMask::columns(builder.parquet_schema(), columns);
    let decoder =
        builder.with_projection(projection).with_row_groups(row_groups).with_batch_size(DECODE_ROWS);
    let mut decoder = decoder.build().map_err(failed)?;
    loop {
        let decoded = pool.run(move || {
            let result = decoder.try_decode();
            (decoder, result)
        });
        let (returned, result) = decoded.await?;
        decoder = returned;
        match result.map_err(failed)? {
            DecodeResult::NeedsData(ranges) => {
                let blocks = store.get_ranges(path, &ranges).await?;
                decoder.push_ranges(ranges, blocks).map_err(failed)?;
            }
            DecodeResult::Data(rows) => {
                if !collected.take(keys_of(&rows, owner, table).map_err(failed)?.into_iter()) {
                    return Ok(false);
                }
            }
            DecodeResult::Finished => return Ok(true),
        }
    }
}

async fn read_footer(store: &Store, path: &Path, file: &FileEntry) -> Result<ParquetMetaData, LoadError> {
    let failed = |source| LoadError::Parquet { table: file.table, source };
    let mut decoder = ParquetMetaDataPushDecoder::try_new(file.bytes)
        .map_err(failed)?
        .with_page_index_policy(PageIndexPolicy::Skip);
    let tail = file.bytes.saturating_sub(TAIL_BYTES)..file.bytes;
    let mut wanted: Vec<Range<u64>> = Vec::from([tail]);
    loop {
        let blocks = store.get_ranges(path, &wanted).await?;
        decoder.push_ranges(wanted, blocks).map_err(failed)?;
        match decoder.try_decode().map_err(failed)? {
            DecodeResult::NeedsData(ranges) => wanted = ranges,
            DecodeResult::Data(metadata) => return Ok(metadata),
            DecodeResult::Finished => {
                return Err(failed(ParquetError::General(format!("no footer in {path}"))));
            }
        }
    }
}

/// Rows are sorted by tenant and user, so few row groups can hold a user. Without statistics each of them can.
fn may_hold(row_group: &RowGroupMetaData, user: &str) -> bool {
    let column = row_group.columns().iter().find(|column| column.column_path().string() == "user_id");
    let Some(statistics) = column.and_then(|column| column.statistics()) else { return true };
    let (Some(min), Some(max)) = (statistics.min_bytes_opt(), statistics.max_bytes_opt()) else {
        return true;
    };
    min <= user.as_bytes() && user.as_bytes() <= max
}

const fn key_column(table: Table) -> &'static str {
    match table {
        Table::Rejects => "reject_id",
        _ => "record_id",
    }
}

/// A key that can't be read is an error: taken for unknown, its row would come twice.
fn keys_of(rows: &RecordBatch, owner: Owner, table: Table) -> Result<Vec<RecordId>, ParquetError> {
    let column = |name| {
        let found = rows.column_by_name(name).and_then(|column| column.as_string_opt::<i32>());
        found.ok_or_else(|| ParquetError::General(format!("there is no text column {name}")))
    };
    let (tenants, users, keys) = (column("tenant_id")?, column("user_id")?, column(key_column(table))?);
    let (tenant, user) = (owner.tenant.to_string(), owner.user.to_string());
    let own = (0..rows.num_rows()).filter(|row| users.value(*row) == user && tenants.value(*row) == tenant);
    let key = |row| {
        let text = keys.value(row);
        RecordId::parse(text).ok_or_else(|| ParquetError::General(format!("{text:?} is no key")))
    };
    own.map(key).collect()
}
