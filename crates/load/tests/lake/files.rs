//! What published files are: as many as their bytes ask for, and written as their readers read them best.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::common::{DAY_MICROS, Plan, START_MICROS, held, open, owner, slice, user_end};
use arrow_array::{ArrayRef, RecordBatch, StringArray, TimestampMicrosecondArray, new_null_array};
use bytes::Bytes;
use futures::TryStreamExt;
use object_store::memory::InMemory;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::basic::{Compression, Encoding};
use parquet::file::metadata::{ColumnChunkMetaData, KeyValue, ParquetMetaData, ParquetMetaDataReader};
use promptlake_flow::channel;
use promptlake_load::{Loading, Store};
use promptlake_model::{
    PageBatch, PageReading, PartitionDay, RecordId, RecordKey, SCHEMA_VERSION, Slice, Table, TableRows,
    Timestamp,
};

/// The rows of a page of [`text_page`].
const PAGE_ROWS: u64 = 200;

/// Rows handed to a file at once, in bytes: what it may go beyond its row groups, as long as no single row is larger.
const BATCH_BYTES: u64 = 256 * 1024;

/// What a run writes: days, pages a day, and bytes of each row's text.
#[derive(Debug, Clone, Copy)]
struct Scene {
    days: u32,
    pages_a_day: u32,
    text_bytes: usize,
    gather_bytes: usize,
    target_bytes: usize,
}

/// Rows of one day whose texts don't compress.
fn text_page(slice: &Arc<Slice>, index: u32, scene: Scene) -> PageBatch {
    let day = i64::from(index % scene.days);
    let created = Timestamp::from_micros(START_MICROS + day * DAY_MICROS);
    let ids: Vec<RecordId> =
        (0..PAGE_ROWS).map(|row| RecordId(mixed(u128::from(u64::from(index) * PAGE_ROWS + row)))).collect();
    let text = |id: &RecordId| -> String {
        let parts = (0_u128..).map(|part| format!("{:032x}", mixed(part ^ id.0)));
        let mut text: String = parts.take(scene.text_bytes.div_ceil(32)).collect();
        text.truncate(scene.text_bytes);
        text
    };
    let strings = |value: &dyn Fn(&RecordId) -> String| -> ArrayRef {
        Arc::new(StringArray::from(ids.iter().map(value).collect::<Vec<_>>()))
    };
    let instants = |micros| -> ArrayRef {
        Arc::new(TimestampMicrosecondArray::from(vec![micros; ids.len()]).with_timezone("UTC"))
    };
    let (table, owner) = (Table::Interactions, owner(1));
    let schema = table.schema();
    let column = |field: &Arc<arrow_schema::Field>| match field.name().as_str() {
        "tenant_id" => strings(&|_| owner.tenant.to_string()),
        "user_id" => strings(&|_| owner.user.to_string()),
        "record_id" | "session_id" | "interaction_id" | "request_id" => strings(&RecordId::to_string),
        "body_content" => strings(&text),
        "created_at" => instants(created.micros()),
        "run_id" => strings(&|_| "r".into()),
        "extracted_at" => instants(START_MICROS),
        _ => new_null_array(field.data_type(), ids.len()),
    };
    let batch = RecordBatch::try_new(schema.clone(), schema.fields().iter().map(column).collect()).unwrap();
    let day = PartitionDay::Day(created.day());
    let ends = (1..=u32::try_from(PAGE_ROWS).unwrap()).collect();
    PageBatch {
        slice: Arc::clone(slice),
        owner,
        index,
        reading: PageReading::Read,
        records: ids.iter().map(|id| RecordKey { id: *id, day, created_at: None }).collect(),
        rejects: Vec::new(),
        unknown_fields: promptlake_model::UnknownFields::default(),
        lost_markers: 0,
        tables: vec![TableRows { table, batch, ends }],
    }
}

/// Sixteen bytes that differ from those of every other number.
fn mixed(number: u128) -> u128 {
    let step = |state: u128| {
        let state = state.wrapping_mul(0x2360_ed05_1fc6_5da4_4385_df64_9fcc_f645).wrapping_add(0x9e37_79b9);
        state ^ (state >> 61)
    };
    step(step(step(number.wrapping_add(1))))
}

/// Every published object of a lake that a scene was written to.
async fn published(scene: Scene) -> BTreeMap<String, Bytes> {
    let objects = Arc::new(InMemory::new());
    let (gather_bytes, target_file_bytes) = (scene.gather_bytes, scene.target_bytes);
    let plan = Plan { gather_bytes, target_file_bytes, ..Plan::new(1, [1]) };
    let loader = open(Store::new(Arc::clone(&objects) as _), &plan).await.unwrap();
    let (sender, receiver) = channel(1);
    let feed = async move {
        let slice = slice(0, 1);
        for index in 0..scene.days * scene.pages_a_day {
            sender.send(held(text_page(&slice, index, scene)).await).await.unwrap();
        }
        sender.send(Loading::UserEnd(user_end(1, scene.days * scene.pages_a_day))).await.unwrap();
    };
    let (loaded, ()) = tokio::join!(loader.run(receiver, drop), feed);
    loaded.unwrap();
    let listed: Vec<_> = objects.list(None).try_collect().await.unwrap();
    let mut published = BTreeMap::new();
    for object in listed.iter().filter(|object| object.location.as_ref().ends_with(".parquet")) {
        let body = objects.get(&object.location).await.unwrap().bytes().await.unwrap();
        published.insert(object.location.to_string(), body);
    }
    published
}

fn footer(file: &Bytes) -> ParquetMetaData {
    ParquetMetaDataReader::new().parse_and_finish(file).unwrap()
}

#[tokio::test]
async fn files_are_as_many_as_their_bytes_ask_for_and_no_larger_than_a_row_group_beyond_the_target() {
    const MIB: usize = 1 << 20;
    let once = Scene { days: 1, pages_a_day: 1, text_bytes: 100, gather_bytes: 1 << 30, target_bytes: MIB };
    for scene in [
        once,
        Scene { pages_a_day: 30, text_bytes: 1_000, ..once },
        Scene { pages_a_day: 30, text_bytes: 1_000, gather_bytes: MIB, ..once },
        Scene { pages_a_day: 40, text_bytes: 30, gather_bytes: MIB, target_bytes: 100_000, ..once },
        Scene { days: 3, pages_a_day: 4, text_bytes: 5_000, target_bytes: 3 * MIB, ..once },
        Scene { days: 400, gather_bytes: 4 * MIB, ..once },
        Scene { pages_a_day: 1, text_bytes: 100_000, gather_bytes: 4 * MIB, target_bytes: 4 * MIB, ..once },
    ] {
        let mut sizes: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        for (path, body) in published(scene).await {
            let (directory, _) = path.rsplit_once('/').unwrap();
            sizes.entry(directory.to_owned()).or_default().push(body.len() as u64);
        }
        assert_eq!(sizes.keys().filter(|path| path.starts_with("interactions")).count(), scene.days as usize);
        let target = scene.target_bytes as u64;
        for (directory, files) in sizes {
            let most = files.iter().sum::<u64>().div_ceil(target) + 1;
            assert!(files.len() as u64 <= most, "{scene:?}: {directory} has {files:?}");
            let largest = files.iter().max().unwrap();
            assert!(*largest <= target + target / 4 + BATCH_BYTES, "{scene:?}: {directory} has {files:?}");
        }
    }
}

#[tokio::test]
async fn the_same_rows_give_the_same_files_however_threads_are_scheduled() {
    let scene =
        Scene { days: 5, pages_a_day: 5, text_bytes: 500, gather_bytes: 1 << 20, target_bytes: 1 << 18 };
    assert_eq!(published(scene).await, published(scene).await);
}

#[tokio::test]
async fn files_say_what_they_are_and_are_written_as_readers_read_them_best() {
    let scene =
        Scene { days: 2, pages_a_day: 20, text_bytes: 1_000, gather_bytes: 1 << 20, target_bytes: 1 << 22 };
    let mut tables = Vec::new();
    for (path, body) in published(scene).await {
        let table = Table::from_name(path.split('/').next().unwrap()).unwrap();
        tables.push(table);
        let metadata = footer(&body);
        let file = metadata.file_metadata();
        assert!(file.created_by().is_some_and(|tool| tool.starts_with("promptlake ")), "{path}");
        assert_says_what_it_is(table, file.key_value_metadata().unwrap());
        for row_group in metadata.row_groups() {
            assert!(row_group.compressed_size().unsigned_abs() <= (1 << 20) + BATCH_BYTES, "{path}");
            let sorted_by: Vec<String> = row_group
                .sorting_columns()
                .unwrap()
                .iter()
                .map(|sorting| row_group.column(usize::try_from(sorting.column_idx).unwrap()))
                .map(|column| column.column_path().string())
                .collect();
            assert_eq!(sorted_by, table.sort_columns());
            row_group.columns().iter().for_each(assert_well_written);
        }
    }
    tables.dedup();
    assert_eq!(tables, [Table::Interactions, Table::Users]);
}

fn assert_says_what_it_is(table: Table, metadata: &[KeyValue]) {
    let said: BTreeMap<&str, &str> =
        metadata.iter().map(|entry| (entry.key.as_str(), entry.value.as_deref().unwrap())).collect();
    assert_eq!(said["promptlake.schema_version"], SCHEMA_VERSION.to_string());
    assert_eq!(said["promptlake.table"], table.name());
    assert!(said["promptlake.run_id"].ends_with("-0000000000000001"));
    assert!(said["promptlake.tool"].starts_with("promptlake "));
    assert!(said["promptlake.after_record"].parse::<u64>().is_ok());
}

fn assert_well_written(column: &ColumnChunkMetaData) {
    let name = column.column_path().string();
    assert!(matches!(column.compression(), Compression::ZSTD(_)), "{name}");
    if matches!(name.as_str(), "body_content" | "text" | "model_text") {
        let dictionary = [Encoding::PLAIN_DICTIONARY, Encoding::RLE_DICTIONARY];
        assert!(column.encodings().all(|encoding| !dictionary.contains(&encoding)), "{name}");
        assert!(column.statistics().is_none_or(|statistics| statistics.min_bytes_opt().is_none()), "{name}");
    }
    let is_looked_up = matches!(
        name.as_str(),
        "user_id" | "record_id" | "session_id" | "interaction_id" | "request_id" | "reject_id"
    );
    assert_eq!(column.bloom_filter_offset().is_some(), is_looked_up, "{name}");
    if is_looked_up {
        // Twenty bits a value at most, and a header: a file of few rows has next to no filter.
        let values = column.num_values().unsigned_abs();
        let filter_bytes = column.bloom_filter_length().unwrap().unsigned_abs();
        assert!(
            u64::from(filter_bytes) <= 64 + values * 20 / 8,
            "{name}: {filter_bytes} for {values} values"
        );
    }
}
